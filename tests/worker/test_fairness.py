"""Weights and reserved slots, on a server."""

from __future__ import annotations

import threading
from collections import Counter
from itertools import pairwise

import pytest

from taskq import Fairness, SettingsError, Task, TaskQueue, TaskWorker
from tests.waiting import eventually
from tests.worker.background import Background

WEIGHTS = {"urgent": 8, "high": 4, "normal": 2, "low": 1}


def fill(queue: TaskQueue, **numbers: int) -> None:
    for priority, number in numbers.items():
        queue.submit_batch([Task(task_type="note", priority=priority) for _ in range(number)])


def started(queue: TaskQueue, fairness: Fairness | None, concurrency: int) -> list[str]:
    seen: list[str] = []
    worker = TaskWorker(queue, concurrency=concurrency, fairness=fairness)
    worker.register_handler("note", lambda task: seen.append(task.priority.label))
    worker.run_until_empty()
    return seen


@pytest.mark.parametrize("concurrency", [1, 10])
def test_low_runs_beside_nine_times_as_many_urgent_ones(queue: TaskQueue, concurrency: int) -> None:
    fill(queue, urgent=900, low=100)
    seen = started(queue, Fairness(WEIGHTS), concurrency)
    turn = max(1, concurrency // 2)
    # a ninth of the tasks, in turns of half the slots; two turns may be on their way at a time
    at = [-1, *(place for place, label in enumerate(seen) if label == "low")]
    assert max(later - earlier for earlier, later in pairwise(at)) <= 9 * turn * 2 + turn
    counts = Counter(seen[:450])
    assert 40 <= counts["low"] <= 65, "a ninth, and not more: equal parts would be a half"
    assert counts["urgent"] >= 380


def test_without_weights_low_waits_for_all_of_them(queue: TaskQueue) -> None:
    fill(queue, low=50, urgent=300)
    assert started(queue, None, 1) == ["urgent"] * 300 + ["low"] * 50


def test_all_tasks_are_run_with_weights_too(queue: TaskQueue) -> None:
    fill(queue, urgent=100, high=90, normal=80, low=70)
    assert Counter(started(queue, Fairness(WEIGHTS), 10)) == {"urgent": 100, "high": 90, "normal": 80, "low": 70}


def test_a_reserved_slot_is_never_filled_by_lower_priorities(queue: TaskQueue) -> None:
    gate, running = threading.Event(), Counter[str]()

    def wait(task: Task) -> None:
        running[task.priority.label] += 1
        assert gate.wait(20)

    queue.submit_batch([Task(task_type="wait", priority=priority) for priority in ["low", "normal"] * 4])
    worker = TaskWorker(queue, concurrency=4, fairness=Fairness(reserve={"urgent": 1, "high": 1}))
    worker.register_handler("wait", wait)
    run = Background(worker.start)
    eventually(lambda: running.total() == 2)
    queue.submit_task(Task(task_type="wait", priority="high"))
    eventually(lambda: running["high"] == 1)
    queue.submit_batch([Task(task_type="wait", priority="high")])
    queue.submit_task(Task(task_type="wait", priority="urgent"))
    eventually(lambda: running["urgent"] == 1)
    assert running == {"normal": 2, "high": 1, "urgent": 1}, "the other one of high waits: its slot is taken"
    assert sorted(info.card.get("reserved", "all") for info in queue.list_workers()) == ["all", "high", "urgent"]
    gate.set()
    eventually(lambda: queue.get_queue_stats().completed_tasks == 11)
    worker.stop()
    run.join()
    assert queue.list_workers() == []


def test_run_until_empty_runs_everything_with_reserves(queue: TaskQueue) -> None:
    fill(queue, urgent=5, low=20)
    assert Counter(started(queue, Fairness(reserve={"urgent": 1}), 3)) == {"urgent": 5, "low": 20}


@pytest.mark.parametrize(
    ("fairness", "message"),
    [
        (Fairness(weights={"urgnt": 8}), "weight urgnt=8: use urgent, high, normal, low"),
        (Fairness(reserve={"urgent": 0}), "reserve urgent=0"),
        (Fairness(reserve={"urgent": 2, "high": 2}), "4 of 4 slots are reserved"),
    ],
)
def test_what_cannot_be_used_is_refused_at_once(queue: TaskQueue, fairness: Fairness, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        TaskWorker(queue, concurrency=4, fairness=fairness)


def test_slots_for_a_list_that_is_not_served_are_refused(queue: TaskQueue) -> None:
    worker = TaskWorker(queue, priorities=["low"], fairness=Fairness(reserve={"urgent": 1}))
    with pytest.raises(SettingsError, match="serves no such list"):
        worker.run_once()
