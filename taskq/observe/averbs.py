"""The verbs of ``ObserveVerbs``, awaited."""

from __future__ import annotations

from typing import Any, TypeVar

from taskq.flows import Flow
from taskq.model.history import Minute
from taskq.observe import history
from taskq.observe.verbs import ObserveVerbs
from taskq.workflow.averbs import documented_as

T = TypeVar("T")


class AsyncObserveVerbs:
    """The verbs for code on an event loop."""

    spread: Any  # set by the queue: its partitions

    async def run_flow(self, flow: Flow[T]) -> T:
        """Drive a flow to its end and return its value."""
        raise NotImplementedError

    @documented_as(ObserveVerbs.get_history)
    async def get_history(self, minutes: int = 60) -> list[Minute]:
        return await self.run_flow(history.minutes(self.spread, minutes))
