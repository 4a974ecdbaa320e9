"""``taskq dlq``."""

from __future__ import annotations

import contextlib

import click

from taskq import partitions
from taskq.cli import values
from taskq.cli.card import card_text, read_card
from taskq.cli.commands import TaskqGroup
from taskq.cli.output import age_text, error_line, plural, show, show_json, table
from taskq.cli.program import EXIT_FAILED
from taskq.cli.progress import progress_bar
from taskq.cli.session import Session, with_session
from taskq.errors import TaskNotFound
from taskq.operate.watching import watched
from taskq.states import TaskStatus


@click.group(cls=TaskqGroup)
def dlq() -> None:
    """List, show, replay or purge dead letters: tasks that failed for good."""


@dlq.command("ls")
@click.option(
    "--limit", type=values.WholeNumber(1, 100_000), metavar="N", default=50, show_default=True, help="How many at most."
)
@with_session
def ls(session: Session, limit: int) -> None:
    """List dead letters, the latest first."""
    letters = session.queue.list_dead(limit + 1)  # one more than is shown tells whether there are more
    shown = letters[:limit]
    if session.json:
        show_json([letter.to_dict() for letter in shown])
    elif shown:
        rows = [
            (
                letter.task_id,
                letter.task_type,
                letter.queue,
                letter.priority,
                letter.attempts,
                age_text(letter.died_at),
                letter.reason,
                error_line(letter.error),
            )
            for letter in shown
        ]
        headers = ("ID", "TYPE", "QUEUE", "PRIORITY", "ATTEMPTS", "AGE", "REASON", "ERROR")
        show(table(headers, rows, right=("ATTEMPTS", "AGE")))
    else:
        session.note("no dead letters")
    if len(letters) > limit:
        session.note(f"the latest {limit:,} are shown; --limit shows more")


@dlq.command("show")
@click.argument("task_id", metavar="ID")
@with_session
def show_letter(session: Session, task_id: str) -> None:
    """Show a dead letter with its error."""
    card = read_card(session.queue, task_id)
    if card.status["status"] != TaskStatus.FAILED:
        raise TaskNotFound(f"task {task_id} is {card.status['status']}, no dead letter: `taskq task show {task_id}`")
    if session.json:
        show_json(card.to_dict())
    else:
        show(card_text(card))


@dlq.command("replay")
@click.argument("task_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All of them.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_session
def replay(session: Session, task_ids: tuple[str, ...], every: bool, yes: bool) -> None:
    """Run dead letters again, with all their attempts before them."""
    _check_choice(task_ids, every)
    number = _confirm_all(session, "Run {} again?", yes=yes) if every else len(task_ids)
    queue = session.queue
    flow = partitions.replay(queue.spread, None if every else task_ids)
    with progress_bar(session, "replaying", lambda: number) as advance:
        done = queue.run_flow(watched(flow, advance, "replay", len))
    _report(session, task_ids, done, "replayed", "run again")


@dlq.command("purge")
@click.argument("task_ids", metavar="[ID]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All of them.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_session
def purge(session: Session, task_ids: tuple[str, ...], every: bool, yes: bool) -> None:
    """Forget dead letters for good."""
    _check_choice(task_ids, every)
    if every:
        number = _confirm_all(session, "Forget {}?", yes=yes)
    else:
        number = len(task_ids) if yes else _dead_of(session, task_ids)
        if not number:
            _report(session, task_ids, 0, "purged", "forgotten")
            return
        session.confirm(f"Forget {plural(number, 'dead letter')}?", yes=yes)
    queue = session.queue
    flow = partitions.purge_dead(queue.spread, None if every else task_ids)
    with progress_bar(session, "forgetting", lambda: number) as advance:
        done = queue.run_flow(watched(flow, advance, "discard", int))
    _report(session, task_ids, done, "purged", "forgotten")


def _check_choice(task_ids: tuple[str, ...], every: bool) -> None:
    if every == bool(task_ids):
        raise click.UsageError("Name the dead letters by their ids, or say --all; `taskq dlq ls` shows them.")


def _dead_of(session: Session, task_ids: tuple[str, ...]) -> int:
    """Return how many of the ids are those of dead letters."""
    number = 0
    for task_id in set(task_ids):
        with contextlib.suppress(TaskNotFound):
            number += session.queue.get_task_status(task_id)["status"] == TaskStatus.FAILED
    return number


def _confirm_all(session: Session, question: str, *, yes: bool) -> int:
    number = session.queue.get_queue_stats().dead_letters
    session.confirm(question.format(f"all {plural(number, 'dead letter')}"), yes=yes)
    return number


def _report(session: Session, task_ids: tuple[str, ...], done: int, name: str, word: str) -> None:
    """Say how many it was; end the command with a failure if it was not all that were named."""
    if session.json:
        show_json({name: done})
    else:
        show(f"{plural(done, 'dead letter')} {word}")
    if done < len(set(task_ids)):
        named = len(set(task_ids))
        what = (
            "the id named is"
            if named == 1
            else f"{named - done} of the {named} ids named {'is' if named - done == 1 else 'are'}"
        )
        session.note(f"{what} no dead letter: `taskq dlq ls` shows them")
        click.get_current_context().exit(EXIT_FAILED)
