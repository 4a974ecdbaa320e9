"""What has been submitted to a queue, and assertions on it."""

from __future__ import annotations

from typing import Any

from taskq.model.task import Task
from taskq.queue import TaskQueue
from taskq.states import TaskStatus

_MOST = 10_000


def submitted(queue: TaskQueue, task_type: str | None = None) -> list[Task]:
    """Return the tasks of a queue, whatever has become of them, in the order in which they were made.

    Args:
        queue: a queue of a test; up to 10,000 tasks of each status are looked at.
        task_type: only those of this type.
    """
    ids = [row["task_id"] for status in TaskStatus for row in queue.list_tasks(status, _MOST)]
    tasks = [queue.get_task(task_id) for task_id in ids]
    wanted = [task for task in tasks if task_type is None or task.task_type == task_type]
    return sorted(wanted, key=lambda task: task.created_at)


def assert_submitted(queue: TaskQueue, task_type: str, /, *, count: int | None = None, **fields: Any) -> list[Task]:
    """Return the tasks of a type that have these fields; there must be one, or as many as ``count`` says.

    Args:
        queue: a queue of a test.
        task_type: of the tasks.
        count: how many there must be; None: at least one; 0: none.
        fields: attributes of ``Task``, such as ``payload=``, ``priority="high"``, ``queue=``. A payload of decorated
            functions is ``{"args": [...], "kwargs": {...}}``.

    Raises:
        AssertionError: if there are others, or too many; the message shows what there is.
        AttributeError: if a task has no such attribute.
    """
    of_type = submitted(queue, task_type)
    found = [task for task in of_type if all(_is(getattr(task, name), value) for name, value in fields.items())]
    if len(found) == count or (count is None and found):
        return found
    wanted = " and ".join(f"{name}={value!r}" for name, value in fields.items())
    number = "at least one" if count is None else str(count)
    expected = f"{number} of type {task_type!r}{f' with {wanted}' if wanted else ''}"
    seen = [
        f"\n  {task.task_type} {' '.join(f'{name}={getattr(task, name)!r}' for name in fields or ('payload',))}"
        for task in of_type or submitted(queue)
    ]
    there_is = f"submitted were:{''.join(seen)}" if seen else "nothing was submitted"
    raise AssertionError(f"expected {expected}, found {len(found)}; {there_is}")


def _is(found: Any, wanted: Any) -> bool:
    return bool(found == wanted) or (isinstance(wanted, str) and getattr(found, "label", None) == wanted)
