"""``taskq worker``."""

from __future__ import annotations

from typing import Any

import click

from taskq.cli import values
from taskq.cli.check import check_worker
from taskq.cli.commands import TaskqGroup
from taskq.cli.output import age_text, duration_text, show, show_json, table
from taskq.cli.session import Session, with_session
from taskq.model.moment import iso_utc
from taskq.model.views import WorkerInfo
from taskq.worker import WorkerOptions, run_worker

_DEFAULTS = WorkerOptions()


def _flat(names: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    return tuple(name for group in names for name in group)


@click.group(cls=TaskqGroup, invoke_without_command=True)
@click.option(
    "--handlers",
    multiple=True,
    metavar="MODULE[:ATTR]",
    help="Where the handlers are; may be repeated. Without it: handlers.py of the current folder, if there is one.",
)
@click.option(
    "--queues", type=values.names, multiple=True, metavar="A,B", help="Queues to serve; without it the default one."
)
@click.option(
    "--priorities", type=values.names, multiple=True, metavar="A,B", help="Only the lists of these priorities."
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 10_000),
    metavar="N",
    default=_DEFAULTS.concurrency,
    show_default=True,
    help="Tasks that one process runs at a time.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 1_000),
    metavar="N",
    default=_DEFAULTS.processes,
    show_default=True,
    help="Processes.",
)
@click.option("--burst", is_flag=True, help="End when the queues are empty.")
@click.option(
    "--grace",
    type=values.duration,
    default=_DEFAULTS.grace_seconds,
    help="How long running tasks may go on after a stop.  [default: 30s]",
)
@click.option("--max-tasks", type=click.IntRange(1), metavar="N", help="Replace a process after this many tasks.")
@click.option("--max-memory", type=values.size, help="Replace a process that uses more memory, such as 512MB.")
@click.option(
    "--partitions", type=values.numbers, default=(), metavar="0-3,7", help="Partitions to serve; without it all."
)
@click.option("--name", metavar="NAME", help="Name of the worker; without it one is made up.")
@click.option(
    "--metrics-port", type=values.address, metavar="[HOST:]PORT", help="Serve /metrics, /livez and /readyz there."
)
@click.option(
    "--hung-after",
    type=values.duration,
    default=_DEFAULTS.hung_seconds,
    help="Silence of the claim loop that fails /livez.  [default: 15s]",
)
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
    chosen = WorkerOptions(
        handlers=options["handlers"],
        queues=_flat(options["queues"]),
        priorities=_flat(options["priorities"]),
        concurrency=options["concurrency"],
        processes=options["processes"],
        burst=options["burst"],
        grace_seconds=options["grace"],
        max_tasks=options["max_tasks"],
        max_memory_bytes=options["max_memory"],
        name=options["name"],
        partitions=options["partitions"],
        metrics_address=options["metrics_port"],
        hung_seconds=options["hung_after"],
    )
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
