"""``ctx.wait_for``: a task waits for a signal without a slot, and goes on when it has come or the time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from taskq import InvalidTask, Settings, SignalTimeout, Task, TaskContext, TaskQueue, TaskWorker
from taskq.kinds import Secret
from taskq.worker.waits import MOST_WAITS
from tests.waiting import eventually
from tests.worker.background import Background, findings


def worker_for(queue: TaskQueue, handler: Callable[..., Any]) -> TaskWorker:
    worker = TaskWorker(queue, concurrency=1)
    worker.register_handler("one", handler)
    return worker


@pytest.mark.parametrize("keys", [None, Secret("A" * 86)])
def test_it_holds_no_slot_and_is_told_what_was_said(settings: Settings, keys: Secret | None) -> None:
    begun: list[int] = []

    def handler(task: Task, ctx: TaskContext) -> Any:
        begun.append(ctx.attempt)
        return [ctx.wait_for("first"), ctx.wait_for("second"), ctx.wait_for("first")]

    with TaskQueue(settings=replace(settings, encryption_keys=keys)) as queue:
        worker = worker_for(queue, handler)
        task_id = queue.submit_task(Task(task_type="one"))
        worker.run_until_empty()
        assert queue.get_task_status(task_id)["status"] == "waiting"
        assert queue.signal(task_id, "first", {"by": "Ada"}) == "told"
        worker.run_until_empty()
        assert queue.signal(task_id, "second") == "told"
        worker.run_until_empty()
        result = queue.wait_for_result(task_id, 10)
        assert (result["result"], result["attempts"]) == ([{"by": "Ada"}, None, {"by": "Ada"}], 1)
        assert begun == [1, 1, 1]
        assert findings(queue) == []


@pytest.mark.usefixtures("sound_sleep")
def test_an_idle_worker_takes_it_at_once(queue: TaskQueue, started: Callable[[TaskWorker], Background]) -> None:
    started(worker_for(queue, lambda task, ctx: ctx.wait_for("go")))
    task_id = queue.submit_task(Task(task_type="one"))
    eventually(lambda: queue.get_queue_stats().waiting_tasks == 1, what="the wait")
    queue.signal(task_id, "go", 7)
    assert queue.wait_for_result(task_id, 20)["result"] == 7


def test_one_that_has_come_before_is_not_waited_for(queue: TaskQueue) -> None:
    async def handler(task: Task, ctx: TaskContext) -> Any:
        begun.append(task.task_id)
        return await asyncio.to_thread(ctx.wait_for, "go", 5)

    begun: list[str] = []
    task_id = queue.submit_task(Task(task_type="one"))
    queue.signal(task_id, "go", "early")
    worker_for(queue, handler).run_until_empty()
    assert queue.wait_for_result(task_id, 10)["result"] == "early"
    assert begun == [task_id]


def test_time_runs_out_for_each_wait_by_itself(queue: TaskQueue, started: Callable[[TaskWorker], Background]) -> None:
    def handler(task: Task, ctx: TaskContext) -> Any:
        reminders = 0
        while True:
            try:
                return [reminders, ctx.wait_for("paid", timeout=0.05 if reminders < 2 else None)]
            except SignalTimeout as error:
                reminders += error.name == "paid"

    started(worker_for(queue, handler))
    task_id = queue.submit_task(Task(task_type="one"))
    protocol = queue.namespace.protocol
    eventually(lambda: queue.transport.run(protocol.hear(task_id, "paid"))[1] == {"1", "2"}, what="two waits in vain")
    eventually(lambda: queue.get_queue_stats().waiting_tasks == 1, what="the third wait")
    queue.signal(task_id, "paid", 12)
    assert queue.wait_for_result(task_id, 10)["result"] == [2, 12]


def test_a_wait_in_vain_that_nobody_catches_ends_the_task(
    queue: TaskQueue, started: Callable[[TaskWorker], Background]
) -> None:
    started(worker_for(queue, lambda task, ctx: ctx.wait_for("go", timeout=0.01)))
    task_id = queue.submit_task(Task(task_type="one"))
    result = queue.wait_for_result(task_id, 10)
    assert result["status"] == "failed"
    assert "the signal 'go' has not come in time" in result["error"]
    queue.retry_task(task_id)
    queue.signal(task_id, "go", "now")
    assert queue.wait_for_result(task_id, 10)["result"] == "now", "a replay waits anew"


def test_what_cannot_be_waited_for(queue: TaskQueue) -> None:
    def handler(task: Task, ctx: TaskContext) -> None:
        with pytest.raises(InvalidTask, match="signal name"):
            ctx.wait_for("@abort")
        with pytest.raises(InvalidTask, match="timeout"):
            ctx.wait_for("go", timeout=-1)
        ctx._waits = MOST_WAITS
        with pytest.raises(InvalidTask, match="1,001th signal"):
            ctx.wait_for("go")

    task_id = queue.submit_task(Task(task_type="one"))
    worker_for(queue, handler).run_until_empty()
    assert queue.wait_for_result(task_id, 10)["status"] == "completed"
