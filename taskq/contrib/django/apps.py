"""The app for ``INSTALLED_APPS``."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from taskq.contrib.django.queues import load_settings


class TaskqConfig(AppConfig):
    """Registers the management commands, and a check of the settings."""

    name = "taskq.contrib.django"
    label = "taskq"
    verbose_name = "taskq"

    def ready(self) -> None:
        """Let ``manage.py check`` look at ``TASKQ``."""
        register(check_settings, "taskq")


def check_settings(**_: object) -> list[CheckMessage]:
    """Return what is wrong with ``TASKQ``."""
    try:
        load_settings()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="taskq.E001")]
    return []
