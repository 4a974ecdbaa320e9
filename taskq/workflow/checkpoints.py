"""Checkpoints, written once for both clients and for handlers."""

from __future__ import annotations

from typing import Any

from taskq.errors import InvalidTask, TaskNotFound
from taskq.flows import Context, Flow
from taskq.model.checkpoint import Checkpoint, read_checkpoint
from taskq.model.moment import seconds_to_ms
from taskq.model.names import check_name, in_words
from taskq.protocol.workflow import UNKNOWN

# for the script: as long as the task
_AS_LONG_AS_THE_TASK = -1


def save(
    context: Context, task_id: str, checkpoint: Checkpoint, ttl_seconds: float | None, *, fence: str = ""
) -> Flow[int]:
    """Keep a checkpoint; return the code of the script."""
    ttl_ms = _AS_LONG_AS_THE_TASK if ttl_seconds is None else seconds_to_ms(ttl_seconds, "ttl_seconds")
    if ttl_seconds is not None and ttl_ms < 1:
        raise InvalidTask(f"ttl_seconds is {in_words(ttl_seconds)}: use a number of seconds above 0")
    text = checkpoint.to_text(check_name(task_id, "task id"), context.settings.max_message_bytes, context.seal)
    code: int = yield context.protocol.checkpoint(task_id, fence, text, ttl_ms)
    if code == UNKNOWN:
        raise _not_found(task_id)
    return code


def put(context: Context, task_id: str, data: Any, ttl_seconds: float | None) -> Flow[None]:
    """Keep a checkpoint that is not the word of an attempt."""
    yield from save(context, task_id, Checkpoint(data), ttl_seconds)


def read(context: Context, task_id: str) -> Flow[Checkpoint]:
    """Return the checkpoint of a task, an empty one if there is none."""
    stored, known = yield context.protocol.recall(check_name(task_id, "task id"))
    if stored is not None:
        return read_checkpoint(stored, task_id, context.seal)
    if not known:
        raise _not_found(task_id)
    return Checkpoint()


def get(context: Context, task_id: str) -> Flow[Any]:
    """Return what a task has noted, None if it has noted nothing."""
    return (yield from read(context, task_id)).data


def delete(context: Context, task_id: str) -> Flow[None]:
    """Delete the checkpoint of a task, if there is one."""
    yield context.protocol.checkpoint(check_name(task_id, "task id"), "", "", 0)


def _not_found(task_id: str) -> TaskNotFound:
    return TaskNotFound(
        f"there is no task {task_id}, so it has no checkpoint: it never existed under this prefix, or it ended and its "
        "retention is over (TASKQ_RESULT_TTL)"
    )
