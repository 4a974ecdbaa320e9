"""``TaskWorker`` from Python: runs that end by themselves, and a worker that is stopped from another thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from taskq import ServerUnavailable, Settings, SettingsError, Task, TaskContext, TaskQueue, TaskWorker
from tests.servers import free_port
from tests.waiting import eventually
from tests.worker.background import Background

Start = Callable[[TaskWorker], Background]


def echo_worker(queue: TaskQueue, concurrency: int = 10) -> TaskWorker:
    worker = TaskWorker(queue, concurrency=concurrency)
    worker.register_handler("echo", lambda task: task.payload)
    return worker


def test_run_once_takes_as_many_tasks_as_there_are_slots(queue: TaskQueue) -> None:
    worker = echo_worker(queue, concurrency=4)
    queue.submit_batch([Task(task_type="echo") for _ in range(10)])

    assert [worker.run_once() for _ in range(4)] == [4, 4, 2, 0]


def test_run_until_empty_runs_what_comes_while_it_runs(queue: TaskQueue) -> None:
    def breed(task: Task, ctx: TaskContext) -> None:
        if task.payload:
            ctx.submit(Task(task_type="breed", payload=task.payload - 1))

    worker = TaskWorker(queue)
    worker.register_handler("breed", breed)
    queue.submit_task(Task(task_type="breed", payload=5))

    assert worker.run_until_empty() == 6
    assert queue.list_workers() == [], "it signs off when it ends"


def test_scheduled_tasks_are_not_waited_for(queue: TaskQueue) -> None:
    queue.submit_later(Task(task_type="echo"), "+60000")
    assert echo_worker(queue).run_until_empty() == 0


def test_a_run_on_a_server_that_is_away_says_so(settings: Settings) -> None:
    away = replace(settings, redis_url=f"redis://127.0.0.1:{free_port()}/0", call_timeout_seconds=0.2)
    worker = TaskWorker(TaskQueue(settings=away))
    for run in (worker.run_once, worker.run_until_empty):
        call = Background(run)
        with pytest.raises(ServerUnavailable, match=r"no usable answer from redis://127\.0\.0\.1"):
            call.join(5)


def test_start_serves_until_it_is_stopped_and_returns_the_counts(queue: TaskQueue, started: Start) -> None:
    worker = echo_worker(queue)
    run = started(worker)
    ids = queue.submit_batch([Task(task_type="echo", payload=n) for n in range(20)])
    assert [queue.wait_for_result(task_id, timeout=20)["result"] for task_id in ids] == list(range(20))
    (info,) = queue.list_workers()
    assert (info.card["slots"], info.card["lists"]) == ("10", "urgent high normal low")

    worker.stop()

    assert run.join() == {
        "completed": 20, "failed": 0, "retried": 0, "cancelled": 0, "snoozed": 0, "released": 0, "waited": 0,
        "parked": 0, "refused": 0,
    }  # fmt: skip
    assert queue.list_workers() == []


def test_stop_waits_for_what_runs(queue: TaskQueue, started: Start) -> None:
    entered, gate = threading.Event(), threading.Event()

    def slow(task: Task) -> str:
        entered.set()
        gate.wait(10)
        return "whole"

    worker = echo_worker(queue, concurrency=1)
    worker.register_handler("slow", slow)
    run = started(worker)
    slow_id, waiting_id = queue.submit_batch([Task(task_type="slow"), Task(task_type="echo")])
    assert entered.wait(20)
    worker.stop()
    assert run.running
    gate.set()
    run.join()

    assert queue.get_task_status(slow_id)["status"] == "completed"
    assert queue.get_task_status(waiting_id)["status"] == "pending"


@pytest.mark.parametrize("concurrency", [1, 3])
def test_what_outlasts_the_grace_is_handed_back_and_told(queue: TaskQueue, started: Start, concurrency: int) -> None:
    entered, told = threading.Event(), threading.Event()

    def slow(task: Task, ctx: TaskContext) -> None:
        entered.set()
        eventually(lambda: ctx.cancelled, what="ctx.cancelled")
        told.set()

    worker = TaskWorker(queue, concurrency=concurrency)
    worker.register_handler("slow", slow)
    run = started(worker)
    task_id = queue.submit_task(Task(task_type="slow"))
    assert entered.wait(20)

    worker.stop(grace_seconds=0.1)

    counts = run.join()
    assert isinstance(counts, dict)
    assert (counts["released"], counts["completed"]) == (1, 0)
    assert told.wait(20)
    status = queue.get_task_status(task_id)
    assert (status["status"], status["retry_count"]) == ("pending", 0)
    # the handler ends after all that; its outcome is refused, and nothing of it is left
    eventually(lambda: not queue.list_workers(), what="the last of the engine to leave")
    assert queue.get_task_status(task_id)["status"] == "pending"


def test_a_worker_can_be_started_again(queue: TaskQueue, started: Start) -> None:
    worker = echo_worker(queue)
    for n in range(2):
        run = started(worker)
        assert queue.wait_for_result(queue.submit_task(Task(task_type="echo", payload=n)), timeout=20)["result"] == n
        worker.stop()
        counts = run.join()
        assert isinstance(counts, dict)
        assert counts["completed"] == 1


def test_a_stop_before_the_start_is_heeded(queue: TaskQueue) -> None:
    worker = echo_worker(queue)
    queue.submit_task(Task(task_type="echo"))
    worker.stop()

    counts = Background(worker.start).join(10)

    assert isinstance(counts, dict)
    assert sum(counts.values()) == 0
    assert queue.get_queue_stats().pending_tasks == 1


def test_a_handler_may_stop_its_own_worker(queue: TaskQueue, started: Start) -> None:
    worker = TaskWorker(queue, concurrency=1)
    worker.register_handler("stop", lambda task: worker.stop())
    run = started(worker)
    task_id = queue.submit_task(Task(task_type="stop"))

    run.join()

    assert queue.get_task_status(task_id)["status"] == "completed"


def test_a_handler_that_holds_the_gil_longer_than_the_lease_keeps_its_task(queue: TaskQueue, started: Start) -> None:
    import ctypes

    def hold(task: Task) -> None:
        ctypes.PyDLL(None).usleep(1_500_000)

    with TaskQueue(settings=replace(queue.settings, lease_seconds=0.8)) as hasty:
        worker = TaskWorker(hasty, concurrency=2)
        worker.register_handler("hold", hold)
        run = started(worker)
        task_id = queue.submit_task(Task(task_type="hold"))
        result = queue.wait_for_result(task_id, timeout=10)
        worker.stop()
        counts = run.join()

    assert (result["status"], result["attempts"]) == ("completed", 1)
    assert isinstance(counts, dict)
    assert counts["refused"] == 0
    assert queue.get_queue_stats().counters.get("recovered", 0) == 0


def test_two_workers_share_the_work(queue: TaskQueue, started: Start) -> None:
    workers = [echo_worker(queue, concurrency=1) for _ in range(2)]
    for worker in workers:
        worker.register_handler("nap", lambda task: time.sleep(0.01))
        started(worker)
    ids = queue.submit_batch([Task(task_type="nap") for _ in range(60)])
    results = [queue.wait_for_result(task_id, timeout=10) for task_id in ids]

    shares = sorted(sum(r["worker_id"] == w for r in results) for w in {r["worker_id"] for r in results})
    assert len(shares) == 2
    assert sum(shares) == 60
    assert shares[0] > 5


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"concurrency": 0}, "concurrency is 0: use a whole number from 1 to 10,000"),
        ({"concurrency": 2.5}, "concurrency is 2.5: use a whole number from 1 to 10,000"),
        ({"queues": ["a b"]}, "queue name"),
        ({"priorities": ["medium"]}, "unknown priority 'medium'"),
        ({"name": "a/b"}, "worker name"),
    ],
    ids=str,
)
def test_an_option_that_cannot_be_used_is_named(queue: TaskQueue, options: dict[str, object], says: str) -> None:
    with pytest.raises((SettingsError, ValueError), match=says):
        TaskWorker(queue, **options)  # type: ignore[arg-type]  # what is tested
