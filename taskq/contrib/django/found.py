"""The tasks of a project: what the modules ``tasks`` of its installed apps define."""

from __future__ import annotations

import functools
import sys
from typing import Any

from django.apps import apps
from django.utils.module_loading import autodiscover_modules


def import_modules() -> None:
    """Import the module ``tasks`` of each installed app that has one."""
    autodiscover_modules("tasks")


@functools.lru_cache(maxsize=1)
def find_tasks() -> dict[str, Any]:
    """Return the tasks of ``django.tasks`` by their type, which is the path of the function.

    A task that stands elsewhere is found if a module ``tasks`` imports it: what is run is never chosen by a message
    alone.

    Raises:
        ModuleNotFoundError: without Django 6.0 or the package ``django-tasks``.
    """
    from taskq.contrib.django.interface import Task

    import_modules()
    found: dict[str, Any] = {}
    for app in apps.get_app_configs():
        module = sys.modules.get(f"{app.name}.tasks")
        for value in vars(module).values() if module else ():
            if isinstance(value, Task):
                found[value.module_path] = value
    return found
