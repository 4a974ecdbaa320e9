"""Limit keys of tasks that are not submitted one by one: children, tasks of a commit or a graph, recurring ones."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from taskq import Task, TaskContext, TaskQueue, TaskScheduler, TaskWorker
from tests.waiting import eventually
from tests.worker.background import Background, findings

COUNT, MOST = 12, 2


def keyed() -> list[Task]:
    return [Task(task_type="child", payload=n, limit_keys=["few"]) for n in range(COUNT)]


def by_fanout(task: Task, ctx: TaskContext) -> list[int]:
    return [result["result"] for result in ctx.fanout(keyed())]


def by_commit(task: Task, ctx: TaskContext) -> None:
    with ctx.commit() as tx:
        for one in keyed():
            tx.submit(one)
        tx.set_result("committed")


def with_parent(task: Task, parent: Task) -> Task:
    task.depends_on = (parent.task_id,)
    return task


@pytest.mark.parametrize("make", [by_fanout, by_commit, None])
def test_a_limit_of_a_key_holds_for_them(queue: TaskQueue, make: Callable[..., object] | None) -> None:
    lock, running, most, done = threading.Lock(), 0, 0, 0
    met = threading.Barrier(MOST)

    def child(task: Task) -> int:
        nonlocal running, most, done
        with lock:
            running += 1
            most = max(most, running)
        # two of them do run at a time: each waits for another one
        met.wait(20)
        with lock:
            running -= 1
            done += 1
        return int(task.payload)

    queue.set_limit("few", concurrency=MOST)
    worker = TaskWorker(queue, concurrency=8)
    worker.register_handler("parent", make or (lambda task: None))
    worker.register_handler("child", child)
    parent = Task(task_type="parent")
    queue.submit_batch([parent, *([] if make else [with_parent(one, parent) for one in keyed()])])
    worker.run_until_empty()
    assert (most, done) == (MOST, COUNT)
    assert queue.get_task_status(parent.task_id)["status"] == "completed"
    assert findings(queue) == []


def test_a_limit_of_a_key_holds_for_recurring_tasks(queue: TaskQueue) -> None:
    running, gate = threading.Semaphore(0), threading.Event()

    def tick(task: Task) -> None:
        running.release()
        assert gate.wait(20)

    queue.set_limit("few", concurrency=1)
    scheduler = TaskScheduler(queue)
    for name in ("a", "b"):
        scheduler.schedule_every(name, 3600, Task(task_type="tick", limit_keys=["few"]))
        scheduler.run_now(name)
    worker = TaskWorker(queue, concurrency=4)
    worker.register_handler("tick", tick)
    call = Background(worker.run_until_empty)
    assert running.acquire(timeout=20)
    assert eventually(lambda: queue.get_queue_stats().waiting_tasks == 1), "the other one waits for room"
    assert not running.acquire(blocking=False)
    gate.set()
    call.join()
    assert running.acquire(blocking=False)
