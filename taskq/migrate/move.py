"""Move jobs: take a page aside, submit it, forget it. What was interrupted is finished by the next run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from taskq import submitting
from taskq.errors import InvalidTask
from taskq.migrate.jobs import Job, OldJobs, Refusal
from taskq.model.task import Task
from taskq.queue import TaskQueue
from taskq.transport.foreign import Entry, Source

_PAGE = 100
_MOST_REFUSALS = 1000


@dataclass(slots=True)
class Report:
    """What became of the jobs.

    Attributes:
        moved: how many are tasks now; in a dry run, how many could be.
        finished: how many of them an earlier run had begun to move.
        staying: how many stay where they are.
        refused: which ones and why, the first 1,000 of them.
    """

    moved: int = 0
    finished: int = 0
    staying: int = 0
    refused: list[Refusal] = field(default_factory=list)

    def refuse(self, refusal: Refusal) -> None:
        """Note a job that stays."""
        self.staying += 1
        if len(self.refused) < _MOST_REFUSALS:
            self.refused.append(refusal)


def move(
    queue: TaskQueue, jobs: OldJobs, *, dry_run: bool = False, advance: Callable[[int, str], None] | None = None
) -> Report:
    """Turn the jobs that wait in another queue into tasks.

    The id of a task is that of its job. A run that was interrupted loses nothing: the next one finds what was taken
    aside and submits the same tasks again, which stores none of them twice.

    Args:
        queue: takes the tasks.
        jobs: of the other queue.
        dry_run: only look.
        advance: is told how many more are done.

    Returns:
        What was moved and what was refused.

    Raises:
        TaskqError: if a server cannot be reached, or the queue is full; what was taken aside waits for the next run.
    """
    report = Report()
    for source in jobs.sources():
        if not dry_run:
            _finish(queue, jobs, source, report)
        _empty(queue, jobs, source, report, _Run(dry_run, advance or (lambda number, step: None)))
    return report


@dataclass(frozen=True, slots=True)
class _Run:
    dry: bool
    advance: Callable[[int, str], None]


def _finish(queue: TaskQueue, jobs: OldJobs, source: Source, report: Report) -> None:
    """Move what an earlier run has taken aside."""
    entries = jobs.server.aside(source)
    movable = _movable(queue, jobs, source, entries, report)
    _submit(queue, movable)  # the same again: what is stored already stays one task
    _forget(jobs, source, movable)
    report.moved += len(movable)
    report.finished += len(movable)


def _empty(queue: TaskQueue, jobs: OldJobs, source: Source, report: Report, run: _Run) -> None:
    """Move a list page by page, as many jobs as it has now: its producers may go on."""
    left, staying = jobs.server.length(source), 0
    while left > 0 and (entries := jobs.server.page(source, staying, min(left, _PAGE))):
        left -= len(entries)
        movable = _movable(queue, jobs, source, entries, report)
        staying += len(entries) - (0 if run.dry else len(movable))
        if not run.dry and movable:
            # an old worker may have been quicker with some
            movable = [movable[place] for place in jobs.server.take_aside(source, [job.entry for job in movable])]
            _submit(queue, movable)
            _forget(jobs, source, movable)
        report.moved += len(movable)
        run.advance(len(entries), "")


def _movable(queue: TaskQueue, jobs: OldJobs, source: Source, entries: Sequence[Entry], report: Report) -> list[Job]:
    movable = []
    for found in jobs.read(source, entries) if entries else []:
        refusal = found if isinstance(found, Refusal) else _refusal(queue, found.task)
        if refusal is not None:
            report.refuse(refusal)
        elif isinstance(found, Job):
            movable.append(found)
    return movable


def _refusal(queue: TaskQueue, task: Task) -> Refusal | None:
    """Return why the queue would not take a task: that must be known before the job leaves its list."""
    try:
        submitting.submission(queue.context, task)
    except InvalidTask as error:
        return Refusal(task.task_id, task.task_type, str(error))
    return None


def _submit(queue: TaskQueue, jobs: Sequence[Job]) -> None:
    now_ms = time.time_ns() // 1_000_000
    later = [job for job in jobs if job.entry.due_ms is not None and job.entry.due_ms > now_ms]
    at_once = [job.task for job in jobs if job not in later]
    if at_once:
        queue.submit_batch(at_once)
    for job in later:
        queue.submit_later(job.task, str(job.entry.due_ms))


def _forget(jobs: OldJobs, source: Source, moved: Sequence[Job]) -> None:
    if moved:
        jobs.server.forget(source, [job.entry for job in moved], [key for job in moved for key in job.keys])
