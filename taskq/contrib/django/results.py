"""``TaskResult`` of ``django.tasks``, from what taskq knows of a task."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from taskq.contrib.django.interface import TaskError, TaskResult, TaskResultStatus
from taskq.model.result import headline
from taskq.states import TaskStatus

_STATUSES = {
    TaskStatus.RUNNING: TaskResultStatus.RUNNING,
    TaskStatus.COMPLETED: TaskResultStatus.SUCCESSFUL,
    TaskStatus.FAILED: TaskResultStatus.FAILED,
    TaskStatus.CANCELLED: TaskResultStatus.FAILED,
}


def new_result(task: Any, alias: str, args: Any, kwargs: Any) -> Any:
    """Return the ``TaskResult`` of a call that was not submitted yet; its arguments are what JSON can say."""
    return task_result(task, "", alias, (args, kwargs), {})


def task_result(task: Any, result_id: str, alias: str, call: tuple[Any, Any], seen: Mapping[str, Any]) -> Any:
    """Return a ``TaskResult``.

    Args:
        task: the task of Django.
        result_id: id of the task of taskq.
        alias: of the backend.
        call: arguments and keyword arguments.
        seen: status dict and result dict of taskq, as far as there are any.
    """
    started = _moment(seen.get("started_at"))
    attempts = seen.get("attempts") or (seen.get("retry_count") or 0) + (1 if seen.get("worker_id") else 0)
    result = TaskResult(
        task=task,
        id=result_id,
        status=_STATUSES.get(seen.get("status", ""), TaskResultStatus.READY),
        enqueued_at=_moment(seen.get("created_at")),
        started_at=started,
        last_attempted_at=started,
        finished_at=_moment(seen.get("completed_at")),
        args=list(call[0]),
        kwargs=dict(call[1]),
        backend=alias,
        errors=[_error(seen["error"])] if seen.get("error") else [],
        # Django counts attempts by the workers that made them
        worker_ids=[str(seen.get("worker_id"))] * attempts,
    )
    amend(result, _return_value=seen.get("result"))
    return result


def amend(result: Any, **values: Any) -> None:
    """Set attributes of a ``TaskResult``, which is frozen for all but its backend."""
    for name, value in values.items():
        object.__setattr__(result, name, value)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _error(text: str) -> Any:
    name = headline(text).partition(":")[0]
    return TaskError(exception_class_path=name if "." in name else f"builtins.{name}", traceback=text)
