"""turn, the claiming half: which tasks a worker gets, and what is written for each."""

from __future__ import annotations

import pytest

from taskq.protocol.keys import lists_of
from taskq.protocol.replies import Claim
from taskq.protocol.workflow import Child, FamilyPlan, Node
from tests.lua.scenarios.unique import keyed
from tests.state import LISTS, TTL_MS, Bench, settle, task


def ids(claims: tuple[Claim, ...]) -> list[str]:
    return [claim.task_id for claim in claims]


def test_one_task(bench: Bench) -> None:
    bench.submit_ids("a", "b", priority="high")
    bench.register("w1")
    reply, changed = bench.act(bench.turn_op("w1", want=1))
    (claim,) = reply.claims
    assert (claim.task_id, claim.envelope, claim.attempt, claim.retries) == ("a", b"body of a", 1, 0)
    assert claim.fence == f"{claim.fence_number}.tok-w1.1"
    assert (reply.registered, reply.superseded, reply.hold, reply.refused, reply.wait_ms) == (
        True,
        False,
        False,
        (),
        -1,
    )
    assert abs(reply.now_ms - bench.now_ms()) < 5_000
    assert changed == {
        "queue:high": ["b"],
        "processing:w1": ["a"],
        "status:pending": ["-a"],
        "status:running": ["+a"],
        "running": {"a": "#.tok-w1.1 w1 high 1 t+0 -"},
        "meta": {"fence": "#"},
        "worker:w1": {"seq": "1", "turn1": "1|#|0|"},
    }


def test_nothing_to_do(bench: Bench) -> None:
    bench.register("w1")
    reply, changed = bench.act(bench.turn_op("w1", want=5))
    assert reply.claims == ()
    assert changed == {"worker:w1": {"seq": "1", "turn1": "1|#|0|"}}


def test_strict_priority_and_first_in_first_out(bench: Bench) -> None:
    bench.submit(*(task(f"{p}{n}", p) for n in range(3) for p in ("low", "urgent", "normal", "high")))
    bench.register("w1")
    expected = [f"{p}{n}" for p in ("urgent", "high", "normal", "low") for n in range(3)]
    claimed: list[str] = []
    while claims := bench.claim("w1", want=5):
        claimed += ids(claims)
    assert claimed == expected
    assert bench.state()["processing:w1"] == expected


def test_the_worker_decides_the_order_of_the_lists(bench: Bench) -> None:
    bench.submit(task("a", "urgent"), task("b", "low"), task("c", "normal"))
    bench.register("w1")
    assert ids(bench.claim("w1", lists=["low", "urgent"])) == ["b", "a"]


@pytest.mark.parametrize("want", [0, 1, 2, 3, 4])
def test_never_more_than_wanted(bench: Bench, want: int) -> None:
    bench.submit(task("a"), task("b", "high"), task("c"))
    bench.register("w1")
    assert ids(bench.claim("w1", want)) == ["b", "a", "c"][:want]


def test_several_queues(bench: Bench) -> None:
    bench.submit(task("a", queue="mail"), task("b"), task("c", "urgent", queue="mail"), task("d", queue="other"))
    bench.register("w1")
    assert ids(bench.claim("w1", lists=lists_of("mail"))) == ["c", "a"]
    assert ids(bench.claim("w1", lists=[*lists_of("other"), *LISTS])) == ["d", "b"]


def test_two_workers_share_a_list(bench: Bench) -> None:
    bench.submit_ids("a", "b", "c")
    bench.register("w1", "w2")
    assert [ids(bench.claim(w, 1)) for w in ("w1", "w2", "w1", "w2")] == [["a"], ["b"], ["c"], []]


def test_fences_are_ordered_and_differ(bench: Bench) -> None:
    bench.submit_ids("a", "b", "c")
    bench.register("w1", "w2")
    numbers = [c.fence_number for c in (*bench.claim("w1", 2), *bench.claim("w2", 1))]
    assert numbers == sorted(set(numbers))


def test_fences_stay_ordered_when_the_clock_goes_back(bench: Bench) -> None:
    bench.submit_ids("a", "b", "c")
    bench.register("w1")
    before = bench.claim("w1", 2)[1].fence_number
    bench.move_clock(-3600)
    assert bench.claim("w1", 1)[0].fence_number == before + 1


def test_the_attempt_counts_starts_and_retries_count_failures(bench: Bench) -> None:
    claim = bench.claim_one("a")
    for outcome, number, expected in [("retry", 0, (2, 1)), ("snooze", 0, (2, 1)), ("release", 0, (2, 1))]:
        bench.end("w1", settle(claim, outcome, number=number))
        (claim,) = bench.claim("w1", 1)
        assert (claim.attempt, claim.retries) == expected


