"""The verbs of ``ObserveVerbs``, awaited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from taskq.flows import Flow
from taskq.middleware import Installs
from taskq.model.history import Minute
from taskq.observe import details, history, pages
from taskq.observe.details import TaskDetails
from taskq.observe.pages import TaskFilter, TaskPage
from taskq.observe.verbs import ObserveVerbs
from taskq.workflow.averbs import documented_as

T = TypeVar("T")


class AsyncObserveVerbs(Installs):
    """The verbs for code on an event loop."""

    spread: Any  # set by the queue: its partitions

    async def run_flow(self, flow: Flow[T]) -> T:
        """Drive a flow to its end and return its value."""
        raise NotImplementedError

    @documented_as(ObserveVerbs.get_history)
    async def get_history(self, minutes: int = 60) -> list[Minute]:
        return await self.run_flow(history.minutes(self.spread, minutes))

    @documented_as(ObserveVerbs.find_tasks)
    async def find_tasks(self, wanted: TaskFilter | None = None, *, cursor: str = "", limit: int = 50) -> TaskPage:
        return await self.run_flow(pages.find(self.spread, wanted or TaskFilter(), cursor, limit))

    @documented_as(ObserveVerbs.list_statuses)
    async def list_statuses(self, task_ids: Sequence[str]) -> list[dict[str, Any]]:
        return await self.run_flow(details.statuses(self.spread, task_ids))

    @documented_as(ObserveVerbs.get_task_details)
    async def get_task_details(self, task_id: str) -> TaskDetails:
        return await self.run_flow(details.details(self.spread.of(task_id), task_id))
