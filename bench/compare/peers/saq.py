"""SAQ: one asyncio worker. With retries it runs the task of a dead worker again, as documented."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from saq import Job, Queue

from bench.compare import work
from bench.compare.adapter import SLOTS, URL, Adapter, Payload, program

queue = Queue.from_url(URL)


async def run(_: dict[str, Any], *, payload: Payload) -> int:
    """Run a task."""
    return await work.run_async(payload)


settings = {"queue": queue, "functions": [("run", run)], "concurrency": SLOTS}


class Saq(Adapter):
    """``enqueue`` and ``refresh``, which listens for the end of the job."""

    packages = ("saq", "redis", "hiredis", "uvloop")
    is_async = True

    async def open(self) -> None:
        await queue.connect()

    async def close(self) -> None:
        await queue.disconnect()

    async def submit(self, payload: Payload) -> Any:
        return await queue.enqueue(Job("run", kwargs={"payload": payload}, retries=3))

    async def wait(self, handle: Any, timeout_seconds: float) -> Any:
        until = time.monotonic() + timeout_seconds
        while not handle.completed and time.monotonic() < until:
            # it subscribes after it has looked: an end in between is found by looking again, as `apply` does each 0.5 s
            with contextlib.suppress(asyncio.TimeoutError):
                await handle.refresh(until_complete=0.5)
        return handle.result

    @staticmethod
    def worker(index: int) -> list[str]:
        return [program("saq"), f"{__name__}.settings", "--quiet"]


ADAPTER = Saq
