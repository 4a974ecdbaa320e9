"""reap and evict: the tasks of a worker that is dead, or has ended, go back to the heads of their lists."""

from __future__ import annotations

import json

import pytest

from taskq.protocol.operations import CrashLimits
from tests.state import LIMITS, TIMES, TTL_MS, Bench, settle, task


def age(bench: Bench, *live: str) -> None:
    """Let 80 s pass in which only some workers beat."""
    for _ in range(4):
        bench.move_clock(20)
        bench.run(bench.protocol.beat(TIMES, [(w, f"tok-{w}") for w in live]))


def reap(bench: Bench, limit: int = 100) -> tuple[int, int, int, bool]:
    return bench.run(bench.protocol.reap(TIMES, limit, LIMITS))


class TestReap:
    def test_nobody_is_dead(self, bench: Bench) -> None:
        bench.claim_one("a")
        reply, changed = bench.act(bench.protocol.reap(TIMES, 100, LIMITS))
        assert (reply, changed) == ((0, 0, 0, False), {})

    def test_a_dead_worker_loses_everything(self, bench: Bench) -> None:
        bench.submit(task("a", "high"), task("b"), task("c", "high"), task("d", "high"))
        bench.register("w1", "w2")
        assert [c.task_id for c in bench.claim("w1", 2)] == ["a", "c"]
        assert [c.task_id for c in bench.claim("w1", 1)] == ["d"]
        bench.submit(task("e", "high"))
        age(bench, "w2")
        reply, changed = bench.act(bench.protocol.reap(TIMES, 100, LIMITS))
        assert reply == (3, 0, 1, False)
        state = {
            "status": "pending",
            "list": "high",
            "attempts": "1",
            "started": "t+0",
            "queued": "t+80",
            "crashes": "1",
        }
        assert changed == {
            "processing:w1": None,
            "worker:w1": dict.fromkeys(("token", "host", "seq", "turn0", "turn1")),
            "workers": ["-w1"],
            "leases": {"w1": None},
            "status:running": ["-a", "-c", "-d"],
            "status:pending": ["+a", "+c", "+d"],
            "queue:high": ["a", "c", "d", "e"],
            "bell:high": changed["bell:high"],
            "running": {"a": None, "c": None, "d": None},
            "state:a": state,
            "state:c": state,
            "state:d": state,
            "counters": {"recovered": 3},
        }

    def test_its_late_results_are_refused(self, bench: Bench) -> None:
        claim = bench.claim_one("a")
        bench.register("w2")
        age(bench, "w2")
        assert reap(bench) == (1, 0, 1, False)
        reply, changed = bench.act(bench.turn_op("w1", 1, [settle(claim)]))
        assert (reply.registered, changed) == (False, {})
        assert bench.run(bench.protocol.settle([settle(claim)])) == ("a",)
        assert bench.run(bench.protocol.beat(TIMES, [("w1", "tok-w1")])).workers == (None,)

    def test_the_attempt_was_charged(self, bench: Bench) -> None:
        bench.claim_one("a")
        bench.register("w2")
        age(bench, "w2")
        reap(bench)
        (claim,) = bench.claim("w2", 1)
        assert (claim.attempt, claim.retries) == (2, 0)

    def test_bounded_steps_keep_the_order(self, bench: Bench) -> None:
        ids = [f"a{n}" for n in range(7)]
        bench.submit_ids(*ids)
        bench.register("w1", "w2")
        bench.claim("w1")
        age(bench, "w2")
        assert [reap(bench, 3) for _ in range(4)] == [
            (3, 0, 0, True),
            (3, 0, 0, True),
            (1, 0, 1, False),
            (0, 0, 0, False),
        ]
        assert bench.state()["queue:normal"] == ids

    @pytest.mark.parametrize(("bound", "first", "second"), [(3, 3, 1), (2, 2, 2)])
    def test_several_dead_workers_share_the_bound(self, bench: Bench, bound: int, first: int, second: int) -> None:
        bench.submit_ids("a", "b", "c", "d")
        bench.register("w1", "w2", "w3")
        bench.claim("w1", 2)
        bench.claim("w2", 2)
        age(bench, "w3")
        assert [reap(bench, bound) for _ in range(2)] == [(first, 0, 1, True), (second, 0, 1, False)]
        assert sorted(bench.state()["queue:normal"]) == ["a", "b", "c", "d"]

    def test_many_dead_workers_take_several_calls(self, bench: Bench) -> None:
        bench.register(*(f"dead{n}" for n in range(15)), "w1")
        age(bench, "w1")
        assert [reap(bench) for _ in range(2)] == [(0, 0, 10, True), (0, 0, 5, False)]

    def test_a_beat_in_time_prevents_it(self, bench: Bench) -> None:
        bench.claim_one("a")
        age(bench, "w1")
        assert reap(bench) == (0, 0, 0, False)

    def test_a_lease_that_lies_too_far_ahead_is_cut(self, bench: Bench) -> None:
        bench.register("w1")
        bench.transport.run(bench.protocol.beat(TIMES._replace(lease_ms=500_000), [("w1", "tok-w1")]))
        _, changed = bench.act(bench.protocol.reap(TIMES, 100, LIMITS))
        assert changed == {"leases": {"w1": "t+60"}}

    def test_a_stall_is_credited_before_anybody_is_judged(self, bench: Bench) -> None:
        bench.claim_one("a")
        bench.move_clock(3600)
        reply, changed = bench.act(bench.protocol.reap(TIMES, 100, LIMITS))
        assert reply == (0, 0, 0, False)
        assert changed == {"meta": {"lease_tick": "t+3600", "lease_credit": "3590s"}}

    def test_a_stray_id_in_the_processing_list_is_dropped(self, bench: Bench) -> None:
        bench.claim_one("a")
        bench.end("w1", settle(bench.claim_one("b")))
        bench.client.rpush(bench.key("processing", "w1"), "b", "never")
        bench.transport.run(bench.protocol.register("w2", "tok-w2", TIMES, "u", {}))
        for _ in range(4):
            bench.move_clock(20)
            bench.transport.run(bench.protocol.beat(TIMES, [("w2", "tok-w2")]))
        assert reap(bench) == (1, 0, 1, False)
        assert bench.state()["queue:normal"] == ["a"]


