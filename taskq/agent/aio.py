"""``AsyncAgentExecutor``: the verbs of ``AgentExecutor``, awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Any

from taskq.agent import sessions
from taskq.agent.executor import AgentExecutor
from taskq.agent.queries import (
    BATCH_CONCURRENCY,
    LOOK_SECONDS,
    Answers,
    Watch,
    batch_task,
    ordering_key,
    query_task,
    shown,
)
from taskq.agent.sessions import EXCHANGES, TTL_SECONDS, Memory
from taskq.aio import AsyncTaskQueue
from taskq.errors import ResultTimeout
from taskq.flows import Context
from taskq.model.retry import RetryPolicy
from taskq.queue import Priority, TaskQueue
from taskq.registry import Handler
from taskq.worker import TaskWorker
from taskq.workflow.averbs import documented_as


class AsyncAgentExecutor(Answers):
    """Sends queries to an agent that answers them in workers, for one event loop.

    Args:
        handler: as ``AgentExecutor``; it may be plain or async here, too.
        queue: where the queries go; None: an ``AsyncTaskQueue`` from the environment, made when it is first used.
        exchanges: as ``AgentExecutor``.
        session_ttl: as ``AgentExecutor``.
        batch_concurrency: as ``AgentExecutor``.
        policy: as ``AgentExecutor``.

    Raises:
        InvalidTask: if an argument cannot be used.
    """

    def __init__(
        self,
        handler: Handler | None = None,
        queue: AsyncTaskQueue | None = None,
        *,
        exchanges: int = EXCHANGES,
        session_ttl: float = TTL_SECONDS,
        batch_concurrency: int = BATCH_CONCURRENCY,
        policy: RetryPolicy | None = None,
    ) -> None:
        super().__init__(handler, Memory(exchanges, session_ttl), batch_concurrency, policy)
        self._queue = queue

    @property
    def queue(self) -> AsyncTaskQueue:
        """Where the queries go."""
        if self._queue is None:
            self._queue = AsyncTaskQueue()
        return self._queue

    @documented_as(AgentExecutor.worker)
    def worker(self, **options: Any) -> TaskWorker:
        worker = TaskWorker(TaskQueue(settings=self.queue.settings), **options)
        self.register(worker)
        return worker

    @documented_as(AgentExecutor.execute_async)
    async def execute_async(
        self, query: Any, session_id: str | None = None, priority: Priority = "normal", **options: Any
    ) -> str:
        return await self.queue.submit_task(query_task(query, session_id, priority, options))

    @documented_as(AgentExecutor.execute_batch)
    async def execute_batch(self, queries: Iterable[Any], priority: Priority = "normal", **options: Any) -> str:
        return await self.queue.submit_task(batch_task(queries, priority, options))

    @documented_as(AgentExecutor.get_task_status)
    async def get_task_status(self, task_id: str) -> dict[str, Any]:
        return await self.queue.get_task_status(task_id)

    @documented_as(AgentExecutor.get_task_result)
    async def get_task_result(self, task_id: str) -> dict[str, Any] | None:
        result = await self.queue.get_task_result(task_id)
        return None if result is None else shown(result)

    @documented_as(AgentExecutor.wait_for_result)
    async def wait_for_result(self, task_id: str, timeout: float | None = None) -> dict[str, Any]:  # noqa: ASYNC109 - one signature for both
        return shown(await self.queue.wait_for_result(task_id, timeout))

    @documented_as(AgentExecutor.cancel_task)
    async def cancel_task(self, task_id: str) -> str:
        return await self.queue.cancel_task(task_id)

    @documented_as(AgentExecutor.follow)
    async def follow(self, task_id: str, timeout: float | None = None) -> AsyncIterator[dict[str, Any]]:  # noqa: ASYNC109 - one signature for both
        watch = Watch(task_id, timeout)
        while True:
            status = await self.queue.get_task_status(task_id)
            if watch.news(status):
                yield status
            if watch.over():
                return
            with suppress(ResultTimeout):
                await self.queue.wait_for_result(task_id, LOOK_SECONDS)

    @documented_as(AgentExecutor.get_session)
    async def get_session(self, session_id: str) -> list[dict[str, Any]]:
        return await self.queue.run_flow(sessions.read(self._home(session_id), session_id))

    @documented_as(AgentExecutor.forget_session)
    async def forget_session(self, session_id: str) -> None:
        await self.queue.run_flow(sessions.forget(self._home(session_id), session_id))

    def _home(self, session_id: str) -> Context:
        return self.queue.spread.of_key(ordering_key(session_id))
