"""``taskq scheduler``."""

from __future__ import annotations

import click

from taskq.cli.commands import TaskqCommand
from taskq.cli.session import Session, with_session
from taskq.scheduler.process import run_scheduler


@click.command(cls=TaskqCommand)
@with_session
def scheduler(session: Session) -> None:
    """Run a scheduler until Ctrl+C or SIGTERM.

    It starts recurring tasks and moves delayed ones to their lists on time. Any number may run at once; a delayed
    task needs none, because workers look after it too.
    """
    click.get_current_context().exit(run_scheduler(session.process_settings()))
