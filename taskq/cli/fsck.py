"""``taskq fsck``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict

import click

from taskq.cli.commands import TaskqCommand
from taskq.cli.output import duration_text, plural, printable, show, show_json
from taskq.cli.program import EXIT_FAILED
from taskq.cli.session import Session, with_session
from taskq.queue import TaskQueue
from taskq.states import TaskStatus
from taskq.transport.fsck import Fsck, Report

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
    progress, end = _progress_bar(queue, quiet=session.json)
    try:
        report = _check(queue, repair=repair, progress=progress)
    finally:
        end()
    if session.json:
        show_json({**asdict(report), "repair": repair})
    else:
        _show(report, repair=repair)
        for note in report.notes:
            session.note(note)
    if report.left:
        click.get_current_context().exit(EXIT_FAILED)


def _check(queue: TaskQueue, *, repair: bool, progress: Callable[[str, int], None]) -> Report:
    """Check one partition after the other; most queues have one."""
    report, number = Report(), queue.settings.partitions
    for index in range(number):
        part, before = queue.partition(index), report.checked

        def advance(step: str, checked: int, before: int = before) -> None:
            progress(step, before + checked)

        one = Fsck(part.transport.run, part.namespace.protocol, part.settings, repair=repair, progress=advance)
        report.take(one.check(), f" (partition {index})" if number > 1 else "")
    return report


def _progress_bar(queue: TaskQueue, *, quiet: bool) -> tuple[Callable[[str, int], None], Callable[[], None]]:
    """Return what is told how far the run is, and what ends it; on a terminal it is a bar."""
    if quiet or not sys.stderr.isatty():
        return lambda step, checked: None, lambda: None
    stats = queue.get_queue_stats()
    tasks = sum(int(getattr(stats, f"{status.value}_tasks")) for status in TaskStatus)
    # each task has a member in a status set, an entry of a list or a result, and one or two keys
    bar: click._termui_impl.ProgressBar[int] = click.progressbar(length=max(tasks * 4, 1), file=sys.stderr)

    def advance(step: str, checked: int) -> None:
        bar.label = step.ljust(11)
        bar.update(max(min(checked, bar.length or 0) - bar.pos, 0))

    def end() -> None:
        bar.update(max((bar.length or 0) - bar.pos, 0))
        bar.render_finish()

    return advance, end


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
