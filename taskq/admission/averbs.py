"""The verbs of ``AdmissionVerbs``, awaited."""

from __future__ import annotations

from typing import Any, TypeVar

from taskq.admission import bounds, circuits, explain, limits, sla
from taskq.admission.explain import Explanation
from taskq.admission.verbs import AdmissionVerbs
from taskq.flows import Flow
from taskq.model.bound import QueueLimit
from taskq.model.circuit import Circuit, CircuitInfo
from taskq.model.limit import Limit, LimitInfo
from taskq.model.task import DEFAULT_QUEUE
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

    @documented_as(AdmissionVerbs.set_circuit)
    async def set_circuit(
        self,
        name: str,
        *,
        failures: int = 5,
        within: float = 60.0,
        open_for: float = 30.0,
        share: float | None = None,
    ) -> None:
        await self.run_flow(circuits.set_circuit(self.spread, Circuit(name, failures, within, open_for, share)))

    @documented_as(AdmissionVerbs.remove_circuit)
    async def remove_circuit(self, name: str) -> bool:
        return await self.run_flow(circuits.remove_circuit(self.spread, name))

    @documented_as(AdmissionVerbs.open_circuit)
    async def open_circuit(self, key: str, seconds: float | None = None) -> None:
        await self.run_flow(circuits.open_circuit(self.spread, key, seconds))

    @documented_as(AdmissionVerbs.close_circuit)
    async def close_circuit(self, key: str) -> bool:
        return await self.run_flow(circuits.close_circuit(self.spread, key))

    @documented_as(AdmissionVerbs.list_circuits)
    async def list_circuits(self) -> list[CircuitInfo]:
        return await self.run_flow(circuits.list_circuits(self.spread))

    @documented_as(AdmissionVerbs.set_queue_limit)
    async def set_queue_limit(
        self,
        queue: str | None = None,
        *,
        max_tasks: int | None = None,
        max_bytes: int | None = None,
        on_full: str = "reject",
        timeout: float = 30.0,  # noqa: ASYNC109 - how long submits are to wait, not this call
    ) -> None:
        limit = QueueLimit(queue or DEFAULT_QUEUE, max_tasks, on_full, timeout, max_bytes)
        await self.run_flow(bounds.set_queue_limit(self.spread, limit))

    @documented_as(AdmissionVerbs.remove_queue_limit)
    async def remove_queue_limit(self, queue: str | None = None) -> bool:
        return await self.run_flow(bounds.remove_queue_limit(self.spread, queue))

    @documented_as(AdmissionVerbs.list_queue_limits)
    async def list_queue_limits(self) -> list[QueueLimit]:
        return await self.run_flow(bounds.list_queue_limits(self.spread))

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
