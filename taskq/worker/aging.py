"""Whoever has waited too long goes first, whatever its priority."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from taskq.errors import TaskqError
from taskq.queue import TaskQueue
from taskq.states import TaskPriority
from taskq.worker.options import EngineOptions
from taskq.worker.plan import Plan, plan_of

log = logging.getLogger("taskq.worker")

# How old the last look at the lists may be, as a part of the time that makes a task old.
LOOK_EVERY = 0.1
# A look that takes longer is given up, so that a server that is slow does not hold up the turns.
_PATIENCE_SECONDS = 0.5

Ages = list[float | None]


class AgingPlan:
    """Lists whose first task has waited too long go first, the oldest before the others; the rest another plan orders.

    A look at the lists is at most a tenth of that time old when a turn leaves, and while any of them is that old there
    is one before every turn. So a task that is the first of its list is taken by the first turn that leaves later than
    1.1 times that time after its submit.

    Args:
        base: what orders the rest.
        lists: names, in order of priority.
        seconds: of waiting after which a task goes first.
        look: returns for how many seconds the first task of each list has waited, None for an empty one.
        clock: returns seconds.
    """

    def __init__(
        self,
        base: Plan,
        lists: Sequence[str],
        seconds: float,
        look: Callable[[], Ages],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.learns = base.learns
        self._base = base
        self._lists = lists
        self._seconds = seconds
        self._look = look
        self._clock = clock
        self._next_look = 0.0
        self._old: list[str] = []

    def order(self) -> Sequence[str]:
        """Return the lists in the order of the next turn."""
        if self._old or self._clock() >= self._next_look:
            self._old = self._find_old()
            self._next_look = self._clock() + self._seconds * LOOK_EVERY
        order = self._base.order()
        return [*self._old, *(name for name in order if name not in self._old)] if self._old else order

    def _find_old(self) -> list[str]:
        try:
            ages = self._look()
        except TaskqError as error:  # the turn itself waits for a server that is away, or says what is wrong
            log.debug("could not look for how long tasks have waited: %s", error)
            return []
        waited = [(age, name) for age, name in zip(ages, self._lists, strict=True) if age is not None]
        return [name for age, name in sorted(waited, key=lambda pair: -pair[0]) if age >= self._seconds]

    def note(self, order: Sequence[str], want: int, claimed: Sequence[TaskPriority]) -> None:
        """Take note of what a turn has claimed."""
        self._base.note(order, want, claimed)


def plan_for(queue: TaskQueue, options: EngineOptions) -> Plan | AgingPlan:
    """Return the plan of a worker, by its options."""
    base = plan_of(options.lists, options.weights)
    if options.aging_seconds is None or len(options.lists) == 1:
        return base
    operation = queue.namespace.protocol.ages(options.lists)
    return AgingPlan(
        base, options.lists, options.aging_seconds, lambda: queue.transport.run(operation, _PATIENCE_SECONDS)
    )
