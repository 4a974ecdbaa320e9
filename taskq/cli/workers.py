"""``taskq worker``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from taskq.cli import values
from taskq.cli.check import check_worker
from taskq.cli.commands import TaskqGroup
from taskq.cli.output import age_text, duration_text, fields, show, show_json, table, when_text
from taskq.cli.session import Session, with_session
from taskq.cli.worker_flags import worker_flags, worker_options
from taskq.model.moment import iso_utc
from taskq.model.views import WorkerInfo
from taskq.model.wish import MOST_SLOTS
from taskq.settings import LOG_LEVELS
from taskq.worker import WorkerOptions, run_worker
from taskq.worker.reload import serve_and_reload

_DEFAULTS = WorkerOptions()


@click.group(cls=TaskqGroup, invoke_without_command=True)
@worker_flags
@click.option(
    "--processes",
    type=values.WholeNumber(1, 1_000),
    metavar="N",
    default=_DEFAULTS.processes,
    show_default=True,
    help="Processes.",
)
@click.option("--burst", is_flag=True, help="End when the queues are empty.")
@click.option("--reload", is_flag=True, help="Start afresh when a source file changes; for development.")
@click.option("--check", is_flag=True, help="Run no worker: say by the exit code whether the one of this host is well.")
@click.pass_context
def worker(context: click.Context, /, **options: Any) -> None:
    """Run a worker until Ctrl+C or SIGTERM; `worker ls` shows the ones that run, other commands steer them.

    \b
    Examples:
      taskq worker --handlers shop.tasks --queues mail,default
      taskq worker --processes 4 --priorities urgent,high
      taskq worker --burst
      taskq worker --handlers shop.tasks --reload
      taskq worker --metrics-port 0.0.0.0:9464
    """
    if context.invoked_subcommand is not None:
        return
    if options["check"] and options["reload"]:
        raise click.UsageError("--check runs no worker, so --reload means nothing to it: leave one of them out")
    if options["check"]:
        check_worker(options["metrics_port"])
    else:
        _run(**options)


@with_session
def _run(session: Session, /, **options: Any) -> None:
    chosen = replace(worker_options(**options), processes=options["processes"], burst=options["burst"])
    serve = serve_and_reload if options["reload"] else run_worker
    click.get_current_context().exit(serve(session.process_settings(), chosen))


@worker.command("ls")
@with_session
def ls(session: Session) -> None:
    """List the workers that are registered."""
    workers = session.queue.list_workers()
    if session.json:
        show_json([info.to_dict() for info in workers])
    elif workers:
        headers = ("WORKER", "STATE", "HOST", "PID", "TASKS", "LEASE", "STARTED", "LISTS")
        show(table(headers, [_row(info) for info in workers], right=("PID", "TASKS", "LEASE", "STARTED")))
    else:
        session.note("no worker is registered: `taskq worker` starts one")


def _row(info: WorkerInfo) -> tuple[object, ...]:
    card = info.card
    alive = info.lease_seconds > 0
    return (
        info.worker_id,
        (card.get("state") or "alive") if alive else "silent",
        card.get("host"),
        card.get("pid"),
        f"{len(info.held)}/{card['slots']}" if "slots" in card else len(info.held),
        duration_text(info.lease_seconds) if alive else "-",
        age_text(iso_utc(int(card["started"]))) if card.get("started", "").isdecimal() else None,
        card.get("lists"),
    )


@worker.command("show")
@click.argument("name")
@with_session
def show_worker(session: Session, name: str) -> None:
    """Show a worker, or all of a name: its state, slots, types, what it runs, and what was wished of it."""
    found = session.queue.get_workers(name)
    if session.json:
        show_json([info.to_dict() for info in found])
    else:
        show("\n\n".join(_card(info) for info in found))


def _card(info: WorkerInfo) -> str:
    card = info.card
    wish = card.get("wish", "")
    told = wish and wish != card.get("granted")
    return fields(
        (
            ("worker", info.worker_id),
            ("state", _row(info)[1]),
            ("wished", f"{wish}  (not followed yet)" if told else wish),
            ("refused", card.get("refused")),
            ("host", card.get("host")),
            ("pid", card.get("pid")),
            ("started", when_text(iso_utc(int(card["started"]))) if card.get("started", "").isdecimal() else None),
            ("lease", duration_text(info.lease_seconds) if info.lease_seconds > 0 else "over"),
            ("slots", card.get("slots")),
            ("log level", card.get("log_level")),
            ("lists", card.get("lists")),
            ("types", card.get("types")),
            ("running", " ".join(info.held)),
        )
    )


@worker.command("drain")
@click.argument("name")
@with_session
def drain(session: Session, name: str) -> None:
    """Let a worker finish what it runs and claim nothing more.

    NAME is the id of a worker, or the --name of some. It follows with its next beat, within five seconds, and stays
    registered until `taskq worker resume` or `taskq worker stop`.
    """
    _told(session, session.queue.drain_worker(name), "finishes what it runs, and claims nothing more")


@worker.command("resume")
@click.argument("name")
@with_session
def resume(session: Session, name: str) -> None:
    """Let a worker claim again that was drained."""
    _told(session, session.queue.resume_worker(name), "claims again")


@worker.command("stop")
@click.argument("name")
@with_session
def stop(session: Session, name: str) -> None:
    """End a worker as SIGTERM does: what runs may end within the grace period of the worker."""
    _told(session, session.queue.stop_worker(name), "ends after what it runs")


@worker.command("set")
@click.argument("name")
@click.option(
    "--concurrency", type=values.WholeNumber(1, MOST_SLOTS), metavar="N", help="Tasks that it runs at a time."
)
@click.option(
    "--log-level",
    type=click.Choice(LOG_LEVELS, case_sensitive=False),
    help="Least severe message that the worker logs; before the name of the command it is that of this command.",
)
@with_session
def set_worker(session: Session, name: str, concurrency: int | None, log_level: str | None) -> None:
    """Change a worker while it runs.

    \b
    Examples:
      taskq worker set worker-a1b2c3d4 --concurrency 4
      taskq worker set mailer --log-level debug
    """
    if concurrency is None and log_level is None:
        raise click.UsageError("say what to change: --concurrency N, --log-level LEVEL or both")
    told = session.queue.set_worker(name, concurrency=concurrency, log_level=log_level and log_level.upper())
    changes = [
        f"{concurrency} tasks at a time" if concurrency else "",
        f"logs from {log_level} on" if log_level else "",
    ]
    _told(session, told, ", ".join(filter(None, changes)))


def _told(session: Session, workers: list[str], what: str) -> None:
    if session.json:
        show_json({"told": workers})
    else:
        for worker_id in workers:
            show(f"{worker_id}: {what}, from its next beat on")
