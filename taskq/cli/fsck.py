"""``taskq fsck``."""

from __future__ import annotations

from dataclasses import asdict

import click

from taskq.cli.commands import TaskqCommand
from taskq.cli.output import duration_text, plural, printable, show, show_json
from taskq.cli.program import EXIT_FAILED
from taskq.cli.progress import progress_bar
from taskq.cli.session import Session, with_session
from taskq.operate.watching import Advance
from taskq.queue import TaskQueue
from taskq.states import TaskStatus
from taskq.transport.findings import Report
from taskq.transport.fsck import Fsck

_SHOWN = 200


@click.command(cls=TaskqCommand)
@click.option("--repair", is_flag=True, help="Mend what can be mended, and say what was done.")
@with_session
def fsck(session: Session, repair: bool) -> None:
    """Check that every task is where it belongs, while workers go on.

    Nothing is changed without --repair. The server is asked in many short steps, and what looks wrong is looked at a
    second time before it is reported. The exit code is 0 if nothing is wrong (any more), 1 if something is, or is left.
    """
    queue = session.queue

    def looks() -> int:
        stats = queue.get_queue_stats()
        # each task has a member in a status set, an entry of a list or a result, and one or two keys
        return 4 * sum(int(getattr(stats, f"{status.value}_tasks")) for status in TaskStatus)

    with progress_bar(session, "checking", looks) as advance:
        report = _check(queue, repair=repair, advance=advance)
    if session.json:
        show_json({**asdict(report), "repair": repair})
    else:
        _show(report, repair=repair)
        for note in report.notes:
            session.note(note)
    if report.left:
        click.get_current_context().exit(EXIT_FAILED)


def _check(queue: TaskQueue, *, repair: bool, advance: Advance) -> Report:
    """Check one partition after the other; most queues have one."""
    report, number, told = Report(), queue.settings.partitions, 0

    def look(step: str, checked: int) -> None:
        nonlocal told
        advance(report.checked + checked - told, step)
        told = report.checked + checked

    for index in range(number):
        part = queue.partition(index)
        one = Fsck(part.transport.run, part.namespace.protocol, part.settings, repair=repair, progress=look)
        report.take(one.check(), f" (partition {index})" if number > 1 else "")
    return report


def _show(report: Report, *, repair: bool) -> None:
    for violation in report.violations[:_SHOWN]:
        verdict = click.style("left" if violation.left else "mended", fg="red" if violation.left else "green")
        mark = f"{verdict}  " if repair else ""
        show(f"{mark}{violation.invariant}  {printable(violation.subject)}  {printable(violation.message)}")
        for words in violation.done:
            show(f"        -> {printable(words)}")
    if report.count > _SHOWN:
        show(f"... and {plural(report.count - _SHOWN, 'more violation')}; --json shows up to 10,000")
    looked = f"{plural(report.checked, 'look')} in {duration_text(report.seconds)}"
    if not report.count:
        show(f"clean: no violation; {looked}")
    elif not repair:
        show(f"{plural(report.count, 'violation')}, nothing was changed; {looked}")
        show("mend what can be mended: taskq fsck --repair")
    else:
        mended = report.count - report.left
        show(f"{plural(report.count, 'violation')}: {mended:,} mended, {report.left:,} left; {looked}")
