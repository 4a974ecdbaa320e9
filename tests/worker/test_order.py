"""Urgent before high before normal before low, and first in, first out within a list."""

from __future__ import annotations

import random
import threading

import pytest

from taskq import Task, TaskPriority, TaskQueue, TaskWorker
from taskq.states import PRIORITIES
from tests.waiting import eventually
from tests.worker.background import Background


def test_a_mixed_backlog_of_ten_thousand_is_run_in_order(queue: TaskQueue) -> None:
    done: list[tuple[int, int]] = []
    worker = TaskWorker(queue, concurrency=1)
    worker.register_handler("note", lambda task: done.append((-task.priority, task.payload)))
    shuffled = [priority for priority in PRIORITIES for _ in range(2_500)]
    random.Random(4).shuffle(shuffled)
    tasks = [Task(task_type="note", payload=n, priority=priority) for n, priority in enumerate(shuffled)]
    for start in range(0, len(tasks), 2_500):
        queue.submit_batch(tasks[start : start + 2_500])

    assert worker.run_until_empty() == 10_000

    assert done == sorted(done)
    assert len(set(done)) == 10_000


def test_what_becomes_urgent_later_overtakes_what_waits(queue: TaskQueue) -> None:
    done: list[str] = []
    started, go_on = threading.Event(), threading.Event()

    def first(task: Task) -> None:
        started.set()
        go_on.wait(10)

    worker = TaskWorker(queue, concurrency=1)
    worker.register_handler("first", first)
    worker.register_handler("note", lambda task: done.append(task.priority.label))
    queue.submit_task(Task(task_type="first"))
    queue.submit_batch([Task(task_type="note", priority="low") for _ in range(5)])
    run = Background(worker.run_until_empty)
    assert started.wait(10)
    queue.submit_task(Task(task_type="note", priority="urgent"))
    go_on.set()
    run.join()

    assert done == ["urgent", *["low"] * 5]


def test_a_worker_serves_the_queues_and_priorities_it_was_told(queue: TaskQueue) -> None:
    done: list[str] = []
    worker = TaskWorker(queue, concurrency=1, queues=["mail", "default"], priorities=[TaskPriority.HIGH, "low"])
    worker.register_handler("note", lambda task: done.append(f"{task.queue}:{task.priority.label}"))
    for priority in ("low", "normal", "high"):
        for name in ("default", "mail", "other"):
            queue.submit_task(Task(task_type="note", queue=name, priority=priority))

    assert worker.run_until_empty() == 4

    assert done == ["mail:high", "None:high", "mail:low", "None:low"]
    assert queue.get_queue_stats().pending_tasks == 5


def test_a_paused_queue_is_left_alone_until_it_is_resumed(queue: TaskQueue) -> None:
    done: list[str] = []
    worker = TaskWorker(queue)
    worker.register_handler("note", lambda task: done.append(task.priority.label))
    queue.submit_batch([Task(task_type="note", priority=p) for p in ("low", "urgent")])
    queue.pause(priority="urgent")
    assert worker.run_until_empty() == 1
    assert done == ["low"]

    queue.resume(priority="urgent")

    assert worker.run_until_empty() == 1
    assert done == ["low", "urgent"]


@pytest.mark.usefixtures("sound_sleep")
@pytest.mark.parametrize("concurrency", [1, 4])
def test_an_idle_worker_wakes_for_each_task(queue: TaskQueue, started: object, concurrency: int) -> None:
    worker = TaskWorker(queue, concurrency=concurrency)
    worker.register_handler("echo", lambda task: task.payload)
    started(worker)  # type: ignore[operator]  # the fixture
    for n in range(20):
        priority = PRIORITIES[n % 4]
        task_id = queue.submit_task(Task(task_type="echo", payload=n, priority=priority))
        assert queue.wait_for_result(task_id, timeout=20)["result"] == n


@pytest.mark.usefixtures("sound_sleep")
def test_a_delayed_task_starts_when_it_is_due(queue: TaskQueue, started: object) -> None:
    worker = TaskWorker(queue)
    worker.register_handler("echo", lambda task: task.payload)
    started(worker)  # type: ignore[operator]  # the fixture
    task_id = queue.submit_later(Task(task_type="echo", payload=1), "+1000")
    assert queue.get_task_status(task_id)["status"] == "scheduled"

    result = queue.wait_for_result(task_id, timeout=20)

    status = queue.get_task_status(task_id)
    assert result["result"] == 1
    eventually(lambda: queue.get_queue_stats().scheduled_tasks == 0)
    assert status["status"] == "completed"
