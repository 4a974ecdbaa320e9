"""The publisher for code that may block."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, TypeVar

from taskq.channels.message import Channel, channel_of, home_of_channel
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
from taskq.current import get_task_queue
from taskq.queue import TaskQueue

T = TypeVar("T")


class Publisher:
    """Puts messages into channels. Safe for threads.

    Args:
        queue: the namespace; None: the one of this process, from the environment. It is not closed with the publisher.
        source: who publishes, in the metadata of each message; None: not said.
    """

    def __init__(self, queue: TaskQueue | None = None, *, source: str | None = None) -> None:
        self._queue = queue or get_task_queue()
        self._source = source

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def publish(
        self,
        channel: str | Channel,
        data: Any,
        metadata: dict[str, Any] | None = None,
        *,
        block: bool = False,
        timeout: float | None = None,
    ) -> str:
        """Put one message at the end of its list.

        Args:
            channel: its name, or a ``Channel`` where something special holds.
            data: what to send, as JSON can say it or as the schema of the channel wants it; or an ``Outgoing``.
            metadata: what to know about it, as JSON can say it; ``priority`` (default ``normal``) chooses its list,
                ``source`` says who sent it.
            block: whether to wait for room if the channel is full.
            timeout: how many seconds to wait at most; None: as long as it takes.

        Returns:
            The id of the message.

        Raises:
            SchemaMismatch: if the data does not fit the schema of the channel.
            InvalidTask: if it is not JSON, or larger than allowed.
            QueueFull: if the channel holds as many as it may.
            TaskConflict: if the id of an ``Outgoing`` belongs to another message.
            ServerUnavailable, ServerFull: if the server cannot take it.
        """
        chosen = channel_of(channel)
        tasks = tasks_of(chosen, [data], self._source, metadata or {})
        at = self._at(chosen)
        return self._run(publish(at.context, chosen, tasks, Waiting(block, timeout)), at)[0]

    def publish_batch(
        self,
        channel: str | Channel,
        messages: Iterable[Any],
        metadata: dict[str, Any] | None = None,
        *,
        block: bool = False,
        timeout: float | None = None,
    ) -> list[str]:
        """Put many messages into a channel in one atomic call: all of them or none.

        A batch larger than a call of ``TaskQueue.submit_batch`` is stored in several, and the same holds for it.

        Args:
            channel: as ``publish``.
            messages: the data of each, or an ``Outgoing`` for one with metadata or a TTL of its own.
            metadata: of all of them.
            block: as ``publish``.
            timeout: as ``publish``.

        Returns:
            Their ids, in order.

        Raises:
            SchemaMismatch, InvalidTask, QueueFull, TaskConflict, ServerUnavailable, ServerFull: as ``publish``.
        """
        chosen = channel_of(channel)
        tasks = tasks_of(chosen, check_batch(messages), self._source, metadata or {})
        at = self._at(chosen)
        return self._run(publish(at.context, chosen, tasks, Waiting(block, timeout)), at)

    def queue_length(self, channel: str | Channel) -> int:
        """Return how many messages wait in a channel: those that are held or wait for a retry are not counted.

        Args:
            channel: its name, or the ``Channel``.

        Raises:
            ServerUnavailable: if the server cannot be asked.
        """
        chosen = channel_of(channel)
        at = self._at(chosen)
        return self._run(queue_length(at.context, chosen), at)

    def close(self) -> None:
        """End the use of the publisher; every message it has answered for is stored already."""

    def _at(self, channel: Channel) -> TaskQueue:
        return self._queue.partition(home_of_channel(channel.name, self._queue.settings.partitions))

    def _run(self, flow: PublishFlow[T], at: TaskQueue) -> T:
        answer: Any = None
        try:
            while True:
                step = flow.send(answer)
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                answer = None if isinstance(step, Pause) else at.run_flow(one_step(step))
        except StopIteration as end:
            value: T = end.value
            return value
