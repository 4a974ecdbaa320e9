"""takeover: a consumer takes what another one has held for long, and the other one can settle it no more."""

from __future__ import annotations

from tests.state import TTL_MS, Bench, settle


def test_it_moves_with_a_new_fence_and_counts_as_a_delivery(bench: Bench) -> None:
    old = bench.claim_one("a")
    bench.register("w2")
    bench.move_clock(20)
    reply, changed = bench.act(bench.takeover_op("w2", 20_000, [old]))
    (claim,) = reply.claims
    assert (claim.task_id, claim.envelope, claim.attempt, claim.retries) == ("a", b"body of a", 2, 0)
    assert claim.fence_number > old.fence_number
    assert changed == {
        "processing:w1": None,
        "processing:w2": ["a"],
        "running": {"a": "#.tok-w2.1 w2 normal 2 t+20 -"},
        "worker:w2": {"seq": "1", "turn1": "1|#|0|"},
    }
    assert bench.end("w1", settle(old)).refused == ("a",)
    assert bench.end("w2", settle(claim)).refused == ()


def test_what_is_not_idle_for_long_enough_stays(bench: Bench) -> None:
    old = bench.claim_one("a")
    bench.register("w2")
    bench.move_clock(10)
    reply, changed = bench.act(bench.takeover_op("w2", 20_000, [old]))
    assert (reply.claims, changed) == ((), {"worker:w2": {"seq": "1", "turn1": "1|#|0|"}})


def test_what_has_another_fence_by_now_stays(bench: Bench) -> None:
    old = bench.claim_one("a")
    bench.end("w1", settle(old, "release"))
    bench.claim("w1", 1)
    bench.register("w2")
    bench.move_clock(20)
    assert bench.run(bench.takeover_op("w2", 0, [old])).claims == ()


def test_its_own_stays_as_it_is(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.move_clock(20)
    assert bench.run(bench.takeover_op("w1", 0, [claim])).claims == ()
    assert bench.end("w1", settle(claim)).refused == ()


def test_what_was_asked_to_stop_stays_with_whom_was_asked(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    bench.register("w2")
    assert bench.run(bench.takeover_op("w2", 0, [claim])).claims == ()


def test_a_suspect_stays_where_it_runs_alone(bench: Bench) -> None:
    bench.make_suspect("s")
    bench.register("w1", "w2")
    (claim,) = bench.claim("w1", 1, ["high"])
    assert bench.run(bench.takeover_op("w2", 0, [claim])).claims == ()


def test_who_runs_a_suspect_takes_nothing_beside_it(bench: Bench) -> None:
    bench.make_suspect("s")
    bench.register("w2")
    (suspect,) = bench.claim("w2", 1, ["high"])
    other = bench.claim_one("a")
    assert bench.run(bench.takeover_op("w2", 0, [other])).claims == ()
    bench.end("w2", settle(suspect))
    assert len(bench.run(bench.takeover_op("w2", 0, [other])).claims) == 1


def test_the_same_call_again_returns_the_same_and_takes_no_more(bench: Bench) -> None:
    first = bench.claim_one("a")
    bench.register("w2")
    bench.move_clock(10)
    second = bench.claim_one("b")
    operation = bench.takeover_op("w2", 10_000, [first, second])
    reply = bench.run(operation)
    bench.move_clock(60)
    assert [claim.task_id for claim in reply.claims] == ["a"]
    assert bench.act(operation)[1] == {}
    assert bench.run(operation).claims == reply.claims


def test_an_older_call_and_an_unknown_worker_are_refused(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.register("w2")
    late = bench.takeover_op("w2", 0, [claim])
    bench.claim("w2", 1)
    assert bench.run(late).superseded
    bench.evict("w2")
    assert not bench.run(bench.takeover_op("w2", 0, [claim])).registered


def test_a_death_of_the_new_holder_brings_it_back(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.register("w2")
    bench.run(bench.takeover_op("w2", 0, [claim]))
    assert bench.evict("w1") == (0, 0, True)
    assert bench.evict("w2", charge=True) == (1, 0, True)
    assert bench.state()["queue:normal"] == ["a"]


def test_named_twice_it_is_taken_once(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.register("w2")
    assert len(bench.run(bench.takeover_op("w2", 0, [claim, claim])).claims) == 1
    assert bench.state()["processing:w2"] == ["a"]


def test_without_its_body_it_stays(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.register("w2")
    bench.audited = False
    bench.client.delete(bench.key("task", "a"))
    assert bench.run(bench.takeover_op("w2", 0, [claim])).claims == ()
    assert bench.state()["processing:w1"] == ["a"]


def test_fences_stay_ordered_when_the_clock_goes_back_after_it(bench: Bench) -> None:
    held = [bench.claim_one("a"), bench.claim_one("b")]
    bench.register("w2")
    taken = bench.run(bench.takeover_op("w2", 0, held)).claims
    bench.move_clock(-3600)
    bench.submit_ids("c")
    assert bench.claim("w1", 1)[0].fence_number == taken[1].fence_number + 1
