"""replay and discard: what becomes of ended tasks before their time."""

from __future__ import annotations

import pytest

from tests.state import TTL_MS, Bench, settle, task


def test_a_dead_letter_goes_back_to_its_list(bench: Bench) -> None:
    bench.submit(task("a", "high"), task("b", "high"))
    bench.register("w1")
    (claim,) = bench.claim("w1", 1)
    bench.end("w1", settle(claim, "fail"))
    # the list in the state is the one that counts
    codes, changed = bench.act(bench.protocol.replay([("a", "low")]))
    assert codes == [1]
    assert changed == {
        "task:a ttl": None,
        "state:a": dict.fromkeys(("status", "list", "attempts", "started", "ended")),
        "state:a ttl": None,
        "result:a": None,
        "result:a ttl": None,
        "dead": {"a": None},
        "status:failed": ["-a"],
        "status:pending": ["+a"],
        "queue:high": ["b", "a"],
        "bell:high": ["1", "1"],
        "counters": {"replayed": 1},
    }


def test_its_attempts_begin_anew(bench: Bench) -> None:
    bench.end("w1", settle(bench.claim_one("a"), "retry", number=0))
    (claim,) = bench.claim("w1", 1)
    bench.end("w1", settle(claim, "fail"))
    bench.run(bench.protocol.replay([("a", "normal")]))
    (claim,) = bench.claim("w1", 1)
    assert (claim.attempt, claim.retries) == (1, 0)


def test_a_double_click_replays_once(bench: Bench) -> None:
    bench.end("w1", settle(bench.claim_one("a"), "fail"))
    replay = bench.protocol.replay([("a", "normal"), ("a", "normal")])
    assert bench.run(replay) == [1, 0]
    assert bench.act(replay) == ([0, 0], {})
    assert bench.state()["queue:normal"] == ["a"]


def test_a_task_cancelled_while_running_goes_to_the_end_of_its_list(bench: Bench) -> None:
    bench.end("w1", settle(bench.claim_one("a"), "cancel"))
    bench.submit_ids("b")
    assert bench.run(bench.protocol.replay([("a", "low")])) == [1]
    assert bench.state()["queue:normal"] == ["b", "a"]


def test_a_tombstone_comes_alive_where_it_stands(bench: Bench) -> None:
    bench.submit_ids("a", "b")
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    codes, changed = bench.act(bench.protocol.replay([("a", "normal")]))
    assert codes == [1]
    assert changed["tombstones"] == ["-a"]
    assert "queue:normal" not in changed
    bench.register("w1")
    assert [c.task_id for c in bench.claim("w1")] == ["a", "b"]


def test_a_tombstone_comes_alive_when_its_turn_in_the_sequence_has_come(bench: Bench) -> None:
    bench.submit(task("a", ordering="k"), task("b", ordering="k"))
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    assert bench.run(bench.protocol.replay([("a", "normal")])) == [1]
    assert bench.state()["status:waiting"] == {"a"}
    bench.run(bench.protocol.cancel("b", "{}", TTL_MS))
    assert bench.state()["queue:normal"] == ["a", "b"], "each of them once"
    assert bench.state()["tombstones"] == {"b"}


def test_a_delayed_task_that_was_cancelled_waits_in_its_list(bench: Bench) -> None:
    bench.submit(task("a", "high", due="+60000"))
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    assert bench.run(bench.protocol.replay([("a", "low")])) == [1]
    assert bench.state()["queue:high"] == ["a"]


def test_a_task_that_never_ran_goes_where_the_caller_says(bench: Bench) -> None:
    bench.submit(task("a"), task("b", "low"))
    bench.register("w1")
    bench.run(bench.protocol.cancel("b", "{}", TTL_MS))
    assert [c.task_id for c in bench.claim("w1")] == ["a"]  # the tombstone of b is gone now
    bench.run(bench.protocol.replay([("b", "low")]))
    assert bench.state()["queue:low"] == ["b"]


