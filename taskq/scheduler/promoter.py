"""Move tasks that have fallen due, delayed ones and retries, to their lists."""

from __future__ import annotations

import random

from taskq.protocol.operations import Protocol
from taskq.transport.upkeep import Run

# What a lost hint can delay a task by; spread, so that many schedulers do not ask in step.
_LONGEST_WAIT_SECONDS = 2.0
_TASKS_PER_CALL = 100
_CALLS_PER_STEP = 20


class Promoter:
    """Promotion as a service of the loop.

    Args:
        run: runs an operation.
        protocol: the operations of the namespace.

    Attributes:
        promoted: tasks moved so far.
    """

    name = "promotion"

    def __init__(self, run: Run, protocol: Protocol) -> None:
        self._run = run
        self._protocol = protocol
        self.promoted = 0

    def step(self) -> float:
        """Promote what is due, or a good part of it; return the seconds until there is more to do."""
        for _ in range(_CALLS_PER_STEP):
            moved, wait_ms = self._run(self._protocol.promote(_TASKS_PER_CALL))
            self.promoted += moved
            if wait_ms != 0:
                longest = _LONGEST_WAIT_SECONDS * random.uniform(0.8, 1.0)  # noqa: S311 - spreads load, no secret
                return longest if wait_ms < 0 else min(wait_ms / 1000, longest)
        return 0.0
