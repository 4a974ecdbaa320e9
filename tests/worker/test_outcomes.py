"""What becomes of a task whose handler raised, asked for something, or could not be run at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import redis

from taskq import (
    Backoff,
    Discard,
    Retry,
    RetryPolicy,
    Settings,
    Snooze,
    Task,
    TaskContext,
    TaskQueue,
    TaskWorker,
)
from tests.waiting import eventually
from tests.worker.background import Background


@pytest.fixture
def run(queue: TaskQueue) -> Callable[..., dict[str, Any]]:
    """Function that runs one task with a handler and returns its result dict, or its status dict if it has none."""

    def run_one(
        handler: Callable[..., Any], policy: RetryPolicy | None = None, concurrency: int = 2, **options: Any
    ) -> dict[str, Any]:
        worker = TaskWorker(queue, concurrency=concurrency)
        worker.register_handler("one", handler, policy)
        task_id = queue.submit_task(Task(task_type="one", **options))
        worker.run_until_empty()
        return queue.get_task_result(task_id) or queue.get_task_status(task_id)

    return run_one


def raising(error: BaseException) -> Callable[[Task], None]:
    def handler(task: Task) -> None:
        raise error

    return handler


def async_raising(error: BaseException) -> Callable[[Task], Any]:
    async def handler(task: Task) -> None:
        raise error

    return handler


# -- what a handler raises --


def test_a_failure_is_retried_with_growing_delays_and_then_a_dead_letter(queue: TaskQueue) -> None:
    delays: list[float] = []

    def fail(task: Task) -> None:
        raise ValueError("the disk is on fire")

    worker = TaskWorker(queue)
    policy = RetryPolicy(jitter=0.0, backoff=Backoff.EXPONENTIAL)
    worker.register_handler("fail", fail, policy)
    task_id = queue.submit_task(Task(task_type="fail", max_retries=3, retry_delay=0.2))
    key = f"{queue.settings.prefix}:scheduled"
    with redis.Redis.from_url(queue.settings.redis_url or "") as client:
        for _ in range(3):
            eventually(lambda: worker.run_until_empty() == 1)
            status = queue.get_task_status(task_id)
            assert status["status"] == "retry"
            assert "ValueError: the disk is on fire" in status["error"]
            seconds, micros = client.time()
            delays.append(float(client.zscore(key, task_id)) / 1000 - seconds - micros / 1e6)
            client.zadd(key, {task_id: 0})
    eventually(lambda: worker.run_until_empty() == 1)

    assert [round(delay, 1) for delay in delays] == pytest.approx([0.2, 0.4, 0.8], abs=0.11)
    (letter,) = queue.list_dead()
    assert (letter.task_id, letter.attempts) == (task_id, 4)
    assert "ValueError: the disk is on fire" in letter.error
    assert letter.error.endswith("(3 of 3 retries used)")
    assert queue.get_task_status(task_id)["retry_count"] == 3
    assert queue.get_queue_stats().counters["retried"] == 3


def test_the_stored_error_shows_the_users_frames_only(run: Callable[..., dict[str, Any]]) -> None:
    def inner() -> None:
        raise KeyError("missing")

    result = run(lambda task: inner(), max_retries=0)

    assert result["status"] == "failed"
    assert "in inner" in result["error"]
    assert "KeyError: 'missing'" in result["error"]
    assert "taskq/worker" not in result["error"]


@pytest.mark.parametrize("make", [raising, async_raising], ids=["thread", "loop"])
@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), BaseException("odd")], ids=repr)
def test_whatever_a_handler_raises_ends_its_task_and_not_the_worker(
    queue: TaskQueue, make: Callable[[BaseException], Any], error: BaseException
) -> None:
    worker = TaskWorker(queue, concurrency=2)
    worker.register_handler("bad", make(error))
    worker.register_handler("good", lambda task: "fine")
    bad = [queue.submit_task(Task(task_type="bad")) for _ in range(4)]
    good = queue.submit_task(Task(task_type="good"))

    assert Background(worker.run_until_empty).join() == 5

    for task_id in bad:
        result = queue.get_task_result(task_id)
        assert result is not None
        assert result["status"] == "failed"
        assert f"{type(error).__name__} is not in retry_on" in result["error"]
    assert queue.get_task_status(good)["status"] == "completed"


@pytest.mark.parametrize("concurrency", [1, 2])
def test_the_thread_that_a_handler_wanted_to_end_goes_on(queue: TaskQueue, concurrency: int) -> None:
    worker = TaskWorker(queue, concurrency=concurrency)
    worker.register_handler("exit", raising(SystemExit(1)))
    for _ in range(3):  # more than there are slots
        queue.submit_batch([Task(task_type="exit", max_retries=0) for _ in range(3)])
        assert Background(worker.run_until_empty).join() == 3
    assert queue.get_queue_stats().failed_tasks == 9


def test_retry_runs_again_when_the_handler_says(run: Callable[..., dict[str, Any]], queue: TaskQueue) -> None:
    runs: list[int] = []

    def handler(task: Task, ctx: TaskContext) -> str:
        runs.append(ctx.attempt)
        if ctx.attempt == 1:
            raise Retry(after=0, reason="no connection yet")
        return "connected"

    result = run(handler, retry_delay=1000)

    assert (result["status"], result["result"], result["attempts"]) == ("completed", "connected", 2)
    assert runs == [1, 2]
    assert queue.get_queue_stats().counters["retried"] == 1


def test_retry_counts_against_the_retries(run: Callable[..., dict[str, Any]]) -> None:
    result = run(raising(Retry(after=0)), max_retries=2)

    assert result["status"] == "failed"
    assert result["attempts"] == 3
    assert "2 of 2 retries used" in result["error"]


def test_snooze_charges_nothing(run: Callable[..., dict[str, Any]]) -> None:
    calls: list[int] = []

    def handler(task: Task, ctx: TaskContext) -> int:
        calls.append(ctx.attempt)
        if len(calls) < 6:
            raise Snooze(0, "later")
        return len(calls)

    result = run(handler, max_retries=0)

    assert (result["status"], result["result"], result["attempts"]) == ("completed", 6, 1)
    assert calls == [1] * 6


def test_a_snoozed_task_shows_until_when_and_why(run: Callable[..., dict[str, Any]]) -> None:
    status = run(raising(Snooze(60, "the shop is closed")))

    assert status["status"] == "scheduled"
    assert "the shop is closed" in status["reason"]


def test_discard_ends_a_task_that_has_retries_left(run: Callable[..., dict[str, Any]], queue: TaskQueue) -> None:
    result = run(raising(Discard("the user is gone")), max_retries=5)

    assert (result["status"], result["attempts"], result["error"]) == ("failed", 1, "discarded: the user is gone")
    assert [letter.task_id for letter in queue.list_dead()] == [result["task_id"]]


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (TimeoutError("slow"), "retry", "TimeoutError: slow"),
        (ConnectionResetError("gone"), "retry", "ConnectionResetError: gone"),
        (KeyError("typo"), "failed", "KeyError is not in retry_on"),
        (ConnectionRefusedError("nobody"), "failed", "ConnectionRefusedError is in discard_on"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_the_rules_of_a_type_decide_by_exception(
    run: Callable[..., dict[str, Any]], error: Exception, status: str, says: str
) -> None:
    policy = RetryPolicy(retry_on=(OSError, TimeoutError), discard_on=(ConnectionRefusedError,))

    outcome = run(raising(error), policy, retry_delay=100)

    assert outcome["status"] == status
    assert says in outcome["error"]


# -- what a handler returns --


def test_a_result_that_json_cannot_say_is_a_failure_without_another_run(run: Callable[..., dict[str, Any]]) -> None:
    runs: list[int] = []

    def handler(task: Task) -> Any:
        runs.append(1)
        return {"when": {1, 2}}

    result = run(handler, retry_delay=0)

    assert result["status"] == "failed"
    assert result["error"] == (
        "the result is not JSON: result['when'] is a set; send numbers, strings, booleans, None, lists and dicts, "
        "for example a datetime as .isoformat() and bytes as base64 (the handler ran to its end)"
    )
    assert runs == [1]


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), b"bytes", object(), {(1, 2): 3}], ids=lambda v: type(v).__name__
)
@pytest.mark.parametrize("concurrency", [1, 2])
def test_no_result_can_end_the_worker(run: Callable[..., dict[str, Any]], value: Any, concurrency: int) -> None:
    result = run(lambda task: value, concurrency=concurrency)

    assert result["status"] == "failed"
    assert result["error"].startswith("the result is not JSON: ")


class Spiteful(dict[str, int]):
    """Raises when it is read, like an object of a database whose session is closed."""

    def items(self) -> Any:
        raise RuntimeError("the session is closed")


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_result_that_raises_when_it_is_read_fails_like_its_handler(
    run: Callable[..., dict[str, Any]], concurrency: int
) -> None:
    result = run(lambda task: Spiteful(a=1), max_retries=0, concurrency=concurrency)

    assert result["status"] == "failed"
    assert "RuntimeError: the session is closed" in result["error"]


def test_a_result_that_is_too_large_says_what_to_do(settings: Settings) -> None:
    with TaskQueue(settings=replace(settings, max_message_bytes=2_000)) as queue:
        worker = TaskWorker(queue)
        worker.register_handler("big", lambda task: "x" * 3_000)
        task_id = queue.submit_task(Task(task_type="big"))
        worker.run_until_empty()
        result = queue.get_task_result(task_id)

    assert result is not None
    assert result["status"] == "failed"
    assert re.fullmatch(
        r"the result is 3,\d\d\d bytes, more than the 2,000 allowed \(TASKQ_MAX_MESSAGE_SIZE\): "
        r"store it elsewhere and return a reference",
        result["error"],
    )


def test_a_result_is_kept_as_long_as_the_task_asks(
    run: Callable[..., dict[str, Any]], redis_client: redis.Redis, prefix: str
) -> None:
    short, usual = run(lambda task: 1, result_ttl=30), run(lambda task: 1)

    assert 0 < redis_client.pttl(f"{prefix}:result:{short['task_id']}") <= 30_000
    assert 3_500_000 < redis_client.pttl(f"{prefix}:result:{usual['task_id']}") <= 3_600_000


# -- what a handler does with its task, and what is no call of it --


def test_a_handler_that_changes_its_task_does_not_change_what_becomes_of_it(
    run: Callable[..., dict[str, Any]], queue: TaskQueue
) -> None:
    def spoil(task: Task) -> None:
        task.max_retries = 9
        task.retry_delay = task.timeout = task.result_ttl = task.idempotency = "soon"  # type: ignore[assignment]
        task.payload.clear()
        task.task_type = task.task_id = ""
        raise ValueError("no")

    result = run(spoil, payload={"a": 1}, max_retries=0)
    assert (result["status"], "retries are off" in result["error"]) == ("failed", True)
    assert run(spoil, payload={"a": 1})["status"] == "retry"
    assert queue.get_task(result["task_id"]).payload == {"a": 1}

    def change(task: Task, ctx: TaskContext) -> float | None:
        task.result_ttl = task.timeout = 1
        return ctx.deadline

    assert run(change)["result"] is None


def test_a_payload_that_is_no_call_of_its_function_is_a_dead_letter_at_once(
    queue: TaskQueue, caplog: pytest.LogCaptureFixture
) -> None:
    @queue.task(name="add", pass_ctx=True)
    def add(ctx: TaskContext, a: int, b: int = 1) -> int:
        if a == 0:
            raise TypeError("inside")
        return a + b

    payloads = [{"args": [2]}, {"a": 2, "c": 3}, None, {"args": 7}, {"a": 0}]
    ids = queue.submit_batch([Task(task_type="add", payload=payload) for payload in payloads])
    worker = TaskWorker(queue)
    worker.run_until_empty()
    assert [queue.get_task_status(task_id)["status"] for task_id in ids] == ["completed", *["failed"] * 3, "retry"]
    letters = {letter.task_id: letter for letter in queue.list_dead()}
    assert {(letter.reason, letter.attempts) for letter in letters.values()} == {("arguments", 1)}
    assert letters[ids[1]].error.endswith("add() got an unexpected keyword argument 'c'; it takes (a, b=1)")
    assert f"task {ids[1]} (add) has failed" in caplog.text


def test_a_payload_is_raised_to_its_version_before_it_is_a_call(queue: TaskQueue) -> None:
    @queue.task(name="add", version=2)
    def add(*, a: int) -> int:
        return a

    queue.upcast("add", from_version=1)(lambda payload: {"a": payload["b"]} if "b" in payload else payload)
    good, bad = queue.submit_batch([Task(task_type="add", payload={name: 1}) for name in ("b", "c")])
    TaskWorker(queue).run_until_empty()
    assert queue.wait_for_result(good, 5)["result"] == 1
    assert [(letter.task_id, letter.reason) for letter in queue.list_dead()] == [(bad, "arguments")]


# -- what the log of the worker says --


def test_each_retry_and_the_end_have_a_line(run: Callable[..., Any], caplog: pytest.LogCaptureFixture) -> None:
    policy = RetryPolicy(max_retries=1, backoff=Backoff.CONSTANT, delay_seconds=0, jitter=0)
    task_id = run(raising(ValueError("first line\nsecond line")), policy)["task_id"]
    assert [(record.levelname, record.getMessage()) for record in caplog.records if task_id in record.getMessage()] == [
        ("WARNING", f"task {task_id} (one) raised ValueError: first line: retry 1 of 1 in 0.0 s"),
        (
            "ERROR",
            f"task {task_id} (one) has failed, it is among the dead letters: ValueError: first line; "
            f"`taskq task show {task_id}` has the traceback",
        ),
    ]


@pytest.mark.parametrize("error", [Retry(after=0), Snooze(0), Discard("no")], ids=["retry", "snooze", "discard"])
def test_what_a_handler_asks_for_is_no_error(
    run: Callable[..., Any], caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    times = iter([error])

    def once(task: Task) -> None:
        for asked in times:
            raise asked

    task_id = run(once)["task_id"]
    assert not [record for record in caplog.records if task_id in record.getMessage()]
