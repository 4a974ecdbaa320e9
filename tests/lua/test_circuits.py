"""Circuits that open, try and close."""

from __future__ import annotations

import pytest

from taskq.model.circuit import Circuit
from taskq.protocol.walks import all_circuits
from tests.lua.gatekeeping import blocked, claim, counters, fail, gate
from tests.lua.ways import limit, typed
from tests.state import TTL_MS, Bench, settle, task

RULE = Circuit("k", failures=3, within=60, open_for=30)


@pytest.fixture
def guarded(bench: Bench) -> Bench:
    bench.register("w1", "w2")
    assert bench.run(bench.protocol.set_circuit(RULE))
    return bench


@pytest.fixture
def opened(guarded: Bench) -> Bench:
    """A circuit that has opened, with three tasks that it holds back and one beside them."""
    fail(guarded, 3)
    guarded.submit(*(task(f"t{n}", limits="k") for n in range(3)), task("free"))
    (free,) = guarded.claim("w1", 10)
    guarded.end("w1", settle(free))
    assert free.task_id == "free"
    assert blocked(guarded, "k") == ["t0", "t1", "t2"]
    return guarded


class TestOpening:
    @pytest.mark.parametrize("outcome", ["retry", "fail"])
    def test_after_as_many_failures_within_the_time(self, guarded: Bench, outcome: str) -> None:
        fail(guarded, 2, outcome)
        assert gate(guarded, "!k") == ""
        fail(guarded, 1, outcome)
        assert gate(guarded, "!k") == "open"
        assert counters(guarded, "circuits_opened") == 1
        assert not guarded.client.exists(guarded.key("faults", "k"))

    @pytest.mark.parametrize("outcome", ["complete", "snooze", "release", "cancel"])
    def test_other_outcomes_are_no_failures(self, guarded: Bench, outcome: str) -> None:
        fail(guarded, 2)
        claims = fail(guarded, 1, outcome)
        assert gate(guarded, "!k") == ""
        assert claims

    def test_failures_that_are_too_old_do_not_count(self, guarded: Bench) -> None:
        fail(guarded, 2)
        guarded.move_clock(60)
        fail(guarded, 2)
        assert gate(guarded, "!k") == ""
        fail(guarded, 1)
        assert gate(guarded, "!k") == "open"

    def test_only_the_last_ones_count(self, guarded: Bench) -> None:
        """The first has been long ago when there are three, and is none of the last three a little later."""
        for seconds in (40, 30, 5, 0):
            assert gate(guarded, "!k") == ""
            fail(guarded, 1)
            guarded.move_clock(seconds)
        assert gate(guarded, "!k") == "open"

    def test_each_key_counts_by_itself(self, bench: Bench) -> None:
        bench.register("w1")
        bench.run(bench.protocol.set_circuit(Circuit("host", 2)))
        fail(bench, 1, key="host:a")
        fail(bench, 2, key="host:b")
        assert (gate(bench, "!host:a"), gate(bench, "!host:b")) == ("", "open")

    def test_a_type(self, bench: Bench) -> None:
        bench.register("w1")
        bench.run(bench.protocol.set_circuit(Circuit("type:mail", 1)))
        bench.submit(typed("m1", "mail"), typed("m2", "mail"), typed("o1", "other"))
        (first,) = bench.claim("w1", 1)
        bench.end("w1", settle(first, "fail"))
        assert claim(bench) == ["o1"]
        assert blocked(bench, "type:mail") == ["m2"]

    def test_what_runs_when_it_opens_changes_it_no_more(self, guarded: Bench) -> None:
        guarded.submit(*(task(f"r{n}", limits="k") for n in range(6)))
        claims = guarded.claim("w1", 6)
        guarded.end("w1", *(settle(one, "fail") for one in claims[:3]))
        before = guarded.state()["gates"]
        guarded.end("w1", settle(claims[3], "fail"), settle(claims[4]))
        assert guarded.state()["gates"] == before
        assert not guarded.client.exists(guarded.key("faults", "k"))
        assert counters(guarded, "circuits_opened") == 1


