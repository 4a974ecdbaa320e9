"""Faults of the server itself that other users of it notice: only where they are allowed."""

from __future__ import annotations

import random
from collections.abc import Callable

from taskq.queue import TaskQueue
from taskq.testing.namespace import ask
from taskq.testing.verify.site import Plan

_SQUEEZE_SECONDS = 1.0


def server_harm(plan: Plan) -> dict[str, Callable[[random.Random], None]]:
    """Return faults for a storm: scripts that are forgotten, memory that is full for a moment."""
    queue = TaskQueue(settings=plan.settings)

    def flush_scripts(dice: random.Random) -> None:
        ask(queue, "SCRIPT", "FLUSH")

    def squeeze_memory(dice: random.Random) -> None:
        limits = ask(queue, "CONFIG", "GET", "maxmemory*")
        before = dict(zip(limits[::2], limits[1::2], strict=True))
        try:
            ask(queue, "CONFIG", "SET", "maxmemory-policy", "noeviction")
            ask(queue, "CONFIG", "SET", "maxmemory", "1")
            plan.stop.wait(_SQUEEZE_SECONDS * dice.uniform(0.2, 1.0))
        finally:
            ask(queue, "CONFIG", "SET", "maxmemory", before[b"maxmemory"])
            ask(queue, "CONFIG", "SET", "maxmemory-policy", before[b"maxmemory-policy"])

    return {"flush scripts": flush_scripts, "fill memory": squeeze_memory}
