"""``taskq pool``."""

from __future__ import annotations

from typing import Any

import click

from taskq.cli import values
from taskq.cli.commands import TaskqCommand
from taskq.cli.session import Session, with_session
from taskq.cli.worker_flags import worker_flags, worker_options
from taskq.queue import TaskQueue
from taskq.worker import ScalingOptions, WorkerPool

_DEFAULTS = ScalingOptions()


@click.command(cls=TaskqCommand)
@click.option(
    "--min",
    "least",
    type=values.WholeNumber(1, 1_000),
    metavar="N",
    default=_DEFAULTS.least,
    show_default=True,
    help="Processes that always run.",
)
@click.option(
    "--max",
    "most",
    type=values.WholeNumber(1, 1_000),
    metavar="N",
    default=_DEFAULTS.most,
    show_default=True,
    help="Processes that run at the most.",
)
@click.option(
    "--target-wait",
    type=values.duration,
    default=_DEFAULTS.target_wait_seconds,
    help="How long a task may wait before there should be more processes.  [default: 1s]",
)
@click.option(
    "--calm",
    type=values.duration,
    default=_DEFAULTS.calm_seconds,
    help="How long fewer must have been enough before one ends.  [default: 10s]",
)
@worker_flags
@with_session
def pool(session: Session, /, **options: Any) -> None:
    """Run as many worker processes as the work needs, until Ctrl+C or SIGTERM.

    \b
    Examples:
      taskq pool --max 8 --handlers shop.tasks
      taskq pool --min 2 --max 16 --target-wait 5s --queues mail,default
    """
    scaling = ScalingOptions(
        least=options["least"],
        most=options["most"],
        target_wait_seconds=options["target_wait"],
        calm_seconds=options["calm"],
    )
    queue = TaskQueue(settings=session.process_settings())
    pool = WorkerPool(queue, options=worker_options(**options), scaling=scaling)
    click.get_current_context().exit(pool.start())
