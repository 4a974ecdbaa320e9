"""A backend for ``django.tasks``: ``TASKS = {"default": {"BACKEND": "taskq.contrib.django.backend.TaskqBackend"}}``."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from taskq import flows
from taskq.contrib.django.found import find_tasks
from taskq.contrib.django.interface import BaseTaskBackend, TaskResultDoesNotExist, task_enqueued
from taskq.contrib.django.queues import get_queue
from taskq.contrib.django.results import amend, new_result, task_result
from taskq.errors import TaskNotFound
from taskq.model.task import Task
from taskq.registry import spread
from taskq.states import TaskPriority

_URGENT_ABOVE = 50


class TaskqBackend(BaseTaskBackend):
    """Runs tasks of ``django.tasks`` on taskq.

    Options: ``on_commit`` (False): enqueue when the transaction commits. All others are defaults of the ``Task`` of
    taskq: ``max_retries``, ``retry_delay``, ``timeout``, ``expires_in``, ``result_ttl``. As everywhere in taskq, a task
    that raises is run again, three times by default; ``"max_retries": 0`` gives what other backends do.
    """

    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: Mapping[str, Any]) -> None:
        super().__init__(alias, params)
        options = dict(self.options)
        self._on_commit = bool(options.pop("on_commit", False))
        self._defaults = options
        Task(**options)  # a wrong default is better reported where it stands

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        """Submit a call of a task; return its ``TaskResult``.

        Raises:
            InvalidTask: if the task cannot run on this backend.
            TaskqError: if it cannot be submitted.
        """
        self.validate_task(task)
        result = new_result(task, self.alias, args, kwargs)
        submitted = Task(
            task_type=task.module_path,
            payload={"args": result.args, "kwargs": result.kwargs},
            priority=list_of(task.priority),
            queue=task.queue_name,
            **self._defaults,
        )
        amend(result, id=submitted.task_id, enqueued_at=timezone.now())
        submit = functools.partial(_submit, submitted, task.run_after)
        if self._on_commit:
            transaction.on_commit(submit)
        else:
            submit()
        task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> Any:
        """Return what has become of a task.

        Raises:
            TaskResultDoesNotExist: if there is no such task, or no longer, or its function is in no module ``tasks`` of
                an installed app.
        """
        queue = get_queue()
        try:
            stored, status = queue.get_task(result_id), queue.get_task_status(result_id)
            ended = queue.get_task_result(result_id) or {}
        except TaskNotFound as error:
            raise TaskResultDoesNotExist(str(error)) from None
        task = find_tasks().get(stored.task_type)
        if task is None:
            raise TaskResultDoesNotExist(
                f"task {result_id} is of type {stored.task_type!r}, and there is no such task in a module 'tasks' of "
                "an installed app"
            )
        return task_result(task, result_id, self.alias, spread(stored.payload), {**status, **ended})


def list_of(priority: int) -> TaskPriority:
    """Return the list for a priority of Django, -100 to 100: above 50 urgent, above 0 high, 0 normal, else low."""
    if priority > _URGENT_ABOVE:
        return TaskPriority.URGENT
    if priority > 0:
        return TaskPriority.HIGH
    return TaskPriority.NORMAL if priority == 0 else TaskPriority.LOW


def _submit(task: Task, run_after: datetime | None) -> None:
    if run_after is None:
        get_queue().submit_task(task)
    else:
        get_queue().submit_later(task, flows.due_at(run_after))
