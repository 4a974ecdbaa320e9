"""register: a worker becomes known, unless its id is in use."""

from __future__ import annotations

from tests.state import LIMITS, TIMES, UUID, Bench, settle


def test_the_first_worker_of_a_namespace(bench: Bench) -> None:
    operation = bench.protocol.register("w1", "tok-w1", TIMES, UUID, {"host": "h", "pid": "7"})
    (registered, uuid, now_ms), changed = bench.act(operation)
    assert (registered, uuid) == (True, UUID)
    assert abs(now_ms - bench.now_ms()) < 5_000
    assert changed == {
        "meta": {"uuid": UUID, "version": "1", "created": "t+0", "lease_tick": "t+0"},
        "workers": ["+w1"],
        "worker:w1": {"token": "tok-w1", "host": "h", "pid": "7"},
        "leases": {"w1": "t+60"},
    }


def test_the_uuid_of_the_namespace_stays(bench: Bench) -> None:
    bench.register("w1")
    reply, changed = bench.act(bench.protocol.register("w2", "tok-w2", TIMES, "another", {}))
    assert reply[:2] == (True, UUID)
    assert changed == {"workers": ["+w2"], "worker:w2": {"token": "tok-w2"}, "leases": {"w2": "t+60"}}


def test_the_same_token_again_renews_card_and_lease(bench: Bench) -> None:
    bench.claim_one("a")
    bench.move_clock(20)
    reply, changed = bench.act(bench.protocol.register("w1", "tok-w1", TIMES, UUID, {"host": "new"}))
    assert reply[0]
    assert changed == {"worker:w1": {"host": "new"}, "leases": {"w1": "t+80"}, "meta": {"lease_tick": "t+20"}}
    assert bench.claim("w1") == ()  # its turns go on where they were


def test_an_id_in_use_is_refused(bench: Bench) -> None:
    bench.register("w1")
    reply, changed = bench.act(bench.protocol.register("w1", "another", TIMES, "other-uuid", {}))
    assert (reply[:2], changed) == ((False, UUID), {})


def test_an_id_is_in_use_until_the_last_of_its_tasks_was_taken_away(bench: Bench) -> None:
    bench.submit_ids("a", "b")
    bench.register("w1")
    bench.claim("w1")
    again = bench.protocol.register("w1", "another", TIMES, UUID, {})
    for gone in (False, True):
        assert not bench.run(again)[0]
        assert bench.run(bench.protocol.evict("w1", False, 1, LIMITS))[2] is gone
    assert bench.run(again)[0]


def test_a_used_id_is_free_when_its_worker_has_left(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.end("w1", settle(claim))
    bench.evict("w1")
    assert bench.run(bench.protocol.register("w1", "another", TIMES, UUID, {}))[0]
