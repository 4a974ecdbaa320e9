"""``taskq verify``."""

from __future__ import annotations

import click

from taskq.cli.commands import TaskqCommand
from taskq.cli.output import printable, show, show_json, table
from taskq.cli.program import EXIT_FAILED
from taskq.cli.progress import time_bar
from taskq.cli.session import Session, with_session
from taskq.endings import Interruption
from taskq.testing.verify import HEADERS, LOSS_HEADERS, TITLES, Report, VerifyOptions
from taskq.testing.verify import verify as run


@click.command(cls=TaskqCommand)
@click.option(
    "--minutes", type=click.FloatRange(0.5, 24 * 60), default=3.0, show_default=True, help="How long it may take."
)
@click.option("--seed", type=int, metavar="N", help="Replay the random faults of an earlier run.")
@click.option(
    "--allow-config",
    is_flag=True,
    help="Also flush the script cache and fill the memory for moments; others on this server notice it.",
)
@click.option(
    "--suite", "suites", multiple=True, type=click.Choice(list(TITLES)), help="Only this suite; may be repeated."
)
@with_session
def verify(session: Session, minutes: float, seed: int | None, allow_config: bool, suites: tuple[str, ...]) -> None:
    """Try on your server whether a fault can lose a task or run it twice.

    Real workers and schedulers run behind a proxy that cuts, loses, delays and forges what they say; they are killed
    and frozen at every point. All of it happens in namespaces of its own, which are removed at the end: nothing is
    flushed, no setting is changed, no key of yours is touched. The exit code is 1 if anything was lost, done twice or
    left in disorder, and 130, 143 or 129 if Ctrl+C, SIGTERM or the end of the terminal came before its time.
    """
    interruption = Interruption()  # whoever ends it, it ends what it has started
    options = VerifyOptions(minutes, seed, allow_config, suites)
    with time_bar(session, "verifying", minutes * 60) as tell:
        report = run(session.settings, options, tell=tell)
    if session.json:
        show_json(report.to_dict())
    else:
        show(_text(report))
    if report.violations or report.interrupted:
        click.get_current_context().exit(EXIT_FAILED if report.violations else interruption.exit_code)


def _text(report: Report) -> str:
    total = report.total
    right = [name for name in HEADERS if name != "SUITE"]
    parts = [table(HEADERS, report.rows(), right=right)]
    if report.losses:
        losses = [loss.row() for loss in report.losses]
        parts.append(table(LOSS_HEADERS, losses, right=["ACKNOWLEDGED", "LOST", "WINDOW"]))
    parts += [f"violation: {printable(text)}" for text in report.shown_violations()]
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(total.faults.items()))
    parts.append(
        f"{total.faults.total():,} faults ({kinds}) around {total.tasks:,} tasks in {report.seconds:.0f} s on "
        f"{report.version}: {total.lost} lost, {total.double} completed twice, {total.refused} stale outcomes refused, "
        f"{len(report.violations)} violations. Seed {report.seed}."
    )
    if report.interrupted:
        parts.append("interrupted: this is what was tried until then; it has cleaned up behind itself")
    return "\n\n".join(parts)
