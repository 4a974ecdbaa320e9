"""The verbs of ``AsyncTaskQueue`` for whoever operates a queue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from taskq import dead, partitions
from taskq.flows import Flow
from taskq.model.views import DeadLetter
from taskq.operate.verbs import OperateVerbs, Priority
from taskq.workflow.averbs import documented_as

T = TypeVar("T")


class AsyncOperateVerbs:
    """The verbs for code on an event loop."""

    spread: Any  # set by the queue: its partitions

    async def run_flow(self, flow: Flow[T]) -> T:
        """Drive a flow to its end and return its value."""
        raise NotImplementedError

    @documented_as(OperateVerbs.pause)
    async def pause(self, queue: str | None = None, priority: Priority | None = None) -> int:
        return await self.run_flow(partitions.pause(self.spread, True, queue, priority))

    @documented_as(OperateVerbs.resume)
    async def resume(self, queue: str | None = None, priority: Priority | None = None) -> int:
        return await self.run_flow(partitions.pause(self.spread, False, queue, priority))

    @documented_as(OperateVerbs.purge)
    async def purge(self, queue: str | None = None, priority: Priority | None = None) -> int:
        return await self.run_flow(partitions.purge(self.spread, queue, priority))

    @documented_as(OperateVerbs.list_dead)
    async def list_dead(self, limit: int = 100) -> list[DeadLetter]:
        return await self.run_flow(partitions.list_dead(self.spread, limit))

    @documented_as(OperateVerbs.replay_dead)
    async def replay_dead(self, task_ids: Iterable[str] | None = None) -> int:
        return await self.run_flow(partitions.replay(self.spread, task_ids))

    @documented_as(OperateVerbs.purge_dead)
    async def purge_dead(self, task_ids: Iterable[str] | None = None) -> int:
        return await self.run_flow(partitions.purge_dead(self.spread, task_ids))

    @documented_as(OperateVerbs.retry_task)
    async def retry_task(self, task_id: str) -> None:
        await self.run_flow(dead.retry_task(self.spread.of(task_id), task_id))
