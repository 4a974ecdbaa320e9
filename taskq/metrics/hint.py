"""How many workers the work at hand calls for: the hint ``taskq_desired_workers`` for autoscalers."""

from __future__ import annotations

import math
from dataclasses import dataclass

# A backlog is to be gone within this time.
DRAIN_SECONDS = 60.0
# A rate over a shorter time says little; one over a longer time is of the past.
_SHORTEST_SECONDS = 5.0
_LONGEST_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Load:
    """A namespace at one moment.

    Attributes:
        at_seconds: when, on any clock that goes forward.
        submitted: tasks since the beginning.
        ended: runs that have ended since the beginning, retries included.
        pending: tasks that could start now.
        running: tasks that run.
        workers: that are alive.
        slots: of these workers.
    """

    at_seconds: float
    submitted: int
    ended: int
    pending: int
    running: int
    workers: int
    slots: int


class Hint:
    """Works out a number of workers from successive looks.

    By Little's law the slots that are busy are the rate of ends times the time of a run; so the arrival rate and what
    is to be drained of the backlog, times the same time, are the slots that are needed.
    """

    def __init__(self) -> None:
        self._first: Load | None = None
        self._run_seconds: float | None = None
        self._arrivals = 0.0

    def look(self, load: Load) -> int:
        """Return how many workers there should be; the number there is while nothing better is known."""
        self._measure(load)
        per_worker = load.slots / load.workers if load.workers else 1.0
        if self._run_seconds is None:
            busy = load.pending + load.running
            known = load.workers + (1 if load.pending and load.running >= load.slots else 0)
            return max(known, 1 if busy else 0)
        rate = self._arrivals + load.pending / DRAIN_SECONDS
        slots = max(rate * self._run_seconds, min(1.0, load.pending + load.running))
        return math.ceil(slots / per_worker - 1e-9)

    def _measure(self, load: Load) -> None:
        first = self._first
        passed = load.at_seconds - first.at_seconds if first is not None else 0.0
        if first is None or passed > _LONGEST_SECONDS or load.ended < first.ended:
            self._first = load
            return
        if passed < _SHORTEST_SECONDS:
            return
        ended = load.ended - first.ended
        if ended:
            self._run_seconds = (first.running + load.running) / 2 * passed / ended
        self._arrivals = max(0, load.submitted - first.submitted) / passed
        self._first = load
