"""``taskq sla``."""

from __future__ import annotations

import click

from taskq.cli import values
from taskq.cli.commands import TaskqGroup
from taskq.cli.output import duration_text, show, show_json, table, when_text
from taskq.cli.program import EXIT_FAILED
from taskq.cli.queues import note_if_unused
from taskq.cli.session import Session, with_session
from taskq.model.task import DEFAULT_QUEUE
from taskq.protocol.keys import list_name
from taskq.states import TaskPriority

_QUEUE = click.option("--queue", metavar="NAME", help="A named queue; otherwise the default one.")


@click.group(cls=TaskqGroup, invoke_without_command=True)
@click.pass_context
def sla(context: click.Context) -> None:
    """Show how long tasks wait beside how long they may; the exit code is 1 if one waits too long.

    \b
    Examples:
      taskq sla set urgent --age 5s --start 2s
      taskq sla set low --age 1h --queue mails
      taskq sla || page-somebody
    """
    if context.invoked_subcommand is None:
        _check()


@with_session
def _check(session: Session) -> None:
    readings = session.queue.check_sla()
    if session.json:
        show_json([reading.to_dict() for reading in readings])
    elif not readings:
        session.note(f"no list of {session.settings.prefix} has a threshold: `taskq sla set urgent --age 5s` adds one")
    else:
        rows = [
            (
                item.queue,
                item.priority,
                item.measure,
                duration_text(item.waited_seconds),
                duration_text(item.allowed_seconds),
                when_text(item.broken_since) or "no",
            )
            for item in readings
        ]
        headers = ("QUEUE", "PRIORITY", "MEASURE", "WAITED", "ALLOWED", "BROKEN SINCE")
        show(table(headers, rows, right=("WAITED", "ALLOWED")))
    if any(reading.broken_since for reading in readings):
        click.get_current_context().exit(EXIT_FAILED)


@sla.command("set")
@click.argument("priority", type=values.priority)
@click.option("--age", type=values.duration, help="How long the oldest task may have waited: 5s, 10m.")
@click.option("--start", type=values.duration, help="How long nineteen of twenty tasks may have waited at their start.")
@_QUEUE
@with_session
def set_sla(
    session: Session, priority: TaskPriority, age: float | None, start: float | None, queue: str | None
) -> None:
    """Say how long the tasks of a list may wait; replaces what was said of it before."""
    if age is None and start is None:
        raise click.UsageError("say how long they may wait: --age TIME, --start TIME or both")
    note_if_unused(session, queue or DEFAULT_QUEUE, session.queue.get_queue_stats().lists)
    session.queue.set_sla(priority, age=age, start=start, queue=queue)
    if session.json:
        show_json({"queue": queue, "priority": priority.label, "age": age, "start": start})
    else:
        show(f"{_list(queue, priority)} is watched over")


@sla.command("rm")
@click.argument("priority", type=values.priority)
@_QUEUE
@with_session
def rm(session: Session, priority: TaskPriority, queue: str | None) -> None:
    """Let the tasks of a list wait for any time."""
    removed, name = session.queue.remove_sla(priority, queue=queue), _list(queue, priority)
    none = f"{name} has no threshold: `taskq sla` shows them all"
    what = {"queue": queue, "priority": priority.label}
    session.tell_removed(removed, what, f"{name} is not watched over any more", none)


def _list(queue: str | None, priority: TaskPriority) -> str:
    return list_name(None if queue == DEFAULT_QUEUE else queue, priority)
