"""taskq itself: ``taskq worker`` as users start it, plain handlers on threads or async handlers on the event loop."""

from __future__ import annotations

import sys
from typing import Any

from bench.compare import work
from bench.compare.adapter import SLOTS, URL, VARIANT, WORK, Adapter, Payload
from taskq import AsyncTaskQueue, Task, TaskQueue, TaskWorker
from taskq.settings import Settings

SETTINGS = Settings(redis_url=URL)


def plain(task: Task) -> int:
    """Run a task on a thread."""
    return work.run(task.payload)


async def on_loop(task: Task) -> int:
    """Run a task on the event loop."""
    return await work.run_async(task.payload)


def register(worker: TaskWorker) -> None:
    """Tell the worker its one handler."""
    worker.register_handler("work", on_loop if VARIANT.get("handler") == "async" else plain)


def task_of(payload: Payload) -> Task:
    """Return the task of a payload."""
    return Task(task_type="work", payload=payload)


class Taskq(Adapter):
    """The blocking client; the async one where many submits are made at once."""

    packages = ("redis", "hiredis", "uvloop")
    is_async = True
    has_batch = True

    async def open(self) -> None:
        self.queue = TaskQueue(settings=SETTINGS)
        self.aio = AsyncTaskQueue(settings=SETTINGS) if WORK == "together" else None

    async def close(self) -> None:
        self.queue.close()
        if self.aio is not None:
            await self.aio.close()

    async def submit(self, payload: Payload) -> str:
        if self.aio is not None:
            return await self.aio.submit_task(task_of(payload))
        return self.queue.submit_task(task_of(payload))

    async def submit_batch(self, payloads: list[Payload]) -> list[Any]:
        return self.queue.submit_batch([task_of(payload) for payload in payloads])

    async def wait(self, handle: str, timeout_seconds: float) -> Any:
        return self.queue.wait_for_result(handle, timeout_seconds)["result"]

    @staticmethod
    def worker(index: int) -> list[str]:
        handlers = f"{__name__}:register"
        flags = ["--concurrency", str(SLOTS), "--handlers", handlers, "--redis-url", URL]
        processes = ["--processes", str(VARIANT["processes"])] if "processes" in VARIANT else []
        return [sys.executable, "-m", "taskq", "worker", *flags, *processes]


ADAPTER = Taskq
