"""Everything about one task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from taskq.errors import CorruptTask, TaskNotFound
from taskq.flows import Context, Flow, get_task
from taskq.model.envelope import outline
from taskq.model.result import parse_result, result_outline
from taskq.model.task import DEFAULT_QUEUE, Task
from taskq.model.views import whole
from taskq.observe.pages import rows
from taskq.partitions import Spread
from taskq.protocol.replies import Inspection
from taskq.protocol.workflow import Family
from taskq.workflow import checkpoints

# so many relatives of a kind, and so many fan-outs of one task, are shown
MOST_RELATIVES = 50
_MOST_FAMILIES = 10


@dataclass(frozen=True, slots=True)
class Relatives:
    """Tasks that one task has made, or waits for.

    Attributes:
        kind: ``children`` (it has fanned out to them), ``subtasks`` (counted by hand) or ``depends_on``.
        total: how many there are; ``completed`` and ``failed`` of them have ended.
        done: ``completed`` or ``failed`` once it is decided, else empty.
        tasks: status dicts of the first ones; of one that is forgotten, id and status only.
    """

    kind: str
    total: int
    completed: int
    failed: int
    done: str
    tasks: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class TaskDetails:
    """Everything about one task.

    Attributes:
        status: as in a ``TaskPage``.
        task: as it was submitted; without payload and metadata if they cannot be read.
        damage: why they cannot be read; None if they can.
        result: the result dict; None if there is none.
        checkpoint: what it has noted for its next attempt; None if nothing.
        crashes: how many workers have died with it.
        parents: ids of the tasks whose child it is, while it is live.
        relatives: whom it has made, or waits for.
    """

    status: dict[str, Any]
    task: Task
    damage: str | None
    result: dict[str, Any] | None
    checkpoint: Any
    crashes: int
    parents: tuple[str, ...]
    relatives: tuple[Relatives, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the details as a dict that JSON can say."""
        found = asdict(self)
        found["task"] |= {"priority": self.task.priority.label, "queue": self.task.queue or DEFAULT_QUEUE}
        return found


def details(context: Context, task_id: str) -> Flow[TaskDetails]:
    """Return everything about a task."""
    status = yield from rows(context, [task_id])
    found: list[Inspection] = yield context.protocol.inspect([task_id])
    item = found[0]
    damage: str | None = None
    try:
        task = yield from get_task(context, task_id)
    except CorruptTask as error:
        task, damage = outline(item.envelope or b"", task_id), str(error)
    if not status:
        raise TaskNotFound(f"there is no task {task_id}: it has just been forgotten")
    parents = [name.rpartition("/")[0] or name for name in item.state.get("parents", "").split()]
    return TaskDetails(
        status=status[0],
        task=task,
        damage=damage,
        result=_result(context, item.result),
        checkpoint=(yield from _checkpoint(context, task_id)),
        crashes=whole(item.state.get("crashes")),
        parents=tuple(dict.fromkeys(parents)),
        relatives=(yield from _relatives(context, task_id)),
    )


def _result(context: Context, stored: bytes | None) -> dict[str, Any] | None:
    if stored is None:
        return None
    try:
        return parse_result(stored, context.seal)
    except CorruptTask:
        return result_outline(stored, context.seal)


def _checkpoint(context: Context, task_id: str) -> Flow[Any]:
    try:
        return (yield from checkpoints.get(context, task_id))
    except (CorruptTask, TaskNotFound) as error:
        return None if isinstance(error, TaskNotFound) else str(error)


def _relatives(context: Context, task_id: str) -> Flow[tuple[Relatives, ...]]:
    found: list[Relatives] = []
    for kind, name in (("depends_on", f"{task_id}/0"), ("subtasks", task_id)):
        found += yield from _one_family(context, kind, name)
    for number in range(1, _MOST_FAMILIES + 1):
        family = yield from _one_family(context, "children", f"{task_id}/{number}")
        if not family:
            break
        found += family
    return tuple(found)


def _one_family(context: Context, kind: str, name: str) -> Flow[list[Relatives]]:
    family: Family = yield context.protocol.gather(name, 0, MOST_RELATIVES)
    if not family.total:
        return []
    known = yield from rows(context, family.ids)
    tasks = _with_forgotten(family.ids, family.results, {row["task_id"]: row for row in known})
    return [Relatives(kind, family.total, family.completed, family.failed, family.done, tuple(tasks))]


def _with_forgotten(
    ids: Sequence[str], results: Sequence[bytes], known: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    return [
        known.get(task_id)
        or {"task_id": task_id, "status": str(result_outline(result).get("status") or "unknown") if result else "open"}
        for task_id, result in zip(ids, results, strict=True)
    ]


def statuses(spread: Spread[Any], task_ids: Sequence[str]) -> Flow[list[dict[str, Any]]]:
    """Return what a list shows of those tasks that exist, in the order of their partitions."""
    found: list[dict[str, Any]] = []
    for context, ids in spread.by_partition(task_ids):
        found += yield from rows(context, ids)
    return found