def test_an_unregistered_worker_gets_nothing(bench: Bench) -> None:
    bench.submit_ids("a")
    reply, changed = bench.act(bench.turn_op("nobody", want=1))
    assert (reply.registered, reply.claims, changed) == (False, (), {})


def test_a_wrong_token_gets_nothing(bench: Bench) -> None:
    bench.submit_ids("a")
    bench.register("w1")
    reply, changed = bench.act(bench.protocol.turn("w1", "another", 1, 1, LISTS))
    assert (reply.registered, reply.superseded, changed) == (False, False, {})


class TestPaused:
    def test_lists_are_left_out(self, bench: Bench) -> None:
        bench.submit(task("a", "urgent"), task("b"), task("c", queue="mail"))
        bench.register("w1")
        bench.run(bench.protocol.pause(True, ["urgent", "mail:normal"]))
        assert ids(bench.claim("w1", lists=[*LISTS, *lists_of("mail")])) == ["b"]
        bench.run(bench.protocol.pause(False, ["urgent"]))
        assert ids(bench.claim("w1", lists=[*LISTS, *lists_of("mail")])) == ["a"]

    def test_running_tasks_go_on(self, bench: Bench) -> None:
        claim = bench.claim_one("a")
        bench.run(bench.protocol.pause(True, LISTS))
        assert bench.end("w1", settle(claim)).refused == ()
        assert bench.state()["status:completed"] == {"a"}


