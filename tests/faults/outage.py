"""Load on a Sentinel set or a cluster while its servers fail, and what became of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from taskq import AsyncTaskQueue, Settings, Task, TaskQueue
from taskq.errors import TaskNotFound
from taskq.testing.ledger import Ledger
from tests.faults.commands import Command
from tests.faults.conftest import Spawn
from tests.waiting import eventually
from tests.worker.background import Background, findings

_MOST_SECONDS = 5.0
_UNDER_WAY = ("pending", "running", "scheduled", "retry")


class Stream:
    """Two producers, a thread and a coroutine, that submit one task after another until told to stop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._enough = threading.Event()
        self.accepted: dict[str, float] = {}
        self._producers = [Background(self._submit), Background(lambda: asyncio.run(self._submit_async()))]

    def _submit(self) -> None:
        with TaskQueue(settings=self._settings) as queue:
            while not self._enough.wait(0.01):
                task_id = queue.submit_task(Task(task_type="work"))
                self.accepted[task_id] = time.monotonic()

    async def _submit_async(self) -> None:
        async with AsyncTaskQueue(settings=self._settings) as queue:
            while not self._enough.is_set():
                task_id = await queue.submit_task(Task(task_type="async_work"))
                self.accepted[task_id] = time.monotonic()
                await asyncio.sleep(0.01)

    def after(self, moment: float) -> dict[str, float]:
        """Return which tasks were accepted after a moment, and when."""
        return {task_id: at for task_id, at in list(self.accepted.items()) if at > moment}

    def end(self) -> None:
        """Stop submitting; raise what a producer has raised."""
        self._enough.set()
        for producer in self._producers:
            producer.join(40)


@dataclass
class Outage:
    """A system under load that a test hurts.

    Attributes:
        queue: to look at it.
        stream: what is submitted.
        ledger: what the workers do.
        lost: after ``settle``: accepted tasks that the servers no longer know.
        never_run: those of them that no worker has started.
        repeated: tasks that ran more than once.
    """

    queue: TaskQueue
    stream: Stream
    ledger: Ledger
    lost: tuple[str, ...] = ()
    never_run: tuple[str, ...] = ()
    repeated: int = 0

    def measure(self, what: str, accepts: Callable[[], bool], named: Callable[[], bool]) -> None:
        """Wait until a new primary accepts writes, then until a task that was submitted later has started; print it.

        Args:
            what: has happened just now.
            accepts: whether the new primary accepts writes.
            named: whether clients could know of it.
        """
        begun = time.monotonic()
        eventually(accepts, 40, "a primary that accepts writes")
        ready = time.monotonic()
        eventually(named, 40, "a primary that clients can find")
        known = time.monotonic()
        accepted = eventually(lambda: self.stream.after(ready), 40, "a producer that goes on")

        def started() -> float | None:
            later = self.stream.after(ready)
            return next((note.at for note in self.ledger.notes("start") if note.task_id in later), None)

        at = eventually(started, 40, "a worker that goes on")
        gone_on = max(min(accepted.values()), at) - ready
        # a second at most on a quiet machine (docs/topologies.md); whoever is not told waits for its timeouts
        assert gone_on < _MOST_SECONDS, f"{what}: {gone_on:.2f} s after writes were accepted not everybody went on"
        print(
            f"{what}: writes accepted {ready - begun:.2f} s after the fault, to be found after another "
            f"{known - ready:.2f} s; producers went on {min(accepted.values()) - ready:.2f} s and workers "
            f"{at - ready:.2f} s after writes were accepted"
        )

    def goes_on(self, tasks: int = 50) -> None:
        """Wait until some more tasks have been submitted and run."""
        now = time.monotonic()
        wanted = self.ledger.count("end") + tasks
        eventually(lambda: len(self.stream.after(now)) >= tasks, 40, "producers that go on")
        eventually(lambda: self.ledger.count("end") >= wanted, 40, "workers that go on")

    def settle(self) -> None:
        """End the load, wait until all of it is worked off, and account for every accepted task."""
        self.stream.end()

        def at_rest() -> bool:
            stats = self.queue.get_queue_stats()
            return not any(getattr(stats, f"{name}_tasks") for name in _UNDER_WAY)

        eventually(at_rest, 30, "an end of the work")
        started = {note.task_id for note in self.ledger.notes("start")}
        lost = []
        for task_id in self.stream.accepted:
            try:
                status = self.queue.get_task_status(task_id)["status"]
            except TaskNotFound:
                lost.append(task_id)
                continue
            assert status == "completed", f"{task_id} is {status}"
        self.lost = tuple(lost)
        self.never_run = tuple(task_id for task_id in lost if task_id not in started)
        runs = Counter(note.task_id for note in self.ledger.notes("end"))
        self.repeated = sum(1 for count in runs.values() if count > 1)
        print(
            f"{len(self.stream.accepted)} tasks accepted, {len(self.lost)} of them forgotten by the servers, "
            f"{len(self.never_run)} of those never run; {self.repeated} ran twice"
        )
        assert findings(self.queue) == []


@contextmanager
def under_load(url: str, settings: Settings, spawn: Spawn, ledger: Ledger) -> Iterator[Outage]:
    """Run workers, a scheduler and producers around a block, and see that all of them have survived it."""
    settings = replace(settings, redis_url=url)
    worker = spawn.on(url)("--concurrency", "4", "--processes", "2")
    environment = {"REDIS_URL": url, "TASKQ_PREFIX": settings.prefix}
    scheduler = Command(["-m", "taskq", "scheduler"], environment)
    spawn.started.append(scheduler)  # type: ignore[arg-type]  # all that is done to it is to destroy it
    with TaskQueue(settings=settings) as queue:
        worker.ready(2)
        stream = Stream(settings)
        eventually(lambda: ledger.count("end") > 100, 40, "the load to run for a while")
        yield Outage(queue, stream, ledger)
        assert all(process.process.poll() is None for process in (worker, scheduler)), "nobody has given up"
    assert all(process.stop() == 0 for process in (worker, scheduler))
