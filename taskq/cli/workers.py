"""``taskq worker``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from taskq.cli.check import check_worker
from taskq.cli.commands import TaskqGroup
from taskq.cli.output import age_text, duration_text, show, show_json, table
from taskq.cli.session import Session, with_session
from taskq.cli.worker_flags import worker_flags, worker_options
from taskq.model.moment import iso_utc
from taskq.model.views import WorkerInfo
from taskq.worker import WorkerOptions, run_worker

_DEFAULTS = WorkerOptions()


@click.group(cls=TaskqGroup, invoke_without_command=True)
@worker_flags
@click.option(
    "--processes",
    type=click.IntRange(1, 1_000),
    metavar="N",
    default=_DEFAULTS.processes,
    show_default=True,
    help="Processes.",
)
@click.option("--burst", is_flag=True, help="End when the queues are empty.")
@click.option("--check", is_flag=True, help="Run no worker: say by the exit code whether the one of this host is well.")
@click.pass_context
def worker(context: click.Context, /, **options: Any) -> None:
    """Run a worker until Ctrl+C or SIGTERM; `worker ls` shows the ones that run.

    \b
    Examples:
      taskq worker --handlers shop.tasks --queues mail,default
      taskq worker --processes 4 --priorities urgent,high
      taskq worker --burst
      taskq worker --metrics-port 0.0.0.0:9464
    """
    if context.invoked_subcommand is not None:
        return
    if options["check"]:
        check_worker(options["metrics_port"])
    else:
        _run(**options)


@with_session
def _run(session: Session, /, **options: Any) -> None:
    chosen = replace(worker_options(**options), processes=options["processes"], burst=options["burst"])
    click.get_current_context().exit(run_worker(session.process_settings(), chosen))


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
        "alive" if alive else "silent",
        card.get("host"),
        card.get("pid"),
        len(info.held),
        duration_text(info.lease_seconds) if alive else "-",
        age_text(iso_utc(int(card["started"]))) if card.get("started", "").isdecimal() else None,
        card.get("lists"),
    )
