"""Somebody deletes a key of a family while its parent waits: it says so, and neither waits for ever nor makes do."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from taskq import Settings, Task, TaskContext, TaskQueue, TaskWorker
from taskq.states import TaskStatus
from taskq.transport.fsck import Fsck
from tests.worker.background import findings

CHILDREN = 3


def run(queue: TaskQueue, damage: str, by: str, client: redis.Redis) -> str:
    """Run a parent and its children, one of which, or the parent when it goes on, deletes keys; return its id."""
    keys = queue.namespace.protocol.keys
    runs: list[str] = []

    def delete(parent: str) -> None:
        for family in damage.split():
            client.delete(keys.key(family, f"{parent}/1"))

    def parent(task: Task, ctx: TaskContext) -> Any:
        runs.append(ctx.task_id)
        assert len(runs) < 5, "it runs round and round"
        if len(runs) > 1 and by == "parent":
            delete(ctx.task_id)
        return [r["result"] for r in ctx.fanout([Task(task_type="child", payload=n) for n in range(CHILDREN)])]

    def child(task: Task) -> Any:
        if task.payload == 1 and by == "child":
            delete(runs[0])
        return task.payload

    worker = TaskWorker(queue, concurrency=1)
    worker.register_handler("parent", parent)
    worker.register_handler("child", child)
    task_id = queue.submit_task(Task(task_type="parent", max_retries=0)) if not runs else runs[0]
    worker.run_until_empty()
    if queue.get_task_status(task_id)["status"] == TaskStatus.WAITING:
        fsck(queue, repair=True)
        worker.run_until_empty()
    return task_id


def fsck(queue: TaskQueue, *, repair: bool = False) -> list[str]:
    protocol = queue.namespace.protocol
    report = Fsck(queue.transport.run, protocol, queue.settings, repair=repair, pause_seconds=0.0).check()
    return [f"{violation.invariant} {violation.subject}" for violation in report.violations if violation.left]


@pytest.fixture
def queue(redis_url: str, prefix: str) -> TaskQueue:
    return TaskQueue(settings=Settings(redis_url=redis_url, prefix=prefix))


def test_what_was_gathered_is_gathered_again(queue: TaskQueue, redis_client: redis.Redis) -> None:
    parent = run(queue, "gathered", "child", redis_client)
    assert queue.get_task_result(parent)["result"] == list(range(CHILDREN))
    assert (fsck(queue), findings(queue)) == ([], [])


@pytest.mark.parametrize(
    ("damage", "by", "said"),
    [
        ("children", "child", "0 of their results are left"),
        ("children", "parent", "0 of their results are left"),
        ("gathered", "parent", "0 of their results are left"),
        ("family", "child", "the record of an earlier fan-out"),
        ("family", "parent", "nobody knows when its 3 children have ended"),
        ("family children gathered", "parent", "the record of an earlier fan-out"),
    ],
)
def test_what_cannot_be_known_any_more_is_an_error(
    queue: TaskQueue, redis_client: redis.Redis, damage: str, by: str, said: str
) -> None:
    parent = run(queue, damage, by, redis_client)
    assert said in queue.get_task_result(parent)["error"]
    assert "taskq fsck" in queue.get_task_result(parent)["error"]
    assert queue.get_queue_stats().counters["completed"] == CHILDREN, "the children have run all the same"
