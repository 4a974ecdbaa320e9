"""Sessions of agents: what was said before is told to the next query, kept sealed and bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from taskq import AgentContext, InvalidTask, RetryPolicy
from taskq.errors import CannotDecrypt, CorruptTask
from taskq.kinds import Secret
from tests.conformance.agents import Asked, plain
from tests.conformance.clients import NewClient

KEYS = Secret("A" * 86)
AT_ONCE = RetryPolicy(delay_seconds=0)


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
