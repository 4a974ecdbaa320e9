"""Channels and messages as values. No I/O here."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from taskq.errors import InvalidTask
from taskq.model.moment import iso_utc
from taskq.model.names import check_name
from taskq.model.partition import home_of_key
from taskq.model.schema import Shape, shape_of
from taskq.model.task import DEFAULT_QUEUE, MAX_RETRIES, RETRY_DELAY_SECONDS, Task
from taskq.protocol.replies import Claim
from taskq.states import TaskPriority

MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class Channel:
    """A named queue of messages, and what holds for all of them. Where nothing special does, its name is enough.

    Args:
        name: of the channel; the queue of the same name holds its messages.
        schema: what data has to look like: a JSON Schema as a dict, a ``msgspec.Struct`` or a pydantic model. It is
            checked at the publish and before a consumer gets the message; None: anything.
        max_length: the most messages that wait on one of its four lists; 0: any number; None: as configured.
        ttl: seconds after which a message is no longer worth handling; None: as configured.
        max_retries: how many times a rejected message is delivered again before it is a dead letter.
        retry_delay: seconds before the first of these; later ones wait longer.

    Raises:
        InvalidTask: if a value cannot be used.
        SettingsError: if the library for the schema is not installed.
    """

    name: str
    schema: Any = None
    max_length: int | None = None
    ttl: float | None = None
    max_retries: int = MAX_RETRIES
    retry_delay: float = RETRY_DELAY_SECONDS
    shape: Shape | None = field(init=False, repr=False, compare=False, default=None)
    pattern: Task = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_name(self.name, "channel name")
        if self.name == DEFAULT_QUEUE:
            raise InvalidTask(f"{DEFAULT_QUEUE!r} is the queue of tasks: give the channel another name")
        if self.max_length is not None and (type(self.max_length) is not int or self.max_length < 0):
            raise InvalidTask(f"max_length is {self.max_length!r:.60}: use a whole number, or 0 for any number")
        if self.schema is not None:
            object.__setattr__(self, "shape", shape_of(self.schema, f"channel {self.name}"))
        pattern = Task(
            task_type=MESSAGE,
            queue=self.name,
            expires_in=self.ttl,
            max_retries=self.max_retries,
            retry_delay=self.retry_delay,
        )
        object.__setattr__(self, "pattern", pattern)


def home_of_channel(name: str, partitions: int) -> int:
    """Return the partition that a channel lives in, all of it: its order and its length are those of one place."""
    return home_of_key(name, partitions) if partitions > 1 else 0


def channel_of(channel: str | Channel) -> Channel:
    """Return the channel of a name; a channel is returned as it is.

    Raises:
        InvalidTask: if the name cannot be used.
    """
    return channel if isinstance(channel, Channel) else Channel(channel)


@dataclass(slots=True, kw_only=True)
class Outgoing:
    """A message on its way in, where data alone does not say it all.

    The same value may be published again after any error: it is stored once.

    Args:
        data: what to send, as JSON can say it or as the schema of the channel wants it.
        metadata: as for ``Publisher.publish``.
        ttl: seconds after which it is no longer worth handling; None: as the channel says.
        message_id: a UUID is made up if it is empty.
        timestamp: when it was made, UTC, ISO 8601; now if it is empty.
        ordering_key: messages with the same key are delivered one after the other, in the order in which they were
            published, each when the one before it is acknowledged or dead; None: whenever a consumer is free.
    """

    data: Any
    metadata: dict[str, Any] = field(default_factory=dict)
    ttl: float | None = None
    message_id: str = ""
    timestamp: str = ""
    ordering_key: str | None = None

    def __post_init__(self) -> None:
        task = Task(
            task_type=MESSAGE,
            task_id=self.message_id,
            created_at=self.timestamp,
            expires_in=self.ttl,
            ordering_key=self.ordering_key,
        )
        self.message_id, self.timestamp = task.task_id, task.created_at
        if not isinstance(self.metadata, dict):
            raise InvalidTask(f"metadata is a {type(self.metadata).__name__}: use a dict")


# not frozen, which would double the price of making one; by identity, because its data need not be hashable
@dataclass(slots=True, eq=False)
class Message:
    """A message as a consumer gets it.

    Attributes:
        id: its UUID.
        channel: the name of its channel.
        data: what was published; with a schema that is a class, an instance of it.
        metadata: what the publisher gave with it; besides ``priority`` and ``timestamp``.
        timestamp: when it was published, ISO 8601, UTC.
        priority: of the list it came from.
        attempt: how many times it was delivered, this time included; what was handed back is not counted.
        fence: grows with every delivery of any message: for the consumer's own database.
    """

    id: str
    channel: str
    data: Any
    metadata: dict[str, Any]
    timestamp: str
    priority: TaskPriority
    attempt: int
    fence: int


def message_of(claim: Claim, task: Task, data: Any) -> Message:
    """Return a claimed task as the message that it is."""
    priority, timestamp = task.priority, task.created_at
    metadata = {**task.metadata, "priority": _LABELS[priority], "timestamp": timestamp}
    return Message(
        claim.task_id, task.queue or "", data, metadata, timestamp, priority, claim.attempt, claim.fence_number
    )


_LABELS = {priority: priority.label for priority in TaskPriority}


@dataclass(frozen=True, slots=True)
class PendingMessage:
    """A message that a consumer holds and has not acknowledged.

    Attributes:
        id: of the message.
        channel: the name of its channel.
        consumer_id: who holds it.
        idle_ms: how long ago it was delivered.
        attempt: how many times it was delivered.
    """

    id: str
    channel: str
    consumer_id: str
    idle_ms: int
    attempt: int


def now_iso() -> str:
    """Return the time of this machine as it stands in envelopes."""
    return iso_utc(time.time_ns() // 1_000_000)
