"""The executors of agents: questions by both clients, handlers of every kind, sessions."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from taskq import (
    AgentContext,
    AgentExecutor,
    AgentTask,
    AsyncAgentExecutor,
    InvalidTask,
    ResultTimeout,
    RetryPolicy,
    Task,
    TaskNotFound,
    TaskType,
)
from taskq.errors import CannotDecrypt, CorruptTask
from taskq.kinds import Secret
from tests.conformance.clients import Client, NewClient
from tests.waiting import eventually
from tests.worker.background import Background

KEYS = Secret("A" * 86)
AT_ONCE = RetryPolicy(delay_seconds=0)


class Asked:
    """An executor of either kind; each call of an async one waits for its coroutine."""

    def __init__(self, client: Client, handler: Any = None, **options: Any) -> None:
        self.client = client
        self.executor: Any = (AsyncAgentExecutor if client.kind == "async" else AgentExecutor)(
            handler, client.queue, **options
        )

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.executor, name)
        if inspect.isasyncgenfunction(attribute):
            return lambda *args, **options: iter(self.client.finish(gathered(attribute(*args, **options))))
        return lambda *args, **options: self.client.finish(attribute(*args, **options))

    def work(self, times: int = 1, **options: Any) -> None:
        """Answer what waits."""
        for _ in range(times):
            worker = self.executor.worker(**{"concurrency": 2, **options})
            worker.run_until_empty()
            if worker.queue is not self.client.queue:
                worker.queue.close()

    def ask(self, query: Any, **options: Any) -> dict[str, Any]:
        """Ask, answer, and return the result."""
        task_id = self.execute_async(query, **options)
        self.work()
        result: dict[str, Any] = self.wait_for_result(task_id, timeout=10)
        return result


async def gathered(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


@pytest.fixture
def asked(new_client: NewClient) -> Callable[..., Asked]:
    """Function that makes an executor; what begins with ``max_`` or ``encryption`` is a setting."""

    def new(handler: Any = None, settings: dict[str, Any] | None = None, **options: Any) -> Asked:
        return Asked(new_client(**(settings or {})), handler, **options)

    return new


def plain(query: str) -> str:
    return query.upper()


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


# -- sessions --


def test_a_session_knows_what_was_said(asked: Callable[..., Asked]) -> None:
    seen: list[Any] = []

    def handler(query: str, ctx: AgentContext) -> str:
        seen.append([(said["query"], said["answer"]) for said in ctx.exchanges])
        return f"{query}!"

    executor = asked(handler, exchanges=2)
    ids = [executor.execute_async(query, session_id="ada") for query in "abcd"]
    executor.execute_async("z", session_id="bob")
    executor.work()
    assert sorted(seen, key=str) == sorted(
        [[], [("a", "a!")], [("a", "a!"), ("b", "b!")], [("b", "b!"), ("c", "c!")], []], key=str
    )
    assert executor.get_session("ada") == [
        {"task_id": ids[2], "query": "c", "answer": "c!"},
        {"task_id": ids[3], "query": "d", "answer": "d!"},
    ]
    executor.forget_session("ada")
    assert executor.get_session("ada") == []
    assert executor.get_session("nobody") == []
    with pytest.raises(InvalidTask, match="session id"):
        executor.execute_async("a", session_id="a b")
    for name in ("ordering_key", "partition_key"):
        with pytest.raises(InvalidTask, match=f"a query of a session has no {name} of its own"):
            executor.execute_async("a", session_id="ada", **{name: "other"})


def test_an_attempt_that_is_run_again_is_not_told_of_itself_and_appends_once(asked: Callable[..., Asked]) -> None:
    seen: list[Any] = []

    def handler(query: str, ctx: AgentContext) -> str:
        seen.append([said["query"] for said in ctx.exchanges])
        if query == "b" and ctx.attempt == 1:
            ctx.keep_exchange("half of it")  # as if the worker died between the note and the end
            raise ValueError("not yet")
        return f"{query}{ctx.attempt}"

    executor = asked(handler, policy=AT_ONCE)
    executor.execute_async("a", session_id="ada")
    executor.execute_async("b", session_id="ada", retry_delay=0)
    executor.work(3)
    assert seen == [[], ["a"], ["a"]]
    assert [(said["query"], said["answer"]) for said in executor.get_session("ada")] == [("a", "a1"), ("b", "b2")]


def test_without_exchanges_nothing_is_kept(asked: Callable[..., Asked]) -> None:
    executor = asked(plain, exchanges=0)
    executor.ask("hello", session_id="ada")
    assert executor.get_session("ada") == []


def test_only_the_beginning_of_long_texts_is_kept(asked: Callable[..., Asked]) -> None:
    executor = asked(lambda query: ["x" * 20_000])
    executor.ask("y" * 17_000, session_id="ada")
    (said,) = executor.get_session("ada")
    assert said["query"] == "y" * 16_000 + " ... (1,000 characters left out)"
    assert said["answer"].endswith(" ... (4,004 characters left out)")


def test_it_is_encrypted_and_bound_to_its_session(asked: Callable[..., Asked], redis_client: Any, prefix: str) -> None:
    pytest.importorskip("cryptography")
    executor = asked(plain, settings={"encryption_keys": KEYS})
    executor.ask("canary", session_id="ada")
    assert executor.get_session("ada")[0]["answer"] == "CANARY"
    (stored,) = redis_client.lrange(f"{prefix}:session:ada", 0, -1)
    assert "canary" not in stored.lower()
    redis_client.rpush(f"{prefix}:session:bob", stored)
    with pytest.raises(CannotDecrypt):
        executor.get_session("bob")
    with pytest.raises(CannotDecrypt):
        asked(plain).get_session("ada")


@pytest.mark.parametrize("stored", ["x nonsense", "x []", 'x {"query":1}', "nothing"])
def test_what_a_foreign_hand_has_written_is_said(
    asked: Callable[..., Asked], redis_client: Any, prefix: str, stored: str
) -> None:
    executor = asked(plain)
    redis_client.rpush(f"{prefix}:session:ada", stored)
    with pytest.raises(CorruptTask):
        executor.get_session("ada")
    executor.forget_session("ada")
    assert executor.get_session("ada") == []


def test_sessions_in_partitions(new_client: NewClient) -> None:
    executor = Asked(new_client(partitions=3), lambda query, ctx: [said["query"] for said in ctx.exchanges])
    for name in ("ada", "bob", "cyd", "dan"):
        ids = [executor.execute_async(query, session_id=name) for query in "abc"]
        executor.work()
        assert [executor.wait_for_result(task_id, timeout=10)["answer"] for task_id in ids] == [[], ["a"], ["a", "b"]]
        assert [said["query"] for said in executor.get_session(name)] == ["a", "b", "c"]


def test_what_is_a_task_can_be_anything(asked: Callable[..., Asked]) -> None:
    """Other tasks of the same worker are none of the agent's business."""
    executor = asked(plain)
    task_id = executor.client.submit_task(Task(task_type="echo", payload=1))
    executor.work()
    assert executor.client.explain(task_id).reason == "unknown_type", "put aside for a worker that knows it"