@pytest.mark.parametrize("status", ["missing", "pending", "running", "scheduled", "retry", "completed", "expired"])
def test_everything_else_stays_as_it_is(bench: Bench, status: str) -> None:
    if status == "pending":
        bench.submit_ids("a")
    elif status == "scheduled":
        bench.submit(task("a", due="+60000"))
    elif status != "missing":
        claim = bench.claim_one("a")
        if status != "running":
            bench.end("w1", settle(claim, {"retry": "retry", "completed": "complete", "expired": "fail"}[status]))
        if status == "expired":
            bench.expire("a")
    assert bench.act(bench.protocol.replay([("a", "normal")])) == ([0], {})
    if status in ("pending", "running", "scheduled", "retry"):
        assert bench.act(bench.protocol.discard(["a"])) == (0, {})


class TestUniqueKey:
    def test_is_held_again(self, bench: Bench) -> None:
        bench.submit(task("a", unique="k"))
        bench.register("w1")
        (claim,) = bench.claim("w1", 1)
        bench.end("w1", settle(claim, "fail"))
        _, changed = bench.act(bench.protocol.replay([("a", "normal")]))
        assert changed["unique:k"] == "a"
        assert bench.submit(task("b", unique="k")) == ("a",)

    def test_of_a_tombstone_too(self, bench: Bench) -> None:
        bench.submit(task("a", unique="k"))
        bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
        bench.run(bench.protocol.replay([("a", "normal")]))
        assert bench.submit(task("b", unique="k")) == ("a",)

    def test_stays_with_the_task_that_has_taken_it_since(self, bench: Bench) -> None:
        bench.submit(task("a", unique="k"))
        bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
        bench.submit(task("b", unique="k"))
        assert bench.run(bench.protocol.replay([("a", "normal")])) == [1]
        assert bench.state()["unique:k"] == "b"
        bench.register("w1")
        ended = {c.task_id: c for c in bench.claim("w1", 2)}
        bench.end("w1", settle(ended["a"]))
        assert bench.state()["unique:k"] == "b"


class TestDiscard:
    @pytest.mark.parametrize(
        ("outcome", "status"), [("complete", "completed"), ("fail", "failed"), ("cancel", "cancelled")]
    )
    def test_an_ended_task_is_forgotten(self, bench: Bench, outcome: str, status: str) -> None:
        bench.end("w1", settle(bench.claim_one("a"), outcome))
        forgotten, changed = bench.act(bench.protocol.discard(["a"]))
        assert forgotten == 1
        assert {"task:a", "result:a"} <= changed.keys()
        assert changed[f"status:{status}"] == ["-a"]
        assert changed["counters"] == {"expired": 1}
        assert ("dead" in changed) == (status == "failed")
        assert not [key for key in bench.state() if key.endswith(":a")]

    def test_twice_in_one_call_counts_once(self, bench: Bench) -> None:
        bench.end("w1", settle(bench.claim_one("a"), "fail"))
        assert bench.run(bench.protocol.discard(["a", "missing", "a"])) == 1

    def test_one_that_has_expired_already(self, bench: Bench) -> None:
        bench.end("w1", settle(bench.claim_one("a")))
        bench.expire("a")
        assert bench.run(bench.protocol.discard(["a"])) == 1

    def test_a_tombstone_keeps_its_place_in_the_list(self, bench: Bench) -> None:
        bench.submit_ids("a", "b")
        bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
        assert bench.run(bench.protocol.discard(["a"])) == 1
        bench.register("w1")
        assert [c.task_id for c in bench.claim("w1")] == ["b"]


@pytest.mark.parametrize("expires", [True, False])
def test_one_that_expires_is_told_to_have_begun(bench: Bench, expires: bool) -> None:
    bench.submit(task("a", body='{"id":"a","type":"t","expires_in":60,"payload":1}' if expires else None))
    bench.register("w1")
    (claim,) = bench.claim("w1", 1)
    assert not claim.begun
    bench.end("w1", settle(claim, "fail"))
    assert bench.run(bench.protocol.replay([("a", "normal")])) == [1]
    (claim,) = bench.claim("w1", 1)
    assert claim.begun == expires
