"""Progress is sent ten times a second at most, and its last value always.

The clock of the intervals is one that the test moves; what is sent is counted by its events.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis

from taskq import Settings, Snooze, Task, TaskContext, TaskQueue, TaskWorker
from taskq.worker import pace as module
from taskq.worker.pace import INTERVAL_SECONDS
from tests.waiting import eventually


class Clock:
    """Stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def sent(redis_client: redis.Redis, prefix: str) -> Iterator[Callable[[], int]]:
    """Function that returns how often progress was sent since the last call."""
    channel = f"{prefix}:events"
    with redis_client.pubsub(ignore_subscribe_messages=True) as listener:
        listener.subscribe(channel)
        assert listener.get_message(timeout=5) is None

        def count() -> int:
            redis_client.publish(channel, json.dumps({"type": "mark"}))
            kinds = (json.loads(message["data"])["type"] for message in listener.listen())
            return sum(kind == "task.progress" for kind in itertools.takewhile(lambda kind: kind != "mark", kinds))

        yield count


def run(queue: TaskQueue, handler: Callable[..., Any], **fields: Any) -> str:
    worker = TaskWorker(queue, concurrency=2)
    worker.register_handler("climb", handler)
    task_id = queue.submit_task(Task(task_type="climb", **fields))
    worker.run_until_empty()
    return task_id


def shown(queue: TaskQueue, task_id: str) -> Any:
    return queue.get_task_status(task_id)["progress"]


def test_values_in_between_are_merged_and_the_last_one_wins(
    queue: TaskQueue, clock: Clock, sent: Callable[[], int]
) -> None:
    seen: list[Any] = []

    def climb(task: Task, ctx: TaskContext) -> None:
        assert all(ctx.progress(step) for step in range(1_000))
        seen.append((sent(), shown(queue, ctx.task_id)))
        clock.now += INTERVAL_SECONDS
        ctx.progress(1_000)
        ctx.progress(1_001)
        seen.append((sent(), shown(queue, ctx.task_id)))
        clock.now += INTERVAL_SECONDS
        ctx.progress(1_001)
        seen.append((sent(), shown(queue, ctx.task_id)))

    run(queue, climb)
    assert seen == [(1, 0), (1, 1_000), (1, 1_001)]
    assert sent() == 0, "the last one was sent already"


def snooze(task: Task, ctx: TaskContext) -> None:
    ctx.progress("first")
    ctx.progress("last")
    raise Snooze(60)


async def snooze_async(task: Task, ctx: TaskContext) -> None:
    await asyncio.to_thread(snooze, task, ctx)


def fail(task: Task, ctx: TaskContext) -> None:
    ctx.progress("first")
    ctx.progress("last")
    raise ValueError("no")


@pytest.mark.parametrize("handler", [snooze, snooze_async, fail])
@pytest.mark.parametrize("timeout", [None, 60.0])
def test_what_was_held_back_is_sent_before_the_attempt_ends(
    queue: TaskQueue, clock: Clock, sent: Callable[[], int], handler: Callable[..., Any], timeout: float | None
) -> None:
    task_id = run(queue, handler, timeout=timeout, max_retries=3, retry_delay=60)
    assert sent() == 2
    assert shown(queue, task_id) == "last"


def test_also_if_it_completes_by_itself_or_by_a_commit(queue: TaskQueue, clock: Clock, sent: Callable[[], int]) -> None:
    def complete(task: Task, ctx: TaskContext) -> None:
        ctx.progress("first")
        ctx.progress("last")
        if task.payload:
            with ctx.commit() as tx:
                tx.set_result("done")

    for payload in (False, True):
        run(queue, complete, payload=payload)
        assert sent() == 2


def test_a_request_to_stop_is_heard_with_the_first_call_after_the_interval(settings: Settings, clock: Clock) -> None:
    heard: list[bool] = []

    def climb(task: Task, ctx: TaskContext) -> None:
        ctx.progress(1)
        queue.cancel_task(ctx.task_id)
        clock.now += INTERVAL_SECONDS
        ctx.progress(1)
        heard.append(ctx.cancelled)

    # no beat tells it before
    with TaskQueue(settings=replace(settings, heartbeat_interval_seconds=20, lease_seconds=120)) as queue:
        run(queue, climb)
    assert heard == [True]


def test_who_has_lost_the_task_is_told_so(queue: TaskQueue, clock: Clock) -> None:
    told: list[bool] = []

    def climb(task: Task, ctx: TaskContext) -> None:
        ctx._attempt.claim = ctx._attempt.claim._replace(fence="0.0")
        told.extend([ctx.progress(1), ctx.progress(2)])

    run(queue, climb)
    assert told == [False, False]


def test_what_is_followed_by_nothing_is_shown_a_moment_later(queue: TaskQueue) -> None:
    def climb(task: Task, ctx: TaskContext) -> None:
        ctx.progress(0.1)
        ctx.progress(0.2)
        eventually(lambda: shown(queue, ctx.task_id) == 0.2, what="the last value, while the handler says nothing more")

    assert queue.get_task_status(run(queue, climb))["status"] == "completed"
