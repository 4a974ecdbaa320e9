"""Limits: who is let in, who waits, and that room is never lost and never exceeded."""

from __future__ import annotations

import pytest

from taskq.model.limit import Limit
from taskq.protocol.operation import Operation
from tests.lua.ways import limit, typed
from tests.state import LIMITS, LISTS, TIMES, TTL_MS, Bench, settle, task


def claim(bench: Bench, worker: str = "w1", want: int = 10) -> list[str]:
    return [claimed.task_id for claimed in bench.claim(worker, want)]


def blocked(bench: Bench, key: str) -> list[str]:
    found: list[str] = bench.client.zrange(bench.key("blocked", key), 0, -1)
    return found


@pytest.fixture
def busy(bench: Bench) -> Bench:
    """Two of five run with the key k; one that has no limit runs beside them."""
    limit(bench, "k", concurrency=2)
    bench.register("w1", "w2")
    bench.submit(*(task(f"a{n}", limits="k") for n in range(5)), task("free"))
    return bench


def test_a_full_limit_stands_in_nobodys_way_and_charges_no_attempt(busy: Bench) -> None:
    claims = busy.claim("w1", 10)
    assert [c.task_id for c in claims] == ["a0", "a1", "free"]
    assert blocked(busy, "k") == ["a2", "a3", "a4"]
    assert claim(busy, "w2") == []
    busy.end("w1", settle(claims[0]))
    (third,) = busy.claim("w2", 10)
    assert (third.task_id, third.attempt) == ("a2", 1)
    assert claim(busy, "w2") == []


@pytest.mark.parametrize("outcome", ["complete", "fail", "cancel", "retry", "snooze", "release"])
def test_whatever_ends_a_run_makes_room(busy: Bench, outcome: str) -> None:
    first, *_ = busy.claim("w1", 10)
    busy.run(busy.protocol.settle([settle(first, outcome)]))
    assert busy.client.hgetall(busy.key("permits")) == {"k": "1"}
    assert claim(busy, "w2") == ["a0" if outcome == "release" else "a2"], "in the same step, without a look"


@pytest.mark.parametrize("charge", [True, False])
def test_a_worker_that_dies_gives_its_permits_back(busy: Bench, charge: bool) -> None:
    claim(busy)
    busy.evict("w1", charge=charge)
    assert busy.client.hgetall(busy.key("permits")) == {}
    assert claim(busy, "w2") == ["a0", "a1", "free"]
    assert blocked(busy, "k") == ["a2", "a3", "a4"], "those who had waited keep their order"


def test_a_lost_claim_that_is_repaired_gives_its_permit_back(busy: Bench) -> None:
    claim(busy)
    busy.run(busy.protocol.repair("w1", "tok-w1", TIMES, ["a1", "free"]))
    assert claim(busy, "w2") == ["a0"]


def test_turn_settles_and_lets_the_next_in_at_once(busy: Bench) -> None:
    claims = busy.claim("w1", 10)
    reply = busy.run(busy.turn_op("w1", 10, [settle(c) for c in claims]))
    assert [c.task_id for c in reply.claims] == ["a2", "a3"]


def test_priority_first_then_the_order_of_the_lists(bench: Bench) -> None:
    limit(bench, "k", concurrency=1)
    bench.register("w1")
    bench.submit(
        *(task(i, p, limits="k") for i, p in [("l", "low"), ("n1", "normal"), ("n2", "normal"), ("u", "urgent")])
    )
    order = []
    while claims := bench.claim("w1", 5):
        assert len(claims) == 1
        order.append(claims[0].task_id)
        bench.end("w1", settle(claims[0]))
        if len(order) == 1:
            bench.submit(task("u2", "urgent", limits="k"))
    assert order == ["u", "u2", "n1", "n2", "l"]


def test_the_limit_of_a_type_holds_for_what_was_submitted_before(bench: Bench) -> None:
    bench.register("w1")
    bench.submit(*(typed(f"r{n}", "resize") for n in range(3)), typed("s", "send"))
    limit(bench, "type:resize", concurrency=1)
    assert claim(bench) == ["r0", "s"]
    assert bench.run(bench.protocol.remove_limit("type:resize"))
    bench.move_clock(10)
    assert sorted(claim(bench)) == ["r1", "r2"]


