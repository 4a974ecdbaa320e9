"""taskiq-redis: what its list and its stream broker share."""

from __future__ import annotations

from typing import Any

from taskiq import AsyncBroker
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend, RedisStreamBroker

from bench.compare import work
from bench.compare.adapter import SLOTS, URL, VARIANT, Adapter, Payload, program

# redis-py 8, which it asks for, lets a socket time out after 5 s; an idle worker of the list broker would fail.
PATIENT: dict[str, Any] = {"socket_timeout": None}


def make_broker() -> AsyncBroker:
    """Return the broker of the variant, with results."""
    results: RedisAsyncResultBackend[Any] = RedisAsyncResultBackend(URL, result_ex_time=3600, **PATIENT)
    if VARIANT.get("broker") == "stream":
        # consumers that start late read from the beginning; the lock of a dead claimer must end
        return RedisStreamBroker(URL, consumer_id="0", unacknowledged_lock_timeout=30, **PATIENT).with_result_backend(
            results
        )
    return ListQueueBroker(URL, **PATIENT).with_result_backend(results)


broker = make_broker()
task = broker.task(task_name="work")(work.run_async)


class Taskiq(Adapter):
    """``kiq`` and ``wait_result`` with its poll of 200 ms, the default; there is no call for a batch."""

    packages = ("taskiq", "taskiq-redis", "redis", "hiredis", "uvloop")
    is_async = True

    async def open(self) -> None:
        await broker.startup()

    async def close(self) -> None:
        await broker.shutdown()

    async def submit(self, payload: Payload) -> Any:
        return await task.kiq(payload)

    async def wait(self, handle: Any, timeout_seconds: float) -> Any:
        return (await handle.wait_result(timeout=timeout_seconds)).return_value

    @staticmethod
    def worker(index: int) -> list[str]:
        command = [program("taskiq"), "worker", f"{__name__}:broker", "--workers", "1", "--log-level", "WARNING"]
        return [*command, "--max-async-tasks", str(SLOTS), "--max-prefetch", str(VARIANT.get("prefetch", 0))]


ADAPTER = Taskiq
