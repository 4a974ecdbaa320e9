"""``ctx.fanout``: a task makes children, waits without a slot, and goes on with their results in order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from taskq import (
    ChildrenFailed,
    InvalidTask,
    Quorum,
    RetryPolicy,
    Settings,
    Task,
    TaskContext,
    TaskNotFound,
    TaskQueue,
    TaskWorker,
)
from taskq.kinds import Secret
from taskq.protocol.operations import CrashLimits
from taskq.transport.fsck import Fsck
from tests.worker.background import findings

LIMITS = CrashLimits(3, 100_000)


def child(task: Task) -> Any:
    if task.payload == "bad":
        raise ValueError("bad child")
    return task.payload * 10


def run(queue: TaskQueue, parent: Callable[..., Any], slots: int = 2, **options: Any) -> dict[str, Any]:
    """Run a parent and whatever it makes; return its result dict."""
    worker = TaskWorker(queue, concurrency=slots)
    worker.register_handler("parent", parent)
    worker.register_handler("child", child, RetryPolicy(max_retries=0))
    task_id = queue.submit_task(Task(task_type="parent", **options))
    worker.run_until_empty()
    return queue.get_task_result(task_id) or queue.get_task_status(task_id)


def children(*payloads: Any) -> list[Task]:
    return [Task(task_type="child", payload=payload, max_retries=0) for payload in payloads]


@pytest.mark.parametrize("slots", [1, 2])
@pytest.mark.parametrize("keys", [None, Secret("A" * 86)])
def test_results_come_back_in_order(settings: Settings, slots: int, keys: Secret | None) -> None:
    runs = []

    def parent(task: Task, ctx: TaskContext) -> Any:
        runs.append(ctx.attempt)
        results = ctx.fanout(children(*range(250)))
        return [result["result"] for result in results]

    with TaskQueue(settings=replace(settings, encryption_keys=keys)) as queue:
        result = run(queue, parent, slots)
        assert (result["status"], result["result"]) == ("completed", [n * 10 for n in range(250)])
        assert (runs, result["attempts"]) == ([1, 1], 1)
        assert findings(queue) == []


def test_one_fan_out_after_the_other(queue: TaskQueue) -> None:
    def parent(task: Task, ctx: TaskContext) -> Any:
        first = [result["result"] for result in ctx.fanout(children(1, 2))]
        second = [result["result"] for result in ctx.fanout(children(*first))]
        return [second, ctx.fanout([])]

    assert run(queue, parent)["result"] == [[100, 200], []]


def test_an_async_parent(queue: TaskQueue) -> None:
    async def parent(task: Task, ctx: TaskContext) -> Any:
        return len(ctx.fanout(children(1, 2)))

    assert run(queue, parent)["result"] == 2


def test_children_of_children(queue: TaskQueue) -> None:
    def parent(task: Task, ctx: TaskContext) -> Any:
        if task.payload == 0:
            return 1
        below = [Task(task_type="parent", payload=task.payload - 1) for _ in range(3)]
        return sum(result["result"] for result in ctx.fanout(below))

    assert run(queue, parent, payload=3)["result"] == 27


def test_a_failure_decides_and_the_rest_is_cancelled(queue: TaskQueue) -> None:
    def parent(task: Task, ctx: TaskContext) -> Any:
        ctx.fanout([*children("bad"), *(Task(task_type="nobody", queue="elsewhere") for _ in range(3))])

    result = run(queue, parent)
    assert result["status"] == "failed"
    assert "1 of 4 children have failed, and none was to fail" in result["error"]
    assert "ValueError: bad child" in result["error"]
    assert queue.get_queue_stats().cancelled_tasks == 3


def test_a_failure_may_be_caught(queue: TaskQueue) -> None:
    def parent(task: Task, ctx: TaskContext) -> Any:
        try:
            ctx.fanout(children("bad", 2), "fail_fast")
        except ChildrenFailed as error:
            return [result["status"] for result in error.results][:1]

    assert run(queue, parent, slots=1)["result"] == ["failed"]


def test_wait_all_and_quorum(queue: TaskQueue) -> None:
    def parent(task: Task, ctx: TaskContext) -> Any:
        everything = ctx.fanout(children("bad", 2), "wait_all")
        enough = ctx.fanout(children("bad", 2, 3), Quorum(2))
        with pytest.raises(ChildrenFailed, match="too few are left for the quorum"):
            ctx.fanout(children("bad", "bad", 3), Quorum(2))
        return [[result["result"] for result in results] for results in (everything, enough)]

    assert run(queue, parent)["result"] == [[None, 20], [None, 20, 30]]


def test_what_cannot_be_a_child(queue: TaskQueue) -> None:
    def parent(task: Task, ctx: TaskContext) -> None:
        same = Task()
        with pytest.raises(InvalidTask, match="a child stands there twice"):
            ctx.fanout([same, same])
        with pytest.raises(InvalidTask, match="unique_key"):
            ctx.fanout([Task(unique_key="k")])
        with pytest.raises(InvalidTask, match="a child is a Task, not a int"):
            ctx.fanout([1])  # type: ignore[list-item]  # what is tested
        with pytest.raises(InvalidTask, match="unknown policy"):
            ctx.fanout(children(1), "any")
        with pytest.raises(InvalidTask, match="a quorum of 3 among 2 children"):
            ctx.fanout(children(1, 2), Quorum(3))

    assert run(queue, parent)["status"] == "completed"


def test_a_stale_attempt_makes_no_children(queue: TaskQueue) -> None:
    runs = []

    def parent(task: Task, ctx: TaskContext) -> Any:
        runs.append(ctx.fence)
        if len(runs) == 1:
            queue.transport.run(queue.namespace.protocol.evict(worker_of(queue), False, 10, LIMITS))
        return len(ctx.fanout(children(1)))

    result = run(queue, parent, slots=1)
    assert (result["result"], queue.get_queue_stats().counters["submitted"]) == (1, 2)


def worker_of(queue: TaskQueue) -> str:
    (info,) = queue.list_workers()
    return info.worker_id


def test_a_whole_tree_is_cancelled(queue: TaskQueue) -> None:
    def parent(task: Task, ctx: TaskContext) -> Any:
        ctx.fanout(
            [
                Task(
                    task_type="parent" if task.payload else "elsewhere",
                    payload=0,
                    queue=None if task.payload else "elsewhere",
                )
                for _ in range(3)
            ]
        )

    result = run(queue, parent, payload=1)
    assert result["status"] == "waiting"
    assert queue.get_queue_stats().waiting_tasks == 4
    assert queue.cancel_tree(result["task_id"]) == 1 + 3 + 9
    stats = queue.get_queue_stats()
    assert (stats.cancelled_tasks, stats.waiting_tasks, stats.pending_tasks) == (13, 0, 0)
    with pytest.raises(TaskNotFound):
        queue.cancel_tree("missing")


def test_fsck_finds_nothing_wrong_with_a_task_that_waits(queue: TaskQueue) -> None:
    def parent(task: Task, ctx: TaskContext) -> Any:
        ctx.checkpoint("note")
        ctx.fanout([Task(task_type="elsewhere", queue="elsewhere") for _ in range(3)])

    run(queue, parent)
    queue.fanout("by-hand", children(1, 2))
    report = Fsck(queue.transport.run, queue.namespace.protocol, queue.settings, repair=True, pause_seconds=0.0).check()
    assert list(report.violations) == []
    assert findings(queue) == []


@pytest.mark.parametrize("way", ["dead letter", "waiting"])
def test_an_id_that_comes_back_has_children_of_its_own(queue: TaskQueue, way: str) -> None:
    """The task of that id is deleted; its children are known still, and so are their results."""

    def parent(task: Task, ctx: TaskContext) -> Any:
        results = ctx.fanout(children(*task.payload))
        if way == "dead letter" and task.payload == [1, 2]:
            raise ValueError("deleted before long")
        return [result["result"] for result in results]

    options = {"task_id": "report", "max_retries": 0}
    if way == "dead letter":
        assert run(queue, parent, payload=[1, 2], **options)["status"] == "failed"
        assert queue.purge_dead() == 1
    else:
        queue.submit_task(Task(task_type="parent", payload=[1, 2], **options))
        worker = TaskWorker(queue, concurrency=1)
        worker.register_handler("parent", parent)
        worker.register_handler("child", child)
        for _ in range(3):
            worker.run_once()
        assert queue.get_task_status("report")["status"] == "pending"
        assert queue.purge() == 1
    assert run(queue, parent, payload=[3, 4], **options)["result"] == [30, 40]
    assert findings(queue) == []
