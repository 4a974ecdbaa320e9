"""The main job from start to end; ``run_index.py`` calls it."""

from __future__ import annotations

import logging
import os
import platform
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import click
import index_kill
from index_fleet import ROOT, SLOTS, WORKERS, Fleet, FleetError, stopping
from index_kill import Kill
from index_namespace import NamespaceInUseError, make_empty, only_run, take_back
from index_outcome import collect, live_tasks
from index_plan import DELAY_SECONDS, SourceFile, let_arrive, library_files, plant, recheck_task
from index_progress import Progress
from index_report import report

from taskq import QueueStats, Settings, TaskqError, TaskQueue
from taskq.scheduler import TaskScheduler
from taskq.states import PRIORITIES

_TICK_SECONDS = 0.05
_WATCH_SECONDS = 0.002
_STUCK_SECONDS = 60.0
_CALL_SECONDS = 10.0
_KILL_AT = 0.4


class Interrupt:
    """Remembers the first signal that asks for the end; the second presses the processes, the third ends at once."""

    def __init__(self) -> None:
        self.fleet: Fleet | None = None
        self.numbers: list[int] = []
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                signal.signal(number, self._caught)

    def _caught(self, number: int, _: FrameType | None) -> None:
        self.numbers.append(number)
        if self.fleet is not None and len(self.numbers) > 1:
            self.fleet.press(signal.SIGTERM if len(self.numbers) == 2 else signal.SIGKILL)
        if len(self.numbers) > 2:
            raise KeyboardInterrupt

    def came(self) -> bool:
        """Whether somebody wants the end."""
        return bool(self.numbers)


@dataclass(slots=True)
class Job:
    """One run.

    Attributes:
        queue: of the namespace.
        fleet: the processes.
        interrupt: whether to stop.
        files: what is indexed, by the id of its task.
        recheck_id: of the delayed task.
        kills: the workers that were killed.
        seconds: from the submit to the end of the last task.
    """

    queue: TaskQueue
    fleet: Fleet
    interrupt: Interrupt
    files: dict[str, SourceFile] = field(default_factory=dict)
    recheck_id: str = ""
    kills: list[Kill] = field(default_factory=list)
    seconds: float = 0.0
    late_are_there: bool = False

    def submit(self, files: list[SourceFile]) -> None:
        """Submit all files as one batch, and the recheck for later."""
        begun = time.monotonic()
        ids = self.queue.submit_batch([file.task() for file in files])
        took = time.monotonic() - begun
        self.files = dict(zip(ids, files, strict=True))
        self.recheck_id = TaskScheduler(self.queue).schedule_task_in(recheck_task(files), DELAY_SECONDS)
        counts = Counter(file.priority for file in files)
        mix = ", ".join(f"{counts[priority]:,} {priority.label}" for priority in PRIORITIES)
        click.echo(f"  submitted  {len(ids):,} tasks in one batch, all or none, in {took * 1000:.0f} ms: {mix}")
        click.echo(f"             and one task that is to start {DELAY_SECONDS:g} s later")

    def drive(self) -> None:
        """Show how far it is until all tasks have ended; meanwhile, kill a worker and let the late files arrive.

        Raises:
            FleetError: if a process ends, or nothing moves any more.
        """
        total = len(self.files) + 1
        begun = moved_at = time.monotonic()
        done = 0
        with Progress(total) as progress:
            while not self.interrupt.came():
                self.fleet.check()
                if self._watches(progress):
                    time.sleep(_WATCH_SECONDS)
                    continue
                stats = self.queue.get_queue_stats()
                before, done = done, stats.counters.get("completed", 0) + stats.counters.get("failed", 0)
                now = time.monotonic()
                moved_at = now if done != before else moved_at
                self.seconds = now - begun
                progress.show(done)
                if done >= total and live_tasks(stats) == 0:
                    return
                if now - moved_at > _STUCK_SECONDS:
                    raise FleetError(f"no task has ended for {_STUCK_SECONDS:g} s; see the logs in {self.fleet.folder}")
                self._let_arrive(stats)
                if not self._strikes(stats, done / total, progress):
                    time.sleep(_TICK_SECONDS)

    def _let_arrive(self, stats: QueueStats) -> None:
        late = sum(file.is_late for file in self.files.values())
        if not self.late_are_there and stats.counters.get("retried", 0) >= late:
            let_arrive(list(self.files.values()))
            self.late_are_there = True

    def _strikes(self, stats: QueueStats, done: float, progress: Progress) -> bool:
        """Kill a worker in the middle; another time only if the first held nothing by then."""
        if done < _KILL_AT or stats.pending_tasks < 2 * SLOTS or any(kill.moved for kill in self.kills):
            return False
        kill = index_kill.strike(self.queue, self.kills)
        if kill is None:
            return False
        self.kills.append(kill)
        progress.note("worker killed", f"killed     {kill.worker} (process {kill.pid}) with SIGKILL")
        return True

    def _watches(self, progress: Progress) -> bool:
        if not self.kills or self.kills[-1].is_over:
            return False
        kill = self.kills[-1]
        index_kill.watch(self.queue, kill)
        if kill.is_over:
            moved = len(kill.moved)
            progress.note(f"{moved} tasks recovered", f"recovered  its {moved} tasks run on other workers")
        return True


