"""The verbs of ``AsyncTaskQueue`` for whoever operates a queue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from taskq import dead, partitions
from taskq.flows import Flow
from taskq.model.views import DeadLetter, WorkerInfo
from taskq.model.wish import DRAIN, RUN, STOP, Wish
from taskq.operate import pauses
from taskq.operate.pauses import Scope
from taskq.operate.verbs import OperateVerbs, Priority
from taskq.operate.workers import get_workers, tell_workers
from taskq.workflow.averbs import documented_as

T = TypeVar("T")


class AsyncOperateVerbs:
    """The verbs for code on an event loop."""

    spread: Any  # set by the queue: its partitions

    async def run_flow(self, flow: Flow[T]) -> T:
        """Drive a flow to its end and return its value."""
        raise NotImplementedError

    @documented_as(OperateVerbs.pause)
    async def pause(
        self,
        queue: str | None = None,
        priority: Priority | None = None,
        *,
        task_type: str | None = None,
        everything: bool = False,
    ) -> int:
        return await self.run_flow(pauses.pause(self.spread, True, Scope(queue, priority, task_type, everything)))

    @documented_as(OperateVerbs.resume)
    async def resume(
        self,
        queue: str | None = None,
        priority: Priority | None = None,
        *,
        task_type: str | None = None,
        everything: bool = False,
    ) -> int:
        return await self.run_flow(pauses.pause(self.spread, False, Scope(queue, priority, task_type, everything)))

    @documented_as(OperateVerbs.paused_types)
    async def paused_types(self) -> list[str]:
        return await self.run_flow(pauses.paused_types(self.spread))

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

    @documented_as(OperateVerbs.get_workers)
    async def get_workers(self, name: str) -> list[WorkerInfo]:
        return await self.run_flow(get_workers(self.spread, name))

    @documented_as(OperateVerbs.drain_worker)
    async def drain_worker(self, name: str) -> list[str]:
        return await self.run_flow(tell_workers(self.spread, name, Wish(state=DRAIN)))

    @documented_as(OperateVerbs.resume_worker)
    async def resume_worker(self, name: str) -> list[str]:
        return await self.run_flow(tell_workers(self.spread, name, Wish(state=RUN)))

    @documented_as(OperateVerbs.stop_worker)
    async def stop_worker(self, name: str) -> list[str]:
        return await self.run_flow(tell_workers(self.spread, name, Wish(state=STOP)))

    @documented_as(OperateVerbs.set_worker)
    async def set_worker(self, name: str, *, concurrency: int | None = None, log_level: str | None = None) -> list[str]:
        return await self.run_flow(tell_workers(self.spread, name, Wish(None, concurrency, log_level)))
