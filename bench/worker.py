"""A worker in a process of its own: ``python -m bench.worker URL PREFIX``; it ends with its standard input."""

from __future__ import annotations

import sys
import threading

from taskq import TaskQueue, TaskWorker
from taskq.settings import Settings


def main(url: str, prefix: str) -> None:
    """Run no-op tasks until the standard input is closed."""
    worker = TaskWorker(TaskQueue(settings=Settings(redis_url=url, prefix=prefix)))
    worker.register_handler("noop", lambda task: None)
    threading.Thread(target=lambda: (sys.stdin.read(), worker.stop()), daemon=True).start()
    worker.start()


if __name__ == "__main__":
    main(*sys.argv[1:])
