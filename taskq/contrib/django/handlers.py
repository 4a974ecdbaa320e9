"""What a worker of a Django project serves: ``taskq worker --handlers taskq.contrib.django.handlers``.

``manage.py taskq_worker`` does the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import django
from asgiref.sync import sync_to_async
from django.apps import apps
from django.db import close_old_connections

from taskq.contrib.django.found import find_tasks, import_modules
from taskq.contrib.django.queues import get_queue
from taskq.registry import HandlerSpec, Registry

if not apps.ready:
    django.setup()

Function = Callable[..., Any]


class _Worker(Protocol):
    registry: Registry


def register(worker: _Worker) -> None:
    """Tell a worker of every task in the modules ``tasks`` of the installed apps.

    Functions decorated with ``@get_queue().task`` are among them, and tasks of ``django.tasks`` if the project can have
    any. Database connections that have grown too old are closed before and after each task, as around a request.
    """
    import_modules()
    specs = [*get_queue().registry, *_specs_of_django()]
    for spec in specs:
        function = _async_with_fresh_connections if spec.is_async else _with_fresh_connections
        worker.registry.add(replace(spec, function=function(spec.function)))


def _specs_of_django() -> list[HandlerSpec]:
    try:
        found = find_tasks()
    except ModuleNotFoundError as missing:
        if missing.name != "django_tasks":
            raise
        return []
    from taskq.contrib.django.running import spec_of

    return [spec_of(task) for task in found.values()]


def _with_fresh_connections(function: Function) -> Function:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        close_old_connections()
        try:
            return function(*args, **kwargs)
        finally:
            close_old_connections()

    return run


def _async_with_fresh_connections(function: Function) -> Function:
    close = sync_to_async(close_old_connections)  # on the thread on which Django's own async calls work

    @functools.wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        await close()
        try:
            return await function(*args, **kwargs)
        finally:
            await close()

    return run
