"""progress: how far a running attempt has come."""

from __future__ import annotations

from tests.state import TTL_MS, Bench, settle

NOTE = '{"done":3,"of":10}'


def test_is_noted(bench: Bench) -> None:
    claim = bench.claim_one("a")
    reply, changed = bench.act(bench.protocol.progress("a", claim.fence, NOTE))
    assert (reply, changed) == (1, {"state:a": {"progress": NOTE}})


def test_the_answer_tells_of_a_cancel_request(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    reply, changed = bench.act(bench.protocol.progress("a", claim.fence, NOTE))
    assert (reply, changed) == (-1, {"state:a": {"progress": NOTE}})


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
