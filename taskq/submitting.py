"""How tasks are submitted: encoded, cut into portions, stored, or refused. Written once for threads and event loops."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import repeat

from taskq.errors import InvalidTask, NotDurable, QueueFull
from taskq.flows import Context, Flow, Room, ttl_ms
from taskq.middleware import before_submit
from taskq.model.bound import OnFull
from taskq.model.envelope import to_envelope, to_plain_envelopes
from taskq.model.partition import at_home
from taskq.model.task import Task
from taskq.protocol.durability import Durable, Guarantee
from taskq.protocol.keys import list_name
from taskq.protocol.operation import Operation
from taskq.protocol.portions import portions
from taskq.protocol.refusals import list_full, refuse
from taskq.protocol.submits import Submission, SubmitReply, without_keys
from taskq.states import TaskPriority

# A hint may be lost with whoever took it, so whoever waits for room looks again after this time.
_ROOM_SECONDS = 2.0


def submission(context: Context, task: Task, due: str = "0") -> Submission:
    """Return a task as the submit wants it.

    Raises:
        InvalidTask: if it cannot be encoded, or is larger than allowed.
    """
    if not isinstance(task, Task):
        raise InvalidTask(f"a Task is submitted, not a {type(task).__name__}: Task(payload=...)")
    settings = context.settings
    if settings.message_ttl_seconds is not None and task.expires_in is None:
        task = replace(task, expires_in=settings.message_ttl_seconds)
    if settings.partitions > 1:  # whoever made the id up may not have known where the task would go
        task.task_id = at_home(task.task_id, context.partition, settings.partitions)
    if context.shapes and task.task_type in context.shapes:
        task.payload = context.shapes[task.task_type].dump(task.payload)
    if context.middleware:
        before_submit(context.middleware, task)
    envelope = to_envelope(task, settings.max_message_bytes, context.seal)
    name = list_name(task.queue, task.priority)
    if task.unique_key is task.ordering_key is task.group_key is None:
        return without_keys(task.task_id, envelope, name, due)
    return Submission(
        task.task_id,
        envelope,
        name,
        due,
        task.unique_key or "",
        task.ordering_key or "",
        "" if task.unique_key is None else task.uniqueness.rules(ttl_ms(context)),
        task.group_key or "",
    )


def submit(context: Context, tasks: Sequence[Task], due: str = "0", durability: str | None = None) -> Flow[list[str]]:
    """Store tasks, all or none of each portion, as safely as asked for, and return their ids."""
    submissions = _as_they_are(context, tasks, due) or [submission(context, task, due) for task in tasks]
    # copies of one Task each say that their id is fresh
    reused = _used_before(tasks) or len({one[0] for one in submissions}) < len(submissions)
    stored: list[str] = []
    doubt: NotDurable | None = None
    for portion in portions(submissions) if submissions else ():
        ids, short = yield from _store(context, portion, reused, durability, len(stored))
        doubt = doubt or short
        stored += ids
    if doubt is not None:
        raise doubt
    return stored


def _as_they_are(context: Context, tasks: Sequence[Task], due: str) -> list[Submission] | None:
    """Return what ``submission`` makes of each of many tasks; None if more is said of one, or of all in general."""
    settings = context.settings
    if (
        settings.message_ttl_seconds is not None
        or settings.partitions > 1
        or context.shapes
        or context.middleware
        or context.seal is not None
        or not all(isinstance(task, Task) for task in tasks)
    ):
        return None
    envelopes = to_plain_envelopes(tasks, settings.max_message_bytes)
    if envelopes is None:
        return None
    ids, name = [task.task_id for task in tasks], list_name(None, TaskPriority.NORMAL)
    return list(map(without_keys, ids, envelopes, repeat(name), repeat(due)))


def submit_one(context: Context, task: Task, due: str = "0", durability: str | None = None) -> Flow[str]:
    """Store one task, as safely as asked for, and return its id."""
    one = submission(context, task, due)
    ids, doubt = yield from _store(context, (one,), _used_before((task,)), durability, 0)
    if doubt is not None:
        raise doubt
    return ids[0]


def _used_before(tasks: Sequence[Task]) -> bool:
    """Return whether the id of one of some tasks that wait for no others may have been used before.

    From now on all have been.

    Raises:
        InvalidTask: if one depends on others.
    """
    used = False
    for task in tasks:
        if task.depends_on:
            raise InvalidTask("a task with depends_on starts when they have ended, it cannot have a time of its own")
        used = used or not task.fresh_id
        task.fresh_id = False
    return used


def _store(
    context: Context, portion: Sequence[Submission], reused: bool, durability: str | None, stored: int
) -> Flow[tuple[Sequence[str], NotDurable | None]]:
    """Store what one call carries; return the ids, and the doubt whether it is as safe as asked for."""
    most = context.settings.max_queue_length
    operation = context.protocol.submit(portion, most, reused=reused)
    reply, short = yield from _send(context, operation, durability)
    if reply.ids:  # nearly always
        return reply.ids, short
    deadline: float | None = None
    while (full := reply.bounded) is not None and full.on_full == OnFull.BLOCK and not full.never_fits:
        deadline = deadline or time.monotonic() + full.wait_ms / 1000
        left = deadline - time.monotonic()
        if left <= 0:
            break
        key = context.protocol.room_key(full.queue)
        yield Room(operation.root, key, min(left, _ROOM_SECONDS))
        reply, short = yield from _send(context, operation, durability)
    refuse(portion, reply, most, stored)
    return reply.ids, short


def _send(
    context: Context, operation: Operation[SubmitReply], durability: str | None
) -> Flow[tuple[SubmitReply, NotDurable | None]]:
    if (durability or context.settings.durability) == "memory":
        return (yield operation), None
    guarantee = Guarantee.of(durability, context.settings, context.protocol.keys)
    reply, reached = yield Durable(operation, guarantee)
    return reply, guarantee.shortfall(reached, reply.ids)


def queue_full(context: Context, name: str, length: int, stored: int = 0) -> QueueFull:
    """Return the error of a submit that would have made a list longer than it may be."""
    return list_full(context.settings.max_queue_length, name, length, stored)