class TestPoison:
    def test_at_the_limit_a_task_is_a_dead_letter(self, bench: Bench) -> None:
        bench.submit(task("a", unique="k"))
        for crash in (1, 2):
            bench.register("dying")
            bench.claim("dying", 1)
            assert bench.evict("dying", charge=True) == (1, 0, True)
            assert bench.state()["state:a"]["crashes"] == str(crash)
        bench.register("dying")
        bench.claim("dying", 1)
        reply, changed = bench.act(bench.protocol.evict("dying", True, 10, LIMITS))
        assert reply == (0, 1, True)
        assert json.loads(changed.pop("result:a")) == {
            "task_id": "a",
            "status": "failed",
            "result": None,
            "error": "poison: 3 workers died while they ran this task",
            "duration": None,
            "worker_id": "dying",
            "attempts": 3,
            "completed_at": "...",
        }
        assert changed == {
            "processing:dying": None,
            "worker:dying": dict.fromkeys(("token", "host", "seq", "turn1", "solo")),
            "workers": ["-dying"],
            "leases": {"dying": None},
            "running": {"a": None},
            "task:a ttl": "200s",
            "result:a ttl": "200s",
            "state:a": {
                "status": "failed",
                "attempts": "3",
                "crashes": "3",
                "ended": "t+0",
                "reason": "poison",
            },
            "state:a ttl": "200s",
            "unique:k": None,
            "status:running": ["-a"],
            "status:failed": ["+a"],
            "dead": {"a": "t+0"},
            "retention": {"t+210": "t+210"},
            "retained:t+210": ["a"],
            "counters": {"failed": 1, "recovered": 3},
        }

    def test_suspects_die_one_at_a_time(self, bench: Bench) -> None:
        """Beside whom a worker dies twice is unknown; from then on only the task that runs can be hit."""
        bench.submit_ids("a", "b", "c")
        evicted = []
        for _ in range(3):
            bench.register("dying")
            bench.claim("dying", 3)
            evicted.append(bench.evict("dying", charge=True))
        assert evicted == [(3, 0, True), (3, 0, True), (0, 1, True)]
        state = bench.state()
        assert state["status:failed"] == {"a"}
        assert state["queue:normal"] == ["b", "c"]

    def test_a_limit_of_one(self, bench: Bench) -> None:
        bench.claim_one("a")
        assert bench.run(bench.protocol.evict("w1", True, 10, CrashLimits(1, TTL_MS))) == (0, 1, True)