def test_one_that_comes_back_to_an_empty_list_is_counted_by_its_type(bench: Bench) -> None:
    """The turn that lets it in has seen nobody in the lists before."""
    limit(bench, "type:send", concurrency=1)
    bench.register("w1", "w2")
    bench.submit(typed("a", "send"), typed("b", "send"))
    (first,) = bench.claim("w1", 5)
    reply = bench.run(bench.turn_op("w1", 5, [settle(first)]))
    assert [claimed.task_id for claimed in reply.claims] == ["b"]
    bench.submit(typed("c", "send"))
    assert claim(bench, "w2") == []


def test_type_alone_counts_each_type_by_itself(bench: Bench) -> None:
    limit(bench, "type", concurrency=1)
    bench.register("w1")
    bench.submit(typed("r0", "resize"), typed("r1", "resize"), typed("s0", "send"), typed("s1", "send"))
    assert claim(bench) == ["r0", "s0"]
    assert blocked(bench, "type:send") == ["s1"]


def test_one_with_more_keys_than_a_task_may_have_is_counted_by_its_type_alone(bench: Bench) -> None:
    limit(bench, "a", concurrency=1)
    limit(bench, "type:few", concurrency=3)
    bench.register("w1")
    bench.submit(*(typed(f"four{n}", "many", limits="a b c d") for n in range(2)))
    bench.submit(*(typed(f"five{n}", "few", limits="a b c d e") for n in range(4)))
    assert claim(bench) == ["four0", "five0", "five1", "five2"]


def test_a_name_counts_each_of_its_keys_by_itself_and_an_exact_limit_goes_first(bench: Bench) -> None:
    limit(bench, "customer", concurrency=1)
    limit(bench, "customer:big", concurrency=3)
    bench.register("w1")
    keys = ("customer:1", "customer:1", "customer:2", "customer:big", "customer:big", "customer")
    bench.submit(*(task(f"t{n}", limits=key) for n, key in enumerate(keys)))
    assert claim(bench) == ["t0", "t2", "t3", "t4", "t5"]


def test_all_limits_of_a_task_have_to_have_room(bench: Bench) -> None:
    limit(bench, "a", concurrency=1)
    limit(bench, "b", concurrency=2)
    bench.register("w1")
    bench.submit(task("x", limits="a b"), task("y", limits="b a"), task("z", limits="b"), task("b3", limits="b"))
    x, z = bench.claim("w1", 10)
    assert (x.task_id, z.task_id, blocked(bench, "a"), blocked(bench, "b")) == ("x", "z", ["y"], ["b3"])
    assert bench.client.hget(bench.key("permits"), "b") == "2"
    bench.end("w1", settle(x))
    # y is the one that a lets in, b3 the one that b does
    y, *_ = bench.claim("w1", 10)
    assert y.task_id in ("y", "b3")
    bench.end("w1", settle(y), settle(z))
    bench.move_clock(10)
    assert len(claim(bench)) == 1


def test_a_token_bucket_lets_in_as_many_as_its_burst_and_then_evenly(bench: Bench) -> None:
    limit(bench, "k", rate="6/m", burst=2)
    bench.register("w1")
    bench.submit(*(task(f"t{n}", limits="k") for n in range(6)))
    seen = [claim(bench)]
    for _ in range(5):
        bench.move_clock(10)
        seen.append(claim(bench))
    assert seen == [["t0", "t1"], ["t2"], ["t3"], ["t4"], ["t5"], []]
    bench.move_clock(600)
    bench.submit(*(task(f"u{n}", limits="k") for n in range(3)))
    assert claim(bench) == ["u0", "u1"], "a long pause fills it no more than its burst"


def test_a_sliding_window_never_holds_more_starts(bench: Bench) -> None:
    limit(bench, "k", rate="3/m", sliding=True)
    bench.register("w1")
    bench.submit(task("t0", limits="k"))
    assert claim(bench) == ["t0"]
    bench.move_clock(50)
    bench.submit(*(task(f"t{n}", limits="k") for n in range(1, 8)))
    assert claim(bench) == ["t1", "t2"]
    seen = []
    for _ in range(13):
        bench.move_clock(10)
        seen.append(claim(bench))
    assert seen == [["t3"], [], [], [], [], ["t4", "t5"], ["t6"], [], [], [], [], ["t7"], []]


