"""TaskTiger: no results. It forks per task, or runs tasks in the worker with ``--executor sync``."""

from __future__ import annotations

from typing import Any

import redis
from tasktiger import TaskTiger

from bench.compare import work
from bench.compare.adapter import URL, VARIANT, Adapter, Payload, program

tiger = TaskTiger(connection=redis.Redis.from_url(URL, decode_responses=True), setup_structlog=True)


@tiger.task()
def run(payload: Payload) -> None:
    """Run a task."""
    work.run(payload)


class Tasktiger(Adapter):
    """``delay``; there is no call for a batch, and no result to wait for."""

    packages = ("tasktiger", "redis", "hiredis")
    has_results = False

    async def submit(self, payload: Payload) -> Any:
        return tiger.delay(run, args=(payload,))

    @staticmethod
    def worker(index: int) -> list[str]:
        return [program("python"), "-m", __name__, "--executor", VARIANT["executor"]]


ADAPTER = Tasktiger

if __name__ == "__main__":
    # the documented way to run a worker with a configuration of one's own
    tiger.run_worker_with_args(["--executor", VARIANT["executor"]])
