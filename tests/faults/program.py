"""A program of a user with a worker inside: ``python -m tests.faults.program start|run_until_empty``."""

from __future__ import annotations

import json
import logging
import sys

from taskq import TaskQueue, TaskWorker
from tests.faults import workload


def main(verb: str) -> None:
    logging.basicConfig(level="INFO", format="%(levelname)s %(message)s")
    worker = TaskWorker(TaskQueue(), concurrency=2)
    workload.register(worker)
    print("begun", flush=True)
    try:
        counts = getattr(worker, verb)()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    else:
        print("counts", json.dumps(counts), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
