"""How fast a queue is on the user's own server: a few figures, each beside what the server itself can do."""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from taskq.model.task import Task
from taskq.queue import TaskQueue
from taskq.settings import Settings
from taskq.testing.faults import WorkerCommand
from taskq.testing.namespace import NamespaceKeys, delete_keys
from taskq.worker import TaskWorker

PAYLOAD = {"text": "x" * 89}  # 100 bytes as JSON
_BATCH = 100
_ROUNDS = 200
_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured.

    Attributes:
        bare_ms: a round trip to the server, without any queue, median.
        submit_per_second: tasks, one after the other, by one client.
        batch_per_second: tasks in batches of 100.
        run_per_second: no-op tasks by one worker process, results stored.
        round_trip_ms: from the submit to the result in the submitter's hands, on an idle queue, median.
        round_trip_p99_ms: of the slowest hundredth.
    """

    bare_ms: float
    submit_per_second: float
    batch_per_second: float
    run_per_second: float
    round_trip_ms: float
    round_trip_p99_ms: float

    def to_dict(self) -> dict[str, float]:
        """Return the figures as JSON can say them."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


# how often ``measure`` tells what it does next
STEPS = 6


def measure(settings: Settings, tasks: int, concurrency: int, tell: Callable[[str], None]) -> Figures:
    """Measure in a namespace of its own, and remove it.

    Args:
        settings: which server.
        tasks: how many no-op tasks to run; a third of them are submitted one by one.
        concurrency: slots of the worker.
        tell: called with what is done next.

    Raises:
        TaskqError: if the server cannot be used.
    """
    own = replace(settings, prefix=f"taskq-bench-{uuid.uuid4().hex[:12]}", max_queue_length=0, partitions=1)
    with TaskQueue(settings=own) as queue:
        try:
            return _measure(queue, tasks, concurrency, tell)
        finally:
            tell("tidying up")
            delete_keys(queue)


def _measure(queue: TaskQueue, tasks: int, concurrency: int, tell: Callable[[str], None]) -> Figures:
    queue.submit_task(_task())  # the first call connects and stores the script
    tell("round trips to the server")
    bare = _bare_seconds(queue)
    singles = tasks // 3
    tell(f"submitting {singles:,} tasks one by one")
    submit = _rate(singles, lambda: [queue.submit_task(_task()) for _ in range(singles)])
    batches = [[_task() for _ in range(_BATCH)] for _ in range((tasks - singles) // _BATCH)]
    tell(f"submitting {len(batches) * _BATCH:,} tasks in batches of {_BATCH}")
    batch = _rate(len(batches) * _BATCH, lambda: [queue.submit_batch(batch) for batch in batches])
    waiting = queue.get_queue_stats().pending_tasks
    tell(f"running {waiting:,} tasks, {concurrency} at a time")
    worker = TaskWorker(queue, concurrency=concurrency)
    worker.register_handler("noop", _noop)
    run = _rate(waiting, worker.run_until_empty)
    tell(f"{_ROUNDS} tasks one after the other, each waited for")
    with _worker_beside(queue):
        rounds = [_round_trip(queue) for _ in range(_ROUNDS)]
    return Figures(
        statistics.median(bare) * 1000,
        submit,
        batch,
        run,
        statistics.median(rounds) * 1000,
        statistics.quantiles(rounds, n=100)[-1] * 1000,
    )


def _noop(task: Task) -> None:
    """Do nothing."""


def _task() -> Task:
    return Task(task_type="noop", payload=PAYLOAD)


def _rate(count: int, action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return count / (time.perf_counter() - begun)


def _seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def _bare_seconds(queue: TaskQueue) -> list[float]:
    keys = NamespaceKeys(queue)
    try:
        return [_seconds(lambda: keys.ask("PING")) for _ in range(_ROUNDS)]
    finally:
        keys.close()


def _round_trip(queue: TaskQueue) -> float:
    return _seconds(lambda: queue.wait_for_result(queue.submit_task(_task()), _START_SECONDS))


@contextmanager
def _worker_beside(queue: TaskQueue) -> Iterator[None]:
    """Have ``taskq worker`` in a process of its own, as users run it."""
    environment = {"TASKQ_PREFIX": queue.settings.prefix, "TASKQ_REDIS_URL": queue.namespace.endpoint.url}
    # named, since a file handlers.py of the current folder would be loaded otherwise
    worker = WorkerCommand(["-m", "taskq", "worker", "--handlers", "taskq.testing.measuring"], environment)
    try:
        worker.ready()
        _round_trip(queue)
        yield
    finally:
        worker.destroy()


def register(worker: Any) -> None:
    """Let a worker know the handlers that are measured."""
    worker.register_handler("noop", _noop)
