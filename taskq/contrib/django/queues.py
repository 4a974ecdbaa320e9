"""The queue of a Django project, and submits that wait for the commit of a transaction."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.conf import settings as project
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from taskq.errors import TaskqError
from taskq.model.codec import encode
from taskq.model.task import Task
from taskq.queue import TaskQueue
from taskq.settings import Settings


def project_settings() -> dict[str, Any]:
    """Return the dict ``TASKQ`` of the project, with the names of settings as taskq spells them.

    Raises:
        ImproperlyConfigured: if it is no dict of names in capitals.
    """
    given = getattr(project, "TASKQ", {})
    if not isinstance(given, dict) or not all(isinstance(name, str) and name.isupper() for name in given):
        raise ImproperlyConfigured('TASKQ must be a dict such as {"REDIS_URL": "redis://host:6379/0"}')
    return {name.lower(): value for name, value in given.items()}


def load_settings() -> Settings:
    """Return the settings of the project: its dict ``TASKQ``, then environment, ``.env`` and defaults.

    Raises:
        ImproperlyConfigured: for a name or a value that is not accepted; the message says what is.
    """
    try:
        return Settings.load(**project_settings())
    except TaskqError as error:
        raise ImproperlyConfigured(f"TASKQ: {error}") from None


@functools.lru_cache(maxsize=1)
def get_queue() -> TaskQueue:
    """Return the ``TaskQueue`` of the project, the same one for the whole process.

    Functions decorated with ``@get_queue().task`` in a module ``tasks`` of an installed app are known to the workers.

    Raises:
        ImproperlyConfigured: if ``TASKQ`` cannot be used.
    """
    return TaskQueue(settings=load_settings())


def submit_on_commit(task: Task, *, using: str | None = None, durability: str | None = None) -> str:
    """Submit a task when the transaction commits, and never if it rolls back; at once outside of a transaction.

    The worker so finds the rows that the task is about. If the process dies between the commit and the submit, the task
    is lost: write down in the database what must not be.

    Args:
        task: what to run.
        using: alias of the database whose transaction is waited for; None: the default one.
        durability: as ``TaskQueue.submit_task``.

    Returns:
        The id that the task will have.

    Raises:
        InvalidTask: at once, if the payload is not JSON.
        QueueFull, ServerUnavailable, ...: as ``TaskQueue.submit_task``, from the commit.
    """
    encode(task.payload, "payload")  # an error is better raised where the payload was made than from the commit
    submit: Callable[[], object] = functools.partial(get_queue().submit_task, task, durability=durability)
    transaction.on_commit(submit, using=using)
    return task.task_id
