"""The verbs of ``TaskQueue`` and ``AsyncTaskQueue`` for whoever watches."""

from __future__ import annotations

from typing import Any, TypeVar

from taskq.flows import Flow
from taskq.model.history import Minute
from taskq.observe import history

T = TypeVar("T")


class ObserveVerbs:
    """The verbs for code that may block."""

    spread: Any  # set by the queue: its partitions

    def run_flow(self, flow: Flow[T]) -> T:
        """Drive a flow to its end and return its value."""
        raise NotImplementedError

    def get_history(self, minutes: int = 60) -> list[Minute]:
        """Return what was counted and what waited in the last minutes, the latest one last.

        Any running worker or scheduler keeps the numbers, once a minute, for a day. A minute in which none ran is
        missing.

        Args:
            minutes: how many at most, up to 1440.
        """
        return self.run_flow(history.minutes(self.spread, minutes))
