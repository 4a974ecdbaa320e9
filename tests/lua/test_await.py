"""await: a client leaves word where a result is to be sent, and each way to end sends it."""

from __future__ import annotations

import pytest

from tests.state import LIMITS, TTL_MS, Bench, settle, task

WAIT_MS = 30_000


def test_a_result_that_is_there(bench: Bench) -> None:
    bench.end("w1", settle(bench.claim_one("a")))
    assert bench.act(bench.protocol.await_result("a", "me", WAIT_MS)) == ((1, b"result of a"), {})


def test_no_such_task(bench: Bench) -> None:
    assert bench.act(bench.protocol.await_result("a", "me", WAIT_MS)) == ((-1, None), {})


def test_word_is_left(bench: Bench) -> None:
    bench.submit_ids("a")
    reply, changed = bench.act(bench.protocol.await_result("a", "me", WAIT_MS))
    assert reply == (0, None)
    assert changed == {"waiters:a": ["+me"], "waiters:a ttl": "30s", "awaited": "1", "awaited ttl": "30s"}
    _, changed = bench.act(bench.protocol.await_result("a", "you", 2 * WAIT_MS))
    assert changed == {"waiters:a": ["+you"], "waiters:a ttl": "60s", "awaited ttl": "60s"}
    _, changed = bench.act(bench.protocol.await_result("a", "them", WAIT_MS))
    assert changed == {"waiters:a": ["+them"]}, "a shorter wait does not cut a longer one"


@pytest.mark.parametrize("outcome", ["complete", "fail", "cancel"])
def test_an_end_is_sent_to_all_that_wait(bench: Bench, outcome: str) -> None:
    claim, other = bench.claim_one("a"), bench.claim_one("b")
    for waiter, task_id in [("me", "a"), ("you", "a"), ("me", "b")]:
        bench.run(bench.protocol.await_result(task_id, waiter, WAIT_MS))
    _, changed = bench.act(bench.turn_op("w1", 0, [settle(claim, outcome)]))
    assert changed["waiters:a"] == ["-me", "-you"]
    assert changed["reply:me"] == changed["reply:you"] == ["a result of a"]
    assert changed["reply:me ttl"] == "60s"
    bench.end("w1", settle(other, outcome))
    assert bench.state()["reply:me"] == ["a result of a", "b result of b"]


def test_a_cancelled_task_that_never_ran(bench: Bench) -> None:
    bench.submit_ids("a")
    bench.run(bench.protocol.await_result("a", "me", WAIT_MS))
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    assert bench.state()["reply:me"] == ["a {}"]


def test_a_poisoned_task(bench: Bench) -> None:
    bench.make_suspect("a")
    bench.run(bench.protocol.await_result("a", "me", WAIT_MS))
    bench.register("w1")
    bench.claim("w1")
    assert bench.run(bench.protocol.evict("w1", True, 10, LIMITS)) == (0, 1, True)
    (sent,) = bench.state()["reply:me"]
    assert sent.startswith('a {"task_id":"a","status":"failed"')


@pytest.mark.parametrize("outcome", ["retry", "snooze", "release"])
def test_a_task_that_goes_on_is_waited_for(bench: Bench, outcome: str) -> None:
    claim = bench.claim_one("a")
    bench.run(bench.protocol.await_result("a", "me", WAIT_MS))
    _, changed = bench.act(bench.protocol.settle([settle(claim, outcome)]))
    assert not {"waiters:a", "reply:me"} & changed.keys()


def test_nobody_waits_for_long_after_a_client_has_gone(bench: Bench) -> None:
    bench.submit(task("a"))
    bench.run(bench.protocol.await_result("a", "me", 20))
    bench.wait_until_gone("waiters:a", "awaited")


def test_a_reply_list_of_the_wrong_type_stops_nobody(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.run(bench.protocol.await_result("a", "me", WAIT_MS))
    bench.client.set(bench.key("reply", "me"), "foreign")
    assert bench.transport.run(bench.protocol.settle([settle(claim)])) == ()
    assert bench.state()["status:completed"] == {"a"}
