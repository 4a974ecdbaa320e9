"""cancel: a task that waits ends at once, one that runs is asked to stop."""

from __future__ import annotations

import pytest

from tests.state import LIMITS, TIMES, TTL_MS, Bench, settle, task

RESULT = '{"status":"cancelled"}'


def test_pending(bench: Bench) -> None:
    bench.submit_ids("a", "b")
    reply, changed = bench.act(bench.protocol.cancel("a", RESULT, TTL_MS))
    assert reply == "cancelled"
    assert changed == {
        "tombstones": ["+a"],
        "task:a ttl": "100s",
        "state:a": {"status": "cancelled", "ended": "t+0"},
        "state:a ttl": "100s",
        "result:a": RESULT,
        "result:a ttl": "100s",
        "status:pending": ["-a"],
        "status:cancelled": ["+a"],
        "retention": {"t+110": "t+110"},
        "retained:t+110": ["a"],
        "counters": {"cancelled": 1},
    }
    assert bench.state()["queue:normal"] == ["a", "b"]


def test_pending_after_an_attempt(bench: Bench) -> None:
    bench.end("w1", settle(bench.claim_one("a"), "release"))
    reply, changed = bench.act(bench.protocol.cancel("a", RESULT, TTL_MS))
    assert reply == "cancelled"
    assert changed["tombstones"] == ["+a"]
    assert bench.claim("w1") == ()


@pytest.mark.parametrize("status", ["scheduled", "retry"])
def test_in_the_future(bench: Bench, status: str) -> None:
    if status == "retry":
        bench.end("w1", settle(bench.claim_one("a"), "retry"))
    else:
        bench.submit(task("a", due=bench.at(60)))
    reply, changed = bench.act(bench.protocol.cancel("a", RESULT, TTL_MS))
    assert reply == "cancelled"
    assert changed["scheduled"] == {"a": None}
    assert changed[f"status:{status}"] == ["-a"]
    assert changed["status:cancelled"] == ["+a"]
    assert "tombstones" not in changed


def test_running(bench: Bench) -> None:
    bench.claim_one("a")
    reply, changed = bench.act(bench.protocol.cancel("a", RESULT, TTL_MS))
    assert reply == "requested"
    assert changed == {"running": {"a": "#.tok-w1.1 w1 normal 1 t+0 c"}, "worker:w1": {"cancels": " a"}}
    assert bench.act(bench.protocol.cancel("a", RESULT, TTL_MS)) == ("requested", {})


@pytest.mark.parametrize(("first", "second"), [("task-10", "task-1"), ("a", "b"), ("x.1", "x")])
def test_every_request_reaches_the_worker(bench: Bench, first: str, second: str) -> None:
    """One id may be the beginning of another."""
    bench.submit_ids(first, second)
    bench.register("w1")
    bench.claim("w1")
    for task_id in (first, second):
        bench.run(bench.protocol.cancel(task_id, RESULT, TTL_MS))
    assert bench.run(bench.protocol.beat(TIMES, [("w1", "tok-w1")])).workers == ((first, second),)


@pytest.mark.parametrize(
    ("outcome", "status"), [("complete", "completed"), ("fail", "failed"), ("cancel", "cancelled")]
)
def test_ended(bench: Bench, outcome: str, status: str) -> None:
    bench.end("w1", settle(bench.claim_one("a"), outcome))
    assert bench.act(bench.protocol.cancel("a", RESULT, TTL_MS)) == (status, {})


def test_cancelled_while_pending(bench: Bench) -> None:
    bench.submit_ids("a")
    cancel = bench.protocol.cancel("a", RESULT, TTL_MS)
    bench.run(cancel)
    assert bench.act(cancel) == ("cancelled", {})


def test_missing(bench: Bench) -> None:
    assert bench.act(bench.protocol.cancel("a", RESULT, TTL_MS)) == ("missing", {})


def test_the_worker_that_is_asked_has_lost_its_card(bench: Bench) -> None:
    """A supervisor has begun to take the worker's tasks away, in steps."""
    bench.submit_ids("a", "b")
    bench.register("w1")
    bench.claim("w1")
    assert bench.run(bench.protocol.evict("w1", False, 1, LIMITS)) == (1, 0, False)
    reply, changed = bench.act(bench.protocol.cancel("a", RESULT, TTL_MS))
    assert reply == "requested"
    assert changed == {"running": {"a": "#.tok-w1.1 w1 normal 1 t+0 c"}}


def test_a_cancelled_task_is_not_promoted(bench: Bench) -> None:
    bench.submit(task("a", due=bench.at(60)))
    bench.run(bench.protocol.cancel("a", RESULT, TTL_MS))
    bench.move_clock(60)
    assert bench.run(bench.protocol.promote()) == (0, -1)
