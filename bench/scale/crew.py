"""Workers in a process of their own: ``python -m bench.scale.crew URL PREFIX ENGINES|drain``."""

from __future__ import annotations

import sys
import threading

from taskq import TaskQueue, TaskWorker
from taskq.registry import Registry
from taskq.settings import Settings
from taskq.worker.engine import Engine, EngineOptions
from taskq.worker.guards import ThreadGuard
from taskq.worker.options import WorkerOptions


def wait(queue: TaskQueue, engines: int) -> None:
    """Let so many engines wait for tasks until the standard input ends; one guardian beats for all of them."""
    registry = Registry()
    registry.register("noop", lambda task: None)
    guard = ThreadGuard(queue)
    crew = [Engine(queue, registry, EngineOptions(WorkerOptions().lists, 1), guard) for _ in range(engines)]
    threads = [threading.Thread(target=engine.run) for engine in crew]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    for engine in crew:
        engine.stop()
    for thread in threads:
        thread.join()
    guard.close()


def drain(queue: TaskQueue) -> None:
    """Say that it is ready, wait for a line, run what is there, and say that it is done."""
    worker = TaskWorker(queue, concurrency=32)
    worker.register_handler("noop", lambda task: None)
    worker.run_until_empty()  # connected, and everything is imported
    print("ready", flush=True)
    sys.stdin.readline()
    worker.run_until_empty()
    print("done", flush=True)


def main(url: str, prefix: str, what: str) -> None:
    """Be a crew."""
    queue = TaskQueue(settings=Settings(redis_url=url, prefix=prefix, embedded=False))
    if what == "drain":
        drain(queue)
    else:
        wait(queue, int(what))


if __name__ == "__main__":
    main(*sys.argv[1:])