class TestWhatIsNoTaskToRun:
    def test_a_tombstone_is_dropped(self, bench: Bench) -> None:
        bench.submit_ids("a", "b", "c")
        bench.register("w1")
        for cancelled in ("a", "c"):
            bench.run(bench.protocol.cancel(cancelled, "{}", TTL_MS))
        reply, changed = bench.act(bench.turn_op("w1", want=2))
        assert ids(reply.claims) == ["b"]
        assert changed["queue:normal"] is None
        assert changed["tombstones"] == ["-a", "-c"]
        assert changed["processing:w1"] == ["b"]
        assert "counters" not in changed

    def test_a_tombstone_outlives_its_body(self, bench: Bench) -> None:
        bench.submit_ids("a", "b")
        bench.register("w1")
        bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
        bench.expire("a")
        bench.move_clock(200)
        bench.run(bench.protocol.sweep(10))
        reply, changed = bench.act(bench.turn_op("w1", want=1))
        assert ids(reply.claims) == ["b"]
        assert changed["tombstones"] == ["-a"]
        assert "counters" not in changed

    def test_many_tombstones_are_walked_in_bounded_steps(self, bench: Bench) -> None:
        bench.submit_ids(*(f"t{n}" for n in range(250)), "a")
        bench.register("w1")
        for n in range(250):
            bench.transport.run(bench.protocol.cancel(f"t{n}", "{}", TTL_MS))
        depths = []
        while not (claims := bench.claim("w1", 1)):
            depths.append(len(bench.state()["queue:normal"]))
        assert ids(claims) == ["a"]
        assert depths == [150, 49]

    def test_a_lost_body_is_dropped_and_counted(self, bench: Bench) -> None:
        bench.submit(task("a", unique="k"))
        bench.submit(task("b"))
        bench.register("w1")
        bench.client.delete(bench.key("task", "a"))
        reply, changed = bench.act(bench.turn_op("w1", want=1))
        assert ids(reply.claims) == ["b"]
        assert changed == {
            "queue:normal": None,
            "unique:k": None,
            "state:a": {"unique": None},
            "processing:w1": ["b"],
            "status:pending": ["-a", "-b"],
            "status:running": ["+b"],
            "running": {"b": "#.tok-w1.1 w1 normal 1 t+0 -"},
            "counters": {"lost_bodies": 1},
            "meta": {"fence": "#"},
            "worker:w1": {"seq": "1", "turn1": "1|#|0|"},
        }

    @pytest.mark.parametrize("want", [1, 2, 10])
    @pytest.mark.parametrize("place", ["running", "scheduled", "failed", "completed", "nowhere"])
    def test_a_stray_is_dropped_and_what_it_names_stays(self, bench: Bench, place: str, want: int) -> None:
        """An id that a foreign hand has pushed into a list although its task is elsewhere."""
        claim = bench.claim_one("a")
        outcome = {"scheduled": "retry", "failed": "fail", "completed": "complete"}.get(place)
        if outcome:
            bench.end("w1", settle(claim, outcome))
        bench.client.rpush(bench.key("queue", "normal"), "unknown" if place == "nowhere" else "a")
        bench.submit_unchecked("b")
        reply, changed = bench.act(bench.turn_op("w1", want=want))
        assert ids(reply.claims) == ["b"]
        assert changed == {
            "queue:normal": None,
            "processing:w1": ["a", "b"] if place in ("running", "nowhere") else ["b"],
            "running": {"b": f"#.tok-w1.{3 if outcome else 2} w1 normal 1 t+0 -"},
            "status:pending": ["-b"],
            "status:running": ["+b"],
            "counters": {"strays": 1},
            "worker:w1": {"seq": "3", "turn1": "3|#|0|"} if outcome else {"seq": "2", "turn0": "2|#|0|"},
        }

    @pytest.mark.parametrize("want", [2, 3, 10])
    def test_an_id_that_stands_in_two_places_runs_once(self, bench: Bench, want: int) -> None:
        bench.submit_ids("a", "b")
        bench.register("w1")
        bench.client.rpush(bench.key("queue", "normal"), "a")
        bench.client.rpush(bench.key("queue", "low"), "b")
        reply = bench.transport.run(bench.turn_op("w1", want=want))
        assert ids(reply.claims) == ["a", "b"]
        assert bench.claim("w1", 10) == ()
        state = bench.state()
        assert state["processing:w1"] == ["a", "b"]
        assert state["counters"] == {"submitted": 2, "strays": 2}

    def test_a_stray_that_ends_in_the_same_turn_does_not_run_again(self, bench: Bench) -> None:
        claim = bench.claim_one("a")
        bench.client.rpush(bench.key("queue", "normal"), "a")
        bench.submit_unchecked("b")
        reply = bench.run(bench.turn_op("w1", 2, [settle(claim)]))
        assert (ids(reply.claims), reply.refused) == (["b"], ())
        state = bench.state()
        assert (state["status:completed"], state["status:running"]) == ({"a"}, {"b"})
        assert state["counters"] == {"submitted": 2, "completed": 1, "strays": 1}

    def test_a_state_that_is_no_hash_is_replaced(self, bench: Bench) -> None:
        bench.submit_ids("a")
        bench.register("w1")
        bench.client.set(bench.key("state", "a"), "foreign")
        assert ids(bench.claim("w1")) == ["a"]

    @pytest.mark.parametrize("damaged", ["family", "sequence", "state"])
    def test_a_lost_one_with_foreign_ties_holds_nobody_up(self, bench: Bench, damaged: str) -> None:
        claim = bench.claim_one("p")
        plan = FamilyPlan("p/1", 1, "wait_all", 0, "p", claim.fence)
        bench.run(bench.protocol.fanout(plan, 0, [Child("child", "C", "normal")], 0))
        bench.submit(task("first", ordering="k"), task("a"))
        bench.audited = False
        for lost in ("child", "first"):
            bench.client.delete(bench.key("task", lost))
        for name in {"family": ["p/1"], "sequence": ["k"], "state": ["child", "first"]}[damaged]:
            bench.client.delete(bench.key(damaged, name))
            bench.client.set(bench.key(damaged, name), "foreign")
        assert ids(bench.claim("w1")) == ["a"]
        assert bench.client.hget(bench.key("counters"), "lost_bodies") == "2"

    def test_a_lost_holder_whose_successor_stands_behind_a_foreign_list_holds_nobody_up(self, bench: Bench) -> None:
        bench.submit(keyed("holder"))
        bench.register("w1")
        (claim,) = bench.claim("w1", 1)
        bench.submit(keyed("next", "queue_one", queue="mail"), task("a"))
        bench.end("w1", settle(claim, "release"))
        bench.audited = False
        bench.client.delete(bench.key("task", "holder"))
        bench.client.set(bench.key("queue", "mail:normal"), "foreign")
        assert ids(bench.claim("w1")) == ["a"]
        state = bench.state()
        assert (state["counters"]["lost_bodies"], state["status:waiting"]) == (1, {"next"})

    def test_a_limit_whose_blocked_are_foreign_holds_up_nobody_who_leads_them(self, bench: Bench) -> None:
        """The last of a portion that was let in is claimed: the next ones would come back."""
        bench.submit_ids("a")
        bench.register("w1")
        bench.audited = False
        bench.client.hset(bench.key("state", "a"), "leads", "k")
        bench.client.set(bench.key("blocked", "k"), "foreign")
        assert ids(bench.claim("w1")) == ["a"]
        assert "state:a" not in bench.state()


