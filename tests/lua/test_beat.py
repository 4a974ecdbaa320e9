"""beat: the leases of live workers are renewed, and they learn what they must know."""

from __future__ import annotations

from taskq.protocol.replies import NOTHING_SEEN, Witness
from tests.state import LEASE_MS, PERIOD_MS, TIMES, TTL_MS, UUID, Bench, settle


def test_leases_are_renewed_and_the_clock_is_ticked(bench: Bench) -> None:
    bench.register("w1", "w2", "w3")
    bench.move_clock(20)
    reply, changed = bench.act(bench.protocol.beat(TIMES, [("w1", "tok-w1"), ("w3", "tok-w3")]))
    assert (reply.uuid, reply.reap_due, reply.sweep_due, reply.workers) == (UUID, False, False, ((), ()))
    assert abs(reply.now_ms - bench.now_ms()) < 5_000
    assert changed == {
        "leases": {"w1": "t+80", "w3": "t+80"},
        "meta": {"lease_tick": "t+20", "stamp": "t+20"},
        "worker:w1": {"beat": "t+20"},
        "worker:w3": {"beat": "t+20"},
    }


def test_a_worker_that_is_not_known_is_told(bench: Bench) -> None:
    bench.register("w1")
    reply, changed = bench.act(bench.protocol.beat(TIMES, [("gone", "t"), ("w1", "wrong")]))
    assert (reply.workers, changed) == ((None, None), {"meta": {"stamp": "t+0"}})
    assert bench.run(bench.protocol.beat(TIMES, [("w1", "wrong"), ("w1", "tok-w1")])).workers == (None, ())


def test_nobody_to_beat_for(bench: Bench) -> None:
    reply, changed = bench.act(bench.protocol.beat(TIMES, []))
    assert (reply.uuid, reply.workers) == ("", ())
    assert changed == {"meta": {"lease_tick": "t+0", "stamp": "t+0"}}


def test_cancel_requests_are_told_until_the_task_has_ended(bench: Bench) -> None:
    bench.submit_ids("a", "b", "c")
    bench.register("w1", "w2")
    a, _ = bench.claim("w1", 2)
    bench.claim("w2", 1)
    for task_id in ("a", "b", "c"):
        bench.run(bench.protocol.cancel(task_id, "{}", TTL_MS))
    beat = bench.protocol.beat(TIMES, [("w1", "tok-w1"), ("w2", "tok-w2")])
    assert bench.run(beat).workers == (("a", "b"), ("c",))
    assert bench.run(beat).workers == (("a", "b"), ("c",))
    bench.end("w1", settle(a, "cancel"))
    reply, changed = bench.act(beat)
    assert reply.workers == (("b",), ("c",))
    assert changed == {"worker:w1": {"cancels": "b"}}