class TestTrying:
    def test_one_is_let_through_when_the_time_is_over_and_its_success_closes(self, opened: Bench) -> None:
        opened.move_clock(29)
        assert claim(opened) == []
        opened.move_clock(1)
        (probe,) = opened.claim("w1", 10)
        assert (probe.task_id, probe.attempt, gate(opened, "!k")) == ("t0", 1, "half")
        assert claim(opened, worker="w2") == [], "one at a time"
        opened.end("w1", settle(probe))
        assert gate(opened, "!k") == ""
        assert claim(opened, worker="w2") == ["t1", "t2"]

    def test_one_goes_back_to_its_list_although_a_limit_of_the_key_has_room_for_more(self, opened: Bench) -> None:
        limit(opened, "k", concurrency=5)
        opened.move_clock(30)
        opened.run(opened.protocol.promote())
        assert opened.client.lrange(opened.key("queue", "normal"), 0, -1) == ["t0"]
        assert blocked(opened, "k") == ["t1", "t2"]

    @pytest.mark.parametrize("outcome", ["retry", "fail"])
    def test_its_failure_opens_again(self, opened: Bench, outcome: str) -> None:
        opened.move_clock(30)
        (probe,) = opened.claim("w1", 10)
        opened.end("w1", settle(probe, outcome, number=TTL_MS))
        assert gate(opened, "!k") == "open"
        assert counters(opened, "circuits_opened") == 2
        opened.move_clock(29)
        assert claim(opened) == []
        opened.move_clock(1)
        assert claim(opened) == ["t1"]

    @pytest.mark.parametrize("outcome", ["release", "snooze", "cancel"])
    def test_without_an_answer_the_next_one_tries_at_once(self, opened: Bench, outcome: str) -> None:
        opened.move_clock(30)
        (probe,) = opened.claim("w1", 10)
        opened.end("w1", settle(probe, outcome))
        assert gate(opened, "!k") == "open", "nobody tries"
        assert claim(opened, worker="w2") == ["t0" if outcome == "release" else "t1"]
        assert gate(opened, "!k") == "half"
        assert claim(opened) == []

    @pytest.mark.parametrize("charge", [True, False])
    def test_a_probe_whose_worker_dies_does_not_wedge_it(self, opened: Bench, charge: bool) -> None:
        opened.move_clock(30)
        assert claim(opened) == ["t0"]
        opened.evict("w1", charge=charge)
        (probe,) = opened.claim("w2", 10)
        assert probe.task_id == "t0"
        opened.end("w2", settle(probe))
        assert claim(opened, worker="w2") == ["t1", "t2"]

    def test_a_probe_whose_record_was_lost_does_not_either(self, opened: Bench) -> None:
        opened.client.hset(opened.key("gates"), "!k", "half nobody")
        opened.move_clock(61)
        assert claim(opened) == ["t0"]

    def test_a_clock_that_was_set_back_does_not_keep_it_open(self, opened: Bench) -> None:
        opened.move_clock(-3600)
        opened.client.zadd(opened.key("jams"), {"k": opened.now_ms()})
        opened.client.zadd(opened.key("scheduled"), {"@limits": opened.now_ms()})
        assert claim(opened) == ["t0"]

    def test_a_turn_that_is_sent_twice_sends_one_probe(self, opened: Bench) -> None:
        opened.move_clock(30)
        turn = opened.turn_op("w1", 10)
        first = opened.run(turn)
        again = opened.run(turn)
        assert [c.task_id for c in again.claims] == [c.task_id for c in first.claims] == ["t0"]
        assert first.claims[0].fence == again.claims[0].fence


