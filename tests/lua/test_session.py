"""exchange and exchanges: what was said in a session."""

from __future__ import annotations

import pytest

from taskq.protocol import sessions
from taskq.protocol.sessions import Exchange, Kept
from taskq.protocol.workflow import ASKED_TO_STOP, DONE, STALE
from tests.state import TTL_MS, Bench, settle

DAY_MS = 86_400_000


def keep(bench: Bench, task_id: str, fence: str, text: str, limit: int = 3) -> object:
    return bench.act(sessions.keep(bench.protocol, Exchange("ada", task_id, fence, text), limit, DAY_MS))


def exchanges(bench: Bench, count: int = 10) -> list[Kept]:
    return bench.run(sessions.exchanges(bench.protocol, "ada", count))


def test_an_attempt_keeps_its_exchange(bench: Bench) -> None:
    claim = bench.claim_one("a")
    assert exchanges(bench) == []
    kept = {"session:ada": ["a hello"], "session:ada ttl": "86400s"}
    assert keep(bench, "a", claim.fence, "hello") == (DONE, kept)
    assert exchanges(bench) == [Kept("a", "hello")]


def test_the_last_ones_are_kept_in_order(bench: Bench) -> None:
    for name in "abcde":
        keep(bench, name, bench.claim_one(name).fence, f"said by {name}")
    assert exchanges(bench) == [Kept(name, f"said by {name}") for name in "cde"]
    assert exchanges(bench, 1) == [Kept("e", "said by e")]


def test_an_attempt_that_is_run_again_replaces_its_own_where_it_stands(bench: Bench) -> None:
    claim = bench.claim_one("a")
    keep(bench, "a", claim.fence, "first")
    bench.end("w1", settle(claim, "retry", number=0))
    (again,) = bench.claim("w1", 1)
    # another one came between; and an id that begins with this one is not this one
    for name in ("a1", "b"):
        keep(bench, name, bench.claim_one(name, "w2").fence, name)
    keep(bench, "a", again.fence, "second")
    assert exchanges(bench) == [Kept("a", "second"), Kept("a1", "a1"), Kept("b", "b")]


def test_a_stale_attempt_is_refused(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.end("w1", settle(claim, "retry", number=0))
    for _ in range(2):
        assert keep(bench, "a", claim.fence, "late") == (STALE, {})
        bench.claim("w1", 1)
    assert keep(bench, "missing", claim.fence, "late") == (STALE, {})
    assert keep(bench, "a", "", "without a fence") == (STALE, {})


def test_the_answer_tells_of_a_cancel_request(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    reply, _ = keep(bench, "a", claim.fence, "hello")  # type: ignore[misc]
    assert reply == ASKED_TO_STOP
    assert exchanges(bench) == [Kept("a", "hello")]


@pytest.mark.parametrize("times", [1, 2])
def test_it_is_forgotten(bench: Bench, times: int) -> None:
    keep(bench, "a", bench.claim_one("a").fence, "hello")
    for _ in range(times):
        assert bench.run(sessions.forget(bench.protocol, "ada")) == DONE
    assert "session:ada" not in bench.state()


def test_the_time_begins_anew_with_each_exchange(bench: Bench) -> None:
    keep(bench, "a", bench.claim_one("a").fence, "hello")
    bench.client.pexpire(bench.key("session", "ada"), 1000_000)
    _, changed = keep(bench, "b", bench.claim_one("b").fence, "again")  # type: ignore[misc]
    assert changed["session:ada ttl"] == "86400s"
