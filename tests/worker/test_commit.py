"""``ctx.commit``: what is collected in a block happens together, once, or not at all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from taskq import AttemptLost, InvalidTask, QueueFull, Settings, Task, TaskConflict, TaskContext, TaskQueue, TaskWorker
from taskq.kinds import Secret
from taskq.protocol.replies import Settlement
from taskq.testing.faults.proxy import Proxy
from tests.worker.background import findings
from tests.worker.test_checkpoints import AT_ONCE


def work(queue: TaskQueue, handler: Callable[..., Any], **options: Any) -> tuple[str, list[Any]]:
    """Run a task with a handler, and its children, until nothing is left; return its id and what the children saw."""
    seen: list[Any] = []
    worker = TaskWorker(queue, concurrency=2)
    worker.register_handler("one", handler, AT_ONCE)
    worker.register_handler("child", lambda task: seen.append(task.payload))
    task_id = queue.submit_task(Task(task_type="one", retry_delay=0, **options))
    for _ in range(3):
        worker.run_until_empty()
    assert findings(queue) == []
    return task_id, seen


def child(payload: Any) -> Task:
    return Task(task_type="child", payload=payload)


@pytest.mark.parametrize("keys", [None, Secret("A" * 86)])
def test_a_result_with_its_children(settings: Settings, keys: Secret | None) -> None:
    def handler(task: Task, ctx: TaskContext) -> str:
        with ctx.commit() as tx:
            ids.append(tx.submit(child(1)))
            ids.append(tx.submit(child(2)))
            tx.checkpoint("not needed any more")
            tx.set_result({"sum": 3})
        return "ignored"

    ids: list[str] = []
    with TaskQueue(settings=replace(settings, encryption_keys=keys)) as queue:
        task_id, seen = work(queue, handler)
        result = queue.wait_for_result(task_id, 10)
        assert (result["status"], result["result"], result["attempts"]) == ("completed", {"sum": 3}, 1)
        assert sorted(seen) == [1, 2]
        assert {queue.get_task_status(i)["status"] for i in ids} == {"completed"}
        assert queue.get_queue_stats().counters == {"submitted": 3, "completed": 3}


def test_the_counts_of_the_worker_know_it(queue: TaskQueue) -> None:
    def handler(task: Task, ctx: TaskContext) -> None:
        with ctx.commit() as tx:
            tx.set_result(task.payload)

    worker = TaskWorker(queue, concurrency=4)
    worker.register_handler("one", handler)
    ids = queue.submit_batch([Task(task_type="one", payload=n) for n in range(20)])
    assert worker.run_until_empty() == 20
    assert [queue.get_task_result(i)["result"] for i in ids] == list(range(20))  # type: ignore[index]  # they have ended


def test_without_a_result_the_task_goes_on(queue: TaskQueue) -> None:
    def handler(task: Task, ctx: TaskContext) -> str:
        done = ctx.get_checkpoint() or 0
        if done < 2:
            with ctx.commit() as tx:
                tx.submit(child(done))
                tx.checkpoint(done + 1)
            assert ctx.get_checkpoint() == done + 1
            raise ValueError("not yet")
        return "done"

    task_id, seen = work(queue, handler)
    assert queue.wait_for_result(task_id, 10)["result"] == "done"
    assert seen == [0, 1]
    assert queue.get_checkpoint(task_id) is None


def test_an_async_handler_has_the_same(queue: TaskQueue) -> None:
    async def handler(task: Task, ctx: TaskContext) -> None:
        async with ctx.commit() as tx:
            tx.submit(child("a"))
            await asyncio.sleep(0)
            tx.set_result("done")
        raise ValueError("too late to fail")

    task_id, seen = work(queue, handler)
    assert queue.wait_for_result(task_id, 10)["result"] == "done"
    assert seen == ["a"]


def test_a_handler_that_raises_afterwards_is_only_logged(queue: TaskQueue, caplog: pytest.LogCaptureFixture) -> None:
    def handler(task: Task, ctx: TaskContext) -> None:
        with ctx.commit() as tx:
            tx.set_result("done")
        with pytest.raises(InvalidTask, match="was completed by a commit before"), ctx.commit():
            pass
        assert not ctx.checkpoint("too late")
        raise ValueError("too late to fail")

    with caplog.at_level(logging.WARNING):
        task_id, _ = work(queue, handler)
    assert queue.wait_for_result(task_id, 10)["result"] == "done"
    assert "had completed by ctx.commit when its handler raised ValueError" in caplog.text
    assert "refused" not in caplog.text


def test_a_block_that_raises_does_nothing(queue: TaskQueue) -> None:
    def handler(task: Task, ctx: TaskContext) -> Any:
        tx = None
        try:
            with ctx.commit() as tx:
                tx.submit(child(1))
                tx.checkpoint("x")
                tx.set_result("y")
                raise ZeroDivisionError
        except ZeroDivisionError:
            assert tx is not None
        with pytest.raises(InvalidTask, match="is not open"):
            tx.submit(child(2))
        return ctx.get_checkpoint()

    task_id, seen = work(queue, handler)
    assert (queue.wait_for_result(task_id, 10)["result"], seen) == (None, [])


def test_an_attempt_that_no_longer_counts_is_told_and_changes_nothing(queue: TaskQueue) -> None:
    told: list[Any] = []
    begun: list[str] = []

    def handler(task: Task, ctx: TaskContext) -> str:
        begun.append(task.task_id)
        if len(begun) == 1:  # the second attempt may begin before the first has been told
            protocol = queue.namespace.protocol
            found = queue.transport.run(protocol.inspect([task.task_id]))[0].state
            queue.transport.run(protocol.settle([Settlement(task.task_id, found["fence"], "release", "", 0)]))
            try:
                with ctx.commit() as tx:
                    tx.submit(child("stale"))
                    tx.set_result("stale")
            except AttemptLost:
                told.append(ctx.cancelled)
                raise
        return "fresh"

    task_id, seen = work(queue, handler)
    assert queue.wait_for_result(task_id, 10)["result"] == "fresh"
    assert (told, seen) == ([True], [])


def commit_all(ctx: TaskContext, children: list[Task]) -> None:
    with ctx.commit() as tx:
        for one in children:
            tx.submit(one)
        tx.set_result("never")


def test_what_cannot_be_stored_is_refused_where_it_stands(settings: Settings) -> None:
    def handler(task: Task, ctx: TaskContext) -> str:
        with ctx.commit() as tx:
            for keyed in (Task(unique_key="k"), Task(ordering_key="k"), Task(depends_on=["x"])):
                with pytest.raises(InvalidTask, match="no unique_key, no ordering_key and no depends_on"):
                    tx.submit(keyed)
            with pytest.raises(InvalidTask, match="a child is a Task"):
                tx.submit("child")  # type: ignore[arg-type]  # what is tested
            with pytest.raises(InvalidTask, match="the result is not JSON"):
                tx.set_result({1})
        with pytest.raises(InvalidTask, match="101 children are more than the 100"):
            commit_all(ctx, [child(n) for n in range(101)])
        with pytest.raises(TaskConflict, match="is that of another task"):
            commit_all(ctx, [child(1), Task(task_id=task.task_id)])
        with pytest.raises(QueueFull):
            commit_all(ctx, [child(n) for n in range(4)])
        return "ok"

    with TaskQueue(settings=replace(settings, max_queue_length=3)) as queue:
        task_id, seen = work(queue, handler)
        assert (queue.wait_for_result(task_id, 10)["result"], seen) == ("ok", [])


@pytest.mark.parametrize("action", ["cut", "lose"])
@pytest.mark.parametrize("ends", [True, False])
def test_a_lost_request_or_reply_is_made_good(settings: Settings, redis_url: str, action: str, ends: bool) -> None:
    with Proxy(redis_url) as proxy, TaskQueue(settings=replace(settings, redis_url=proxy.url)) as through:

        def handler(task: Task, ctx: TaskContext) -> str:
            ctx.get_checkpoint()  # the connection is made
            struck = proxy.strike(action)
            with ctx.commit() as tx:
                tx.submit(child(1))
                if ends:
                    tx.set_result("done")
            assert struck.is_set()
            return "done"

        task_id, seen = work(through, handler)
        assert (through.wait_for_result(task_id, 10)["result"], seen) == ("done", [1])
        assert through.get_queue_stats().counters == {"submitted": 2, "completed": 2}