class TestDriving:
    def test_open_and_close_by_hand(self, guarded: Bench) -> None:
        guarded.submit(*(task(f"t{n}", limits="k") for n in range(2)))
        operation = guarded.protocol.open_circuit("k", 100_000)
        assert guarded.run(operation)
        assert guarded.act(operation) == (True, {})
        assert claim(guarded) == []
        guarded.move_clock(90)
        assert claim(guarded) == []
        assert guarded.run(guarded.protocol.close_circuit("k"))
        assert not guarded.run(guarded.protocol.close_circuit("k"))
        assert claim(guarded) == ["t0", "t1"]

    def test_a_circuit_that_is_removed_holds_nobody_back(self, opened: Bench) -> None:
        assert opened.run(opened.protocol.remove_circuit("k"))
        assert claim(opened) == ["t0", "t1", "t2"]
        assert not opened.run(opened.protocol.remove_circuit("k"))
        assert (opened.state().get("gates"), opened.state().get("limited")) == (None, None)

    def open(self, bench: Bench, *keys: str) -> None:
        for key in keys:
            assert bench.run(bench.protocol.open_circuit(key, 0))

    def test_another_circuit_that_is_open_stays_so(self, guarded: Bench) -> None:
        assert guarded.run(guarded.protocol.set_circuit(Circuit("j")))
        self.open(guarded, "j", "k")
        assert guarded.run(guarded.protocol.close_circuit("k"))
        assert (gate(guarded, "!j"), gate(guarded, "!k")) == ("open", "")

    @pytest.mark.parametrize("gate", ["open {0} {1}", "half somebody"])
    def test_a_gate_that_is_left_over_keeps_nobody_back(self, bench: Bench, gate: str) -> None:
        """A removal takes away a thousand gates; the rest stays until fsck looks."""
        bench.audited = False
        now = int(bench.now_ms())
        bench.client.hset(bench.key("gates"), "!host:a", gate.format(now, now + 60_000))
        bench.client.set(bench.key("limited"), "#")
        bench.register("w1")
        bench.submit(*(task(f"t{n}", limits="host:a") for n in range(3)))
        before = bench.client.hget(bench.key("gates"), "!host:a")
        assert claim(bench) == ["t0", "t1", "t2"]
        assert bench.client.hget(bench.key("gates"), "!host:a") == before
        assert blocked(bench, "host:a") == []

    def test_removed_with_all_its_keys_but_those_that_have_one_of_their_own(self, bench: Bench) -> None:
        for name in ("host", "host:own", "hostess"):
            assert bench.run(bench.protocol.set_circuit(Circuit(name)))
        self.open(bench, "host:a", "host:own", "hostess")
        assert bench.run(bench.protocol.remove_circuit("host"))
        assert bench.state()["gates"].keys() == {"!host:own", "!hostess"}

    def test_none_is_for_that_key(self, guarded: Bench) -> None:
        assert guarded.act(guarded.protocol.open_circuit("other", 0)) == (False, {})

    def test_all_are_read(self, opened: Bench) -> None:
        opened.run(opened.protocol.gate(True, "type:mail"))
        (info,), paused = opened.walk(all_circuits(opened.protocol))
        assert (info.circuit, info.state, info.waiting, paused) == (RULE, "open", 3, ["type:mail"])
        assert 0 < info.keys["k"].until_ms - opened.now_ms() <= 30_000
        opened.move_clock(30)
        claim(opened)
        (info,), _ = opened.walk(all_circuits(opened.protocol))
        assert (info.state, info.keys["k"].probe, info.waiting) == ("half_open", "t0", 2)

    def test_failures_that_count_now_are_told(self, guarded: Bench) -> None:
        for _ in range(2):
            fail(guarded, 1)
            guarded.move_clock(40)
        (info,), _ = guarded.walk(all_circuits(guarded.protocol))
        assert (info.state, info.failed) == ("closed", 1), "the first one is longer ago than the rule counts"

    def test_many_are_read_in_pages(self, opened: Bench) -> None:
        gates = {f"!k:{n}": "open 1 2" for n in range(2000)} | {f"type:{n}": "1" for n in range(5)}
        opened.client.hset(opened.key("gates"), mapping=gates)
        opened.audited = False
        assert len(opened.run(opened.protocol.read_circuits()).keys) < 600
        (info,), paused = opened.walk(all_circuits(opened.protocol))
        assert (len(info.keys), len(paused)) == (2001, 5)

    def test_there_is_room_for_so_many(self, guarded: Bench) -> None:
        guarded.client.hset(guarded.key("circuits"), mapping={f"n{n}": "5 60000 30000" for n in range(999)})
        assert not guarded.run(guarded.protocol.set_circuit(Circuit("more")))
        assert guarded.run(guarded.protocol.set_circuit(Circuit("k", 9)))
