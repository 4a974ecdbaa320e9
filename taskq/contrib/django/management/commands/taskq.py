"""``manage.py taskq``."""

from __future__ import annotations

from taskq.contrib.django.management.command import TaskqCommand


class Command(TaskqCommand):
    """Any command of taskq with the settings of the project."""

    help = "Any command of taskq with the settings of the project: `manage.py taskq stats`."
