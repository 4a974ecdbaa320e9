"""What a publisher does, written once for threads and event loops."""

from __future__ import annotations

import random
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from taskq import submitting
from taskq.channels.message import MESSAGE, Channel, Outgoing, now_iso
from taskq.errors import InvalidTask, QueueFull
from taskq.flows import Context, Flow, Step
from taskq.model.task import Task, alike
from taskq.protocol.channels import lengths
from taskq.protocol.keys import lists_of
from taskq.protocol.refusals import so_far
from taskq.states import TaskPriority

T = TypeVar("T")

# The server does not tell when there is room again: whoever waits for it looks, more and more seldom.
_FIRST_LOOK_SECONDS = 0.005
_LAST_LOOK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for some seconds."""

    seconds: float


PublishFlow = Generator[Step | Pause, Any, T]


def one_step(step: Step) -> Flow[Any]:
    """Return the flow that makes one step and returns its answer."""
    return (yield step)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What to do when a channel is full.

    Attributes:
        block: whether to wait for room.
        timeout: seconds after which ``QueueFull`` is raised all the same; None: never.
    """

    block: bool = False
    timeout: float | None = None


def tasks_of(channel: Channel, messages: Sequence[Any], source: str | None, common: dict[str, Any]) -> list[Task]:
    """Return messages as tasks.

    Args:
        channel: where they go.
        messages: data, or ``Outgoing`` values.
        source: who publishes; None: not said.
        common: metadata of those that bring none along.

    Raises:
        InvalidTask: if one of them cannot be published.
    """
    shape = channel.shape
    pattern: Task | None = None
    tasks = []
    for message in messages:
        if isinstance(message, Outgoing):
            tasks.append(_own_task(channel, message, source, common))
            continue
        if pattern is None:
            metadata, priority = _split({**({"source": source} if source else {}), **common})
            pattern = replace(channel.pattern, priority=priority, metadata=metadata, created_at=now_iso())
        tasks.append(alike(pattern, message if shape is None else shape.dump(message)))
    return tasks


def _own_task(channel: Channel, message: Outgoing, source: str | None, common: dict[str, Any]) -> Task:
    metadata, priority = _split({**({"source": source} if source else {}), **common, **message.metadata})
    return Task(
        task_type=MESSAGE,
        payload=message.data if channel.shape is None else channel.shape.dump(message.data),
        priority=priority,
        max_retries=channel.max_retries,
        retry_delay=channel.retry_delay,
        expires_in=channel.ttl if message.ttl is None else message.ttl,
        queue=channel.name,
        metadata=metadata,
        task_id=message.message_id,
        ordering_key=message.ordering_key,
        created_at=message.timestamp,
    )


def _split(metadata: dict[str, Any]) -> tuple[dict[str, Any], TaskPriority]:
    """Return metadata without the priority, which the envelope has a place for, and the priority."""
    rest = dict(metadata)
    return rest, TaskPriority.parse(rest.pop("priority", TaskPriority.NORMAL))


def publish(context: Context, channel: Channel, tasks: Sequence[Task], waiting: Waiting) -> PublishFlow[list[str]]:
    """Store messages, all or none of each call, and return their ids; wait for room if asked to."""
    if channel.max_length is not None:
        context = context._replace(settings=replace(context.settings, max_queue_length=channel.max_length))
    deadline = None if waiting.timeout is None else time.monotonic() + waiting.timeout
    pause = _FIRST_LOOK_SECONDS
    most = context.settings.max_queue_length
    while True:
        try:
            return (yield from submitting.submit(context, tasks))
        except QueueFull as error:
            left = None if deadline is None else deadline - time.monotonic()
            hopeless = any(count > most for count in _per_list(tasks).values())
            if not waiting.block or hopeless or (left is not None and left <= 0):
                raise QueueFull(
                    _why_full(channel.name, len(tasks), most, hopeless, waiting, error.stored), error.stored
                ) from None
        # not in step with others that wait
        seconds = pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, no secret
        yield Pause(seconds if left is None else min(seconds, left))
        pause = min(pause * 2, _LAST_LOOK_SECONDS)


def _per_list(tasks: Iterable[Task]) -> dict[TaskPriority, int]:
    counts: dict[TaskPriority, int] = {}
    for task in tasks:
        counts[task.priority] = counts.get(task.priority, 0) + 1
    return counts


def _why_full(name: str, count: int, most: int, hopeless: bool, waiting: Waiting, stored: int) -> str:
    if hopeless:
        return (
            f"channel {name!r} may hold {most:,} messages of a priority, so {count:,} at once never fit: "
            f"{so_far(stored)} stored. Publish smaller batches, or raise max_length"
        )
    waited = f" within {waiting.timeout:g} s" if waiting.block and waiting.timeout is not None else ""
    return (
        f"channel {name!r} may hold {most:,} messages of a priority, and there was no room{waited}: "
        f"{so_far(stored)} stored. Start more consumers, publish with block=True, or raise max_length"
    )


def queue_length(context: Context, channel: Channel) -> PublishFlow[int]:
    """Return how many messages wait in the lists of a channel."""
    found: list[int] = yield lengths(context.protocol, lists_of(channel.name))
    return sum(found)


def check_batch(messages: object) -> list[Any]:
    """Return the messages of a batch as a list.

    Raises:
        InvalidTask: if it is none: a text or a dict is one message.
    """
    if isinstance(messages, str | bytes | dict) or not isinstance(messages, Iterable):
        raise InvalidTask(f"a batch is a list of messages, not a {type(messages).__name__}: publish one with publish()")
    return list(messages)
