"""commit: children, a checkpoint and the end of a task in one step, or none of it."""

from __future__ import annotations

import pytest

from taskq.protocol.replies import Claim
from taskq.protocol.workflow import Child, CommitPlan
from tests.state import TTL_MS, Bench, settle

DONE = ("result of p", TTL_MS)


def plan(claim: Claim, nonce: str = "n", *, noted: str = "", done: bool = False, saga: str = "") -> CommitPlan:
    return CommitPlan(claim.task_id, claim.fence, nonce, noted, DONE if done else None, saga)


def test_children_and_a_checkpoint_come_together(bench: Bench) -> None:
    claim = bench.claim_one("p")
    children = [Child("a", "A", "low"), Child("b", "B", "mail:high")]
    reply, changed = bench.act(bench.protocol.commit(plan(claim, noted="1"), children, 0))
    assert reply == (1, 2)
    assert changed == {
        "task:a": "A",
        "task:b": "B",
        "status:pending": ["+a", "+b"],
        "queue:low": ["a"],
        "queue:mail:high": ["b"],
        "queues": ["+mail"],
        "bell:low": ["1"],
        "bell:mail:high": ["1"],
        "checkpoint:p": "1",
        "counters": {"submitted": 3},
        "state:p": {"status": "running", "commit": "n"},
        "running": {"p": "#.tok-w1.1 w1 normal 1 t+0 h"},
    }


def test_a_result_ends_the_task_with_it(bench: Bench) -> None:
    claim = bench.claim_one("p")
    bench.run(bench.protocol.commit(plan(claim, noted="1"), (), 0))
    reply, changed = bench.act(bench.protocol.commit(plan(claim, "m", done=True), [Child("a", "A", "low")], 0))
    assert reply == (1, 1)
    assert changed == {
        "task:a": "A",
        "status:pending": ["+a"],
        "queue:low": ["a"],
        "bell:low": ["1"],
        "counters": {"submitted": 2, "completed": 1},
        "result:p": "result of p",
        "result:p ttl": "100s",
        "task:p ttl": "100s",
        "status:running": ["-p"],
        "status:completed": ["+p"],
        "retained:t+110": ["p"],
        "retention": {"t+110": "t+110"},
        "running": {"p": None},
        "processing:w1": None,
        "state:p": {"status": None, "commit": None},
        "checkpoint:p": None,
    }


def test_without_a_checkpoint_the_last_one_stays(bench: Bench) -> None:
    claim = bench.claim_one("p")
    bench.run(bench.protocol.commit(plan(claim, noted="1"), (), 0))
    bench.run(bench.protocol.commit(plan(claim, "m"), [Child("a", "A", "low")], 0))
    assert bench.state()["checkpoint:p"] == "1"


@pytest.mark.parametrize(("saga", "kept"), [("running two", True), ("compensating one", False)])
def test_a_saga_is_told_to_turn_round_until_it_has(bench: Bench, saga: str, kept: bool) -> None:
    claim = bench.claim_one("p")
    bench.run(bench.protocol.signal("p", "@abort", "null", 9))
    bench.run(bench.protocol.commit(plan(claim, noted="1", saga=saga), (), 0))
    assert ("signals:p" in bench.state()) is kept


@pytest.mark.parametrize("done", [False, True])
def test_an_attempt_that_no_longer_counts_changes_nothing(bench: Bench, done: bool) -> None:
    claim = bench.claim_one("p")
    bench.end("w1", settle(claim, "release", number=0))
    operation = bench.protocol.commit(plan(claim, noted="1", done=done), [Child("a", "A", "low")], 0)
    assert bench.act(operation) == ((0, 0), {})
    bench.claim("w1", 1)
    assert bench.act(operation) == ((0, 0), {}), "nor beside the attempt that does"


def test_a_repetition_of_an_end_is_told_so_and_nobody_else_is(bench: Bench) -> None:
    claim = bench.claim_one("p")
    mine = bench.protocol.commit(plan(claim, done=True), (), 0)
    assert bench.run(mine) == (1, 0)
    assert bench.act(mine) == ((1, 0), {})
    other = CommitPlan("p", claim.fence, "n", "", ("another result", TTL_MS))
    assert bench.act(bench.protocol.commit(other, (), 0)) == ((0, 0), {})


def test_a_repetition_makes_no_children_whatever_became_of_them(bench: Bench) -> None:
    claim = bench.claim_one("p")
    operation = bench.protocol.commit(plan(claim), [Child("a", "A", "low")], 0)
    bench.run(operation)
    bench.run(bench.protocol.purge("low", 10))
    assert bench.act(operation) == ((1, 0), {})


def test_what_cannot_be_stored_changes_nothing(bench: Bench) -> None:
    claim = bench.claim_one("p")
    bench.submit_ids("x", priority="low")
    for done in (False, True):
        taken = [Child("a", "A", "low"), Child("x", "X", "low")]
        operation = bench.protocol.commit(plan(claim, noted="1", done=done), taken, 0)
        assert bench.act(operation) == ((-2, b"x"), {})
        new = [Child("a", "A", "low"), Child("b", "B", "low")]
        operation = bench.protocol.commit(plan(claim, noted="1", done=done), new, 2)
        assert bench.act(operation) == ((-3, [b"low", 1]), {})


def test_it_says_that_the_task_is_asked_to_stop(bench: Bench) -> None:
    claim = bench.claim_one("p")
    bench.run(bench.protocol.cancel("p", "{}", TTL_MS))
    assert bench.run(bench.protocol.commit(plan(claim, noted="1"), (), 0)) == (-1, 0)
    assert bench.run(bench.protocol.commit(plan(claim, "m", done=True), (), 0)) == (1, 0), "an end is an end"


def test_a_turn_that_was_on_its_way_finds_the_task_gone(bench: Bench) -> None:
    claim = bench.claim_one("p")
    bench.submit_ids("q")
    (other,) = bench.claim("w1", 1)
    bench.run(bench.protocol.commit(plan(claim, done=True), (), 0))
    reply = bench.end("w1", settle(claim), settle(other))
    assert reply.refused == ("p",)
    assert bench.state()["status:completed"] == {"p", "q"}


def test_a_saga_is_listed_until_it_is_forgotten(bench: Bench) -> None:
    claim = bench.claim_one("p")
    bench.run(bench.protocol.commit(plan(claim, noted="1", saga="running one"), (), 0))
    assert bench.state()["sagas"] == {"p": "t+0"}
    assert bench.state()["state:p"]["saga"] == "running one"
    bench.end("w1", settle(claim, "fail"))
    assert bench.state()["checkpoint:p ttl"] == "100s", "it is kept as long as the task"
    assert bench.run(bench.protocol.ids("sagas", "0", 10)) == ("0", ("p",))
    bench.run(bench.protocol.discard(["p"]))
    assert not {"sagas", "checkpoint:p", "signals:p"} & bench.state().keys()
