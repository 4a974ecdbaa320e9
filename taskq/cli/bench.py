"""``taskq bench``."""

from __future__ import annotations

import sys

import click

from taskq.cli import values
from taskq.cli.commands import TaskqCommand
from taskq.cli.output import show, show_json, table
from taskq.cli.progress import progress_bar
from taskq.cli.session import Session, with_session
from taskq.endings import Interruption
from taskq.testing.measuring import STEPS, Figures, measure


@click.command(cls=TaskqCommand)
@click.option(
    "--tasks",
    type=values.WholeNumber(1_000, 1_000_000),
    metavar="N",
    default=10_000,
    show_default=True,
    help="How many no-op tasks to run.",
)
@click.option(
    "--concurrency",
    type=values.WholeNumber(1, 10_000),
    metavar="N",
    default=10,
    show_default=True,
    help="Tasks that the worker runs at a time.",
)
@with_session
def bench(session: Session, tasks: int, concurrency: int) -> None:
    """Measure what a submit, a run and a round trip cost on your server.

    All of it happens in a namespace of its own, which is removed at the end. The server works hard for some seconds:
    whoever else uses it notices.
    """
    interruption = Interruption()  # whoever ends it, it removes what it has stored
    with progress_bar(session, "measuring", lambda: STEPS) as advance:

        def tell(line: str) -> None:
            if not (session.json or sys.stderr.isatty()):  # there the bar says it
                session.note(line)
            advance(1, line)

        try:
            figures = measure(session.settings, tasks, concurrency, tell)
        except KeyboardInterrupt:
            click.get_current_context().exit(interruption.exit_code)
    if session.json:
        show_json({"tasks": tasks, "concurrency": concurrency, **figures.to_dict()})
    else:
        show(table(("WHAT", "FIGURE", ""), _rows(figures), right=("FIGURE",)))


def _rows(figures: Figures) -> list[tuple[str, str, str]]:
    trips = figures.round_trip_ms / figures.bare_ms
    return [
        ("round trip to the server", f"{figures.bare_ms:.3f} ms", "the bare command PING, median"),
        ("submit one by one", f"{figures.submit_per_second:,.0f}/s", "one client"),
        ("submit in batches of 100", f"{figures.batch_per_second:,.0f}/s", "one client"),
        ("run no-op tasks", f"{figures.run_per_second:,.0f}/s", "one worker process, results stored"),
        ("submit to result", f"{figures.round_trip_ms:.2f} ms", f"idle queue, median; {trips:.1f} bare round trips"),
        ("submit to result, p99", f"{figures.round_trip_p99_ms:.2f} ms", "99 of 100 are faster"),
    ]
