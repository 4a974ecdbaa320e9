"""Fan-out and fan-in, written once for both clients and for handlers."""

from __future__ import annotations

import hashlib
import secrets
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from taskq.errors import CorruptTask, InvalidTask, QueueFull, TaskConflict, TaskNotFound
from taskq.flows import Context, Flow
from taskq.model.codec import decode, encode
from taskq.model.crypto import hide, reveal
from taskq.model.names import check_name
from taskq.model.partition import at_home
from taskq.model.result import parse_result, result_json
from taskq.model.task import Task
from taskq.protocol.workflow import STALE, Child, Family, FamilyPlan
from taskq.states import TaskStatus
from taskq.submitting import submission

WAIT_ALL, FAIL_FAST = "wait_all", "fail_fast"
# The script works for about a millisecond on so many children, and nobody else is served meanwhile.
_PART = 100
_PAGE = 500
_BY_HAND_TTL_MS = 86_400_000
MAX_CHILDREN = 1_000_000


class StaleAttempt(Exception):
    """The attempt that fans out is no longer the one that counts."""


@dataclass(frozen=True, slots=True)
class Quorum:
    """The policy of a family that is done when so many of its children have completed.

    Args:
        need: how many.
    """

    need: int


Policy = str | Quorum


def plan_of(name: str, total: int, policy: Policy, owner: tuple[str, str] = ("", ""), data: str = "") -> FamilyPlan:
    """Return the plan of a family; ``owner`` is the task that will wait, and the fence of its attempt.

    Raises:
        InvalidTask: if there is no such policy, or it can never be fulfilled.
    """
    word, need = ("quorum", policy.need) if isinstance(policy, Quorum) else (policy, 0)
    if isinstance(policy, Quorum):
        if type(need) is not int or not 1 <= need <= total:
            raise InvalidTask(
                f"a quorum of {need!r:.60} among {total:,} children: use a whole number from 1 to {total:,}"
            )
    elif policy not in (WAIT_ALL, FAIL_FAST):
        raise InvalidTask(f"unknown policy {policy!r:.60}: use 'wait_all', 'fail_fast' or Quorum(n)")
    if total > MAX_CHILDREN:
        raise InvalidTask(f"{total:,} children are more than {MAX_CHILDREN:,}: let each child have children of its own")
    return FamilyPlan(name, total, word, need, *owner, ttl_ms=_BY_HAND_TTL_MS, data=data)


def child_id(family: str, index: int) -> str:
    """Return the id of a child: the same one whenever the same attempt, or a later one, fans out again."""
    return str(uuid.UUID(bytes=hashlib.sha256(f"{family} {index}".encode()).digest()[:16], version=4))


def name_children(context: Context, family: str, children: Sequence[Task]) -> list[str]:
    """Give each child the id that it has in its family, unless the user has given it one; return them.

    Args:
        context: of the queue.
        family: what tells it from all others, also from that of an earlier task under the same id.
        children: its children.

    Raises:
        InvalidTask: if a child cannot be one, or stands there twice.
    """
    ids = []
    for index, task in enumerate(children):
        if not isinstance(task, Task):
            raise InvalidTask(f"a child is a Task, not a {type(task).__name__}: Task(payload=...)")
        if task.unique_key is not None:
            raise InvalidTask("a child has a unique_key, so it might be another task: leave it out")
        if task.ordering_key is not None:
            raise InvalidTask(
                "a child has an ordering_key, so it might wait for its own parent: leave it out, or submit the task "
                "with ctx.submit, which waits for nothing"
            )
        if task.depends_on:
            raise InvalidTask("a child has depends_on: let it wait by a fan-out of its own, or submit the tasks first")
        if task.fresh_id:
            task.task_id, task.fresh_id = child_id(family, index), False
        task.task_id = at_home(task.task_id, context.partition, context.settings.partitions)
        ids.append(task.task_id)
    if len(set(ids)) < len(ids):
        raise InvalidTask("a child stands there twice: make a Task for each")
    return ids


