"""What happens together: children, a checkpoint and the result of an attempt in one step."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from taskq.errors import InvalidTask, TaskConflict
from taskq.flows import Context, Flow
from taskq.model.checkpoint import Checkpoint
from taskq.model.partition import at_home
from taskq.model.task import Task
from taskq.protocol.replies import Settlement
from taskq.protocol.workflow import Child, CommitPlan
from taskq.submitting import queue_full, submission

MOST_CHILDREN = 100
_TAKEN, _FULL = -2, -3


@dataclass(frozen=True, slots=True)
class Together:
    """What one attempt wants to happen together.

    Attributes:
        task_id: of the task.
        fence: of the attempt.
        children: to submit.
        checkpoint: to keep as long as the task; None: none.
        completion: of the task; None: it goes on.
        saga: how far a saga has come, in words; empty: it is none.
    """

    task_id: str
    fence: str
    children: Sequence[Task] = ()
    checkpoint: Checkpoint | None = None
    completion: Settlement | None = None
    saga: str = ""


def check_child(context: Context, child: Task) -> str:
    """Give a child an id in the partition of its parent, and return it.

    Raises:
        InvalidTask: if it cannot be one.
    """
    if not isinstance(child, Task):
        raise InvalidTask(f"a child is a Task, not a {type(child).__name__}: Task(payload=...)")
    if child.unique_key is not None or child.ordering_key is not None or child.depends_on:
        raise InvalidTask(
            "a task that is submitted by a commit has no unique_key, no ordering_key and no depends_on: leave them "
            "out, or use ctx.submit"
        )
    child.task_id = at_home(child.task_id, context.partition, context.settings.partitions)
    child.fresh_id = False
    return child.task_id


def apply(context: Context, wanted: Together) -> Flow[int]:
    """Let it happen; return the code of the script: done, stale, or asked to stop.

    Raises:
        TaskConflict, QueueFull, InvalidTask, PayloadTooLarge: if something of it cannot be stored; nothing is, then.
    """
    if len(wanted.children) > MOST_CHILDREN:
        raise InvalidTask(
            f"{len(wanted.children):,} children are more than the {MOST_CHILDREN} of one commit: use ctx.fanout, or "
            "let a child make the others"
        )
    task_id, settings, ended = wanted.task_id, context.settings, wanted.completion
    noted = wanted.checkpoint
    text = noted.to_text(task_id, settings.max_message_bytes, context.seal) if noted is not None and not ended else ""
    completion = (ended.body, ended.number) if ended else None
    plan = CommitPlan(task_id, wanted.fence, secrets.token_hex(8), text, completion, wanted.saga)
    children = [Child(*submission(context, child)[:3]) for child in wanted.children]
    code, detail = yield context.protocol.commit(plan, children, settings.max_queue_length)
    if code == _TAKEN:
        raise TaskConflict(
            f"the id {detail.decode()} of a child is that of another task, or of a cancelled one whose entry still "
            "stands in a list: leave task_id out"
        )
    if code == _FULL:
        raise queue_full(context, detail[0].decode(), detail[1])
    return int(code)
