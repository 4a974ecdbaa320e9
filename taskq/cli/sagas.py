"""``taskq saga``."""

from __future__ import annotations

import json

import click

from taskq.cli import values
from taskq.cli.commands import TaskqGroup
from taskq.cli.output import age_text, error_line, fields, indented, show, show_json, table
from taskq.cli.session import Session, with_session
from taskq.workflow.sagas import SagaInfo, SagaState


@click.group(cls=TaskqGroup)
def saga() -> None:
    """List, show, resume or abort sagas."""


@saga.command("ls")
@click.option("--state", type=click.Choice([*SagaState], case_sensitive=False), help="Only sagas in this state.")
@click.option(
    "--limit", type=values.WholeNumber(1, 100_000), metavar="N", default=50, show_default=True, help="How many at most."
)
@with_session
def ls(session: Session, state: str | None, limit: int) -> None:
    """List the sagas that have begun, the latest first."""
    found = session.queue.list_sagas(limit + 1, state)  # one more than is shown tells whether there are more
    shown = found[:limit]
    if session.json:
        show_json([info.to_dict() for info in shown])
    elif shown:
        rows = [
            (
                info.task_id,
                info.name,
                info.state,
                info.step,
                info.status,
                age_text(info.created_at),
                error_line(info.error),
            )
            for info in shown
        ]
        show(table(("ID", "SAGA", "STATE", "STEP", "TASK", "AGE", "ERROR"), rows, right=("AGE",)))
    else:
        session.note(f"no saga{f' that is {state}' if state else ''} in {session.settings.prefix}")
    if len(found) > limit:
        session.note(f"the latest {limit:,} are shown; --limit shows more")


@saga.command("show")
@click.argument("task_id", metavar="ID")
@with_session
def show_saga(session: Session, task_id: str) -> None:
    """Show the steps of a saga and what they have returned."""
    _show(session, session.queue.get_saga(task_id))


@saga.command("resume")
@click.argument("task_id", metavar="ID")
@click.option("--skip", is_flag=True, help="The compensation at which it is stuck was done by hand.")
@with_session
def resume(session: Session, task_id: str, skip: bool) -> None:
    """Let a stuck saga go on where it is."""
    _show(session, session.queue.resume_saga(task_id, skip))


@saga.command("abort")
@click.argument("task_id", metavar="ID")
@with_session
def abort(session: Session, task_id: str) -> None:
    """Let a saga turn round and undo what it has done."""
    _show(session, session.queue.abort_saga(task_id))


def _show(session: Session, info: SagaInfo) -> None:
    if session.json:
        show_json(info.to_dict())
        return
    head = fields(
        [
            ("saga", info.name),
            ("task", f"{info.task_id}  ({info.status})"),
            ("state", info.state),
            ("step", info.step),
            ("failures", info.tries or None),
        ]
    )
    rows = [(name, word, json.dumps(info.results[name]) if name in info.results else None) for name, word in info.steps]
    show(f"{head}\n\nsteps\n{indented(table(('STEP', 'STATE', 'RETURNED'), rows))}")
    if info.error:
        show(f"\nerror\n{indented(info.error.rstrip())}")
    if info.state == SagaState.STUCK:
        session.note(f"`taskq saga resume {info.task_id}` tries it again; --skip, if you have undone the step by hand")