def test_a_request_does_not_follow_the_task_to_its_next_attempt(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    bench.end("w1", settle(claim, "retry", number=0))
    assert len(bench.claim("w1", 1)) == 1
    assert bench.run(bench.protocol.beat(TIMES, [("w1", "tok-w1")])).workers == ((),)


def test_a_request_is_told_to_whom_it_concerns_now(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.register("w2")
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    bench.end("w1", settle(claim, "release"))
    bench.claim("w2", 1)
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    reply = bench.run(bench.protocol.beat(TIMES, [("w1", "tok-w1"), ("w2", "tok-w2")]))
    assert reply.workers == ((), ("a",))


def test_an_expired_lease_and_due_retention_are_told(bench: Bench) -> None:
    bench.register("dead")
    bench.end("w1", settle(bench.claim_one("a")))
    beat = bench.protocol.beat(TIMES, [("w1", "tok-w1")])
    due = []
    for _ in range(6):
        bench.move_clock(20)
        reply = bench.run(beat)
        due.append((reply.reap_due, reply.sweep_due))
    assert due == [(False, False)] * 2 + [(True, False)] * 3 + [(True, True)]


class TestLeaseClock:
    """Leases age by the clock that beats and reaps tick, not by the time that passes while nobody can beat."""

    def beat(self, bench: Bench) -> None:
        bench.run(bench.protocol.beat(TIMES, [("w1", "tok-w1")]))

    def expired(self, bench: Bench) -> bool:
        return bench.run(bench.protocol.beat(TIMES, [])).reap_due

    def test_runs_with_the_time(self, bench: Bench) -> None:
        bench.register("w1")
        for _ in range(10):
            bench.move_clock(3 * PERIOD_MS / 1000 - 1)
            self.beat(bench)
        assert "lease_credit" not in bench.state()["meta"]

    def test_a_stall_ages_nobody(self, bench: Bench) -> None:
        bench.register("w1", "other")
        self.beat(bench)
        bench.move_clock(3600)
        assert not self.expired(bench)
        assert bench.state()["meta"]["lease_credit"] == "3590s"

    def test_stalls_add_up(self, bench: Bench) -> None:
        bench.register("w1")
        for _ in range(3):
            bench.move_clock(100)
            self.beat(bench)
        assert bench.state()["meta"]["lease_credit"] == "270s"
        assert bench.state()["leases"] == {"w1": "t+90"}

    def test_a_dead_worker_still_ages_between_stalls(self, bench: Bench) -> None:
        bench.register("w1", "dead")
        beats = 0
        while not self.expired(bench):
            bench.move_clock(500 if beats % 2 else 20)
            self.beat(bench)
            beats += 1
        # alternating 20 s of life and a stall that counts as one period
        assert beats == 4

    def test_a_step_back_ages_nobody_and_prolongs_nothing(self, bench: Bench) -> None:
        bench.register("w1", "dead")
        bench.move_clock(20)
        self.beat(bench)
        bench.move_clock(-3600)
        self.beat(bench)
        assert bench.state()["meta"]["lease_credit"] == "-3610s"
        assert not self.expired(bench)
        bench.move_clock(20)
        assert not self.expired(bench)
        bench.move_clock(12)
        assert self.expired(bench)

    def test_a_step_ahead_ages_nobody(self, bench: Bench) -> None:
        bench.register("w1")
        bench.move_clock(7 * 86_400)
        assert not self.expired(bench)

    def test_a_small_step_back_makes_it_stand_still(self, bench: Bench) -> None:
        bench.register("w1")
        bench.move_clock(-0.9)
        self.beat(bench)
        # less the time that the test itself has taken
        assert -900 <= int(bench.client.hget(bench.key("meta"), "lease_credit") or 0) < 0


class TestLostWrites:
    """A beat that was answered and is not there any more is reported once, by whoever remembers it."""

    def beat(self, bench: Bench, workers: list[tuple[str, str]], seen: Witness = NOTHING_SEEN) -> Witness:
        reply = bench.run(bench.protocol.beat(TIMES, workers, seen))
        return Witness(reply.uuid, reply.stamp_ms, frozenset(worker for worker, _ in workers))

    def rollbacks(self, bench: Bench) -> int | None:
        found: int | None = bench.state().get("counters", {}).get("rollbacks")
        return found

    def test_nothing_lost(self, bench: Bench) -> None:
        bench.register("w1", "w2")
        seen = other = NOTHING_SEEN
        for n in range(6):
            # w1 is stopped now and then, and nobody beats for it meanwhile; the clock steps back, too
            bench.move_clock((20, 3_600, -3_600, 0, 20, -20)[n])
            before, seen = seen, self.beat(bench, [("w2", "tok-w2"), ("w1", "tok-w1")][: 1 + n % 2], seen)
            assert seen.stamp_ms > before.stamp_ms
            self.beat(bench, [("w2", "tok-w2")], before)  # the same again, after a lost reply
            other = self.beat(bench, [], other)
        assert self.rollbacks(bench) is None

    def test_a_beat_that_is_gone(self, bench: Bench) -> None:
        bench.register("w1")
        seen = self.beat(bench, [("w1", "tok-w1")])
        later = seen._replace(stamp_ms=seen.stamp_ms + 1_000)
        reply, changed = bench.act(bench.protocol.beat(TIMES, [], later))
        assert reply.stamp_ms > later.stamp_ms
        assert abs(reply.rolled_back_ms - bench.now_ms()) < 5_000
        assert changed == {"meta": {"rolled_back": "t+0"}, "counters": {"rollbacks": 1}}

    def test_a_beat_that_is_gone_although_others_have_beaten_since(self, bench: Bench) -> None:
        bench.register("w1", "w2")
        seen = self.beat(bench, [("w1", "tok-w1")])
        gone = seen._replace(stamp_ms=seen.stamp_ms + 5_000)
        bench.move_clock(20)
        other = self.beat(bench, [("w2", "tok-w2")])
        assert other.stamp_ms > gone.stamp_ms
        self.beat(bench, [("w1", "tok-w1")], gone)
        assert self.rollbacks(bench) == 1

    def test_another_namespace(self, bench: Bench) -> None:
        bench.register("w1")
        _, changed = bench.act(bench.protocol.beat(TIMES, [], Witness("other", 0, frozenset())))
        assert changed == {"meta": {"stamp": "t+0", "rolled_back": "t+0"}, "counters": {"rollbacks": 1}}

    def test_a_flushed_namespace(self, bench: Bench) -> None:
        seen = Witness(UUID, bench.now_ms(), frozenset({"w1"}))
        reply, changed = bench.act(bench.protocol.beat(TIMES, [("w1", "tok-w1")], seen))
        assert (reply.uuid, reply.workers) == ("", (None,))
        assert changed["counters"] == {"rollbacks": 1}

    def test_many_who_remember_report_one_loss(self, bench: Bench) -> None:
        bench.register("w1")
        for ahead_ms in (30_000, 50_000, 90_000):
            seen = Witness(UUID, bench.now_ms() + ahead_ms, frozenset())
            assert bench.run(bench.protocol.beat(TIMES, [], seen)).rolled_back_ms > 0
        assert self.rollbacks(bench) == 1
        bench.move_clock(LEASE_MS / 1000 + 10)
        self.beat(bench, [], Witness(UUID, bench.now_ms() + 500_000, frozenset()))
        assert self.rollbacks(bench) == 2