class TestEvict:
    @pytest.mark.parametrize("charge", [True, False])
    @pytest.mark.parametrize("stray", ["of-another", "completed", "unknown"])
    def test_what_it_does_not_hold_is_dropped_and_stays_as_it_is(self, bench: Bench, stray: str, charge: bool) -> None:
        """An id that a foreign hand has put into the list of a worker."""
        bench.end("w2", settle(bench.claim_one("completed", "w2")))
        bench.claim_one("of-another", "w2")
        bench.register("w1")
        bench.client.rpush(bench.key("processing", "w1"), stray)
        reply, changed = bench.act(bench.protocol.evict("w1", charge, 10, LIMITS))
        assert reply == (0, 0, True)
        assert changed == {
            "processing:w1": None,
            "worker:w1": dict.fromkeys(("token", "host")),
            "workers": ["-w1"],
            "leases": {"w1": None},
        }

    def test_handed_back_without_charge(self, bench: Bench) -> None:
        bench.claim_one("a")
        bench.submit_ids("b")
        reply, changed = bench.act(bench.protocol.evict("w1", False, 10, LIMITS))
        assert reply == (1, 0, True)
        assert changed == {
            "processing:w1": None,
            "worker:w1": dict.fromkeys(("token", "host", "seq", "turn1")),
            "workers": ["-w1"],
            "leases": {"w1": None},
            "status:running": ["-a"],
            "status:pending": ["+a"],
            "queue:normal": ["a", "b"],
            "bell:normal": ["1", "1", "1"],
            "running": {"a": None},
            "state:a": {"status": "pending", "list": "normal", "attempts": "0", "started": "t+0", "queued": "t+0"},
        }

    def test_in_steps(self, bench: Bench) -> None:
        bench.submit_ids("a", "b", "c")
        bench.register("w1")
        bench.claim("w1")
        evict = bench.protocol.evict("w1", False, 2, LIMITS)
        assert [bench.run(evict) for _ in range(3)] == [(2, 0, False), (1, 0, True), (0, 0, True)]
        assert bench.state()["queue:normal"] == ["a", "b", "c"]

    def test_after_the_first_step_the_worker_has_no_say(self, bench: Bench) -> None:
        bench.submit_ids("a", "b")
        bench.register("w1")
        turn = bench.turn_op("w1", 2)
        bench.run(turn)
        bench.run(bench.protocol.evict("w1", False, 1, LIMITS))
        assert not bench.run(turn).registered
        assert bench.run(bench.protocol.beat(TIMES, [("w1", "tok-w1")])).workers == (None,)

    def test_what_a_supervisor_has_left_undone_the_reaper_ends(self, bench: Bench) -> None:
        bench.submit_ids("a", "b")
        bench.register("w1", "w2")
        bench.claim("w1")
        bench.run(bench.protocol.evict("w1", False, 1, LIMITS))
        age(bench, "w2")
        assert reap(bench) == (1, 0, 1, False)
        assert bench.state()["queue:normal"] == ["a", "b"]

    def test_a_worker_that_is_not_known(self, bench: Bench) -> None:
        assert bench.act(bench.protocol.evict("nobody", True, 10, LIMITS)) == ((0, 0, True), {})

    def test_a_cancel_request_ends_with_the_attempt(self, bench: Bench) -> None:
        bench.claim_one("a")
        bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
        bench.evict("w1")
        assert "cancel" not in bench.state()["state:a"]
