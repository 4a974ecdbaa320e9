"""``ctx.checkpoint``, ``ctx.get_checkpoint`` and ``ctx.resume``: an attempt goes on where the last one stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from taskq import InvalidTask, RetryPolicy, Settings, Task, TaskContext, TaskQueue, TaskWorker
from taskq.kinds import Secret
from taskq.protocol.replies import Settlement
from tests.waiting import eventually
from tests.worker.background import Background

AT_ONCE = RetryPolicy(delay_seconds=0)


def run(queue: TaskQueue, handler: Callable[..., Any], *, attempts: int = 1, **options: Any) -> str:
    """Run a task with a handler until it has ended; return its id."""
    worker = TaskWorker(queue, concurrency=2)
    worker.register_handler("one", handler, AT_ONCE)
    task_id = queue.submit_task(Task(task_type="one", retry_delay=0, **options))
    for _ in range(attempts):
        worker.run_until_empty()
    return task_id


@pytest.mark.parametrize("keys", [None, Secret("A" * 86)])
def test_a_retry_sees_the_last_one(settings: Settings, keys: Secret | None) -> None:
    seen = []

    def handler(task: Task, ctx: TaskContext) -> str:
        seen.append(ctx.get_checkpoint())
        if ctx.attempt < 3:
            assert ctx.checkpoint({"attempt": ctx.attempt})
            assert ctx.get_checkpoint() == {"attempt": ctx.attempt}
            raise ValueError("not yet")
        return "done"

    with TaskQueue(settings=replace(settings, encryption_keys=keys)) as queue:
        task_id = run(queue, handler, attempts=3)
        assert queue.wait_for_result(task_id, 10)["result"] == "done"
        assert seen == [None, {"attempt": 1}, {"attempt": 2}]
        assert queue.get_checkpoint(task_id) is None, "a completed task needs none"


def test_an_async_handler_has_the_same(queue: TaskQueue) -> None:
    async def handler(task: Task, ctx: TaskContext) -> Any:
        if ctx.attempt == 1:
            ctx.checkpoint(7)
            raise ValueError("not yet")
        return [ctx.get_checkpoint(), list(ctx.resume("ab"))]

    assert queue.wait_for_result(run(queue, handler, attempts=2), 10)["result"] == [7, ["a", "b"]]


def test_a_loop_goes_on_behind_the_last_item_that_was_done(queue: TaskQueue) -> None:
    done = []

    def handler(task: Task, ctx: TaskContext) -> Any:
        for item in ctx.resume(["a", "b", "c", "d"]):
            if (item, ctx.attempt) in (("b", 1), ("d", 2)):
                raise ValueError("not yet")
            done.append(item)
            ctx.checkpoint({"last": item})
        return ctx.get_checkpoint()

    task_id = run(queue, handler, attempts=3)
    assert queue.wait_for_result(task_id, 10)["result"] == {"last": "d"}
    assert done == ["a", "b", "c", "d"]


def test_it_may_note_its_place_less_often(queue: TaskQueue) -> None:
    begun = []

    def handler(task: Task, ctx: TaskContext) -> None:
        for item in ctx.resume(range(7), every=3):
            begun.append(item)
            if item == 5 and ctx.attempt == 1:
                raise ValueError("not yet")

    run(queue, handler, attempts=2)
    assert begun == [0, 1, 2, 3, 4, 5, 3, 4, 5, 6]


def test_one_loop_an_attempt(queue: TaskQueue) -> None:
    def handler(task: Task, ctx: TaskContext) -> None:
        with pytest.raises(InvalidTask, match="every is 0"):
            ctx.resume([], every=0)
        ctx.resume([])
        with pytest.raises(InvalidTask, match=r"ctx\.resume was called twice"):
            ctx.resume([])

    assert queue.wait_for_result(run(queue, handler), 10)["status"] == "completed"


def test_a_stale_attempt_is_told_and_changes_nothing(queue: TaskQueue) -> None:
    told: list[Any] = []
    begun: list[int] = []

    def handler(task: Task, ctx: TaskContext) -> None:
        begun.append(ctx.fence)
        if len(begun) == 1:
            ctx.checkpoint("first")

            protocol = queue.namespace.protocol
            found = queue.transport.run(protocol.inspect([task.task_id]))[0].state

            queue.transport.run(protocol.settle([Settlement(task.task_id, found["fence"], "release", "", 0)]))
            told.append(ctx.checkpoint("stale"))
            told.append(ctx.cancelled)
            for _ in ctx.resume([1]):
                told.append("a stale attempt has begun an item")
        else:
            seen.append(ctx.get_checkpoint())

    seen: list[Any] = []
    task_id = run(queue, handler, attempts=2)
    assert queue.wait_for_result(task_id, 10)["status"] == "completed"
    assert (told, seen) == ([False, True], ["first"])


def test_a_graceful_stop_hands_it_on_without_charging_an_attempt(
    queue: TaskQueue, started: Callable[[TaskWorker], Background]
) -> None:
    attempts, reached = [], threading.Event()
    stop = threading.Event()

    def handler(task: Task, ctx: TaskContext) -> list[int]:
        attempts.append(ctx.attempt)
        begun = []
        for item in ctx.resume(range(4)):
            begun.append(item)
            if item == 2 and len(attempts) == 1:
                reached.set()
                eventually(lambda: ctx.cancelled or stop.is_set(), what="the end of the grace")
        return begun

    def new_worker() -> TaskWorker:
        worker = TaskWorker(queue, concurrency=2)
        worker.register_handler("one", handler)
        return worker

    first = new_worker()
    running = started(first)
    task_id = queue.submit_task(Task(task_type="one"))
    assert reached.wait(10)
    first.stop(0.0)
    running.join()
    assert new_worker().run_until_empty() == 1
    assert queue.wait_for_result(task_id, 10)["result"] == [2, 3]
    assert attempts == [1, 1]
