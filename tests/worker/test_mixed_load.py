"""Nine of ten tasks are urgent and there are always more: how many are started before a low one.

Several workers on a real server. What is counted are starts, not seconds, so a busy machine changes nothing.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from taskq import Fairness, Settings, Task, TaskContext, TaskQueue, TaskWorker
from tests.waiting import eventually
from tests.worker.background import Background
from tests.worker.test_fairness import WEIGHTS

WORKERS, BACKLOG, AGING = 3, 40, 0.5


class Start(NamedTuple):
    """That a task has begun: which one, when it had come into its list and when it began, in seconds, and its fence.

    Fences grow from claim to claim; on a busy machine a task may be claimed first and begin last.
    """

    task_id: str
    label: str
    submitted: float
    began: float
    fence: int


class Load:
    """Whoever is urgent submits the next urgent one, and each ninth of them a low one: the backlog never ends."""

    def __init__(self, queue: TaskQueue) -> None:
        self._queue = queue
        self._count = itertools.count(1)
        self._lock = threading.Lock()
        self.over = threading.Event()
        self.starts: list[Start] = []
        self.stored_by: dict[str, float] = {}
        # the low one last: of those that were made in the same millisecond the urgent ones go first
        self._submit(*(self._task("urgent") for _ in range(BACKLOG)), self._task("low"))

    def _task(self, label: str) -> Task:
        return Task(task_type="note", priority=label, payload=time.time())

    def _submit(self, *tasks: Task) -> None:
        self._queue.submit_batch(tasks)
        self.stored_by.update((task.task_id, time.time()) for task in tasks)

    def handler(self, task: Task, ctx: TaskContext) -> None:
        with self._lock:
            self.starts.append(Start(task.task_id, task.priority.label, task.payload, time.time(), ctx.fence))
        if task.priority.label == "urgent" and not self.over.is_set():
            low = [self._task("low")] if next(self._count) % 9 == 0 else []
            self._submit(self._task("urgent"), *low)

    def number(self, label: str) -> int:
        return sum(start.label == label for start in self.starts)

    @contextmanager
    def run(self, settings: Settings, fairness: Fairness | None, slots: int) -> Iterator[None]:
        """Let several workers work on it."""
        queues = [TaskQueue(settings=settings) for _ in range(WORKERS)]
        workers = [TaskWorker(queue, concurrency=slots, fairness=fairness) for queue in queues]
        calls = []
        for worker in workers:
            worker.register_handler("note", self.handler)
            calls.append(Background(worker.run_until_empty))
        try:
            yield
        finally:
            self.over.set()
            for call in calls:
                call.join(60)
            for queue in queues:
                queue.close()


def gaps(starts: list[Start]) -> list[int]:
    """Return how many others are started before each low one, and after the one before it."""
    at = [-1, *(place for place, start in enumerate(starts) if start.label == "low")]
    return [later - earlier - 1 for earlier, later in itertools.pairwise(at)]


@pytest.mark.parametrize("slots", [1, 8])
def test_under_weights_low_is_in_one_of_nine_turns_of_each_worker(
    queue: TaskQueue, settings: Settings, slots: int
) -> None:
    load, turn = Load(queue), max(1, slots // 2)
    with load.run(settings, Fairness(WEIGHTS), slots):
        assert eventually(lambda: load.number("low") >= 30, 30)
        starts = list(load.starts)
    # (8 + 1) / 1 turns and one more at the start; two may be on their way, and each worker counts for itself
    assert max(gaps(starts)) <= WORKERS * turn * (9 + 1 + 2)


def test_under_aging_no_younger_one_overtakes_who_is_old(
    queue: TaskQueue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # on a busy machine a look may be given up, and the next turns leave as if nobody were old
    monkeypatch.setattr("taskq.worker.aging._PATIENCE_SECONDS", 20.0)
    load = Load(queue)
    with load.run(settings, Fairness(aging=AGING), 1):
        assert eventually(lambda: load.number("low") >= 30, 30)
        starts = list(load.starts)
    assert max(start.began - start.submitted for start in starts if start.label == "low") >= AGING, "strict until then"
    first_since = 0.0
    for low in sorted((start for start in starts if start.label == "low"), key=lambda start: start.fence):
        # it is the first of its list that goes first
        old_since = max(low.submitted + AGING * 1.1, load.stored_by[low.task_id], first_since)
        first_since = max(old_since, low.began)
        # tasks of one millisecond are of one age
        before = [one for one in starts if one.label == "urgent" and one.submitted > low.submitted + 0.001]
        # of each worker what runs, and two turns that are on their way
        assert sum(old_since < one.began and one.fence < low.fence for one in before) <= WORKERS * 3


def test_strict_priority_starts_no_low_one_meanwhile(queue: TaskQueue, settings: Settings) -> None:
    """The first low one ends it: each takes the place of an urgent one, until nobody is left to start the next ones."""
    load = Load(queue)
    with load.run(settings, None, 4):
        eventually(lambda: load.number("low") or load.number("urgent") >= 600, 30, "600 starts of urgent tasks")
        ahead = [start.label for start in list(load.starts)]
    assert "low" not in ahead[:600], f"a low task was start number {ahead.index('low') + 1}, with urgent ones waiting"
