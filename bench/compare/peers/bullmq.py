"""BullMQ for Python: one asyncio worker with a concurrency, results in the job."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from bullmq import Job, Queue, QueueEvents, Worker

from bench.compare import work
from bench.compare.adapter import SLOTS, URL, WORK, Adapter, Payload, use_uvloop

QUEUE = "compare"
PATIENT = {"connection": URL}


async def run(job: Job, _: str) -> int:
    """Run a job."""
    return await work.run_async(job.data)


class Bullmq(Adapter):
    """``add``, ``addBulk`` and the event of the end of a job."""

    packages = ("bullmq", "redis", "hiredis", "uvloop")
    is_async = True
    has_batch = True

    async def open(self) -> None:
        self.queue = Queue(QUEUE, PATIENT)
        self.ended: dict[str, asyncio.Future[Any]] = {}
        self.events = None
        if WORK in ("round_trip", "loaded", "check"):
            self.events = QueueEvents(QUEUE, {**PATIENT, "lastEventId": "0"})
            self.events.on("completed", self._completed)

    def _completed(self, event: dict[str, Any], *_: Any) -> None:
        self._future(event["jobId"]).set_result(event["returnvalue"])

    def _future(self, job_id: str) -> asyncio.Future[Any]:
        if job_id not in self.ended:
            self.ended[job_id] = asyncio.get_running_loop().create_future()
        return self.ended[job_id]

    async def close(self) -> None:
        if self.events is not None:
            await self.events.close()
        await self.queue.close()

    async def submit(self, payload: Payload) -> Any:
        return await self.queue.add("work", payload)

    async def submit_batch(self, payloads: list[Payload]) -> list[Any]:
        return await self.queue.addBulk([{"name": "work", "data": payload} for payload in payloads])

    async def wait(self, handle: Any, timeout_seconds: float) -> Any:
        result = await asyncio.wait_for(self._future(handle.id), timeout_seconds)
        del self.ended[handle.id]
        return result

    @staticmethod
    def worker(index: int) -> list[str]:
        return [sys.executable, "-m", __name__]


async def serve() -> None:
    """Run a worker until the process is ended."""
    Worker(QUEUE, run, {**PATIENT, "concurrency": SLOTS})
    await asyncio.Event().wait()


ADAPTER = Bullmq

if __name__ == "__main__":
    with asyncio.Runner(loop_factory=use_uvloop()) as runner:
        runner.run(serve())
