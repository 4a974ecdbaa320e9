"""``taskq queue``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from difflib import get_close_matches
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from taskq import partitions
from taskq.cli import values
from taskq.cli.commands import TaskqGroup
from taskq.cli.output import duration_text, plural, show, show_json, table
from taskq.cli.progress import progress_bar
from taskq.cli.session import Session, with_session
from taskq.model.bound import OnFull, QueueLimit
from taskq.model.names import check_name
from taskq.model.task import DEFAULT_QUEUE
from taskq.model.views import ListStats
from taskq.operate.watching import watched
from taskq.states import PRIORITIES, TaskPriority

F = TypeVar("F", bound=Callable[..., Any])


@click.group(cls=TaskqGroup)
def queue() -> None:
    """List, pause, resume or purge queues."""


def _which_lists(function: F) -> F:
    """Add what says which lists are meant."""
    name = click.argument("name", metavar="[QUEUE]", default=DEFAULT_QUEUE)
    priority = click.option("--priority", type=values.priority, help="Only the list of this priority.")
    return name(priority(function))


def _which_scope(function: F) -> F:
    """Add what says whether a queue, a type or everything is meant."""
    name = click.argument("name", metavar="[QUEUE]", required=False)
    priority = click.option("--priority", type=values.priority, help="Only the list of this priority.")
    kind = click.option("--type", "task_type", metavar="TYPE", help="Tasks of this type instead, in whatever queue.")
    everything = click.option("--all", "all_", is_flag=True, help="Everything, also queues that begin later.")
    return name(priority(kind(everything(function))))


def list_rows(lists: tuple[ListStats, ...]) -> str:
    """Return the table of priority lists."""
    rows = [
        (item.queue, item.priority, item.depth, duration_text(item.oldest_seconds), "yes" if item.paused else "no")
        for item in lists
    ]
    return table(("QUEUE", "PRIORITY", "DEPTH", "OLDEST", "PAUSED"), rows, right=("DEPTH", "OLDEST"))


def limit_rows(limits: Sequence[QueueLimit]) -> str:
    """Return the table of the limits of queues, with what each holds."""
    columns = ("QUEUE", "TASKS", "MOST", "BYTES", "MOST BYTES", "ON FULL", "TIMEOUT", "WAITING")
    rows = [
        (
            *(one.queue, one.tasks, _any(one.max_tasks), _any(one.bytes), _any(one.max_bytes), one.on_full),
            *(duration_text(one.timeout), "yes" if one.awaited else "no"),
        )
        for one in limits
    ]
    return table(columns, rows, right=columns[1:5])


@queue.command("ls")
@with_session
def ls(session: Session) -> None:
    """List the priority lists: depth, age of the oldest task, whether paused; and what limited queues hold.

    A queue that is paused before its first task is listed, too.
    """
    numbers = session.queue.get_queue_stats()
    if session.json:
        limits = {one.queue: one.to_dict() for one in numbers.limits}
        show_json([{**asdict(item), "limit": limits.get(item.queue)} for item in numbers.lists])
    else:
        show(list_rows(numbers.lists))
        if numbers.limits:
            show("\n" + limit_rows(numbers.limits))
        if ahead := sorted({item.queue for item in numbers.lists if not item.known}):
            session.note(f"paused, but never had a task: {', '.join(ahead)}")
        if types := session.queue.paused_types():
            session.note(f"paused types: {', '.join(types)}")


@queue.command("pause")
@_which_scope
@with_session
def pause(session: Session, /, **options: Any) -> None:
    """Stop claims; running tasks go on, submits are accepted.

    \b
    Examples:
      taskq queue pause                  the default queue
      taskq queue pause mail --priority low
      taskq queue pause --type resize    one type, in whatever queue
      taskq queue pause --all            everything
    """
    _pause_or_resume(session, True, **options)


@queue.command("resume")
@_which_scope
@with_session
def resume(session: Session, /, **options: Any) -> None:
    """Let workers claim again what `taskq queue pause` has stopped: a queue, a type or everything."""
    _pause_or_resume(session, False, **options)


def _pause_or_resume(
    session: Session, paused: bool, name: str | None, priority: TaskPriority | None, task_type: str | None, all_: bool
) -> None:
    client = session.queue
    verb = client.pause if paused else client.resume
    if task_type is None and not all_:
        queue_name = check_name(name or DEFAULT_QUEUE, "queue name")
        _report(session, queue_name, priority, paused=paused, changed=verb(queue_name, priority))
        return
    changed = verb(name, priority, task_type=task_type, everything=all_)
    if session.json:
        show_json({"type": task_type, "everything": all_, "paused": paused, "changed": changed > 0})
        return
    what = "everything" if task_type is None else f"type {task_type}"
    show(f"{what} is {'paused' if paused else 'running'}" + ("" if changed else ": it was so before"))
    if not paused and all_:
        _note_what_stays(session)


def _note_what_stays(session: Session) -> None:
    """Whoever resumes everything may think that nothing is paused any more."""
    lists = [f"{item.queue}/{item.priority}" for item in session.queue.get_queue_stats().lists if item.paused]
    if stays := lists + [f"type {name}" for name in session.queue.paused_types()]:
        session.note(f"still paused by themselves: {', '.join(stays[:10])}")


def _report(session: Session, name: str, priority: TaskPriority | None, *, paused: bool, changed: int) -> None:
    note_if_unused(session, name, session.queue.get_queue_stats().lists)
    if session.json:
        show_json({**_names(name, priority), "paused": paused, "lists_changed": changed})
        return
    state = "paused" if paused else "running"
    before = f"{changed} of {1 if priority is not None else len(PRIORITIES)} lists changed"
    show(f"{_label(name, priority)} is {state}: {before if changed else 'it was so before'}")


def note_if_unused(session: Session, name: str, lists: tuple[ListStats, ...]) -> None:
    """Any name is accepted, because a queue begins with its first task; a misspelt one is worth a word."""
    known = sorted({item.queue for item in lists if item.known})
    if name in known:
        return
    close = get_close_matches(name, known, 1)
    mean = f"did you mean {close[0]}? " if close else ""
    session.note(f"no task has been submitted to a queue {name} yet; {mean}`taskq queue ls` shows those in use")


def _names(name: str, priority: TaskPriority | None) -> dict[str, str | None]:
    return {"queue": name, "priority": None if priority is None else priority.label}


def _label(name: str, priority: TaskPriority | None) -> str:
    return f"queue {name}" if priority is None else f"the {priority.label} list of queue {name}"


@queue.command("purge")
@_which_lists
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_session
def purge(session: Session, name: str, priority: TaskPriority | None, yes: bool) -> None:
    """Delete the tasks that wait in a queue; running and delayed ones stay."""
    check_name(name, "queue name")
    lists = session.queue.get_queue_stats().lists
    note_if_unused(session, name, lists)
    waiting = sum(
        item.depth for item in lists if item.queue == name and priority in (None, TaskPriority.parse(item.priority))
    )
    where = _label(name, priority)
    session.confirm(f"Delete what waits in {where}: {plural(waiting, 'task')}?", yes=yes)
    flow = partitions.purge(session.queue.spread, name, priority)
    with progress_bar(session, "purging", lambda: waiting) as advance:
        purged = session.queue.run_flow(watched(flow, advance, "purge", lambda reply: int(reply[0])))
    if session.json:
        show_json({**_names(name, priority), "purged": purged})
    else:
        show(f"{plural(purged, 'task')} deleted from {where}")


@queue.command("limit")
@click.argument("name", metavar="[QUEUE]", default=DEFAULT_QUEUE)
@click.option("--max-tasks", type=values.WholeNumber(1), metavar="N", help="How many tasks its lists may hold.")
@click.option("--max-bytes", type=values.size, help="How many bytes those may have together, such as 64MB.")
@click.option(
    "--on-full",
    type=click.Choice([word.value for word in OnFull]),
    default=OnFull.REJECT.value,
    show_default=True,
    help="What becomes of more.",
)
@click.option("--timeout", type=values.duration, default=30.0, help="How long block waits.  [default: 30s]")
@with_session
def limit(
    session: Session, name: str, max_tasks: int | None, max_bytes: int | None, on_full: str, timeout: float
) -> None:
    """Limit how many tasks, or how many bytes, the lists of a queue hold; replaces the limit that it has.

    \b
    reject    the submit fails
    block     the submit waits for room
    shed_low  the newest tasks of the lowest priority are cancelled for a more urgent one

    \b
    Examples:
      taskq queue limit --max-tasks 10000                      the default queue
      taskq queue limit mail --max-bytes 64MB --on-full block --timeout 10s
    """
    if max_tasks is None and max_bytes is None:
        raise click.UsageError("say how much the queue may hold: --max-tasks, --max-bytes, or both")
    source = click.get_current_context().get_parameter_source("timeout")
    if on_full != OnFull.BLOCK and source is not ParameterSource.DEFAULT:
        raise click.UsageError("--timeout is how long --on-full block waits: add that, or leave the timeout out")
    note_if_unused(session, name, session.queue.get_queue_stats().lists)
    session.queue.set_queue_limit(name, max_tasks=max_tasks, max_bytes=max_bytes, on_full=on_full, timeout=timeout)
    if session.json:
        show_json(QueueLimit(name, max_tasks, on_full, timeout, max_bytes).to_dict())
    else:
        most = [] if max_tasks is None else [plural(max_tasks, "task")]
        most += [] if max_bytes is None else [plural(max_bytes, "byte")]
        show(f"queue {name} holds {' and '.join(most)} at most")


@queue.command("unlimit")
@click.argument("name", metavar="[QUEUE]", default=DEFAULT_QUEUE)
@with_session
def unlimit(session: Session, name: str) -> None:
    """Remove the limit of a queue."""
    removed = session.queue.remove_queue_limit(name)
    none = f"queue {name} has no limit: `taskq queue limits` shows them"
    session.tell_removed(removed, {"queue": name}, f"queue {name} is not limited any more", none)


@queue.command("limits")
@with_session
def limits(session: Session) -> None:
    """List the limits of queues, what each holds, and whether submits wait for room.

    Waiting means within the last ten seconds.
    """
    found = session.queue.list_queue_limits()
    if session.json:
        show_json([one.to_dict() for one in found])
        return
    show(limit_rows(found))


def _any(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"
