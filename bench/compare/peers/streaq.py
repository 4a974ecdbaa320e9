"""streaq: one asyncio worker on Redis streams."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

from streaq import Worker

from bench.compare import work
from bench.compare.adapter import SLOTS, URL, Adapter, Payload, program

worker = Worker(redis_url=URL, concurrency=SLOTS, anyio_kwargs={"use_uvloop": True})


@worker.task(name="work", silent=True)
async def run(payload: Payload) -> int:
    """Run a task."""
    return await work.run_async(payload)


class Streaq(Adapter):
    """``enqueue``, ``enqueue_many`` and ``result``, which listens."""

    packages = ("streaq", "coredis", "uvloop")
    is_async = True
    has_batch = True

    async def open(self) -> None:
        self.stack = AsyncExitStack()
        await self.stack.enter_async_context(worker)

    async def close(self) -> None:
        await self.stack.aclose()

    async def submit(self, payload: Payload) -> Any:
        return await run.enqueue(payload)

    async def submit_batch(self, payloads: list[Payload]) -> list[Any]:
        tasks = [run.enqueue(payload) for payload in payloads]
        await worker.enqueue_many(tasks)
        return tasks

    async def wait(self, handle: Any, timeout_seconds: float) -> Any:
        return (await handle.result(timeout=int(timeout_seconds))).result

    @staticmethod
    def worker(index: int) -> list[str]:
        return [program("streaq"), "run", f"{__name__}:worker"]


ADAPTER = Streaq
