"""Run a task of ``django.tasks`` as a handler, with the signals and the context that Django promises."""

from __future__ import annotations

import inspect
from typing import Any

from django.utils import timezone

from taskq.contrib.django.interface import TaskContext, TaskResultStatus, task_finished, task_started
from taskq.contrib.django.results import amend, task_result
from taskq.model.task import Task
from taskq.registry import HandlerSpec, spread
from taskq.states import TaskStatus


def spec_of(task: Any) -> HandlerSpec:
    """Return the handler of a task of Django."""
    is_async = inspect.iscoroutinefunction(task.func)

    def run(stored: Task, ctx: Any) -> Any:
        attempt = _Attempt(task, stored, ctx)
        try:
            return attempt.completed(task.func(*attempt.args, **attempt.kwargs))
        except Exception:
            attempt.failed()
            raise

    async def run_async(stored: Task, ctx: Any) -> Any:
        attempt = _Attempt(task, stored, ctx)
        try:
            return attempt.completed(await task.func(*attempt.args, **attempt.kwargs))
        except Exception:
            attempt.failed()
            raise

    return HandlerSpec(task.module_path, run_async if is_async else run, is_async=is_async, wants_context=True)


class _Attempt:
    """One call of a task: its arguments, and the signals at its begin and end."""

    def __init__(self, task: Any, stored: Task, ctx: Any) -> None:
        seen = {
            "status": TaskStatus.RUNNING,
            "created_at": stored.created_at,
            "started_at": timezone.now().isoformat(),
            "worker_id": "this",
            "attempts": ctx.attempt,
        }
        self._result = task_result(task, stored.task_id, task.backend, spread(stored.payload), seen)
        self._sender = type(task.get_backend())
        context = [TaskContext(task_result=self._result)] if task.takes_context else []
        self.args, self.kwargs = [*context, *self._result.args], self._result.kwargs
        task_started.send(sender=self._sender, task_result=self._result)

    def completed(self, value: Any) -> Any:
        amend(self._result, _return_value=value)
        self._end(TaskResultStatus.SUCCESSFUL)
        return value

    def failed(self) -> None:
        self._end(TaskResultStatus.FAILED)

    def _end(self, status: Any) -> None:
        amend(self._result, status=status, finished_at=timezone.now())
        task_finished.send(sender=self._sender, task_result=self._result)