class TestDueTasks:
    def test_are_promoted_and_claimed_in_the_same_turn(self, bench: Bench) -> None:
        bench.submit(task("a", "high", due=bench.at(60)), task("b", due=bench.at(90)))
        bench.register("w1")
        assert ids(bench.claim("w1")) == []
        bench.move_clock(60)
        reply, changed = bench.act(bench.turn_op("w1", want=1))
        assert ids(reply.claims) == ["a"]
        assert 20_000 < reply.wait_ms <= 30_000
        assert changed["scheduled"] == {"a": None}
        assert changed["status:scheduled"] == ["-a"]
        assert changed["status:running"] == ["+a"]

    def test_the_wait_ends_with_the_next_one(self, bench: Bench) -> None:
        bench.register("w1")
        assert bench.run(bench.turn_op("w1", want=1)).wait_ms == -1
        bench.submit(task("a", due="+60000"))
        assert 55_000 < bench.run(bench.turn_op("w1", want=1)).wait_ms <= 60_000

    def test_stand_behind_what_waits_already(self, bench: Bench) -> None:
        bench.submit(task("a", due=bench.at(60)), task("b"))
        bench.register("w1")
        bench.move_clock(60)
        assert ids(bench.claim("w1")) == ["b", "a"]

    def test_a_retry_without_delay_runs_again_in_the_same_turn(self, bench: Bench) -> None:
        claim = bench.claim_one("a")
        reply = bench.run(bench.turn_op("w1", 1, [settle(claim, "retry", number=0)]))
        assert ids(reply.claims) == ["a"]
        assert reply.claims[0].attempt == 2


class TestLargeBodies:
    """Half a megabyte a turn and one body more: the server serves nobody else while it copies."""

    def submit(self, bench: Bench, *sizes: int, priority: str = "normal") -> list[str]:
        names = [f"{priority}{n}" for n in range(len(sizes))]
        bench.submit(*(task(name, priority, body="x" * size) for name, size in zip(names, sizes, strict=True)))
        bench.register("w1")
        return names

    def test_a_turn_takes_as_many_as_fit(self, bench: Bench) -> None:
        names = self.submit(bench, *[200_000] * 7)
        reply, changed = bench.act(bench.turn_op("w1", 10))
        assert ids(reply.claims) == names[:3]
        assert all(len(claim.envelope) == 200_000 for claim in reply.claims)
        assert changed["status:running"] == [f"+{name}" for name in names[:3]]
        assert changed["queue:normal"] == names[3:]
        assert [ids(bench.claim("w1")) for _ in range(2)] == [names[3:6], names[6:]]

    def test_the_first_is_always_taken(self, bench: Bench) -> None:
        names = self.submit(bench, 3_000_000, 10)
        assert ids(bench.claim("w1")) == names[:1]
        assert ids(bench.claim("w1")) == names[1:]

    def test_small_ones_before_it_go_along(self, bench: Bench) -> None:
        names = self.submit(bench, 10, 10, 600_000, 10)
        assert ids(bench.claim("w1")) == names[:3]

    def test_what_is_left_rings_although_no_hint_was_taken(self, bench: Bench) -> None:
        self.submit(bench, *[600_000] * 2)
        bench.client.delete(bench.key("bell", "normal"))
        operation = bench.turn_op("w1", 10)
        silent = operation._replace(args=(*operation.args[:4], 0, *operation.args[5:]))
        bench.all_hints_kept = False
        _, changed = bench.act(silent)
        assert changed["bell:normal"] == ["1"]

    @pytest.mark.parametrize("history", [False, True])
    def test_with_a_history_too(self, bench: Bench, history: bool) -> None:
        """Then they are taken one by one."""
        names = self.submit(bench, *[300_000] * 4)
        if history:
            for claim in bench.claim("w1", 1):
                bench.end("w1", settle(claim, "release"))
        assert [ids(bench.claim("w1")) for _ in range(2)] == [names[:2], names[2:]]

    def test_of_all_lists_together(self, bench: Bench) -> None:
        names = [self.submit(bench, 300_000, priority=priority)[0] for priority in ("urgent", "high", "normal")]
        for claim in bench.claim("w1", 1):
            bench.end("w1", settle(claim, "release"))
        assert [ids(bench.claim("w1")) for _ in range(2)] == [names[:2], names[2:]]

    @pytest.mark.parametrize("way", ["alone", "batch", "due", "fanout", "graph", "schedule"])
    def test_each_way_in_notes_that_there_are_some(self, bench: Bench, way: str) -> None:
        def submit(name: str, size: int) -> None:
            body = "x" * size
            some = {"alone": [task(name, body=body)], "due": [task(name, body=body, due="+1000")]}
            some["batch"] = [task(f"{name}2"), *some["alone"]]
            if way in some:
                bench.submit(*some[way])
            elif way == "fanout":
                child = Child(name, body, "normal")
                bench.run(bench.protocol.fanout(FamilyPlan(name, 1, "wait_all", ttl_ms=TTL_MS), 0, [child], 0))
            elif way == "graph":
                bench.run(bench.protocol.graph([Node(name, body, "normal", "wait_all", ())], 0))
            else:
                bench.run(bench.protocol.add_schedule(name, "{}"))
                bench.run(bench.protocol.fire(name, "{}", 1000, task(name, body=body)))

        submit("small", 4_096)
        assert "large" not in bench.state()
        submit("large", 4_097)
        assert bench.state()["large"] == "1"
        submit("again", 4_097)