def _begin(settings: Settings, queue: TaskQueue, folder: Path, limit: int | None) -> list[SourceFile]:
    """Show what is going to happen, and return the files."""
    files = library_files(limit)
    planted = plant(folder / "planted")
    bad, late = sum(file.is_bad for file in planted), sum(file.is_late for file in planted)
    click.secho(f"Indexing the standard library of Python {platform.python_version()}", bold=True)
    click.echo(f"  files      {len(files):,}, and {bad + late} planted ones: {bad} do not parse, {late} come late")
    click.echo(f"  server     {queue.namespace.endpoint.shown}, prefix {settings.prefix}")
    click.echo(f"  processes  {len(WORKERS)} workers with {SLOTS} slots each and a scheduler, logs in {folder}")
    return files + planted


def _interrupted(job: Job) -> int:
    """Say what was done; return the exit code that shells know for a signal."""
    taken = take_back(job.queue)
    counters, tasks = job.queue.get_queue_stats().counters, len(job.files) + bool(job.recheck_id)
    done = (
        f"{counters.get('completed', 0):,} of {tasks:,} tasks completed, {counters.get('failed', 0):,} failed, "
        f"{taken:,} were taken back"
    )
    click.echo(f"\nInterrupted: {done if tasks else 'nothing was submitted'}. Workers and scheduler have ended.")
    return 128 + job.interrupt.numbers[0]


def _look_inside(settings: Settings) -> None:
    program = Path(sys.executable).parent / "taskq"
    shown = program.relative_to(ROOT) if program.is_relative_to(ROOT) else "taskq"
    click.echo(f"\nLook inside:  {shown} stats --prefix {settings.prefix}   {shown} dlq ls --prefix {settings.prefix}")
    click.echo(f"              redis-cli SCARD {settings.prefix}:status:completed")
    if settings.redis_url is None:
        click.echo(f"The server runs on; stop it with:  {shown} server stop")


@contextmanager
def _nothing_left_behind(queue: TaskQueue) -> Iterator[None]:
    """Take the tasks back if the job fails: without workers they would wait for ever."""
    try:
        yield
    except BaseException:
        with suppress(TaskqError):
            take_back(queue)
        raise


def run(settings: Settings, limit: int | None, interrupt: Interrupt) -> int:
    """Run the job; return the exit code: 0 if all totals are exact."""
    with TaskQueue(settings=settings) as queue:
        queue.get_queue_stats()  # connects; a server that had to be started is announced before anything else
        folder = settings.data_dir / settings.prefix
        job = Job(queue, Fleet(queue, folder), interrupt)
        with only_run(folder):
            make_empty(queue)
            files = _begin(settings, queue, folder, limit)
            with _nothing_left_behind(queue), stopping(job.fleet):
                interrupt.fleet = job.fleet
                job.fleet.start(interrupt.came)
                if not interrupt.came():
                    job.submit(files)
                    job.drive()
            if interrupt.came():
                return _interrupted(job)
            outcome = collect(queue, job.files, job.recheck_id, job.seconds, job.kills)
            exact = report(outcome, [(member.name, member.last_words()) for member in job.fleet.members])
        click.secho("\nAll totals are exact." if exact else "\nThe totals are NOT exact.", bold=True)
        _look_inside(settings)
        return 0 if exact else 1


@click.command()
@click.option("--limit", type=click.IntRange(50), help="Index only about so many files, spread over the library.")
@click.option("--prefix", default="stdlib_index", show_default=True, help="Namespace; what it holds is deleted.")
def main(limit: int | None, prefix: str) -> None:
    """Index the Python standard library: a task per file, two workers, a scheduler, and a kill -9 in the middle."""
    os.chdir(ROOT)  # where the .env file is, whatever folder this was called from
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stdout)
    interrupt = Interrupt()
    try:
        settings = Settings.load(prefix=prefix, call_timeout_seconds=_CALL_SECONDS)
        sys.exit(run(settings, limit, interrupt))
    except PermissionError as error:
        click.echo(f"run_index: {error}. Set TASKQ_DATA_DIR to a folder that you may write to.", err=True)
        sys.exit(1)
    except (TaskqError, FleetError, NamespaceInUseError, OSError) as error:
        click.echo(f"run_index: {error}", err=True)
        sys.exit(1)