def store(context: Context, plan: FamilyPlan, children: Sequence[Task], stored: int) -> Flow[None]:
    """Store the children of a family behind the first ``stored`` ones, part by part.

    Raises:
        StaleAttempt: if the fence of the owner does not hold.
        TaskConflict, QueueFull, InvalidTask, PayloadTooLarge: if they cannot be stored; earlier parts are.
    """
    while stored < plan.total:
        part = [Child(*submission(context, task)[:3]) for task in children[stored : stored + _PART]]
        code, detail = yield context.protocol.fanout(plan, stored, part, context.settings.max_queue_length)
        if code == STALE:
            raise StaleAttempt
        if code == -1:
            raise TaskConflict(
                f"the id {detail.decode()} of a child is known, and not as a child of {plan.name}, or is that of a "
                "cancelled task whose entry still stands in a list: leave task_id out. If you have, somebody else has "
                "deleted the record of an earlier fan-out, and `taskq fsck` tells more"
            )
        if code == -2:
            raise QueueFull(
                f"the list {detail[0].decode()!r} holds {detail[1]:,} tasks and may hold "
                f"{context.settings.max_queue_length:,}: {stored:,} of {plan.total:,} children are stored. Call it "
                "again when there is room, or raise TASKQ_MAX_QUEUE_LENGTH"
            )
        if code != 1:
            raise TaskConflict(
                f"{plan.name.partition('/')[0]} has been fanned out to {int(detail):,} children before, now there are "
                f"{plan.total:,}: fan out to the same children each time"
            )
        if detail <= stored:  # it has come to its end before all were there
            break
        stored = detail


def results_of(context: Context, name: str, family: Family) -> Flow[list[dict[str, Any]]]:
    """Return the result dicts of the children of a family, in order; ``open`` is the status of one that has not ended.

    Raises:
        CorruptTask: if results are gone that were there: a handler must not take them for none.
    """
    found: list[dict[str, Any]] = []
    for start in range(0, family.total, _PAGE):
        page: Family = yield context.protocol.gather(name, start, _PAGE)
        for task_id, stored in zip(page.ids, page.results, strict=True):
            if stored:
                found.append(parse_result(stored, context.seal))
            else:
                found.append({"task_id": task_id, "status": "open", "result": None, "error": None})
        if len(page.ids) < _PAGE:
            break
    ended = sum(result["status"] != "open" for result in found)
    if ended < family.ended:
        now: Family = yield context.protocol.gather(name)  # fewer, if a replay has opened some again
        if ended < now.ended:
            raise CorruptTask(
                f"{name} has counted {now.ended:,} children that have ended, and {ended:,} of their results are left: "
                "somebody else has deleted them. `taskq fsck` shows what is missing"
            )
    return found


def fanout(context: Context, task_id: str, subtasks: Sequence[Task], parent_data: Any) -> Flow[list[str]]:
    """Store subtasks under a name and return their ids."""
    name, children = check_name(task_id, "task id"), list(subtasks)
    if not children:
        raise InvalidTask("there are no subtasks to fan out to")
    ids = name_children(context, name, children)
    data = hide(context.seal, encode(parent_data, "parent data"), "family", name)
    yield from store(context, plan_of(name, len(children), WAIT_ALL, data=data), children, 0)
    return ids


def complete(context: Context, parent_id: str, subtask_id: str, result: Any) -> Flow[dict[str, Any] | None]:
    """Count a subtask as completed by hand; return the aggregate to whoever has completed the last one."""
    name = check_name(parent_id, "task id")
    body = result_json(
        check_name(subtask_id, "task id"),
        TaskStatus.COMPLETED,
        result=result,
        completed_at_ms=time.time_ns() // 1_000_000,
        seal=context.seal,
    )
    if len(body.encode()) > context.settings.max_message_bytes:
        raise InvalidTask(
            f"the result of {subtask_id} is larger than the {context.settings.max_message_bytes:,} bytes allowed: "
            "store it elsewhere and report a reference"
        )
    code, ended = yield context.protocol.report(name, subtask_id, body, secrets.token_hex(8))
    if code == -1:
        raise TaskNotFound(
            f"{subtask_id} is no subtask of {parent_id}: it never was under this prefix, or the fan-out was a day ago"
        )
    return (yield from aggregate(context, name)) if ended else None


def aggregate(context: Context, name: str) -> Flow[dict[str, Any]]:
    """Return what a family has come to."""
    family: Family = yield context.protocol.gather(name)
    results = yield from results_of(context, name, family)
    data = decode(reveal(context.seal, family.data, "family", name), "parent data") if family.data else None
    return {"task_id": name, "parent_data": data, "results": results}
