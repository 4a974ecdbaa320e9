"""Django's own interface of tasks: ``django.tasks`` since Django 6.0, the package ``django-tasks`` before."""

from __future__ import annotations

try:
    from django.tasks import Task, TaskContext, TaskResult, TaskResultStatus, task
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.base import TaskError
    from django.tasks.exceptions import TaskResultDoesNotExist
    from django.tasks.signals import task_enqueued, task_finished, task_started
except ModuleNotFoundError as missing:
    if missing.name != "django.tasks":
        raise
    try:
        from django_tasks import TaskContext, TaskResult, TaskResultStatus, task
        from django_tasks.backends.base import BaseTaskBackend
        from django_tasks.base import Task, TaskError
        from django_tasks.exceptions import TaskResultDoesNotExist
        from django_tasks.signals import task_enqueued, task_finished, task_started
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "the backend for django.tasks needs Django 6.0, or the package django-tasks: pip install django-tasks",
            name="django_tasks",
        ) from None

__all__ = [
    "BaseTaskBackend",
    "Task",
    "TaskContext",
    "TaskError",
    "TaskResult",
    "TaskResultDoesNotExist",
    "TaskResultStatus",
    "task",
    "task_enqueued",
    "task_finished",
    "task_started",
]
