"""repair: after a reconnect a worker hands back what it does not know of, and everybody gets a lease."""

from __future__ import annotations

from tests.state import TIMES, Bench, settle


def test_what_the_worker_does_not_hold_goes_back(bench: Bench) -> None:
    bench.submit_ids("a", "b", "c", "d")
    bench.register("w1")
    bench.claim("w1", 3)
    (back, _), changed = bench.act(bench.protocol.repair("w1", "tok-w1", TIMES, ["b"]))
    assert back == ("c", "a")
    state = {"status": "pending", "list": "normal", "attempts": "0", "started": "t+0", "queued": "t+0"}
    assert changed == {
        "processing:w1": ["b"],
        "status:running": ["-a", "-c"],
        "status:pending": ["+a", "+c"],
        "queue:normal": ["a", "c", "d"],
        "bell:normal": ["1", "1", "1"],
        "running": {"a": None, "c": None},
        "state:a": state,
        "state:c": state,
    }


def test_what_it_holds_stays(bench: Bench) -> None:
    claim = bench.claim_one("a")
    assert bench.act(bench.protocol.repair("w1", "tok-w1", TIMES, ["a", "unknown"])) == (((), False), {})
    assert bench.end("w1", settle(claim)).refused == ()


def test_a_wrong_token_changes_nothing(bench: Bench) -> None:
    bench.claim_one("a")
    for worker, token in [("w1", "wrong"), ("nobody", "t")]:
        assert bench.act(bench.protocol.repair(worker, token, TIMES, [])) == (((), False), {})


def test_a_missing_lease_is_given(bench: Bench) -> None:
    bench.register("w1", "w2")
    bench.client.zrem(bench.key("leases"), "w2")
    _, changed = bench.act(bench.protocol.repair("w1", "tok-w1", TIMES, []))
    assert changed == {"leases": {"w2": "t+60"}}


def test_a_stray_id_is_dropped(bench: Bench) -> None:
    bench.end("w1", settle(bench.claim_one("a")))
    bench.client.rpush(bench.key("processing", "w1"), "a")
    assert bench.act(bench.protocol.repair("w1", "tok-w1", TIMES, [])) == (((), False), {"processing:w1": None})


def test_a_task_of_another_worker_is_not_touched(bench: Bench) -> None:
    bench.claim_one("a", "w2")
    bench.register("w1")
    bench.client.rpush(bench.key("processing", "w1"), "a")
    (back, _), changed = bench.act(bench.protocol.repair("w1", "tok-w1", TIMES, []))
    assert (back, changed) == ((), {"processing:w1": None})


def test_many_go_back_in_several_calls_and_keep_their_order(bench: Bench) -> None:
    ids = [f"a{n:03}" for n in range(250)]
    bench.submit_ids(*ids)
    bench.register("w1")
    while bench.claim("w1", 100):
        pass
    kept = ids[7:250:50]
    replies = [bench.run(bench.protocol.repair("w1", "tok-w1", TIMES, kept)) for _ in range(3)]
    assert [(len(back), more) for back, more in replies] == [(100, True), (100, True), (45, False)]
    state = bench.state()
    assert state["queue:normal"] == [i for i in ids if i not in kept]
    assert state["processing:w1"] == kept


def test_a_lease_that_is_there_is_not_renewed(bench: Bench) -> None:
    """It may be that of a worker that has died."""
    bench.register("w1", "w2")
    bench.move_clock(20)
    _, changed = bench.act(bench.protocol.repair("w1", "tok-w1", TIMES, []))
    assert "leases" not in changed
