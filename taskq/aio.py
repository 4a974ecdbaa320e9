"""The queue for code on an event loop: the verbs of ``TaskQueue``, awaited."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, overload

from taskq import flows, partitions
from taskq.admission.averbs import AsyncAdmissionVerbs
from taskq.flows import Context, Flow, Mail, Room
from taskq.handle import AsyncTaskHandle
from taskq.model.retry import RetryPolicy
from taskq.model.task import Task
from taskq.model.views import QueueStats, WorkerInfo
from taskq.observe.averbs import AsyncObserveVerbs
from taskq.operate.averbs import AsyncOperateVerbs
from taskq.partitions import Spread
from taskq.protocol.operation import Operation
from taskq.queue import TaskQueue
from taskq.registry import Registry, TaskDefinition, TaskOptions, Upcast, define
from taskq.settings import Settings
from taskq.transport.concurrent import AsyncTransport
from taskq.transport.durable import DurableLanes
from taskq.transport.mailbox import Mailbox, hint
from taskq.transport.namespace import Namespace
from taskq.transport.subscription import Message, Subscription
from taskq.workflow import graphs
from taskq.workflow.averbs import AsyncWorkflowVerbs, documented_as

T = TypeVar("T")
P = ParamSpec("P")
R = TypeVar("R")
X = TypeVar("X")


class AsyncTaskQueue(AsyncWorkflowVerbs, AsyncObserveVerbs, AsyncOperateVerbs, AsyncAdmissionVerbs):
    """One namespace on one server, for one event loop; connects when first used.

    Args:
        redis_url: the server; None: ``REDIS_URL`` and the other settings, else the server on this machine.
        prefix: name of the namespace; None: as configured, ``agent_queue`` by default.
        settings: all settings at once, instead of the two above.

    Raises:
        SettingsError: if a setting cannot be used.
    """

    def __init__(
        self, redis_url: str | None = None, *, prefix: str | None = None, settings: Settings | None = None
    ) -> None:
        self.settings = settings or Settings.load(redis_url=redis_url, prefix=prefix)
        self.namespace = Namespace(self.settings)
        self.registry = Registry()
        self.spread: Spread[AsyncTaskQueue] = Spread(self.settings.partitions, self)
        self._whole: AsyncTaskQueue = self
        self._transport: AsyncTransport | None = None
        self._mailbox: Mailbox | None = None
        self._durable: DurableLanes | None = None

    def __repr__(self) -> str:
        return f"<AsyncTaskQueue {self.settings.prefix!r}>"

    async def __aenter__(self) -> AsyncTaskQueue:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def transport(self) -> AsyncTransport:
        """The connection, opened when first used."""
        if self._transport is None:
            self._transport = AsyncTransport(self.namespace.endpoint, self.settings)
        return self._transport

    @property
    def context(self) -> Context:
        """What the flows of this queue need."""
        space, known = self.namespace, self.registry
        return Context(space.protocol, self.settings, space.seal, space.partition, known.middleware, known.shapes)

    @documented_as(TaskQueue.partition)
    def partition(self, index: int) -> AsyncTaskQueue:
        return self.spread.client(index)

    async def run_flow(self, flow: Flow[T]) -> T:
        """Drive a flow of ``taskq.flows`` to its end and return its value."""
        try:
            step = next(flow)
            while True:
                at = self.spread.at(step)
                if isinstance(step, Operation):
                    reply = await at.transport.run(step)
                elif isinstance(step, Mail):
                    reply = await at._box().receive(step.task_id, step.seconds)
                elif isinstance(step, Room):
                    await hint(at.namespace.endpoint, step.key, step.seconds)
                    reply = None
                else:
                    reply = await at._lanes().run(step)
                step = flow.send(reply)
        except StopIteration as end:
            value: T = end.value
            return value

    def _box(self) -> Mailbox:
        if self._mailbox is None:
            self._mailbox = Mailbox(self.namespace.endpoint, self.namespace.protocol)
        return self._mailbox

    def _lanes(self) -> DurableLanes:
        if self._durable is None:
            self._durable = DurableLanes(self.namespace.endpoint, self.settings)
        return self._durable

    @documented_as(TaskQueue.submit_task)
    async def submit_task(self, task: Task, *, durability: str | None = None) -> str:
        return await self._whole.run_flow(graphs.submit_one(self._whole.spread, task, durability))

    @documented_as(TaskQueue.submit_batch)
    async def submit_batch(self, tasks: Sequence[Task], *, durability: str | None = None) -> list[str]:
        return await self._whole.run_flow(graphs.submit(self._whole.spread, tasks, durability))

    @documented_as(TaskQueue.submit_later)
    async def submit_later(self, task: Task, due: str) -> str:
        return await self._whole.run_flow(partitions.submit_one(self._whole.spread, task, due))

    @documented_as(TaskQueue.cancel_task)
    async def cancel_task(self, task_id: str) -> str:
        return await self.run_flow(flows.cancel(self.spread.of(task_id), task_id))

    @documented_as(TaskQueue.get_task)
    async def get_task(self, task_id: str) -> Task:
        return await self.run_flow(flows.get_task(self.spread.of(task_id), task_id))

    @documented_as(TaskQueue.get_task_status)
    async def get_task_status(self, task_id: str) -> dict[str, Any]:
        return await self.run_flow(flows.get_status(self.spread.of(task_id), task_id))

    @documented_as(TaskQueue.get_task_result)
    async def get_task_result(self, task_id: str) -> dict[str, Any] | None:
        return await self.run_flow(flows.get_result(self.spread.of(task_id), task_id))

    @documented_as(TaskQueue.wait_for_result)
    async def wait_for_result(self, task_id: str, timeout: float | None = None) -> dict[str, Any]:  # noqa: ASYNC109 - one signature for both clients
        box = self.spread.at(Mail("", task_id, 0))._box()
        with box.expecting(task_id):
            return await self.run_flow(flows.wait_for_result(self.spread.of(task_id), box.address, task_id, timeout))

    @documented_as(TaskQueue.list_tasks)
    async def list_tasks(self, status: str, limit: int = 100) -> list[dict[str, Any]]:
        return await self.run_flow(partitions.list_tasks(self.spread, status, limit))

    @documented_as(TaskQueue.get_queue_stats)
    async def get_queue_stats(self) -> QueueStats:
        return await self.run_flow(partitions.stats(self.spread))

    @documented_as(TaskQueue.list_workers)
    async def list_workers(self) -> list[WorkerInfo]:
        return await self.run_flow(partitions.workers(self.spread))

    @documented_as(TaskQueue.subscribe_to_events)
    async def subscribe_to_events(self, callback: Callable[[Message], object], *, block: bool = False) -> Subscription:
        loop = asyncio.get_running_loop()
        subscription = Subscription(
            self.namespace.endpoint,
            [context.protocol.events_channel for context in self.spread.contexts],
            lambda message: loop.call_soon_threadsafe(callback, message),
        )
        await asyncio.to_thread(subscription.start)
        if block:
            try:
                await asyncio.to_thread(subscription.join)
            finally:
                subscription.stop()
        return subscription

    @documented_as(TaskQueue.set_schema)
    def set_schema(self, task_type: str, schema: Any) -> None:
        self.registry.set_schema(task_type, schema)

    @documented_as(TaskQueue.upcast)
    def upcast(self, task_type: str, *, from_version: int) -> Callable[[Upcast], Upcast]:
        decorate: Callable[[Upcast], Upcast] = self.registry.upcaster(task_type, from_version)
        return decorate

    @documented_as(TaskQueue.handle)
    def handle(self, task_id: str) -> AsyncTaskHandle:
        return AsyncTaskHandle(self, task_id)

    @overload
    def task(self, function: Callable[P, R], /) -> TaskDefinition[P, R, Awaitable[AsyncTaskHandle], P]: ...

    @overload
    def task(
        self,
        /,
        *,
        name: str | None = None,
        pass_ctx: Literal[False] = False,
        policy: RetryPolicy | None = None,
        **defaults: Any,
    ) -> Callable[[Callable[P, R]], TaskDefinition[P, R, Awaitable[AsyncTaskHandle], P]]: ...

    @overload
    def task(
        self, /, *, name: str | None = None, pass_ctx: Literal[True], policy: RetryPolicy | None = None, **defaults: Any
    ) -> Callable[
        [Callable[Concatenate[X, P], R]], TaskDefinition[P, R, Awaitable[AsyncTaskHandle], Concatenate[X, P]]
    ]: ...

    @documented_as(TaskQueue.task)
    def task(
        self,
        function: Any = None,
        /,
        *,
        name: str | None = None,
        pass_ctx: bool = False,
        policy: RetryPolicy | None = None,
        **defaults: Any,
    ) -> Any:
        options = TaskOptions(name, pass_ctx, policy or RetryPolicy())
        decorate = functools.partial(define, self.registry, send=self._send, options=options, defaults=defaults)
        return decorate(function=function) if function is not None else lambda f: decorate(function=f)

    async def _send(self, task: Task) -> AsyncTaskHandle:
        return AsyncTaskHandle(self, await self.submit_task(task))

    @documented_as(TaskQueue.close)
    async def close(self) -> None:
        for part in self.spread.clients.values():
            await part.close()
        if self._mailbox is not None:
            await self._mailbox.close()
        if self._transport is not None:
            await self._transport.close()
        if self._durable is not None:
            await self._durable.close()
        self._mailbox = self._transport = self._durable = None
        self.spread.clients.clear()
