"""``taskq task``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from taskq.cli import values
from taskq.cli.card import card_text, read_card
from taskq.cli.commands import TaskqGroup
from taskq.cli.output import age_text, error_line, plural, printable, show, show_json, table
from taskq.cli.program import EXIT_FAILED
from taskq.cli.session import Session, with_session
from taskq.cli.tree import tree_text
from taskq.cli.values import read_payload
from taskq.errors import InvalidTask, TaskNotFound
from taskq.states import TERMINAL, TaskStatus

# What an operator asks for first stands first.
_ORDER = (
    TaskStatus.RUNNING,
    TaskStatus.RETRY,
    TaskStatus.PENDING,
    TaskStatus.SCHEDULED,
    TaskStatus.WAITING,
    TaskStatus.FAILED,
    TaskStatus.CANCELLED,
    TaskStatus.COMPLETED,
)


@click.group(cls=TaskqGroup)
def task() -> None:
    """List, show, explain, cancel, retry or signal tasks."""


@task.command("ls")
@click.option(
    "--status",
    "statuses",
    type=click.Choice([status.value for status in _ORDER], case_sensitive=False),
    multiple=True,
    help="Only tasks with this status; may be repeated. Without it: all, the live ones first.",
)
@click.option(
    "--limit", type=values.WholeNumber(1, 100_000), metavar="N", default=50, show_default=True, help="How many at most."
)
@with_session
def ls(session: Session, statuses: tuple[str, ...], limit: int) -> None:
    """List tasks, in no particular order within a status."""
    # one more than is shown tells whether there are more
    found: list[dict[str, Any]] = []
    for status in statuses or [status.value for status in _ORDER]:
        if len(found) <= limit:
            found += session.queue.list_tasks(status, limit + 1 - len(found))
    shown = found[:limit]
    if session.json:
        show_json(shown)
    elif shown:
        headers = ("ID", "STATUS", "TYPE", "QUEUE", "PRIORITY", "AGE", "RETRIES", "WORKER", "ERROR")
        show(table(headers, [_row(item) for item in shown], right=("AGE", "RETRIES")))
    else:
        wanted = f" that is {' or '.join(statuses)}" if statuses else ""
        session.note(f"there is no task{wanted} in {session.settings.prefix}")
    if len(found) > limit:
        session.note(f"the first {limit:,} are shown; --limit shows more, `taskq stats` has the numbers")


def _row(item: dict[str, Any]) -> tuple[object, ...]:
    return (
        item["task_id"],
        item["status"],
        item["type"],
        item["queue"],
        item["priority"],
        age_text(item["created_at"]),
        item["retry_count"],
        item["worker_id"],
        error_line(item["error"]),
    )


@task.command("show")
@click.argument("task_id", metavar="ID")
@click.option("--tree", is_flag=True, help="Show the tasks that it has fanned out to, or depends on, instead.")
@with_session
def show_task(session: Session, task_id: str, tree: bool) -> None:
    """Show everything that is known of a task."""
    if tree:
        found = session.queue.get_tree(task_id)
        if session.json:
            show_json(found.to_dict())
        else:
            show(tree_text(found))
        return
    card = read_card(session.queue, task_id)
    if session.json:
        show_json(card.to_dict())
    else:
        show(card_text(card))


@task.command("explain")
@click.argument("task_id", metavar="ID")
@with_session
def explain(session: Session, task_id: str) -> None:
    """Say why a task is where it is, and what it waits for."""
    found = session.queue.explain(task_id)
    if session.json:
        show_json(found.to_dict())
    elif found.status:
        show(f"{task_id} is {found.status}: {printable(found.message)}")
    else:
        session.note(found.message)
    if not found.status:
        click.get_current_context().exit(EXIT_FAILED)


@task.command("cancel")
@click.argument("task_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--tree", is_flag=True, help="Also their children, and theirs.")
@with_session
def cancel(session: Session, task_ids: tuple[str, ...], tree: bool) -> None:
    """Cancel tasks: at once if they wait, on request if they run."""
    if tree:
        _for_each(session, task_ids, lambda i: f"{plural(session.queue.cancel_tree(i), 'task')} cancelled or asked", {})
        return
    words = {
        "cancelled": "cancelled",
        "requested": "is running; its handler has been asked to stop",
        **{status.value: f"had ended before: {status.value}" for status in TERMINAL - {TaskStatus.CANCELLED}},
    }
    _for_each(session, task_ids, session.queue.cancel_task, words)


@task.command("retry")
@click.argument("task_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--tree", is_flag=True, help="Also what has failed or was cancelled among their children, and theirs.")
@with_session
def retry(session: Session, task_ids: tuple[str, ...], tree: bool) -> None:
    """Run failed or cancelled tasks again, with all their attempts before them."""
    if tree:
        _for_each(session, task_ids, lambda i: f"{plural(session.queue.retry_tree(i), 'task')} pending again", {})
        return

    def run_again(task_id: str) -> str:
        session.queue.retry_task(task_id)
        return "pending"

    _for_each(session, task_ids, run_again, {"pending": "pending again"})


@task.command("signal")
@click.argument("task_id", metavar="ID")
@click.argument("name", metavar="NAME")
@click.argument("data", metavar="[DATA]", required=False)
@with_session
def signal(session: Session, task_id: str, name: str, data: str | None) -> None:
    """Tell a task what it waits for; DATA is JSON, - reads it from the standard input."""
    found = session.queue.signal(task_id, name, read_payload(data, "DATA"))
    if session.json:
        show_json({"task_id": task_id, "outcome": found})
    else:
        show(f"{task_id}  {found if found == 'told' else f'had ended before: {found}'}")
    if found != "told":
        click.get_current_context().exit(EXIT_FAILED)


def _for_each(session: Session, task_ids: tuple[str, ...], act: Callable[[str], str], words: dict[str, str]) -> None:
    """Do one thing to each task and report each; end the command with a failure if one was refused."""
    rows: list[dict[str, str]] = []
    for task_id in task_ids:
        try:
            outcome = act(task_id)
            rows.append({"task_id": task_id, "outcome": outcome})
            if not session.json:
                show(f"{task_id}  {words.get(outcome, outcome)}")
        except (TaskNotFound, InvalidTask) as error:
            rows.append({"task_id": task_id, "outcome": "refused", "error": str(error)})
            if not session.json:
                session.note(str(error))
    if session.json:
        show_json(rows)
    if any("error" in row for row in rows):
        click.get_current_context().exit(EXIT_FAILED)
