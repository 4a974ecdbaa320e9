"""Whether the claim loop of a worker process still goes round: what ``/livez`` is about.

The loop is not asked to do anything for this; this module looks into the engine from outside, which it may do because
it reads only. A turn leaves with a number at least every few seconds while the worker
has room; somebody else looks whether the number has changed, and if it has not, whether there is a good reason.
"""

from __future__ import annotations

import time
from typing import Any

from taskq.worker.engine import Engine
from taskq.worker.fleet import AnyEngine, Fleet, SharingEngine


class Pulse:
    """Looks at the claim loops of one process; ask it about once a second.

    Args:
        engine: or several of them.
    """

    def __init__(self, engine: AnyEngine) -> None:
        self._engines = engine.engines if isinstance(engine, Fleet) else (engine,)
        now = time.monotonic()
        self._seen = [(-1, now) for _ in self._engines]

    def look(self, now: float) -> dict[str, Any]:
        """Return what a supervisor wants to know.

        Args:
            now: monotonic seconds.

        Returns:
            ``silent``: seconds since a loop has taken a turn, or had a good reason for taking none, of the one for
            which that is longest; ``running``: tasks at hand; ``away``: whether the server of one does not answer;
            ``slots``: tasks that it runs at a time; ``draining``: whether it is to claim nothing more.
        """
        for number, engine in enumerate(self._engines):
            seq, _ = self._seen[number]
            if engine.membership.seq != seq or _excused(engine):
                self._seen[number] = engine.membership.seq, now
        return {
            "silent": max(now - at for _, at in self._seen),
            "running": sum(engine.running for engine in self._engines),
            "slots": self._slots(),
            "draining": all(engine.slots.resting for engine in self._engines),
            "away": any(engine.membership.away for engine in self._engines),
        }

    def _slots(self) -> int:
        """Return how many tasks the process runs at a time; engines of several partitions share all of them."""
        numbers = [engine.slots.number for engine in self._engines]
        return numbers[0] if isinstance(self._engines[0], SharingEngine) else sum(numbers)


def _excused(engine: Engine) -> bool:
    """Return whether a loop that takes no turn is as it should be.

    The server is away; or the one slot is taken, by a handler that runs on the very thread of the loop; or the loop
    has lain down because no slot is free and nothing has ended.
    """
    inline = engine.slots.inline and bool(engine._held)
    full = engine._waiter.asleep and not engine._settlements and engine._free() <= 0
    return engine.membership.away or inline or full
