"""The executors of agents: questions by both clients, and handlers of every kind."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from taskq import (
    AgentContext,
    AgentExecutor,
    AgentTask,
    InvalidTask,
    ResultTimeout,
    Task,
    TaskNotFound,
    TaskType,
)
from tests.conformance.agents import Asked, plain
from tests.conformance.clients import Client
from tests.waiting import eventually
from tests.worker.background import Background


async def awaited(query: str) -> str:
    await asyncio.sleep(0)
    return query.upper()


def forgets_to_await(query: str) -> Any:
    return awaited(query)


def pieces(query: str) -> Iterator[str]:
    yield from query.upper()


async def awaited_pieces(query: str) -> AsyncIterator[str]:
    for letter in query.upper():
        yield letter


class Callable_:
    def __call__(self, query: str) -> str:
        return query.upper()


class AsyncCallable:
    async def __call__(self, query: str) -> str:
        return query.upper()


class AsyncPieces:
    async def __call__(self, query: str) -> AsyncIterator[str]:
        for letter in query.upper():
            yield letter


HANDLERS = [
    plain,
    awaited,
    pieces,
    awaited_pieces,
    Callable_(),
    AsyncCallable(),
    AsyncPieces(),
    functools.partial(awaited),
    lambda query: query.upper(),
    lambda query, ctx: f"{ctx.query}".upper(),
]


@pytest.mark.parametrize("handler", HANDLERS, ids=lambda handler: getattr(handler, "__name__", type(handler).__name__))
def test_any_callable_answers(asked: Callable[..., Asked], handler: Any) -> None:
    result = asked(handler).ask("hello")
    assert (result["status"], result["answer"], result["result"]) == ("completed", "HELLO", {"answer": "HELLO"})
    assert result["duration"] >= 0
    assert result["attempts"] == 1


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        ({"answer": 1, "usage": 2}, {"answer": 1, "usage": 2}),
        ({"other": 1}, {"answer": {"other": 1}}),
        ([1, 2], {"answer": [1, 2]}),
        (None, {"answer": None}),
    ],
)
def test_what_is_returned_becomes_the_answer(asked: Callable[..., Asked], returned: Any, expected: Any) -> None:
    result = asked(lambda query: returned).ask("hello")
    assert (result["result"], result["answer"]) == (expected, expected["answer"])


def test_a_generator_may_say_more(asked: Callable[..., Asked]) -> None:
    def handler(query: str) -> Any:
        yield "a"
        yield {"usage": 1, "model": "tiny"}
        yield "b"
        return {"usage": 2}

    assert asked(handler).ask("hello")["result"] == {"answer": "ab", "usage": 2, "model": "tiny"}


@pytest.mark.parametrize(
    ("handler", "said"),
    [
        (lambda query: iter_of(7), "the handler has yielded a int"),
        (forgets_to_await, "write it as `async def`"),
        (lambda query: {1, 2}, "the result is not JSON"),
        (lambda query: iter_of("x" * 3000), "the answer is longer than the 1,024 bytes"),
        (lambda query: 1 / 0, "ZeroDivisionError"),
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
def test_what_is_no_answer(asked: Callable[..., Asked], handler: Any, said: str) -> None:
    result = asked(handler, settings={"max_message_bytes": 2048}).ask("hello", max_retries=0)
    assert result["status"] == "failed"
    assert said in result["error"]
    assert result["answer"] is None


def iter_of(*items: Any) -> Iterator[Any]:
    yield from items


def test_a_query_without_an_executor_is_answered_too(asked: Callable[..., Asked]) -> None:
    executor = asked(plain)
    task_id = executor.client.submit_task(AgentTask(payload={"query": "hello"}))
    bad = executor.client.submit_task(AgentTask(payload={"question": "hello"}))
    worse = executor.client.submit_task(AgentTask(payload={"query": "hello", "session_id": "a:b"}))
    executor.work()
    assert executor.get_task_result(task_id)["answer"] == "HELLO"
    assert 'the payload of an agent query is {"query": ...}' in executor.get_task_result(bad)["error"]
    assert "cannot be used as a session id" in executor.get_task_result(worse)["error"]


def test_the_task_is_as_asked_for(asked: Callable[..., Asked]) -> None:
    seen: list[Any] = []

    def handler(query: str, ctx: AgentContext) -> str:
        seen.append((ctx.task.metadata, ctx.session_id, ctx.exchanges, ctx.attempt, ctx.query))
        return query

    executor = asked(handler)
    ids = [
        executor.execute_async("later", priority="low"),
        executor.execute_async("now", priority="urgent", metadata={"user": 7}, timeout=5, task_id="mine"),
    ]
    assert ids[1] == "mine"
    task = executor.client.get_task("mine")
    assert (task.task_type, task.payload, task.timeout) == (TaskType.AGENT_QUERY, {"query": "now"}, 5)
    assert executor.get_task_status("mine")["priority"] == "urgent"
    assert executor.get_task_result("mine") is None
    executor.work(concurrency=1)
    assert seen == [({"user": 7}, None, [], 1, "now"), ({}, None, [], 1, "later")]


def test_an_unknown_task_and_a_late_answer(asked: Callable[..., Asked]) -> None:
    executor = asked(plain)
    for verb in ("get_task_status", "get_task_result", "wait_for_result", "cancel_task"):
        with pytest.raises(TaskNotFound):
            getattr(executor, verb)("missing")
    task_id = executor.execute_async("hello")
    with pytest.raises(ResultTimeout):
        executor.wait_for_result(task_id, timeout=0.01)
    with pytest.raises(ResultTimeout):
        list(executor.follow(task_id, timeout=0.01))
    assert executor.cancel_task(task_id) == "cancelled"
    assert executor.get_task_result(task_id)["answer"] is None


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_pieces_are_shown_as_they_come(asked: Callable[..., Asked], kind: str) -> None:
    seen = threading.Event()

    def handler(query: str) -> Iterator[str]:
        yield "Hel"
        assert seen.wait(20)
        yield "lo"

    async def handler_async(query: str) -> AsyncIterator[str]:
        yield "Hel"
        assert await asyncio.to_thread(seen.wait, 20)
        yield "lo"

    executor = asked(handler if kind == "plain" else handler_async)
    task_id = executor.execute_async("hello")
    working = Background(executor.work)
    followed: list[dict[str, Any]] = []
    following = Background(lambda: followed.extend(executor.follow(task_id, timeout=20)))
    shown = {"text": "Hel", "start": 0, "pieces": 1}
    eventually(lambda: executor.get_task_status(task_id)["progress"] == shown, 10, "the first piece")
    if executor.client.kind == "sync":  # the face of the async one gives all at once
        eventually(lambda: any(status["progress"] == shown for status in followed), 10, "the first piece, followed")
    seen.set()
    working.join()
    following.join()
    assert executor.get_task_result(task_id)["answer"] == "Hello"
    assert followed[-1]["status"] == "completed"
    statuses = [status["status"] for status in followed]
    assert statuses == sorted(statuses, key=["pending", "running", "completed"].index)


def test_only_the_end_of_a_long_answer_is_shown_and_not_every_piece(asked: Callable[..., Asked]) -> None:
    counted: list[Any] = []

    def handler(query: str, ctx: AgentContext) -> Iterator[str]:
        send = ctx.progress

        def counting(shown: Any, message: str | None = None) -> bool:
            counted.append(shown)
            return send(shown, message)

        ctx.progress = counting  # type: ignore[method-assign]  # what it is told is counted
        for _ in range(2000):
            yield "x" * 30
        eventually(lambda: True)

    executor = asked(handler)
    assert len(executor.ask("hello")["answer"]) == 60_000
    assert 1 <= len(counted) <= 20, "it is not a call for each piece"
    assert all(len(shown["text"]) <= 10_000 for shown in counted)


def test_a_cancelled_answer_stops_at_the_next_piece(asked: Callable[..., Asked]) -> None:
    ended = threading.Event()

    def handler(query: str, ctx: AgentContext) -> Iterator[str]:
        try:
            yield "a"
            executor.cancel_task(ctx.task_id)
            eventually(lambda: ctx.progress(1) and ctx.cancelled, what="the request")
            yield "b"
            yield "never"
        finally:
            ended.set()

    executor = asked(handler)
    assert executor.ask("hello")["status"] == "cancelled"
    assert ended.is_set()


def test_a_batch_of_queries(asked: Callable[..., Asked]) -> None:
    async def handler(query: str, ctx: AgentContext) -> AsyncIterator[str]:
        assert (ctx.session_id, ctx.exchanges) == (None, [])
        yield ctx.query
        if query == "b":
            raise ValueError("no")

    executor = asked(handler)
    task_id = executor.execute_batch(iter("abc"), priority="high", retry_delay=0)
    assert executor.client.get_task(task_id).payload == {"queries": ["a", "b", "c"]}
    executor.work()
    result = executor.wait_for_result(task_id, timeout=10)["result"]
    assert [outcome.get("result", outcome.get("error")) for outcome in result["results"]] == [
        {"answer": "a"},
        "ValueError: no",
        {"answer": "c"},
    ]
    with pytest.raises(InvalidTask, match="queries is a str"):
        executor.execute_batch("abc")


def test_an_executor_without_a_handler_only_asks(asked: Callable[..., Asked]) -> None:
    task_id = asked().execute_async("hello")
    executor = asked(plain)
    executor.work()
    assert asked().get_task_result(task_id)["answer"] == "HELLO"
    with pytest.raises(InvalidTask, match="has no handler, it can only ask"):
        asked().worker()


@pytest.mark.parametrize(
    "options",
    [{"exchanges": -1}, {"exchanges": 201}, {"exchanges": True}, {"session_ttl": 0}, {"batch_concurrency": 0}],
)
def test_arguments_are_checked(client: Client, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidTask):
        AgentExecutor(plain, **options)
    with pytest.raises(InvalidTask, match="is a int, not a function"):
        AgentExecutor(7)  # type: ignore[arg-type]  # what a user may do


def test_what_is_a_task_can_be_anything(asked: Callable[..., Asked]) -> None:
    """Other tasks of the same worker are none of the agent's business."""
    executor = asked(plain)
    task_id = executor.client.submit_task(Task(task_type="echo", payload=1))
    executor.work()
    assert executor.client.explain(task_id).reason == "unknown_type", "put aside for a worker that knows it"