def test_the_answer_of_a_turn_says_when_a_token_is_there(bench: Bench) -> None:
    limit(bench, "k", rate="6/m", burst=1)
    bench.register("w1")
    bench.submit(*(task(f"t{n}", limits="k") for n in range(2)))
    reply = bench.run(bench.turn_op("w1", 10))
    assert len(reply.claims) == 1
    assert 0 < reply.wait_ms <= 10_000


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_holds_nobody_up_for_long(bench: Bench, hours: int) -> None:
    limit(bench, "bucket", rate="6/m", burst=1)
    limit(bench, "window", rate="1/m", sliding=True)
    bench.register("w1")
    bench.submit(task("b0", limits="bucket"), task("w0", limits="window"))
    assert len(claim(bench)) == 2
    bench.move_clock(hours * 3600)
    bench.submit(task("b1", limits="bucket"), task("w1", limits="window"))
    seen = claim(bench)
    for _ in range(7):
        bench.move_clock(10)
        seen += claim(bench)
    assert sorted(seen) == ["b1", "w1"]


@pytest.mark.parametrize("call", ["beat", "reap"])
def test_a_clock_that_is_set_back_holds_nobody_up_who_waits_already(bench: Bench, call: str) -> None:
    limit(bench, "bucket", rate="6/m", burst=1)
    limit(bench, "window", rate="1/m", sliding=True)
    bench.register("w1")
    bench.submit(*(task(f"{key[0]}{n}", limits=key) for key in ("bucket", "window") for n in range(2)))
    assert len(claim(bench)) == 2
    bench.move_clock(-3600)
    protocol = bench.protocol
    bench.run(protocol.beat(TIMES, [("w1", "tok-w1")]) if call == "beat" else protocol.reap(TIMES, 10, LIMITS))
    seen = []
    for _ in range(7):
        bench.move_clock(10)
        seen += claim(bench)
    assert sorted(seen) == ["b1", "w1"]


def test_a_higher_limit_lets_more_in_at_once_and_a_lower_one_stops_nobody(busy: Bench) -> None:
    claims = busy.claim("w1", 10)
    limit(busy, "k", concurrency=4)
    assert claim(busy, "w2") == ["a2", "a3"]
    limit(busy, "k", concurrency=1)
    busy.end("w1", settle(claims[0]))
    assert claim(busy, "w2") == []
    assert busy.run(busy.protocol.remove_limit("k"))
    assert claim(busy, "w2") == ["a4"]


def test_one_that_waits_can_be_cancelled_and_takes_no_room(busy: Bench) -> None:
    claims = busy.claim("w1", 10)
    for task_id in ("a2", "a4"):
        assert busy.run(busy.protocol.cancel(task_id, "{}", TTL_MS)) == "cancelled"
    busy.end("w1", settle(claims[0]))
    assert claim(busy, "w2") == ["a3"]


def test_one_that_is_moved_back_and_meets_nobody_does_not_keep_the_room_for_itself(bench: Bench) -> None:
    """The first of the blocked is in a paused list: the next one is let in a second later."""
    limit(bench, "k", concurrency=1)
    bench.register("w1")
    bench.submit(task("a", limits="k"), task("p", "urgent", queue="mail", limits="k"), task("b", limits="k"))
    lists = [*LISTS, "mail:urgent"]
    (a,) = bench.claim("w1", 10, lists)
    assert blocked(bench, "k") == ["p", "b"]
    bench.run(bench.protocol.pause(True, ["mail:urgent"]))
    bench.end("w1", settle(a))
    assert bench.claim("w1", 10, lists) == ()
    bench.move_clock(2)
    assert [c.task_id for c in bench.claim("w1", 10, lists)] == ["b"]


def test_replayed_it_is_still_limited(bench: Bench) -> None:
    limit(bench, "k", concurrency=1)
    bench.register("w1")
    bench.submit(task("a", limits="k"), task("b", limits="k"))
    (a,) = bench.claim("w1", 10)
    bench.end("w1", settle(a, "fail"))
    (b,) = bench.claim("w1", 10)
    bench.run(bench.protocol.replay([("a", "normal")]))
    assert claim(bench) == []
    bench.end("w1", settle(b))
    assert claim(bench) == ["a"]


def test_a_list_of_blocked_tasks_does_not_starve_the_one_behind_them(bench: Bench) -> None:
    limit(bench, "k", concurrency=1)
    bench.register("w1")
    bench.submit(*(task(f"t{n}", limits="k") for n in range(400)), task("free"))
    seen: list[str] = []
    for _ in range(5):
        seen += claim(bench)
    assert seen == ["t0", "free"]


def test_setting_the_same_limit_again_changes_nothing(bench: Bench) -> None:
    operation: Operation[bool] = bench.protocol.set_limit(Limit("k", concurrency=2))
    assert bench.run(operation)
    before = bench.client.hgetall(bench.key("limits"))
    bench.move_clock(10)
    assert bench.act(operation) == (True, {})
    assert bench.client.hgetall(bench.key("limits")) == before, "it holds since it was set first"


