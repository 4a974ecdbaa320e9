"""Publisher and consumer for code on an event loop: the verbs of their blocking twins, awaited."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from taskq.aio import AsyncTaskQueue
from taskq.channels import pending
from taskq.channels.consumer import Consumer
from taskq.channels.guarding import ConsumerGuard
from taskq.channels.intake import Intake, IntakeFlow, Rest
from taskq.channels.message import Channel, Message, PendingMessage, channel_of, home_of_channel
from taskq.channels.naming import Rejected, channels_of, check_count, home_of_all, ids_of, milliseconds
from taskq.channels.publisher import Publisher
from taskq.channels.publishing import (
    Pause,
    PublishFlow,
    Waiting,
    check_batch,
    one_step,
    publish,
    queue_length,
    tasks_of,
)
from taskq.errors import ServerError, TaskqError
from taskq.model.retry import Discard, RetryPolicy
from taskq.protocol.operation import Operation
from taskq.transport.concurrent_bell import AsyncBell
from taskq.workflow.averbs import documented_as

T = TypeVar("T")

log = logging.getLogger("taskq.channels")


class AsyncPublisher:
    """Puts messages into channels, for one event loop.

    Args:
        queue: the namespace; None: one from the environment, which is closed with the publisher.
        source: who publishes, in the metadata of each message; None: not said.
    """

    def __init__(self, queue: AsyncTaskQueue | None = None, *, source: str | None = None) -> None:
        self._own = queue is None
        self._queue = queue or AsyncTaskQueue()
        self._source = source

    async def __aenter__(self) -> AsyncPublisher:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @documented_as(Publisher.publish)
    async def publish(
        self,
        channel: str | Channel,
        data: Any,
        metadata: dict[str, Any] | None = None,
        *,
        block: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - one signature for both clients
    ) -> str:
        chosen = channel_of(channel)
        tasks = tasks_of(chosen, [data], self._source, metadata or {})
        at = self._at(chosen)
        return (await self._run(publish(at.context, chosen, tasks, Waiting(block, timeout)), at))[0]

    @documented_as(Publisher.publish_batch)
    async def publish_batch(
        self,
        channel: str | Channel,
        messages: Iterable[Any],
        metadata: dict[str, Any] | None = None,
        *,
        block: bool = False,
        timeout: float | None = None,  # noqa: ASYNC109 - one signature for both clients
    ) -> list[str]:
        chosen = channel_of(channel)
        tasks = tasks_of(chosen, check_batch(messages), self._source, metadata or {})
        at = self._at(chosen)
        return await self._run(publish(at.context, chosen, tasks, Waiting(block, timeout)), at)

    @documented_as(Publisher.queue_length)
    async def queue_length(self, channel: str | Channel) -> int:
        chosen = channel_of(channel)
        at = self._at(chosen)
        return await self._run(queue_length(at.context, chosen), at)

    @documented_as(Publisher.close)
    async def close(self) -> None:
        if self._own:
            await self._queue.close()

    def _at(self, channel: Channel) -> AsyncTaskQueue:
        return self._queue.partition(home_of_channel(channel.name, self._queue.settings.partitions))

    async def _run(self, flow: PublishFlow[T], at: AsyncTaskQueue) -> T:
        answer: Any = None
        try:
            while True:
                step = flow.send(answer)
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                answer = None if isinstance(step, Pause) else await at.run_flow(one_step(step))
        except StopIteration as end:
            value: T = end.value
            return value


class AsyncConsumer:
    """Takes messages out of channels, for one event loop; it holds each until it is acknowledged or rejected.

    It is registered when first used. A thread renews its lease while the process lives; messages of one that dies are
    delivered to others. A verb that is cancelled loses nothing: what had been claimed for it comes with the next call.

    Args:
        channels: names, or ``Channel`` values where something special holds; one or more.
        queue: the namespace; None: one from the environment, which is closed with the consumer.
        name: for people; the id of the consumer begins with it.
        policy: what to do with rejected messages; by default as with tasks.

    Raises:
        InvalidTask: if a name cannot be used, or the channels live in different partitions of the queue.
    """

    def __init__(
        self,
        channels: str | Channel | Iterable[str | Channel],
        queue: AsyncTaskQueue | None = None,
        *,
        name: str | None = None,
        policy: RetryPolicy | None = None,
    ) -> None:
        chosen = channels_of(channels)
        self._own = queue is None
        self._whole = queue or AsyncTaskQueue()
        self._queue = self._whole.partition(home_of_all(chosen, self._whole.settings.partitions))
        self._guard = ConsumerGuard(self._queue.namespace, self._lost)
        self._intake = Intake(self._queue.namespace, chosen, name, policy, self._guard.tell)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bell: AsyncBell | None = None
        # of what is held and of the turns; given back while the consumer sleeps
        self._lock = asyncio.Lock()
        self._sleeping = asyncio.Lock()
        self._wake = asyncio.Event()

    async def __aenter__(self) -> AsyncConsumer:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncConsumer {self._intake.worker!r} of {', '.join(self._intake.channels)}>"

    @property
    def consumer_id(self) -> str:
        """The id under which it is registered; another one after its lease was lost."""
        return self._intake.worker

    @documented_as(Consumer.consume)
    async def consume(
        self, count: int = 1, block_ms: int | None = 0, prefer_high_priority: bool = True
    ) -> list[Message]:
        count, wait_ms = check_count(count), milliseconds(block_ms, "block_ms")
        async with self._sleeping:
            return await self._run(self._intake.consume(count, wait_ms, prefer_high_priority))

    @documented_as(Consumer.acknowledge)
    async def acknowledge(self, messages: Message | str | Iterable[Message | str]) -> int:
        return await self._run(self._intake.acknowledge(ids_of(messages)))

    @documented_as(Consumer.reject)
    async def reject(
        self,
        messages: Message | str | Iterable[Message | str],
        requeue: bool = True,
        *,
        reason: str = "rejected",
        after: float | None = None,
    ) -> int:
        error = Rejected(after, reason) if requeue else Discard(reason)
        return await self._run(self._intake.reject(ids_of(messages), lambda _: error))

    @documented_as(Consumer.fail)
    async def fail(self, errors: Mapping[str, BaseException]) -> int:
        return await self._run(self._intake.reject(list(errors), errors.__getitem__))

    @documented_as(Consumer.get_pending_messages)
    async def get_pending_messages(self, min_idle_ms: int = 0, count: int = 100) -> list[PendingMessage]:
        idle_ms, most = milliseconds(min_idle_ms, "min_idle_ms") or 0, check_count(count)
        return await self._run(pending.pending_messages(self._protocol, self._intake.lists, idle_ms, most))

    @documented_as(Consumer.claim_pending_messages)
    async def claim_pending_messages(self, min_idle_ms: int, count: int = 100) -> list[Message]:
        idle_ms, most = milliseconds(min_idle_ms, "min_idle_ms") or 0, check_count(count)
        return await self._run(pending.claim_pending(self._intake, self._protocol, idle_ms, most))

    @documented_as(Consumer.get_consumer_info)
    async def get_consumer_info(self) -> dict[str, Any]:
        return await self._run(pending.consumer_info(self._intake, self._protocol))

    @documented_as(Consumer.interrupt)
    def interrupt(self) -> None:
        self._intake.closing = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    @documented_as(Consumer.close)
    async def close(self) -> None:
        self.interrupt()
        async with self._sleeping:
            try:
                await self._run(self._intake.leave())
            except TaskqError as error:
                log.warning("could not sign off; what is held comes back when the lease is over: %s", error)
            finally:
                await asyncio.to_thread(self._guard.close)
                if self._bell is not None:
                    await self._bell.close()
                self._bell, self._intake.closing = None, False
                if self._own:
                    await self._whole.close()

    @property
    def _protocol(self) -> Any:
        return self._queue.namespace.protocol

    def _lost(self, worker: str) -> None:
        if worker == self._intake.worker:
            self._intake.lost = True
            if self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._wake.set)

    async def _run(self, flow: IntakeFlow[T]) -> T:
        self._loop = asyncio.get_running_loop()
        async with self._lock:
            answer: Any = None
            try:
                while True:
                    step = flow.send(answer)
                    if isinstance(step, Rest):
                        await self._rest(step)
                    answer = None if isinstance(step, Rest) else await self._call(step)
            except StopIteration as end:
                value: T = end.value
                return value

    async def _call(self, operation: Operation[Any]) -> Any:
        try:
            return await self._queue.transport.run(operation)
        except ServerError:
            self._intake.forget_turn()
            raise

    async def _rest(self, rest: Rest) -> None:
        if self._bell is None:
            self._bell = AsyncBell(self._queue.transport.endpoint, self._protocol.bell_keys(self._intake.lists))
        self._wake.clear()
        if self._intake.closing or self._intake.lost:
            return
        bell = self._bell
        rung, wake = bell.arm(rest.seconds), asyncio.ensure_future(self._wake.wait())
        self._lock.release()
        try:
            await asyncio.wait({rung, wake}, timeout=rest.seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            wake.cancel()
            await self._reacquire()
        bell.heed()

    async def _reacquire(self) -> None:
        """Take the lock again, also when the caller is cancelled meanwhile: whoever has entered has to leave."""
        cancelled: asyncio.CancelledError | None = None
        while True:
            try:
                await self._lock.acquire()
                break
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled
