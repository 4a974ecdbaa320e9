"""Gates: types that are paused, and circuits that open, try and close."""

from __future__ import annotations

import pytest

from taskq.model.circuit import Circuit
from taskq.protocol.replies import Claim
from taskq.protocol.walks import all_circuits
from tests.lua.ways import limit, typed
from tests.state import TTL_MS, Bench, settle, task

RULE = Circuit("k", failures=3, within=60, open_for=30)


def claim(bench: Bench, want: int = 10, worker: str = "w1") -> list[str]:
    return [claimed.task_id for claimed in bench.claim(worker, want)]


def blocked(bench: Bench, key: str) -> list[str]:
    found: list[str] = bench.client.zrange(bench.key("blocked", key), 0, -1)
    return found


def gate(bench: Bench, key: str) -> str:
    return (bench.client.hget(bench.key("gates"), key) or "").split(" ")[0]


def counters(bench: Bench, name: str) -> int:
    return int(bench.client.hget(bench.key("counters"), name) or 0)


@pytest.fixture
def mixed(bench: Bench) -> Bench:
    """Two workers; three tasks of the type mail among two of another one."""
    bench.register("w1", "w2")
    bench.submit(
        typed("m1", "mail"), typed("o1", "other"), typed("m2", "mail"), typed("m3", "mail"), typed("o2", "other")
    )
    return bench


class TestPausedTypes:
    def test_those_behind_run_and_no_attempt_is_charged(self, mixed: Bench) -> None:
        assert mixed.run(mixed.protocol.gate(True, "type:mail")) == 1
        assert claim(mixed) == ["o1", "o2"]
        assert blocked(mixed, "type:mail") == ["m1", "m2", "m3"]
        assert mixed.run(mixed.protocol.gate(False, "type:mail")) == 1
        assert [(c.task_id, c.attempt) for c in mixed.claim("w2", 10)] == [("m1", 1), ("m2", 1), ("m3", 1)]
        assert mixed.state().get("gates") is None
        assert mixed.state().get("limited") is None, "nobody looks at types any more"

    def test_once_more_changes_nothing(self, mixed: Bench) -> None:
        mixed.run(mixed.protocol.gate(True, "type:mail"))
        assert mixed.act(mixed.protocol.gate(True, "type:mail")) == (0, {})
        mixed.run(mixed.protocol.gate(False, "type:mail"))
        assert mixed.act(mixed.protocol.gate(False, "type:mail")) == (0, {})

    def test_what_runs_goes_on(self, mixed: Bench) -> None:
        claims = mixed.claim("w1", 3)
        mixed.run(mixed.protocol.gate(True, "type:mail"))
        mixed.end("w1", settle(claims[0]), settle(claims[2], "retry", number=0))
        assert claim(mixed) == ["o2"]
        assert blocked(mixed, "type:mail") == ["m3", "m2"]

    def test_a_limit_of_the_type_holds_beside_it(self, mixed: Bench) -> None:
        limit(mixed, "type:mail", concurrency=1)
        mixed.run(mixed.protocol.gate(True, "type:mail"))
        assert claim(mixed) == ["o1", "o2"]
        mixed.run(mixed.protocol.gate(False, "type:mail"))
        assert claim(mixed) == ["m1"]

    def test_many_come_back_in_their_order_by_portions(self, bench: Bench) -> None:
        bench.register("w1")
        ids = [f"m{n:03}" for n in range(350)]
        bench.submit(*(typed(task_id, "mail") for task_id in ids))
        bench.run(bench.protocol.gate(True, "type:mail"))
        while bench.client.llen(bench.key("queue", "normal")):
            assert claim(bench, 50) == []
        assert len(blocked(bench, "type:mail")) == 350
        bench.run(bench.protocol.gate(False, "type:mail"))
        assert bench.client.llen(bench.key("queue", "normal")) == 100, "a portion"
        later = typed("later", "mail")
        bench.submit(later)
        seen: list[str] = []
        while got := claim(bench, 30):
            seen += got
        assert [task_id for task_id in seen if task_id != "later"] == ids
        assert bench.state().get("woken") is None

    def test_time_alone_moves_no_portion_past_another(self, bench: Bench) -> None:
        bench.register("w1")
        ids = [f"m{n:03}" for n in range(250)]
        bench.submit(*(typed(task_id, "mail") for task_id in ids))
        bench.run(bench.protocol.gate(True, "type:mail"))
        while bench.client.llen(bench.key("queue", "normal")):
            claim(bench, 50)
        bench.run(bench.protocol.gate(False, "type:mail"))
        for _ in range(3):
            bench.move_clock(10)
            bench.run(bench.protocol.promote())
        assert bench.client.llen(bench.key("queue", "normal")) == 100
        seen: list[str] = []
        while got := claim(bench, 40):
            seen += got
        assert seen == ids

    def test_the_rest_comes_although_the_last_of_a_portion_was_cancelled(self, bench: Bench) -> None:
        bench.register("w1")
        ids = [f"m{n:03}" for n in range(150)]
        bench.submit(*(typed(task_id, "mail") for task_id in ids))
        bench.run(bench.protocol.gate(True, "type:mail"))
        while bench.client.llen(bench.key("queue", "normal")):
            claim(bench, 50)
        bench.run(bench.protocol.gate(False, "type:mail"))
        bench.run(bench.protocol.cancel("m099", "{}", TTL_MS))
        seen: list[str] = []
        for _ in range(20):
            seen += claim(bench, 50)
            bench.move_clock(1)
        assert sorted(seen) == [*ids[:99], *ids[100:]]


def fail(bench: Bench, number: int, outcome: str = "retry", key: str = "k") -> list[Claim]:
    """Let some tasks fail, one after the other."""
    failed = []
    for n in range(number):
        bench.submit(task(f"bad{n}-{counters(bench, 'submitted')}", limits=key))
        (one,) = bench.claim("w1", 1)
        bench.end("w1", settle(one, outcome, number=TTL_MS))
        failed.append(one)
    return failed


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


class TestShares:
    """Half of at least three: 60 s in tenths of 6 s."""

    @pytest.fixture
    def shared(self, bench: Bench) -> Bench:
        bench.register("w1", "w2")
        bench.move_clock(6 - bench.now_ms() / 1000 % 6)  # to the beginning of a tenth
        assert bench.run(bench.protocol.set_circuit(Circuit("k", 3, 60, 30, share=0.5)))
        return bench

    def test_opens_when_the_failures_are_many_and_a_share(self, shared: Bench) -> None:
        fail(shared, 4, "complete")
        fail(shared, 3)
        assert gate(shared, "!k") == "", "three of seven"
        fail(shared, 1)
        assert gate(shared, "!k") == "open"
        assert not shared.client.exists(shared.key("tallies", "k"))
        assert counters(shared, "circuits_opened") == 1

    def test_few_failures_are_none(self, shared: Bench) -> None:
        fail(shared, 2)
        assert gate(shared, "!k") == ""
        fail(shared, 1)
        assert gate(shared, "!k") == "open"

    @pytest.mark.parametrize("outcome", ["snooze", "release", "cancel"])
    def test_what_is_no_answer_is_not_counted(self, shared: Bench, outcome: str) -> None:
        fail(shared, 5, outcome)
        assert not shared.client.exists(shared.key("tallies", "k"))

    @pytest.mark.parametrize(("seconds", "opens"), [(54, ""), (60, "open")])
    def test_this_tenth_and_the_nine_before_it_count(self, shared: Bench, seconds: float, opens: str) -> None:
        fail(shared, 4, "complete")
        shared.move_clock(seconds)
        fail(shared, 3)
        assert gate(shared, "!k") == opens

    def test_old_failures_do_not_count_either(self, shared: Bench) -> None:
        fail(shared, 2)
        shared.move_clock(60)
        fail(shared, 2)
        assert gate(shared, "!k") == ""
        assert len(shared.client.hkeys(shared.key("tallies", "k"))) == 2, "those of the last tenth"
        fail(shared, 1)
        assert gate(shared, "!k") == "open"

    def test_what_is_counted_goes_with_time(self, shared: Bench) -> None:
        fail(shared, 1, "complete")
        assert 60_000 < shared.client.pttl(shared.key("tallies", "k")) <= 66_000
        assert len(shared.client.hkeys(shared.key("tallies", "k"))) == 1, "nothing without a failure"

    def test_a_clock_that_was_set_back_does_not_open_it_by_what_is_to_come(self, shared: Bench) -> None:
        fail(shared, 2)
        shared.move_clock(-600)
        fail(shared, 2)
        assert gate(shared, "!k") == ""
        fail(shared, 1)
        assert gate(shared, "!k") == "open"

    def test_turns_count_what_they_settle(self, shared: Bench) -> None:
        for _ in range(2):
            shared.submit(*(task(f"c{n}-{counters(shared, 'submitted')}", limits="k") for n in range(3)))
            claims = shared.claim("w1", 3)
            shared.run(shared.turn_op("w1", 0, [settle(claim) for claim in claims]))
        ((info,), _) = shared.walk(all_circuits(shared.protocol))
        assert (info.failed, info.attempts) == (0, 6)

    def test_a_probe_decides_alone_and_all_begins_anew(self, shared: Bench) -> None:
        fail(shared, 3)
        shared.submit(*(task(f"t{n}", limits="k") for n in range(4)))
        shared.move_clock(30)
        (probe,) = shared.claim("w2", 10)
        shared.end("w2", settle(probe))
        assert gate(shared, "!k") == ""
        assert not shared.client.exists(shared.key("tallies", "k"))
        for claim in shared.claim("w2", 10)[:2]:
            shared.end("w2", settle(claim, "retry", number=TTL_MS))
        assert gate(shared, "!k") == ""


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


class TestEverything:
    def test_all_lists_stop_also_those_that_begin_later(self, bench: Bench) -> None:
        bench.register("w1")
        bench.submit_ids("a")
        assert bench.run(bench.protocol.pause(True, ["*"])) == 1
        bench.submit(task("b", queue="mail"))
        assert claim(bench) == []
        assert [c.task_id for c in bench.claim("w1", 10, ["mail:normal"])] == []
        assert {item.paused for item in bench.run(bench.protocol.stats()).lists} == {True}
        bench.run(bench.protocol.pause(True, ["low"]))
        bench.client.delete(bench.key("bell", "normal"), bench.key("bell", "mail:normal"))
        assert bench.run(bench.protocol.pause(False, ["*"])) == 1
        assert set(bench.client.keys(bench.key("bell", "*"))) == {
            bench.key("bell", "normal"),
            bench.key("bell", "mail:normal"),
        }, "of lists in which somebody waits"
        assert claim(bench) == ["a"]
        assert [item.name for item in bench.run(bench.protocol.stats()).lists if item.paused] == ["low"]
