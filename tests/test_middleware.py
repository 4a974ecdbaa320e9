"""Middleware: what is called when, for both clients and both kinds of handlers, and that its errors change nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import pytest

from taskq import AsyncTaskQueue, Discard, Snooze, Task, TaskQueue, TaskWorker
from taskq.middleware import Middleware, Run
from taskq.states import Outcome

_seen: ContextVar[str] = ContextVar("_seen", default="")


class Diary(Middleware):
    """Notes everything that it is called for."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.runs: list[Run] = []

    def before_submit(self, task: Task) -> None:
        task.metadata = {"by": "diary", **task.metadata}
        self.lines.append("submit")

    @contextmanager
    def around_run(self, run: Run) -> Iterator[None]:
        assert run.outcome == ""
        _seen.set(run.task.task_id)
        self.lines.append("enter")
        try:
            yield
        finally:
            self.lines.append("leave")

    def after_run(self, run: Run) -> None:
        self.lines.append(run.outcome)
        self.runs.append(run)


class Broken(Middleware):
    """Fails wherever it can."""

    def before_submit(self, task: Task) -> None:
        raise RuntimeError("before_submit")

    @contextmanager
    def around_run(self, run: Run) -> Iterator[None]:
        yield
        raise RuntimeError("leaving")

    def after_run(self, run: Run) -> None:
        raise RuntimeError("after_run")


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    with TaskQueue(redis_url, prefix=prefix) as opened:
        yield opened


def seen(task: Task) -> str:
    return _seen.get()


async def seen_async(task: Task) -> str:
    await asyncio.sleep(0)
    return _seen.get()


@pytest.mark.parametrize("handler", [seen, seen_async])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_run_happens_inside_of_what_was_put_around_it(queue: TaskQueue, handler: object, concurrency: int) -> None:
    diary = Diary()
    queue.install(diary)
    worker = TaskWorker(queue, concurrency=concurrency)
    worker.register_handler("look", handler)
    task_id = queue.submit_task(Task(task_type="look"))
    assert worker.run_until_empty() == 1
    assert diary.lines == ["submit", "enter", "leave", "complete"]
    assert (queue.get_task_result(task_id) or {})["result"] == task_id, "the handler sees the context variable"
    assert queue.get_task(task_id).metadata == {"by": "diary"}
    run = diary.runs[0]
    assert (run.attempt, run.error) == (1, None)
    assert run.worker_id.startswith("worker-")
    assert 0 <= run.waited_seconds < 30
    assert 0 < run.seconds < 30


def boom(task: Task) -> None:
    raise ValueError("boom")


async def boom_async(task: Task) -> None:
    raise ValueError("boom")


@pytest.mark.parametrize("handler", [boom, boom_async])
def test_retry_and_dead_letter_are_outcomes_with_an_error(queue: TaskQueue, handler: object) -> None:
    diary = Diary()
    worker = TaskWorker(queue)
    worker.install(diary)
    worker.register_handler("boom", handler)
    queue.submit_batch([Task(task_type="boom", max_retries=1, retry_delay=600), Task(task_type="boom", max_retries=0)])
    assert worker.run_until_empty() == 2
    assert sorted(run.outcome for run in diary.runs) == [Outcome.FAIL, Outcome.RETRY]
    assert all(isinstance(run.error, ValueError) for run in diary.runs)
    assert "submit" not in diary.lines, "it was installed on the worker alone"


def test_the_other_ends_of_a_run_have_their_own_words(queue: TaskQueue) -> None:
    diary = Diary()
    queue.install(diary)
    worker = TaskWorker(queue)

    def steer(task: Task) -> None:
        raise Snooze(600) if task.payload == "later" else Discard("no use")

    worker.register_handler("steer", steer)
    queue.submit_batch([Task(task_type="steer", payload="later"), Task(task_type="steer", payload="never")])
    worker.run_until_empty()
    assert sorted(run.outcome for run in diary.runs) == [Outcome.FAIL, Outcome.SNOOZE]


def test_a_time_limit_is_planned_without_telling_the_middleware(queue: TaskQueue) -> None:
    """The engine works out in advance how a task would be settled if its process had to be killed."""
    diary = Diary()
    queue.install(diary)
    worker = TaskWorker(queue)
    worker.register_handler("look", seen)
    queue.submit_task(Task(task_type="look", timeout=60))
    worker.run_until_empty()
    assert [run.outcome for run in diary.runs] == [Outcome.COMPLETE]


@pytest.mark.parametrize("handler", [seen, seen_async, boom])
def test_an_error_in_a_middleware_changes_nothing(
    queue: TaskQueue, handler: object, caplog: pytest.LogCaptureFixture
) -> None:
    diary = Diary()
    queue.install(Broken())
    queue.install(diary)
    worker = TaskWorker(queue)
    worker.register_handler("look", handler)
    with caplog.at_level(logging.ERROR, "taskq.middleware"):
        task_id = queue.submit_task(Task(task_type="look", max_retries=0))
        worker.run_until_empty()
    failed = handler is boom
    assert queue.get_task_status(task_id)["status"] == ("failed" if failed else "completed")
    assert diary.lines == ["submit", "enter", "leave", "fail" if failed else "complete"]
    messages = [record.getMessage() for record in caplog.records if record.name == "taskq.middleware"]
    assert [message.split(":")[1].split()[0] for message in messages] == (
        ["before_submit", "after_run"] if failed else ["before_submit", "around_run", "after_run"]
    )


def test_the_async_client_calls_the_same_hooks(redis_url: str, prefix: str, queue: TaskQueue) -> None:
    diary = Diary()

    async def submit() -> str:
        async with AsyncTaskQueue(redis_url, prefix=prefix) as aqueue:
            aqueue.install(diary)
            return (await aqueue.submit_batch([Task(), Task()]))[0]

    task_id = asyncio.run(submit())
    assert diary.lines == ["submit", "submit"]
    assert queue.get_task(task_id).metadata == {"by": "diary"}


def test_the_same_task_may_be_submitted_twice(queue: TaskQueue) -> None:
    queue.install(Diary())
    task = Task(task_id="once")
    assert queue.submit_task(task) == queue.submit_task(task) == "once"
    assert queue.get_queue_stats().pending_tasks == 1
