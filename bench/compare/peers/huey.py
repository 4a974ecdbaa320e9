"""Huey with its Redis storage and results. It takes a task off the list before it runs: a kill loses it."""

from __future__ import annotations

from typing import Any

from huey import RedisHuey

from bench.compare import work
from bench.compare.adapter import SLOTS, URL, VARIANT, WORK, Adapter, Payload, program

# Waiting without it polls; it costs two more commands a task, so only the work that waits has it.
huey = RedisHuey("compare", url=URL, notify_result=WORK in ("round_trip", "loaded", "check"))
task = huey.task(name="work")(work.run)


class Huey(Adapter):
    """A call and ``get(blocking=True)``; there is no call for a batch."""

    packages = ("huey", "redis", "hiredis")

    async def submit(self, payload: Payload) -> Any:
        return task(payload)

    async def wait(self, handle: Any, timeout_seconds: float) -> Any:
        return handle.get(blocking=True, timeout=timeout_seconds)

    @staticmethod
    def worker(index: int) -> list[str]:
        command = [program("huey_consumer"), f"{__name__}.huey", "--workers", str(SLOTS), "--no-periodic", "--quiet"]
        return [*command, "--worker-type", VARIANT["type"]]


ADAPTER = Huey
