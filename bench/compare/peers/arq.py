"""arq: one asyncio worker; results are kept by default, and ``Job.result`` polls."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from arq import create_pool, run_worker
from arq.connections import RedisSettings

from bench.compare import work
from bench.compare.adapter import SLOTS, URL, Adapter, Payload, use_uvloop

REDIS = RedisSettings.from_dsn(URL)


async def run(_: dict[str, Any], payload: Payload) -> int:
    """Run a task."""
    return await work.run_async(payload)


class Arq(Adapter):
    """``enqueue_job`` and ``result`` with its poll of half a second, the default."""

    packages = ("arq", "redis", "hiredis", "uvloop")
    is_async = True

    async def open(self) -> None:
        self.pool = await create_pool(REDIS)

    async def close(self) -> None:
        await self.pool.aclose()

    async def submit(self, payload: Payload) -> Any:
        return await self.pool.enqueue_job("run", payload)

    async def wait(self, handle: Any, timeout_seconds: float) -> Any:
        return await handle.result(timeout=timeout_seconds)

    @staticmethod
    def worker(index: int) -> list[str]:
        return [sys.executable, "-m", __name__]


ADAPTER = Arq

if __name__ == "__main__":
    asyncio.set_event_loop((use_uvloop() or asyncio.new_event_loop)())
    run_worker({"functions": [run], "redis_settings": REDIS, "max_jobs": SLOTS, "log_results": False})
