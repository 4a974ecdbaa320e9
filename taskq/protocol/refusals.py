"""What a submit raises that has stored nothing. No I/O here."""

from __future__ import annotations

from collections.abc import Sequence

from taskq.errors import AccessDenied, DuplicateTask, QueueFull, TaskConflict
from taskq.model.bound import OnFull
from taskq.protocol.submits import DENIED, Submission, SubmitReply


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
    if reply.bounded is not None:
        queue, held, most, on_full, wait_ms = reply.bounded
        if on_full == DENIED:
            raise AccessDenied(
                f"the queue {queue!r} holds {held:,} tasks and may hold {most:,}, and this user may not look for one "
                f"to shed: {so_far(stored)} stored. Shedding needs the rights of an operator or worker (`taskq acl`): "
                f"submit as one, or use `taskq queue limit {queue} --max-tasks {most} --on-full reject` or block"
            )
        waited = f" and there was no room within {wait_ms / 1000:g} s" if on_full == OnFull.BLOCK else ""
        raise QueueFull(
            f"the queue {queue!r} holds {held:,} tasks and may hold {most:,}{waited}: {so_far(stored)} stored. Start "
            f"more workers, submit later, or raise its limit: `taskq queue limit {queue} --max-tasks N`",
            stored,
        )
    if reply.duplicate is not None:
        index, holder = reply.duplicate
        key = portion[index].unique_key
        raise DuplicateTask(
            f"task {holder} holds the unique key {key!r}: {so_far(stored)} stored. Wait until it has ended, or submit "
            "with another unique_policy",
            holder,
            stored,
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
