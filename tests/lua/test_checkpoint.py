"""checkpoint: what a task wants to know when it goes on."""

from __future__ import annotations

import pytest

from taskq.protocol.workflow import ASKED_TO_STOP, DONE, STALE, UNKNOWN
from tests.state import LIMITS, TTL_MS, Bench, settle

TEXT = '{"data":[1,2]}'
DAY_MS = 86_400_000


def test_an_attempt_keeps_one(bench: Bench) -> None:
    claim = bench.claim_one("a")
    reply, changed = bench.act(bench.protocol.checkpoint("a", claim.fence, TEXT, DAY_MS))
    assert (reply, changed) == (
        DONE,
        {
            "checkpoint:a": TEXT,
            "checkpoint:a ttl": "86400s",
            "state:a": {"status": "running"},
            "running": {"a": "#.tok-w1.1 w1 normal 1 t+0 h"},
        },
    )
    assert bench.run(bench.protocol.recall("a")) == (TEXT.encode(), True)


def test_the_answer_tells_of_a_cancel_request(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    assert bench.run(bench.protocol.checkpoint("a", claim.fence, TEXT, DAY_MS)) == ASKED_TO_STOP
    assert bench.run(bench.protocol.recall("a")) == (TEXT.encode(), True)


@pytest.mark.parametrize("by_turn", [True, False])
def test_a_good_end_leaves_nothing_of_it(bench: Bench, by_turn: bool) -> None:
    claim = bench.claim_one("a")
    bench.run(bench.protocol.checkpoint("a", claim.fence, TEXT, DAY_MS))
    if by_turn:
        bench.end("w1", settle(claim))
    else:
        bench.run(bench.protocol.settle([settle(claim)]))
    assert not {"checkpoint:a", "state:a", "running"} & bench.state().keys()


@pytest.mark.parametrize("outcome", ["retry", "snooze", "release"])
def test_it_is_kept_when_the_task_goes_on(bench: Bench, outcome: str) -> None:
    claim = bench.claim_one("a")
    bench.run(bench.protocol.checkpoint("a", claim.fence, TEXT, DAY_MS))
    bench.end("w1", settle(claim, outcome, number=0))
    (again,) = bench.claim("w1", 1)
    assert bench.run(bench.protocol.recall("a")) == (TEXT.encode(), True)
    bench.end("w1", settle(again))
    assert bench.run(bench.protocol.recall("a")) == (None, True)


def test_it_survives_a_crash_and_stays_with_a_dead_letter(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.run(bench.protocol.checkpoint("a", claim.fence, TEXT, DAY_MS))
    for _ in range(LIMITS.max_crashes):
        bench.evict("w1", charge=True)
        assert bench.run(bench.protocol.recall("a")) == (TEXT.encode(), True)
        bench.register("w1")
        bench.claim("w1", 1)
    assert bench.state()["status:failed"] == {"a"}
    assert bench.run(bench.protocol.replay([("a", "normal")])) == [1]
    assert bench.run(bench.protocol.recall("a")) == (TEXT.encode(), True)


def test_a_stale_attempt_is_refused(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.end("w1", settle(claim, "retry", number=0))
    for _ in range(2):
        assert bench.act(bench.protocol.checkpoint("a", claim.fence, TEXT, DAY_MS)) == (STALE, {})
        bench.claim("w1", 1)
    assert bench.act(bench.protocol.checkpoint("missing", claim.fence, TEXT, DAY_MS)) == (STALE, {})


def test_without_a_fence_it_is_kept_for_any_task_that_exists(bench: Bench) -> None:
    bench.submit_ids("a")
    reply, changed = bench.act(bench.protocol.checkpoint("a", "", TEXT, DAY_MS))
    assert (reply, changed) == (DONE, {"checkpoint:a": TEXT, "checkpoint:a ttl": "86400s"})
    assert bench.act(bench.protocol.checkpoint("missing", "", TEXT, DAY_MS)) == (UNKNOWN, {})
    assert bench.run(bench.protocol.recall("missing")) == (None, False)


def test_it_is_deleted_with_a_ttl_of_nothing_and_with_its_task(bench: Bench) -> None:
    bench.submit_ids("a", "b")
    for task_id in ("a", "b"):
        bench.run(bench.protocol.checkpoint(task_id, "", TEXT, DAY_MS))
    bench.run(bench.protocol.checkpoint("a", "", "", 0))
    assert "checkpoint:a" not in bench.state()
    bench.run(bench.protocol.purge("normal", 10))
    assert "checkpoint:b" not in bench.state()


def test_one_for_as_long_as_the_task_makes_no_ended_task_last_for_ever(bench: Bench) -> None:
    bench.end("w1", settle(bench.claim_one("a"), "fail"))
    _, changed = bench.act(bench.protocol.checkpoint("a", "", TEXT, -1))
    assert changed == {"checkpoint:a": TEXT, "checkpoint:a ttl": "100s"}


def test_one_for_as_long_as_the_task_goes_with_it_even_if_it_came_before_the_first_attempt(bench: Bench) -> None:
    bench.submit_ids("a")
    bench.run(bench.protocol.checkpoint("a", "", TEXT, -1))
    bench.register("w1")
    bench.end("w1", settle(bench.claim("w1", 1)[0]))
    assert "checkpoint:a" not in bench.state()


def test_it_goes_with_a_discarded_dead_letter(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.run(bench.protocol.checkpoint("a", claim.fence, TEXT, DAY_MS))
    bench.end("w1", settle(claim, "fail"))
    bench.run(bench.protocol.discard(["a"]))
    assert "checkpoint:a" not in bench.state()
