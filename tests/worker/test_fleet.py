"""One process that serves several partitions: with one set of slots, fairly, and each as if it were alone."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from taskq import Settings, SettingsError, Task, TaskContext, TaskQueue, TaskScheduler, TaskWorker
from taskq.model.partition import home_of
from tests.waiting import eventually
from tests.worker.background import Background, findings

COUNT = 3
Start = Callable[[TaskWorker], Background]


@pytest.fixture
def queue(settings: Settings) -> Iterator[TaskQueue]:
    with TaskQueue(settings=replace(settings, partitions=COUNT)) as queue:
        yield queue
        assert [finding for index in range(COUNT) for finding in findings(queue.partition(index))] == []


def submit(queue: TaskQueue, task_type: str, number: int, **options: object) -> list[str]:
    return [queue.submit_task(Task(task_type=task_type, **options)) for _ in range(number)]  # type: ignore[arg-type]


def hang(task: Task, ctx: TaskContext) -> None:
    while True:
        ctx.raise_if_cancelled()
        time.sleep(0.005)


@pytest.mark.parametrize("concurrency", [1, 2, 5])
def test_no_more_run_at_a_time_than_there_are_slots(queue: TaskQueue, concurrency: int) -> None:
    running: list[str] = []
    peak = 0
    lock = threading.Lock()

    def work(task: Task) -> None:
        nonlocal peak
        with lock:
            running.append(task.task_id)
            peak = max(peak, len(running))
        time.sleep(0.002)
        with lock:
            running.remove(task.task_id)

    worker = TaskWorker(queue, concurrency=concurrency)
    worker.register_handler("work", work)
    submit(queue, "work", 60)
    assert worker.run_until_empty() == 60
    assert peak == concurrency
    assert queue.get_queue_stats().completed_tasks == 60


def test_every_partition_gets_its_part(queue: TaskQueue, started: Start) -> None:
    order: list[int] = []
    worker = TaskWorker(queue, concurrency=1)
    worker.register_handler("work", lambda task: order.append(home_of(task.task_id, COUNT)))
    started(worker)
    eventually(lambda: len(queue.list_workers()) == COUNT, what="an engine for each partition")
    submit(queue, "work", 60)
    eventually(lambda: len(order) == 60, what="all of it")
    # 20 each; a portion for one partition is stored before those for the others
    assert max(Counter(order[:30]).values()) <= 18, "while all have work, none gets all of the slots"


def test_what_one_partition_leaves_the_others_get(queue: TaskQueue, started: Start) -> None:
    gate, running = threading.Event(), threading.Semaphore(0)

    def wait(task: Task) -> None:
        running.release()
        gate.wait(20)

    worker = TaskWorker(queue, concurrency=6)
    worker.register_handler("wait", wait)
    started(worker)
    submit(queue, "wait", 6, partition_key="one")
    assert all(running.acquire(timeout=10) for _ in range(6)), "all slots for the only partition with work"
    gate.set()
    eventually(lambda: queue.get_queue_stats().completed_tasks == 6, what="the end of all")


def test_run_once_takes_as_many_as_there_are_slots(queue: TaskQueue) -> None:
    worker = TaskWorker(queue, concurrency=4)
    worker.register_handler("work", lambda task: None)
    submit(queue, "work", 10)
    assert [worker.run_once() for _ in range(4)] == [4, 4, 2, 0]


def test_only_some_partitions(queue: TaskQueue) -> None:
    worker = TaskWorker(queue, partitions=[0, 2])
    worker.register_handler("work", lambda task: None)
    ids = submit(queue, "work", 9)
    assert worker.run_until_empty() == 6
    assert {home_of(row["task_id"], COUNT) for row in queue.list_tasks("pending")} == {1}
    assert len(ids) == 9
    with pytest.raises(SettingsError, match="there is no partition 3"):
        TaskWorker(queue, partitions=[3])


def test_a_worker_in_all_partitions_is_woken_stopped_and_gone(queue: TaskQueue, started: Start) -> None:
    def breed(task: Task, ctx: TaskContext) -> str | None:
        ctx.progress(0.5)
        return ctx.submit(Task(task_type="breed", payload=task.payload - 1)) if task.payload else None

    worker = TaskWorker(queue, concurrency=2, grace_seconds=0.1)
    worker.register_handler("breed", breed)
    worker.register_handler("hang", hang)
    background = started(worker)
    task_id: str | None = queue.submit_task(Task(task_type="breed", payload=5))
    for _ in range(6):  # from one partition to the next
        assert task_id is not None
        task_id = queue.wait_for_result(task_id, 10)["result"]
    assert sorted(info.card["partition"] for info in queue.list_workers()) == ["0", "1", "2"]
    hanging = submit(queue, "hang", 2)
    eventually(lambda: queue.get_queue_stats().running_tasks == 2, what="both to run")
    assert queue.cancel_task(hanging[0]) == "requested"
    assert queue.wait_for_result(hanging[0], 10)["status"] == "cancelled"
    worker.stop()
    counts = background.join()
    assert isinstance(counts, dict)
    assert (counts["completed"], counts["released"], counts["cancelled"]) == (6, 1, 1)
    stats = queue.get_queue_stats()
    assert (stats.active_workers, stats.pending_tasks) == (0, 1)


def test_delays_and_schedules(queue: TaskQueue, started: Start) -> None:
    worker = TaskWorker(queue)
    worker.register_handler("work", lambda task: "done")
    started(worker)
    scheduler = TaskScheduler(queue)
    later = [scheduler.schedule_task_in(Task(task_type="work"), 0.2) for _ in range(COUNT)]
    assert {home_of(task_id, COUNT) for task_id in later} == set(range(COUNT))
    assert [queue.wait_for_result(task_id, 10)["result"] for task_id in later] == ["done"] * COUNT
    scheduler.schedule_every("often", 0.3, Task(task_type="work"))
    assert [info.name for info in scheduler.list_schedules()] == ["often"]
    eventually(lambda: scheduler.run_once() is not None and fired(queue), what="a slot that is fired")
    (row,) = fired(queue)[:1]
    assert queue.get_task_status(row["task_id"])["task_id"] == row["task_id"], "it is found by its id"
    assert scheduler.remove_schedule("often")


def fired(queue: TaskQueue) -> list[dict[str, object]]:
    return [row for row in queue.list_tasks("completed") if "schedule" in queue.get_task(row["task_id"]).metadata]
