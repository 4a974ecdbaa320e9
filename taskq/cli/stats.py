"""``taskq stats``."""

from __future__ import annotations

import click

from taskq.cli.commands import TaskqCommand
from taskq.cli.output import fields, show, show_json, table
from taskq.cli.queues import limit_rows, list_rows
from taskq.cli.session import Session, with_session
from taskq.model.views import QueueStats
from taskq.states import TaskStatus


@click.command(cls=TaskqCommand)
@with_session
def stats(session: Session) -> None:
    """Show how many tasks are where, as of one instant."""
    numbers = session.queue.get_queue_stats()
    if session.json:
        show_json(numbers.to_dict())
    else:
        show(_text(numbers, f"{session.settings.prefix} on {session.queue.namespace.endpoint.shown}"))


def _text(numbers: QueueStats, place: str) -> str:
    rate = "-" if numbers.success_rate is None else f"{numbers.success_rate:.2%}"
    head = fields([("namespace", place), ("workers", f"{numbers.active_workers:,}"), ("success rate", rate)])
    sizes = [(status.value, getattr(numbers, f"{status.value}_tasks")) for status in TaskStatus]
    statuses = table(("STATUS", "TASKS"), [*sizes, ("dead letters", numbers.dead_letters)], right=("TASKS",))
    parts = [head, statuses, list_rows(numbers.lists)]
    if numbers.limits:
        parts.append(limit_rows(numbers.limits))
    if numbers.passed:
        rows = [
            (item.queue, item.priority, item.task_type, item.version, item.tasks, "yes" if item.runnable else "NO")
            for item in numbers.passed
        ]
        headers = ("QUEUE", "PRIORITY", "PASSED OVER", "VERSION", "TASKS", "A WORKER KNOWS IT")
        parts.append(table(headers, rows, right=("VERSION", "TASKS")))
    if numbers.counters:
        counters = sorted(numbers.counters.items())
        parts.append(table(("SINCE THE BEGINNING", "TASKS"), counters, right=("TASKS",)))
    return "\n\n".join(parts)
