"""``manage.py taskq_scheduler``."""

from __future__ import annotations

from taskq.contrib.django.management.command import TaskqCommand


class Command(TaskqCommand):
    """``taskq scheduler`` with the settings of the project."""

    help = "Run a scheduler of taskq; flags as `taskq scheduler`."
    words = ("scheduler",)
