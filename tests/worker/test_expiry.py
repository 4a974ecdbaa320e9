"""``expires_in``: what has not begun by then ends without a run; what is in the midst of something goes on."""

from __future__ import annotations

from typing import Any

import pytest

from taskq import Discard, RetryPolicy, Saga, Task, TaskContext, TaskQueue, TaskWorker
from taskq.cli.card import read_card
from taskq.testing import FakeClock
from tests.worker.background import findings

EXPIRES_IN = 60


def fan_out(task: Task, ctx: TaskContext) -> Any:
    return ctx.fanout([Task(task_type="child", payload=7)])[0]["result"]


def wait(task: Task, ctx: TaskContext) -> Any:
    return ctx.wait_for("go")


def fail(task: Task) -> None:
    raise ValueError("once more")


def discard(task: Task) -> None:
    raise Discard("not this one")


def saga_of(undone: list[str]) -> Saga:
    def undo(ctx: TaskContext, data: dict[str, Any]) -> None:
        undone.append(data["first"])

    saga = Saga("saga", policy=RetryPolicy(max_retries=0))
    saga.step("first", lambda ctx, data: "done", undo=undo)
    saga.step("second", lambda ctx, data: ctx.wait_for("go"))
    return saga


def run(queue: TaskQueue, undone: list[str], *, children: bool = False) -> None:
    worker = TaskWorker(queue, concurrency=2, queues=["default", "children"] if children else [])
    for handler in (fan_out, wait, fail, discard):
        worker.register_handler(handler.__name__, handler)
    if children:
        worker.register_handler("child", lambda task: task.payload)
    saga_of(undone).register(worker)
    worker.run_until_empty()


def submit(queue: TaskQueue, kind: str) -> str:
    return queue.submit_task(Task(task_type=kind, expires_in=EXPIRES_IN, max_retries=1, retry_delay=EXPIRES_IN))


@pytest.mark.parametrize(("kind", "result"), [("fan_out", 7), ("wait", 8), ("saga", {"first": "done", "second": 8})])
@pytest.mark.parametrize("limited", [False, True])
def test_what_has_begun_goes_on(queue: TaskQueue, kind: str, result: Any, limited: bool) -> None:
    if limited:
        queue.set_limit("type", concurrency=1)
    task_id = submit(queue, kind)
    run(queue, [])
    assert queue.get_task_status(task_id)["status"] == "waiting"
    assert "expires" not in queue.explain(task_id).message
    FakeClock(queue).advance(2 * EXPIRES_IN)
    queue.signal(task_id, "go", 8)
    run(queue, [], children=True)
    assert queue.wait_for_result(task_id, 10)["result"] == result
    assert findings(queue) == []


def test_a_saga_that_has_begun_can_be_undone_when_it_has_expired(queue: TaskQueue) -> None:
    undone: list[str] = []
    task_id = submit(queue, "saga")
    run(queue, undone)
    FakeClock(queue).advance(2 * EXPIRES_IN)
    assert queue.cancel_task(task_id) == "cancelled"
    queue.abort_saga(task_id)
    run(queue, undone)
    assert undone == ["done"]
    assert queue.get_saga(task_id).state == "compensated"


@pytest.mark.parametrize("kind", ["fan_out", "wait", "saga"])
def test_what_has_not_begun_ends_without_a_run(queue: TaskQueue, kind: str) -> None:
    task_id = submit(queue, kind)
    FakeClock(queue).advance(2 * EXPIRES_IN)
    run(queue, [], children=True)
    result, status = queue.wait_for_result(task_id, 10), queue.get_task_status(task_id)
    assert (result["error"], result["attempts"]) == ("expired: it was to start within 60 s", 0)
    assert (status["started_at"], status["retry_count"], read_card(queue, task_id).attempts) == (None, 0, 0)


def test_a_retry_that_comes_too_late_ends_without_a_run(queue: TaskQueue) -> None:
    task_id = submit(queue, "fail")
    run(queue, [])
    before = queue.get_task_status(task_id)
    assert before["status"] == "retry"
    FakeClock(queue).advance(3 * EXPIRES_IN)
    run(queue, [])
    result, status = queue.wait_for_result(task_id, 10), queue.get_task_status(task_id)
    assert (result["status"], result["attempts"], read_card(queue, task_id).attempts) == ("cancelled", 1, 1)
    assert (status["started_at"], status["retry_count"]) == (before["started_at"], 1)


@pytest.mark.parametrize("limited", [False, True])
def test_a_dead_letter_that_is_replayed_runs_whenever_it_was_submitted(queue: TaskQueue, limited: bool) -> None:
    if limited:
        queue.set_limit("type", concurrency=1)
    task_id = submit(queue, "discard")
    run(queue, [])
    FakeClock(queue).advance(2 * EXPIRES_IN)
    assert queue.replay_dead([task_id]) == 1
    assert "expire" not in queue.explain(task_id).message
    run(queue, [])
    assert queue.wait_for_result(task_id, 10)["status"] == "failed"
    assert findings(queue) == []
