"""progress: how far a running attempt has come."""

from __future__ import annotations

import pytest

from tests.state import TTL_MS, Bench, settle

NOTE = '{"done":3,"of":10}'


def test_is_noted(bench: Bench) -> None:
    claim = bench.claim_one("a")
    reply, changed = bench.act(bench.protocol.progress("a", claim.fence, NOTE))
    assert (reply, changed) == (
        1,
        {"state:a": {"status": "running", "progress": NOTE}, "running": {"a": "#.tok-w1.1 w1 normal 1 t+0 h"}},
    )
    more = NOTE.replace("3", "4")
    assert bench.act(bench.protocol.progress("a", claim.fence, more)) == (1, {"state:a": {"progress": more}})


def test_the_answer_tells_of_a_cancel_request(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    reply, changed = bench.act(bench.protocol.progress("a", claim.fence, NOTE))
    assert (reply, changed) == (
        -1,
        {"state:a": {"status": "running", "progress": NOTE}, "running": {"a": "#.tok-w1.1 w1 normal 1 t+0 ch"}},
    )


def test_a_cancel_request_after_it(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.run(bench.protocol.progress("a", claim.fence, NOTE))
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    assert bench.state()["running"] == {"a": "#.tok-w1.1 w1 normal 1 t+0 hc"}
    assert bench.act(bench.protocol.progress("a", claim.fence, NOTE)) == (-1, {})


@pytest.mark.parametrize("by_turn", [True, False])
def test_a_good_end_leaves_nothing_of_it(bench: Bench, by_turn: bool) -> None:
    claim = bench.claim_one("a")
    bench.run(bench.protocol.progress("a", claim.fence, NOTE))
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    if by_turn:
        bench.end("w1", settle(claim))
    else:
        bench.run(bench.protocol.settle([settle(claim)]))
    state = bench.state()
    assert state["status:completed"] == {"a"}
    assert not {"state:a", "running"} & state.keys()


def test_it_is_kept_when_the_task_goes_on(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.run(bench.protocol.progress("a", claim.fence, NOTE))
    bench.end("w1", settle(claim, "retry", number=0))
    bench.claim("w1", 1)
    state = bench.state()
    assert state["running"] == {"a": "#.tok-w1.3 w1 normal 2 t+0 h"}
    assert state["state:a"] == {
        "status": "running",
        "queued": "t+0",
        "progress": NOTE,
        "list": "normal",
        "attempts": "1",
        "started": "t+0",
        "retries": "1",
        "error": "result of a",
    }


def test_a_stale_attempt_is_refused(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.end("w1", settle(claim, "retry", number=0))
    bench.claim("w1", 1)
    assert bench.act(bench.protocol.progress("a", claim.fence, NOTE)) == (0, {})


def test_so_is_one_that_has_ended_or_never_was(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.end("w1", settle(claim))
    assert bench.act(bench.protocol.progress("a", claim.fence, NOTE)) == (0, {})
    assert bench.act(bench.protocol.progress("missing", claim.fence, NOTE)) == (0, {})
