"""``batch_handler``: results and errors by item, progress, and going on after a crash."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from taskq import Discard, InvalidTask, Retry, Settings, Snooze, Task, TaskContext, TaskQueue, TaskType, TaskWorker
from taskq.agent import batch_handler
from taskq.kinds import Secret
from taskq.protocol.replies import Settlement
from tests.waiting import eventually
from tests.worker.background import Background


def run(queue: TaskQueue, handler: Callable[..., Any], items: Any, *, attempts: int = 1, **options: Any) -> str:
    """Run a batch until it has ended; return its id."""
    worker = TaskWorker(queue, concurrency=2)
    worker.register_handler(TaskType.BATCH_QUERY, handler)
    options = {"retry_delay": 0, **options}
    task_id = queue.submit_task(Task(task_type=TaskType.BATCH_QUERY, payload={"queries": items}, **options))
    for _ in range(attempts):
        worker.run_until_empty()
    return task_id


def plain(item: int) -> float:
    return 12 / item


async def awaited(item: int) -> float:
    await asyncio.sleep(0)
    return 12 / item


@pytest.mark.parametrize("concurrency", [1, 3, 50])
@pytest.mark.parametrize("function", [plain, awaited])
def test_each_item_has_its_result_or_its_error(queue: TaskQueue, function: Any, concurrency: int) -> None:
    task_id = run(queue, batch_handler(function, concurrency=concurrency), [1, 0, 3, 4, "x"])
    result = queue.wait_for_result(task_id, 10)
    assert (result["status"], result["attempts"]) == ("completed", 1)
    found = result["result"]
    assert (found["total"], found["ok"], found["failed"]) == (5, 3, 2)
    assert [outcome["ok"] for outcome in found["results"]] == [True, False, True, True, False]
    assert [outcome.get("result") for outcome in found["results"]] == [12, None, 4, 3, None]
    assert found["results"][1]["error"] == "ZeroDivisionError: division by zero"
    assert found["results"][4]["error"].startswith("TypeError: ")


def test_a_plain_item_does_not_keep_a_process_from_ending(queue: TaskQueue) -> None:
    handler = batch_handler(lambda item: threading.current_thread().daemon)
    result = queue.wait_for_result(run(queue, handler, [1]), 10)
    assert result["result"]["results"] == [{"ok": True, "result": True}]


def test_no_items_are_no_work(queue: TaskQueue) -> None:
    result = queue.wait_for_result(run(queue, batch_handler(plain), []), 10)
    assert result["result"] == {"total": 0, "ok": 0, "failed": 0, "results": []}


@pytest.mark.parametrize("payload", [None, {"queries": "abc"}, {"items": []}])
def test_a_payload_without_items_is_refused(queue: TaskQueue, payload: Any) -> None:
    worker = TaskWorker(queue)
    worker.register_handler("batch_query", batch_handler(plain))
    task_id = queue.submit_task(Task(task_type="batch_query", payload=payload))
    worker.run_until_empty()
    assert "the payload of a batch is {'queries': [...]}" in queue.wait_for_result(task_id, 10)["error"]


def test_as_many_at_a_time_as_asked_for_and_no_more(queue: TaskQueue) -> None:
    meeting = threading.Barrier(3)
    inside: set[int] = set()
    most = []

    def item(number: int) -> None:
        inside.add(number)
        most.append(len(inside))
        meeting.wait(10)  # three have to be here together, else it breaks
        inside.discard(number)

    result = queue.wait_for_result(run(queue, batch_handler(item, concurrency=3), list(range(9))), 10)
    assert (result["result"]["ok"], max(most)) == (9, 3)


def test_progress_is_shown(queue: TaskQueue, started: Callable[[TaskWorker], Background]) -> None:
    seen = []

    def item(number: int, ctx: TaskContext) -> float:
        if number == 2:
            eventually(lambda: seen_by_now() == {"value": 0.5, "message": "2/4, 1 failed"}, what="the progress")
            seen.append(seen_by_now())
        return 1 / number

    def seen_by_now() -> Any:
        return queue.get_task_status(task_id)["progress"]

    worker = TaskWorker(queue)
    worker.register_handler("batch_query", batch_handler(item, every=1))
    task_id = queue.submit_task(Task(task_type="batch_query", payload={"queries": [1, 0, 2, 3]}))
    started(worker)
    assert queue.wait_for_result(task_id, 20)["result"]["failed"] == 1
    assert len(seen) == 1


def test_a_stale_attempt_ends_and_the_other_goes_on_with_what_is_not_done(
    queue: TaskQueue, started: Callable[[TaskWorker], Background]
) -> None:
    reached, gate = threading.Event(), threading.Event()
    stale: list[int] = []
    done: list[int] = []

    def slow(number: int) -> int:
        stale.append(number)
        if number == 3:
            reached.set()
            assert gate.wait(20)
        return number

    def worker_with(item: Callable[[int], int]) -> TaskWorker:
        worker = TaskWorker(queue, concurrency=1)
        worker.register_handler("batch_query", batch_handler(item, every=1))
        return worker

    task_id = queue.submit_task(Task(task_type="batch_query", payload={"queries": list(range(6))}))
    first = worker_with(slow)
    running = started(first)
    assert reached.wait(10)
    take_away(queue, task_id)
    worker_with(lambda number: done.append(number) or -number).run_until_empty()
    gate.set()
    result = queue.wait_for_result(task_id, 10)
    first.stop()
    assert running.join() == {**dict.fromkeys(running.value, 0), "refused": 1}
    assert [outcome["result"] for outcome in result["result"]["results"]] == [0, 1, 2, -3, -4, -5]
    assert (stale, done) == ([0, 1, 2, 3], [3, 4, 5])


def take_away(queue: TaskQueue, task_id: str) -> None:
    """Let a running attempt end as if its worker had been taken for dead: its fence no longer holds."""
    protocol = queue.namespace.protocol
    found = queue.transport.run(protocol.inspect([task_id]))[0].state
    queue.transport.run(protocol.settle([Settlement(task_id, found["fence"], "release", "", 0)]))


def test_an_item_that_asks_for_it_is_run_later_and_no_attempt_is_charged(queue: TaskQueue) -> None:
    calls: list[int] = []

    def item(number: int) -> int:
        calls.append(number)
        if number == 2 and calls.count(2) == 1:
            raise Retry(after=0, reason="busy")
        if number == 3 and calls.count(3) <= 5:
            raise Snooze(0)
        return number

    result = queue.wait_for_result(run(queue, batch_handler(item), [1, 2, 3, 4], attempts=9), 10)
    assert [outcome["result"] for outcome in result["result"]["results"]] == [1, 2, 3, 4]
    assert calls == [1, 2, 2, 3, 3, 3, 3, 3, 3, 4]
    status = queue.get_task_status(result["task_id"])
    assert (status["status"], status["retry_count"]) == ("completed", 0)


def test_while_it_is_put_off_the_batch_holds_no_slot_and_says_so(queue: TaskQueue) -> None:
    def item(number: int) -> int:
        if number == 2:
            raise Retry(after=60)
        return number

    task_id = run(queue, batch_handler(item), [1, 2, 3, 4])
    status = queue.get_task_status(task_id)
    assert (status["status"], status["reason"]) == (
        "scheduled",
        "snoozed by the handler: 3 of 4 items are to be done later",
    )
    assert queue.get_checkpoint(task_id)["results"][0] == {"ok": True, "result": 1}


def test_an_item_has_no_more_retries_than_the_task(queue: TaskQueue) -> None:
    calls: list[int] = []

    def item(number: int) -> None:
        calls.append(number)
        raise Retry(after=0, reason="busy")

    result = queue.wait_for_result(run(queue, batch_handler(item), [1], attempts=5, max_retries=2), 10)
    assert result["result"]["results"] == [{"ok": False, "error": "busy (retries are used up)"}]
    assert len(calls) == 3


def test_what_an_item_may_raise(queue: TaskQueue) -> None:
    def item(number: int) -> Any:
        if number == 0:
            raise Discard("no use")
        if number == 1:
            sys.exit(3)
        if number == 2:
            raise ValueError("x" * 10_000 + "\ud800")
        if number == 4:
            return next(iter(()))
        return {number}

    result = queue.wait_for_result(run(queue, batch_handler(item, concurrency=4), [0, 1, 2, 3, 4]), 10)
    errors = [outcome["error"] for outcome in result["result"]["results"]]
    assert errors[:2] == ["no use", "RuntimeError: the item ended with SystemExit(3)"]
    assert len(errors[2]) == 500
    assert "the result is not JSON" in errors[3]
    assert errors[4] == "RuntimeError: StopIteration"


def test_a_large_result_is_an_error_of_its_item(queue: TaskQueue) -> None:
    handler = batch_handler(lambda size: "x" * size, max_item_bytes=100)
    result = queue.wait_for_result(run(queue, handler, [98, 99]), 10)
    assert [outcome["ok"] for outcome in result["result"]["results"]] == [True, False]
    assert "its result is 101 bytes, more than the 100 of max_item_bytes" in result["result"]["results"][1]["error"]


@pytest.mark.parametrize("keys", [None, Secret("A" * 86)])
def test_results_that_are_too_large_together_end_the_task_and_what_is_done_is_kept(
    settings: Settings, keys: Secret | None
) -> None:
    calls: list[int] = []

    def item(number: int) -> str:
        calls.append(number)
        return "x" * 1000

    with TaskQueue(settings=replace(settings, max_message_bytes=10_000, encryption_keys=keys)) as queue:
        result = queue.wait_for_result(run(queue, batch_handler(item), list(range(30))), 10)
        assert (result["status"], result["attempts"]) == ("failed", 1)
        fitting = 5 if keys else 8
        assert f"the results of {fitting + 1} of 30 items are more than the" in result["error"]
        assert len(calls) == fitting + 1
        kept = queue.get_checkpoint(result["task_id"])["results"]
        assert [outcome is not None for outcome in kept] == [True] * fitting + [False] * (30 - fitting)


def test_a_cancelled_batch_ends(queue: TaskQueue, started: Callable[[TaskWorker], Background]) -> None:
    reached, called = threading.Event(), []

    def item(number: int) -> None:
        called.append(number)
        reached.set()
        eventually(lambda: queue.get_task_status(task_id)["status"] == "cancelled" or len(called) > 50, what="the end")

    worker = TaskWorker(queue)
    worker.register_handler("batch_query", batch_handler(item))
    task_id = queue.submit_task(Task(task_type="batch_query", payload={"queries": list(range(100))}))
    started(worker)
    assert reached.wait(10)
    queue.cancel_task(task_id)
    assert queue.wait_for_result(task_id, 10)["status"] == "cancelled"
    assert called == [0]


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"every": 0}, {"max_item_bytes": "1"}])
def test_arguments_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidTask, match="use a whole number above 0"):
        batch_handler(plain, **options)


def test_what_is_no_function_of_an_item_is_refused() -> None:
    with pytest.raises(InvalidTask, match="not a function"):
        batch_handler(7)  # type: ignore[arg-type]  # what a user may do
    with pytest.raises(InvalidTask, match=r"write it as fn\(item\) or fn\(item, ctx\)"):
        batch_handler(lambda a, b, c: None)
