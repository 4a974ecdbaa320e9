"""Trees of tasks: a task, what it has fanned out to or depends on, and so on; to look at, to cancel, to run again."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import count
from typing import Any

from taskq import dead, flows
from taskq.errors import InvalidTask, TaskNotFound
from taskq.flows import Context, Flow
from taskq.model.envelope import outline
from taskq.model.names import check_name
from taskq.model.result import result_outline
from taskq.model.views import status_dict
from taskq.protocol.replies import Inspection
from taskq.protocol.workflow import Family
from taskq.states import TaskStatus

_PAGE = 500
# of each family in a view; more would say less
_SHOWN = 20


@dataclass(slots=True)
class TreeFamily:
    """What a task waits for, or has waited for.

    Attributes:
        kind: ``fanout`` or ``depends_on``.
        policy: ``fail_fast``, ``wait_all`` or ``quorum``.
        total: how many tasks it has.
        completed: how many of them have completed.
        failed: how many have ended otherwise.
        done: ``completed`` or ``failed`` once it is decided, else empty.
        tasks: the first of them.
    """

    kind: str
    policy: str
    total: int
    completed: int
    failed: int
    done: str
    tasks: list[TaskTree] = field(default_factory=list)


@dataclass(slots=True)
class TaskTree:
    """A task, and the tasks below it.

    Attributes:
        task_id: of the task.
        task_type: its type; empty: it is forgotten.
        status: where it is; ``forgotten`` if its retention is over.
        error: how it has failed.
        families: what it has fanned out to, or depends on.
        seen: whether it stands further up already; it is not followed again then.
    """

    task_id: str
    task_type: str = ""
    status: str = "forgotten"
    error: str = ""
    families: list[TreeFamily] = field(default_factory=list)
    seen: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the tree as a dict that JSON can say."""
        return asdict(self)


def get_tree(context: Context, task_id: str, limit: int) -> Flow[TaskTree]:
    """Return a task with up to ``limit`` tasks below it, those nearer to it first."""
    (root,), items = yield from _nodes(context, [check_name(task_id, "task id")])
    if root.status == "forgotten":
        raise TaskNotFound(
            f"there is no task {task_id}: it never existed under this prefix, or it ended and its retention is over "
            "(TASKQ_RESULT_TTL)"
        )
    seen, todo = {task_id}, deque([(root, items[0])])
    while todo:
        node, item = todo.popleft()
        for name in (yield from _families_of(context, node.task_id, item)):
            family: Family = yield context.protocol.gather(name, 0, _SHOWN)
            if not family.total:
                continue
            kind = "depends_on" if name.endswith("/0") else "fanout"
            shown = TreeFamily(kind, family.policy, family.total, family.completed, family.failed, family.done)
            node.families.append(shown)
            nodes, found = yield from _nodes(context, family.ids[: max(0, limit + 1 - len(seen))])
            shown.tasks = nodes
            for below, item_below in zip(nodes, found, strict=True):
                below.seen = below.task_id in seen
                if not below.seen:
                    seen.add(below.task_id)
                    todo.append((below, item_below))
    return root


def _nodes(context: Context, ids: Sequence[str]) -> Flow[tuple[list[TaskTree], list[Inspection]]]:
    items: list[Inspection] = (yield context.protocol.inspect(ids)) if ids else []
    nodes = []
    for task_id, item in zip(ids, items, strict=True):
        node = TaskTree(task_id)
        if item.envelope is not None:
            task = outline(item.envelope, task_id)
            shown = status_dict(task, item.state, item.result, context.seal)
            node.task_type, node.status, node.error = task.task_type, shown["status"], str(shown["error"] or "")
        nodes.append(node)
    return nodes, items


def _families_of(context: Context, task_id: str, item: Inspection) -> Flow[list[str]]:
    """Return the names of the families of a task: its state knows them, or there are as many as there are."""
    if item.state.get("status"):
        return item.state.get("families", "").split()
    if item.pending:
        return []
    names = [f"{task_id}/0"]
    for number in count(1):
        family: Family = yield context.protocol.gather(f"{task_id}/{number}")
        if not family.total:
            return names
        names.append(f"{task_id}/{number}")
    raise AssertionError  # count does not end


def _children(context: Context, task_id: str) -> Flow[list[tuple[str, str]]]:
    """Return the ids and statuses of all children of a task; ``open`` is the status of one that has not ended."""
    found: list[tuple[str, str]] = []
    for number in count(1):
        name, start = f"{task_id}/{number}", 0
        page: Family = yield context.protocol.gather(name, start, _PAGE)
        if not page.total:
            return found
        while page.ids:
            for child, stored in zip(page.ids, page.results, strict=True):
                ended = result_outline(stored, context.seal) if stored else {}
                found.append((child, str(ended.get("status") or "open")))
            start += _PAGE
            page = yield context.protocol.gather(name, start, _PAGE)
    return found


def cancel_tree(context: Context, task_id: str) -> Flow[int]:
    """Cancel a task, its children, and theirs; return how many were cancelled or asked to stop."""
    cancelled = 0
    todo = [check_name(task_id, "task id")]
    while todo:
        current = todo.pop()
        # the parent first: then no end of a child wakes it
        try:
            outcome = yield from flows.cancel(context, current)
            cancelled += outcome in ("cancelled", "requested")
        except TaskNotFound:
            if current == task_id:
                raise
        todo += [child for child, status in (yield from _children(context, current)) if status == "open"]
    return cancelled


def retry_tree(context: Context, task_id: str) -> Flow[int]:
    """Run again what has failed or was cancelled in a tree; return how many tasks were put back."""
    status = (yield from flows.get_status(context, check_name(task_id, "task id")))["status"]
    if status == TaskStatus.COMPLETED:
        raise InvalidTask(f"task {task_id} is completed, and with it its tree: only what has failed can be run again")
    wanted, todo = [], [task_id]
    while todo:
        current = todo.pop()
        wanted.append(current)
        todo += [child for child, how in (yield from _children(context, current)) if how != TaskStatus.COMPLETED]
    # those below first: a parent that runs before them finds them failed
    return (yield from dead.replay(context, reversed(wanted), reopen=True))
