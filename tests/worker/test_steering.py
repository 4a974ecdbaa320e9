"""Workers that are told from elsewhere to drain, to stop, or to run more or fewer tasks at a time."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from taskq import Fairness, Settings, Task, TaskQueue, TaskWorker, WorkerInfo
from taskq.protocol.operations import CrashLimits
from tests.waiting import eventually
from tests.worker.background import Background, findings

Started = Callable[[TaskWorker], Background]


class Hall:
    """Handlers that hold tasks until they are let go, and how many are held."""

    def __init__(self, worker: TaskWorker) -> None:
        self.gate = threading.Event()
        self.lock = threading.Lock()
        self.now = 0
        self.most = 0
        worker.register_handler("hold", self.hold)
        worker.register_handler("await", self.hold_async)

    def enter(self, by: int) -> None:
        with self.lock:
            self.now += by
            self.most = max(self.most, self.now)

    def hold(self, _: Task) -> None:
        self.enter(1)
        assert self.gate.wait(20)
        self.enter(-1)

    async def hold_async(self, _: Task) -> None:
        self.enter(1)
        assert await asyncio.to_thread(self.gate.wait, 20)
        self.enter(-1)


def card(queue: TaskQueue) -> dict[str, str]:
    (info,) = queue.list_workers()
    return info.card


def state_is(queue: TaskQueue, state: str) -> Callable[[], bool]:
    return lambda: all(info.card.get("state", "") == state for info in queue.list_workers())


@pytest.mark.parametrize("kind", ["hold", "await"])
def test_a_drained_worker_ends_what_it_runs_claims_nothing_and_goes_on_when_resumed(
    queue: TaskQueue, started: Started, kind: str
) -> None:
    worker = TaskWorker(queue, concurrency=2, name="drainee")
    hall = Hall(worker)
    started(worker)
    running = queue.submit_batch([Task(task_type=kind) for _ in range(2)])
    eventually(lambda: hall.now == 2)
    told = queue.drain_worker("drainee")
    assert told == [info.worker_id for info in queue.list_workers()]
    eventually(state_is(queue, "draining"))
    later = queue.submit_task(Task(task_type=kind))
    hall.gate.set()
    assert [queue.wait_for_result(task_id, 10)["status"] for task_id in running] == ["completed"] * 2
    assert queue.explain(later).reason == "no_worker"
    assert queue.get_task_status(later)["status"] == "pending"
    queue.resume_worker(told[0])
    assert queue.wait_for_result(later, 10)["status"] == "completed"
    eventually(state_is(queue, ""))


def test_a_stopped_worker_ends_in_order(queue: TaskQueue, started: Started) -> None:
    worker = TaskWorker(queue, concurrency=2)
    hall = Hall(worker)
    run = started(worker)
    running = queue.submit_task(Task(task_type="hold"))
    eventually(lambda: hall.now == 1)
    queue.stop_worker(queue.list_workers()[0].worker_id)
    eventually(state_is(queue, "stopping"))
    assert run.running
    hall.gate.set()
    assert run.join() == {**dict.fromkeys(run.value, 0), "completed": 1}  # type: ignore[call-overload]
    assert queue.get_task_status(running)["status"] == "completed"
    assert queue.list_workers() == []


@pytest.mark.parametrize("kind", ["hold", "await"])
@pytest.mark.parametrize(("before", "after"), [(1, 4), (2, 6), (6, 2), (4, 1)])
def test_a_worker_runs_as_many_at_a_time_as_it_is_told(
    queue: TaskQueue, started: Started, kind: str, before: int, after: int
) -> None:
    worker = TaskWorker(queue, concurrency=before, name="w")
    hall = Hall(worker)
    started(worker)
    first = queue.submit_batch([Task(task_type=kind) for _ in range(before)])
    eventually(lambda: hall.now == before)
    queue.set_worker("w", concurrency=after)
    eventually(lambda: card(queue)["slots"] == str(after))
    hall.gate.set()
    for task_id in first:
        queue.wait_for_result(task_id, 10)
    hall.gate.clear()
    hall.most = 0
    ids = queue.submit_batch([Task(task_type=kind) for _ in range(after + 5)])
    eventually(lambda: hall.now == after)
    hall.gate.set()
    for task_id in ids:
        queue.wait_for_result(task_id, 10)
    assert hall.most == after


def test_more_slots_are_filled_while_all_others_are_taken(queue: TaskQueue, started: Started) -> None:
    worker = TaskWorker(queue, concurrency=2, name="w")
    hall = Hall(worker)
    started(worker)
    queue.submit_batch([Task(task_type="hold") for _ in range(9)])
    eventually(lambda: hall.now == 2)
    queue.set_worker("w", concurrency=5)
    eventually(lambda: hall.now == 5)
    queue.set_worker("w", concurrency=1)
    eventually(lambda: card(queue)["slots"] == "1")
    hall.gate.set()
    eventually(lambda: queue.get_queue_stats().completed_tasks == 9)


def test_reserved_slots_stay_and_at_least_one_other_must_be_left(queue: TaskQueue, started: Started) -> None:
    worker = TaskWorker(queue, concurrency=3, name="w", fairness=Fairness(reserve={"urgent": 1}))
    started(worker)
    eventually(lambda: len(queue.list_workers()) == 2)
    assert len(queue.set_worker("w", concurrency=6)) == 2

    def slots() -> dict[str, str]:
        return {info.card.get("reserved", "all"): info.card["slots"] for info in queue.list_workers()}

    eventually(lambda: slots() == {"all": "5", "urgent": "1"})
    queue.set_worker("w", concurrency=1)
    eventually(lambda: all("1 slots are reserved" in info.card.get("refused", "") for info in queue.list_workers()))
    assert slots() == {"all": "5", "urgent": "1"}


def test_the_log_level_of_a_worker_can_be_changed(
    queue: TaskQueue, started: Started, restored_level: logging.Logger
) -> None:
    worker = TaskWorker(queue, name="w")
    started(worker)
    queue.set_worker("w", log_level="DEBUG")
    eventually(lambda: card(queue).get("log_level") == "DEBUG")
    assert restored_level.level == logging.DEBUG
    queue.set_worker("w", log_level="ERROR")
    eventually(lambda: restored_level.level == logging.ERROR)


@pytest.fixture
def restored_level() -> Iterator[logging.Logger]:
    logger = logging.getLogger("taskq")
    before = logger.level
    yield logger
    logger.setLevel(before)


def test_wishes_add_up_and_the_same_again_changes_nothing(queue: TaskQueue, started: Started) -> None:
    worker = TaskWorker(queue, name="w")
    started(worker)
    queue.drain_worker("w")
    queue.set_worker("w", concurrency=3)
    eventually(lambda: card(queue).get("granted") == "drain 3 -")
    assert (card(queue)["state"], card(queue)["slots"]) == ("draining", "3")
    queue.drain_worker("w")
    queue.resume_worker("w")
    eventually(lambda: card(queue).get("granted") == "run 3 -")
    assert (card(queue)["state"], card(queue)["slots"]) == ("", "3")


def test_a_worker_that_lost_its_lease_goes_on_to_drain_under_its_next_id(queue: TaskQueue, started: Started) -> None:
    worker = TaskWorker(queue, name="w")
    Hall(worker).gate.set()
    started(worker)
    queue.drain_worker("w")
    eventually(state_is(queue, "draining"))
    (old,) = queue.list_workers()
    queue.transport.run(queue.namespace.protocol.evict(old.worker_id, False, 10, CrashLimits(3, 60_000)))

    def back() -> list[WorkerInfo]:
        return [info for info in queue.list_workers() if info.worker_id != old.worker_id]

    eventually(back, what="the worker under another id")
    assert back()[0].card["state"] == "draining"
    task_id = queue.submit_task(Task(task_type="hold"))
    queue.resume_worker("w")
    assert queue.wait_for_result(task_id, 10)["status"] == "completed"


def test_all_workers_of_a_process_follow_in_a_queue_of_partitions(settings: Settings) -> None:
    with TaskQueue(settings=replace(settings, partitions=3)) as queue:
        worker = TaskWorker(queue, concurrency=3, name="w")
        hall = Hall(worker)
        run = Background(worker.start)
        eventually(lambda: len(queue.list_workers()) == 3)
        one = queue.list_workers()[1].worker_id
        assert queue.set_worker(one, concurrency=5) == [one]
        eventually(lambda: [info.card["slots"] for info in queue.list_workers()] == ["5"] * 3)
        queue.submit_batch([Task(task_type="hold") for _ in range(12)])
        eventually(lambda: hall.now == 5)
        assert queue.drain_worker("w") != [one]
        eventually(lambda: [info.card.get("state") for info in queue.list_workers()] == ["draining"] * 3)
        hall.gate.set()
        eventually(lambda: hall.now == 0)
        assert queue.get_queue_stats().pending_tasks == 7
        queue.stop_worker(one)
        run.join()
        assert queue.get_queue_stats().pending_tasks == 7
        for index in range(3):
            assert findings(queue.partition(index)) == []
