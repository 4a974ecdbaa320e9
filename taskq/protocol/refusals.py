"""What a submit raises that has stored nothing. No I/O here."""

from __future__ import annotations

from collections.abc import Sequence

from taskq.errors import AccessDenied, DuplicateTask, QueueFull, TaskConflict
from taskq.model.bound import OnFull
from taskq.protocol.submits import DENIED, Bounded, Submission, SubmitReply


def refuse(portion: Sequence[Submission], reply: SubmitReply, max_length: int, stored: int) -> None:
    """Raise the error of a call that has stored nothing; ``stored`` tasks of its batch were by others before.

    Raises:
        AccessDenied, DuplicateTask, QueueFull, TaskConflict: if the reply says so.
    """
    if reply.conflicts:
        ids = [portion[index].task_id for index in reply.conflicts[:3]]
        raise TaskConflict(
            f"{len(reply.conflicts)} of {len(portion)} tasks have an id under which a different task is stored "
            f"({', '.join(ids)}): {so_far(stored)} stored. Leave task_id out to have one made up"
        )
    if reply.full is not None:
        raise list_full(max_length, *reply.full, stored)
    if reply.crowded is not None:
        key, number = reply.crowded
        raise QueueFull(
            f"{number:,} tasks with the ordering key {key!r} have not ended yet, and there may be "
            f"{max_length:,}: {so_far(stored)} stored. They run one after the other: "
            "submit later, use more keys, or raise TASKQ_MAX_QUEUE_LENGTH",
            stored,
        )
    if reply.buried is not None:
        raise buried(reply.buried, stored)
    if reply.bounded is not None:
        raise _queue_full(reply.bounded, stored)
    if reply.duplicate is not None:
        index, holder = reply.duplicate
        key = portion[index].unique_key
        raise DuplicateTask(
            f"task {holder} holds the unique key {key!r}: {so_far(stored)} stored. Wait until it has ended, or submit "
            "with another unique_policy",
            holder,
            stored,
        )


def _queue_full(full: Bounded, stored: int) -> AccessDenied | QueueFull:
    """Return the error of a submit that would have put more into a queue than its limit says."""
    queue, most, unit = full.queue, full.most, full.unit
    holds = f"the queue {queue!r} holds {full.held:,} {unit} and may hold {most:,}"
    if full.on_full == DENIED:
        return AccessDenied(
            f"{holds}, and this user may not look for one to shed: {so_far(stored)} stored. Shedding needs the rights "
            f"of an operator or worker (`taskq acl`): submit as one, or use `taskq queue limit {queue} --max-{unit} "
            f"{most} --on-full reject` or block"
        )
    if full.never_fits:
        smaller = "fewer tasks at a time" if unit == "tasks" else "less at a time, or a reference to the data"
        return QueueFull(
            f"the queue {queue!r} may hold {most:,} {unit} and this submit brings {full.comes:,}, more than an empty "
            f"queue takes: {so_far(stored)} stored. Submit {smaller}, or raise its limit: `taskq queue limit {queue} "
            f"--max-{unit} N`",
            stored,
        )
    waited = f" and there was no room within {full.wait_ms / 1000:g} s" if full.on_full == OnFull.BLOCK else ""
    comes = f", and this submit brings {full.comes:,}" if unit == "bytes" else ""
    return QueueFull(
        f"{holds}{comes}{waited}: {so_far(stored)} stored. Start more workers, submit later, or raise its limit: "
        f"`taskq queue limit {queue} --max-{unit} N`",
        stored,
    )


def buried(task_id: str, stored: int) -> TaskConflict:
    """Return the error of a submit of an id whose tombstone stands where it was not looked for."""
    return TaskConflict(
        f"the id {task_id} was that of a task which was cancelled while it waited, and its entry still stands in a "
        f"list of another queue, or deep in a long one: {so_far(stored)} stored. The id is free again when a worker "
        "has come to that entry, or the list was purged: start or resume what serves it, or leave task_id out"
    )


def so_far(stored: int) -> str:
    """Return how much of a batch that was refused is stored, in words."""
    return f"only the first {stored:,} of the batch were" if stored else "nothing was"


def list_full(max_length: int, name: str, length: int, stored: int = 0) -> QueueFull:
    """Return the error of a submit that would have made a list longer than it may be."""
    return QueueFull(
        f"the list {name!r} holds {length:,} tasks and may hold {max_length:,}: "
        f"{so_far(stored)} stored. Start more workers, submit later, or raise TASKQ_MAX_QUEUE_LENGTH",
        stored,
    )
