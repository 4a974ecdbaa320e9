"""``manage.py taskq_worker``."""

from __future__ import annotations

from taskq.contrib.django.management.command import TaskqCommand


class Command(TaskqCommand):
    """``taskq worker`` with the tasks of the installed apps."""

    help = "Run a worker of taskq with the tasks of the installed apps; flags as `taskq worker`."
    words = ("worker", "--handlers", "taskq.contrib.django.handlers")
