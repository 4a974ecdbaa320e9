"""A task that takes longer than its timeout is interrupted where Python can be, and settled as timed out."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from taskq import Task, TaskContext, TaskQueue, TaskTimeout, TaskWorker
from taskq.worker.runners import Alarm
from tests.worker.background import Background


def spin(task: Task) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        pass


async def sleep_long(task: Task) -> None:
    await asyncio.sleep(30)


def run_one(queue: TaskQueue, handler: Any, concurrency: int = 2, **options: Any) -> dict[str, Any]:
    worker = TaskWorker(queue, concurrency=concurrency)
    worker.register_handler("one", handler)
    task_id = queue.submit_task(Task(task_type="one", **options))
    Background(worker.run_until_empty).join(15)
    return queue.get_task_result(task_id) or queue.get_task_status(task_id)


@pytest.mark.parametrize("concurrency", [1, 2])
@pytest.mark.parametrize("handler", [spin, sleep_long], ids=["thread", "loop"])
def test_a_handler_is_interrupted_when_its_time_is_over(queue: TaskQueue, handler: Any, concurrency: int) -> None:
    result = run_one(queue, handler, concurrency, timeout=0.2, max_retries=0)

    assert result["status"] == "failed"
    assert result["error"].startswith("TaskTimeout: it did not end within its timeout of 0.2 s")
    assert 0.19 <= result["duration"] < 5  # timers of event loops count in whole milliseconds


@pytest.mark.parametrize("handler", [spin, sleep_long], ids=["thread", "loop"])
def test_a_timeout_is_a_failure_that_is_retried(queue: TaskQueue, handler: Any) -> None:
    status = run_one(queue, handler, timeout=0.1, retry_delay=100)

    assert status["status"] == "retry"
    assert status["error"] == "TaskTimeout: it did not end within its timeout of 0.1 s"


def test_a_plain_handler_may_catch_it_and_save_what_it_has(queue: TaskQueue) -> None:
    def careful(task: Task, ctx: TaskContext) -> Any:
        try:
            spin(task)
        except TaskTimeout:
            return ["saved", ctx.cancelled, (ctx.deadline or 0) <= 0]
        return None

    result = run_one(queue, careful, timeout=0.1)

    assert (result["status"], result["result"]) == ("completed", ["saved", True, True])


def test_a_timeout_of_the_users_own_is_not_taken_for_ours(queue: TaskQueue) -> None:
    async def impatient(task: Task) -> None:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(30)

    result = run_one(queue, impatient, timeout=20, max_retries=0)

    assert result["status"] == "failed"
    assert "TimeoutError" in result["error"]
    assert "TaskTimeout" not in result["error"]


@pytest.mark.parametrize("concurrency", [1, 2])
def test_an_alarm_that_rings_at_the_very_end_hits_nobody_else(queue: TaskQueue, concurrency: int) -> None:
    # each task ends around the moment of its alarm; the next one on the same thread must not be interrupted by it
    def edge(task: Task) -> None:
        until = time.monotonic() + 0.002
        while time.monotonic() < until:
            pass

    def innocent(task: Task) -> int:
        return sum(range(2_000))

    worker = TaskWorker(queue, concurrency=concurrency)
    worker.register_handler("edge", edge)
    worker.register_handler("innocent", innocent)
    innocents = []
    for _ in range(150):
        queue.submit_task(Task(task_type="edge", timeout=0.002, max_retries=0))
        innocents.append(queue.submit_task(Task(task_type="innocent", max_retries=0)))

    assert Background(worker.run_until_empty).join() == 300

    assert {queue.get_task_status(i)["status"] for i in innocents} == {"completed"}


def test_neighbours_go_on_when_one_is_timed_out(queue: TaskQueue) -> None:
    gate = threading.Event()
    worker = TaskWorker(queue, concurrency=3)
    worker.register_handler("spin", spin)
    worker.register_handler("wait", lambda task: gate.wait(20))
    spinning = queue.submit_task(Task(task_type="spin", timeout=0.2, max_retries=0))
    waiting = queue.submit_batch([Task(task_type="wait", timeout=15) for _ in range(2)])
    run = Background(worker.run_until_empty)

    assert queue.wait_for_result(spinning, timeout=10)["status"] == "failed"
    gate.set()
    assert run.join() == 3
    assert [queue.get_task_status(i)["status"] for i in waiting] == ["completed"] * 2


def test_alarms_of_tasks_that_have_ended_do_not_pile_up(queue: TaskQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    alarm = Alarm()
    monkeypatch.setattr("taskq.worker.runners._alarm", alarm)
    worker = TaskWorker(queue, concurrency=4)
    worker.register_handler("echo", lambda task: task.payload)
    queue.submit_batch([Task(task_type="echo", timeout=3600, payload="x" * 100) for _ in range(3_000)])

    assert worker.run_until_empty() == 3_000

    assert len(alarm) < 600, "a task that has ended must not be kept until its timeout"


@pytest.mark.parametrize("concurrency", [1, 2])
def test_timed_tasks_run_under_a_profiler(queue: TaskQueue, concurrency: int) -> None:
    # Python 3.11: an exception of a thread that is taken back leaves a flag over which profiled threads hang for good
    calls: list[str] = []
    worker = TaskWorker(queue, concurrency=concurrency)
    worker.register_handler("echo", lambda task: task.payload)
    ids = queue.submit_batch([Task(task_type="echo", timeout=30, payload=n) for n in range(5)])
    threading.setprofile(lambda frame, event, argument: calls.append(event))
    try:
        run = Background(worker.run_until_empty)
    finally:
        threading.setprofile(None)  # type: ignore[arg-type]  # as documented

    assert run.join(10) == 5
    assert [queue.get_task_status(task_id)["status"] for task_id in ids] == ["completed"] * 5
    assert calls
