"""RQ: ``rq worker``, one process per task or, as its documentation offers for short tasks, ``SimpleWorker``."""

from __future__ import annotations

from typing import Any

from redis import Redis
from rq import Queue, Retry

from bench.compare import work
from bench.compare.adapter import URL, VARIANT, Adapter, Payload, program

TIMES = 3


class Rq(Adapter):
    """Jobs with ``Retry``: without it an abandoned job is failed, not run again."""

    packages = ("rq", "redis", "hiredis")
    has_batch = True

    async def open(self) -> None:
        self.queue = Queue(connection=Redis.from_url(URL))

    async def close(self) -> None:
        self.queue.connection.close()

    async def submit(self, payload: Payload) -> Any:
        return self.queue.enqueue(work.run, payload, retry=Retry(max=TIMES))

    async def submit_batch(self, payloads: list[Payload]) -> list[Any]:
        return self.queue.enqueue_many(
            [Queue.prepare_data(work.run, (payload,), retry=Retry(max=TIMES)) for payload in payloads]
        )

    async def wait(self, handle: Any, timeout_seconds: float) -> Any:
        return handle.latest_result(timeout=int(timeout_seconds)).return_value

    @staticmethod
    def worker(index: int) -> list[str]:
        kind = {"simple": "rq.worker.SimpleWorker", "fork": "rq.worker.Worker"}[VARIANT["worker"]]
        return [program("rq"), "worker", "--url", URL, "--quiet", "--worker-class", kind, "default"]


ADAPTER = Rq