def test_one_that_is_not_there_cannot_be_removed(busy: Bench) -> None:
    assert busy.act(busy.protocol.remove_limit("m")) == (False, {})


def test_a_change_of_a_limit_looks_at_those_whom_it_has_held_up(bench: Bench) -> None:
    for name in ("k", "m"):
        limit(bench, name, concurrency=1)
    bench.register("w1")
    bench.submit(*(task(f"{key}{n}", limits=key) for key in ("k", "m:x", "mm") for n in range(2)))
    assert claim(bench) == ["k0", "m:x0", "mm0", "mm1"]
    _, changed = bench.act(bench.protocol.set_limit(Limit("m", concurrency=2)))
    assert changed["jams"] == {"m:x": "t+0"}


def test_there_is_a_bound(bench: Bench) -> None:
    bench.client.hset(bench.key("limits"), mapping={f"n{n}": "1 - 0 0 0 1" for n in range(1000)})
    bench.client.set(bench.key("limited"), "#")
    assert not bench.run(bench.protocol.set_limit(Limit("new", concurrency=2)))
    assert bench.run(bench.protocol.set_limit(Limit("n7", concurrency=2)))


def test_a_key_without_a_limit_holds_nothing(bench: Bench) -> None:
    bench.register("w1")
    bench.submit(task("a", limits="k"))
    bench.claim("w1", 1)
    assert bench.state()["running"] == {"a": "#.tok-w1.1 w1 normal 1 t+0 -"}


def test_of_a_window_no_more_starts_are_kept_than_it_counts(bench: Bench) -> None:
    limit(bench, "k", rate="1/m", sliding=True)
    bench.register("w1")
    bench.audited = False
    for n in range(3):
        bench.submit(task(f"a{n}", limits="k"))
        bench.end("w1", *(settle(claimed) for claimed in bench.claim("w1", 1)))
        bench.client.persist(bench.key("starts", "k"))
        assert bench.client.llen(bench.key("starts", "k")) == 1
        bench.move_clock(61)
        bench.run(bench.protocol.beat(TIMES, [("w1", "tok-w1")]))


def test_who_is_blocked_behind_a_damaged_list_waits_on(busy: Bench) -> None:
    claims = busy.claim("w1", 10)
    busy.audited = False
    busy.client.delete(busy.key("queue", "normal"))
    busy.client.set(busy.key("queue", "normal"), "foreign")
    busy.run(busy.protocol.settle([settle(claims[0])]))
    assert blocked(busy, "k") == ["a2", "a3", "a4"]
    assert busy.client.smembers(busy.key("status", "waiting")) == {"a2", "a3", "a4"}


def test_who_is_blocked_and_has_ended_is_passed_over(busy: Bench) -> None:
    claims = busy.claim("w1", 10)
    busy.end("w1", settle(claims[2]))
    busy.audited = False
    busy.client.zadd(busy.key("blocked", "k"), {"free": 1})
    busy.run(busy.protocol.settle([settle(claims[0])]))
    assert blocked(busy, "k") == ["a2", "a3", "a4"]
    assert "state:free" not in busy.state()


def test_without_room_it_is_looked_at_again_in_a_minute_not_in_a_second(busy: Bench) -> None:
    claim(busy)
    busy.move_clock(60)
    busy.run(busy.protocol.promote())
    assert busy.state()["jams"] == {"k": "t+120"}


def test_what_began_before_a_limit_was_set_counts_for_nothing_whatever_the_clock_says(bench: Bench) -> None:
    bench.register("w1", "w2")
    bench.submit(*(task(f"a{n}", limits="k") for n in range(3)))
    assert claim(bench, "w1", 2) == ["a0", "a1"]
    bench.move_clock(-200)
    # the audit looks: these two have begun before it was set, though the clock of the server says otherwise
    limit(bench, "k", concurrency=1)
    assert claim(bench, "w2", 1) == ["a2"]
    bench.move_clock(200)
    assert claim(bench, "w2", 1) == []


def test_permits_of_another_type_hold_nobody_up(bench: Bench) -> None:
    limit(bench, "k", concurrency=10)
    bench.register("w1")
    bench.submit(task("a", limits="k"), task("b", limits="k"))
    bench.client.set(bench.key("permits"), "of somebody else")
    bench.audited = False
    assert claim(bench, want=2) == ["a", "b"]
