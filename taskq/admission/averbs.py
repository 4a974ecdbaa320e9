"""The verbs of ``AdmissionVerbs``, awaited."""

from __future__ import annotations

from typing import Any, TypeVar

from taskq.admission import explain, limits, sla
from taskq.admission.explain import Explanation
from taskq.admission.verbs import AdmissionVerbs
from taskq.flows import Flow
from taskq.model.limit import Limit, LimitInfo
from taskq.model.threshold import SlaReading
from taskq.states import TaskPriority
from taskq.workflow.averbs import documented_as

T = TypeVar("T")


class AsyncAdmissionVerbs:
    """The verbs for code on an event loop."""

    spread: Any  # set by the queue: its partitions

    async def run_flow(self, flow: Flow[T]) -> T:
        """Drive a flow to its end and return its value."""
        raise NotImplementedError

    @documented_as(AdmissionVerbs.set_limit)
    async def set_limit(
        self,
        name: str,
        *,
        concurrency: int | None = None,
        rate: str | None = None,
        burst: int | None = None,
        sliding: bool = False,
    ) -> None:
        await self.run_flow(limits.set_limit(self.spread, Limit(name, concurrency, rate, burst, sliding)))

    @documented_as(AdmissionVerbs.remove_limit)
    async def remove_limit(self, name: str) -> bool:
        return await self.run_flow(limits.remove_limit(self.spread, name))

    @documented_as(AdmissionVerbs.list_limits)
    async def list_limits(self) -> list[LimitInfo]:
        return await self.run_flow(limits.list_limits(self.spread))

    @documented_as(AdmissionVerbs.explain)
    async def explain(self, task_id: str) -> Explanation:
        return await self.run_flow(explain.explain(self.spread.of(task_id), task_id))

    @documented_as(AdmissionVerbs.set_sla)
    async def set_sla(
        self,
        priority: TaskPriority | str | int,
        *,
        age: float | None = None,
        start: float | None = None,
        queue: str | None = None,
    ) -> None:
        await self.run_flow(sla.set_sla(self.spread, priority, age, start, queue))

    @documented_as(AdmissionVerbs.remove_sla)
    async def remove_sla(self, priority: TaskPriority | str | int, *, queue: str | None = None) -> bool:
        return await self.run_flow(sla.remove_sla(self.spread, priority, queue))

    @documented_as(AdmissionVerbs.check_sla)
    async def check_sla(self) -> list[SlaReading]:
        return await self.run_flow(sla.check_sla(self.spread))
