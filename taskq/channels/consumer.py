"""The consumer for code that may block."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from taskq.channels import pending
from taskq.channels.guarding import ConsumerGuard
from taskq.channels.intake import Intake, IntakeFlow, Rest
from taskq.channels.message import Channel, Message, PendingMessage
from taskq.channels.naming import Rejected, channels_of, check_count, home_of_all, ids_of, milliseconds
from taskq.current import get_task_queue
from taskq.errors import ServerError, TaskqError
from taskq.model.retry import Discard, RetryPolicy
from taskq.protocol.operation import Operation
from taskq.queue import TaskQueue
from taskq.transport.bell import Bell
from taskq.worker.waiter import Waiter

T = TypeVar("T")

log = logging.getLogger("taskq.channels")


class Consumer:
    """Takes messages out of channels; it holds each until it is acknowledged or rejected.

    It is registered when first used. A thread renews its lease while the process lives; messages of one that dies are
    delivered to others. ``consume`` is for one thread at a time, the other verbs are for any.

    Args:
        channels: names, or ``Channel`` values where something special holds; one or more.
        queue: the namespace; None: the one of this process, from the environment. It is not closed with the consumer.
        name: for people; the id of the consumer begins with it.
        policy: what to do with rejected messages; by default as with tasks.

    Raises:
        InvalidTask: if a name cannot be used, or the channels live in different partitions of the queue.
    """

    def __init__(
        self,
        channels: str | Channel | Iterable[str | Channel],
        queue: TaskQueue | None = None,
        *,
        name: str | None = None,
        policy: RetryPolicy | None = None,
    ) -> None:
        chosen = channels_of(channels)
        whole = queue or get_task_queue()
        self._queue = whole.partition(home_of_all(chosen, whole.settings.partitions))
        self._guard = ConsumerGuard(self._queue.namespace, self._lost)
        self._intake = Intake(self._queue.namespace, chosen, name, policy, self._guard.tell)
        self._waiter: Waiter | None = None
        # of what is held and of the turns; given back while the consumer sleeps
        self._lock = threading.RLock()
        self._sleeping = threading.Lock()

    def __enter__(self) -> Consumer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Consumer {self._intake.worker!r} of {', '.join(self._intake.channels)}>"

    @property
    def consumer_id(self) -> str:
        """The id under which it is registered; another one after its lease was lost."""
        return self._intake.worker

    def consume(self, count: int = 1, block_ms: int | None = 0, prefer_high_priority: bool = True) -> list[Message]:
        """Take messages; they are held by this consumer until they are acknowledged or rejected.

        Args:
            count: how many at most, 1 to 1,000.
            block_ms: how long to wait if there is none; 0: not at all, None: as long as it takes.
            prefer_high_priority: whether those of a higher priority come first; else each list comes first in turn.

        Returns:
            As many as are there, without waiting for more; none if there is none in time. What is damaged, expired or
            does not fit the schema is not among them: it has ended with an error that says so.

        Raises:
            InvalidTask: if a number cannot be used.
            ServerUnavailable: if the server is away for too long; nothing is lost by it.
        """
        count, wait_ms = check_count(count), milliseconds(block_ms, "block_ms")
        with self._sleeping:
            return self._run(self._intake.consume(count, wait_ms, prefer_high_priority))

    def acknowledge(self, messages: Message | str | Iterable[Message | str]) -> int:
        """Complete messages: they are not delivered again.

        Args:
            messages: one or many, or their ids.

        Returns:
            How many.

        Raises:
            NotHeld: for those that this consumer does not hold any more; the others are acknowledged.
            ServerUnavailable: if the server is away for too long; call it again with the same messages.
        """
        return self._run(self._intake.acknowledge(ids_of(messages)))

    def reject(
        self,
        messages: Message | str | Iterable[Message | str],
        requeue: bool = True,
        *,
        reason: str = "rejected",
        after: float | None = None,
    ) -> int:
        """Give messages back that could not be handled.

        Args:
            messages: one or many, or their ids.
            requeue: whether to deliver them again while the channel allows retries; else, and after the last one, they
                are dead letters.
            reason: kept with the message.
            after: seconds until the next delivery; None: as the channel says.

        Returns:
            How many.

        Raises:
            NotHeld: for those that this consumer does not hold any more; the others are rejected.
            ServerUnavailable: if the server is away for too long; call it again with the same messages.
        """
        error = Rejected(after, reason) if requeue else Discard(reason)
        return self._run(self._intake.reject(ids_of(messages), lambda _: error))

    def fail(self, errors: Mapping[str, BaseException]) -> int:
        """Settle messages as a worker settles tasks whose handlers have raised.

        Args:
            errors: what was raised, by id; ``Retry``, ``Snooze`` and ``Discard`` steer as in handlers.

        Returns:
            How many.

        Raises:
            NotHeld, ServerUnavailable: as ``reject``.
        """
        return self._run(self._intake.reject(list(errors), errors.__getitem__))

    def get_pending_messages(self, min_idle_ms: int = 0, count: int = 100) -> list[PendingMessage]:
        """Return what consumers of these channels hold, this one included, the longest held first.

        Args:
            min_idle_ms: how long it must have been held.
            count: how many at most; of one consumer, its oldest hundred are looked at.
        """
        idle_ms, most = milliseconds(min_idle_ms, "min_idle_ms") or 0, check_count(count)
        return self._run(pending.pending_messages(self._protocol, self._intake.lists, idle_ms, most))

    def claim_pending_messages(self, min_idle_ms: int, count: int = 100) -> list[Message]:
        """Take over messages that others have held for long: from now on, only this consumer can settle them.

        Those of dead consumers come back by themselves; this is for one that lives and does not get on.

        Args:
            min_idle_ms: how long they must have been held.
            count: how many at most; the longest held first.

        Returns:
            The messages, as ``consume`` returns them; ``attempt`` is one higher.
        """
        idle_ms, most = milliseconds(min_idle_ms, "min_idle_ms") or 0, check_count(count)
        return self._run(pending.claim_pending(self._intake, self._protocol, idle_ms, most))

    def get_consumer_info(self) -> dict[str, Any]:
        """Return what is known of this consumer and of those beside it.

        Returns:
            A dict with consumer_id, channels, pending (how many it holds), lease_seconds (time left), consumed,
            acknowledged, rejected, dead, refused, and consumers: a list of dicts with consumer_id, channels, host, pid
            and lease_seconds for each that serves one of these channels.
        """
        return self._run(pending.consumer_info(self._intake, self._protocol))

    def interrupt(self) -> None:
        """Make a ``consume`` that waits return, and let later ones claim nothing, until ``close``; for any thread."""
        self._intake.closing = True
        if self._waiter is not None:
            self._waiter.wake()

    def close(self) -> None:
        """Hand back what is held to the heads of its lists, not counted as a delivery, and sign off.

        A ``consume`` that waits elsewhere returns. The consumer can be used again.
        """
        self.interrupt()
        with self._sleeping:
            try:
                self._run(self._intake.leave())
            except TaskqError as error:
                log.warning("could not sign off; what is held comes back when the lease is over: %s", error)
            finally:
                self._guard.close()
                if self._waiter is not None:
                    self._waiter.close()
                self._waiter, self._intake.closing = None, False

    @property
    def _protocol(self) -> Any:
        return self._queue.namespace.protocol

    def _lost(self, worker: str) -> None:
        if worker == self._intake.worker:
            self._intake.lost = True
            if self._waiter is not None:
                self._waiter.wake()

    def _run(self, flow: IntakeFlow[T]) -> T:
        with self._lock:
            answer: Any = None
            try:
                while True:
                    step = flow.send(answer)
                    if isinstance(step, Rest):
                        self._rest(step)
                    answer = None if isinstance(step, Rest) else self._call(step)
            except StopIteration as end:
                value: T = end.value
                return value

    def _call(self, operation: Operation[Any]) -> Any:
        try:
            return self._queue.transport.run(operation)
        except ServerError:
            self._intake.forget_turn()
            raise

    def _rest(self, rest: Rest) -> None:
        if self._waiter is None:
            keys = self._protocol.bell_keys(self._intake.lists)
            self._waiter = Waiter(Bell(self._queue.transport.endpoint, keys))
        waiter = self._waiter
        waiter.lie_down()
        self._lock.release()
        try:
            if self._intake.closing or self._intake.lost:
                waiter.get_up()
            else:
                waiter.sleep(True, round(rest.seconds * 1000))
        finally:
            self._lock.acquire()
