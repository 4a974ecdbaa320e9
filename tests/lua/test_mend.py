"""mend: what is right stays as it is, and what is wrong is put where the rest of it says that it belongs."""

from __future__ import annotations

import pytest

from taskq.errors import ServerError
from taskq.model.circuit import Circuit
from taskq.model.limit import Limit
from taskq.protocol.replies import Settlement
from taskq.protocol.workflow import Child, CommitPlan, FamilyPlan
from tests.lua.scenarios.unique import keyed
from tests.state import TIMES, TTL_MS, Bench, State, changes, settle, task


def mend(bench: Bench, task_id: str, *holders: str) -> tuple[list[str], State]:
    """Mend a task; return what was done, and what it has changed."""
    bench.audited = False
    done, changed = bench.act(bench.protocol.mend(task_id, "normal", TTL_MS, list(holders)))
    return list(done), changed


def one_of_each(bench: Bench) -> None:
    bench.register("w1")
    bench.submit_ids("complete", "fail", "cancel", "retry", "run", "parent")
    for claim in bench.claim("w1", 6):
        if claim.task_id == "parent":
            plan = FamilyPlan("parent/1", 1, "wait_all", 0, "parent", claim.fence)
            bench.run(bench.protocol.fanout(plan, 0, [Child("child", "C", "low")], 0))
            bench.end("w1", Settlement("parent", claim.fence, "wait", "parent/1", 0))
        elif claim.task_id != "run":
            bench.end("w1", settle(claim, claim.task_id))
    bench.submit(task("pend"), task("later", due=bench.at(60)))
    bench.run(bench.protocol.set_limit(Limit("few", concurrency=1)))
    bench.submit(*(task(i, "high", limits="few") for i in ("in", "blocked")))
    assert [claim.task_id for claim in bench.claim("w1", 2, ["high"])] == ["in"]
    bench.submit(*(task(i, ordering="k") for i in ("first", "second")))


@pytest.mark.parametrize(
    "task_id",
    [
        *("complete", "fail", "cancel", "retry", "run", "parent", "child", "pend", "later", "unknown"),
        *("in", "blocked", "first", "second"),
    ],
)
def test_what_is_right_stays(bench: Bench, task_id: str) -> None:
    one_of_each(bench)
    assert mend(bench, task_id, "w1") == ([], {})


def test_a_run_with_a_fence_that_is_none_is_taken_from_its_worker(bench: Bench) -> None:
    bench.claim_one("a")
    bench.client.hset(bench.key("running"), "a", "x w1 normal 1 1 -")
    done, changed = mend(bench, "a")
    assert done
    assert changed["running"] == {"a": None}
    assert (changed["processing:w1"], changed["queue:normal"]) == (None, ["a"])
    assert (changed["status:running"], changed["status:pending"]) == (["-a"], ["+a"])


def test_a_record_that_cannot_be_read_is_deleted(bench: Bench) -> None:
    bench.claim_one("a")
    bench.audited = False
    bench.client.hset(bench.key("running"), "a", "garbage")
    assert "its record deleted" in bench.run(bench.protocol.mend("a", "normal", TTL_MS, ["w1"]))
    assert bench.client.hget(bench.key("running"), "a") is None
    assert bench.client.lrange(bench.key("queue", "normal"), 0, -1) == ["a"]


def test_of_two_ends_the_state_tells_which(bench: Bench) -> None:
    bench.submit_ids("a")
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    bench.client.sadd(bench.key("status", "failed"), "a")
    done, changed = mend(bench, "a")
    assert (done, changed["status:failed"]) == (["taken out of the set failed"], ["-a"])


def test_a_state_that_knows_nothing_of_the_run_is_put_right(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.run(bench.protocol.checkpoint("a", claim.fence, "1", -1))
    bench.client.hset(bench.key("state", "a"), "status", "pending")
    assert mend(bench, "a", "w1") == (["its state says running"], {"state:a": {"status": "running"}})


class TestSequences:
    """Whoever runs or may start is the first; whoever waits is not."""

    def line_up(self, bench: Bench, *ids: str) -> None:
        bench.submit(*(task(i, ordering="k") for i in ids))
        bench.register("w1")

    def forget(self, bench: Bench, task_id: str, status: str = "waiting") -> None:
        bench.client.zrem(bench.key("sequence", "k"), task_id)
        bench.client.hset(bench.key("state", task_id), "status", status)

    def pending(self, bench: Bench, task_id: str) -> None:
        """Let one that waits look as if it might start."""
        bench.client.smove(bench.key("status", "waiting"), bench.key("status", "pending"), task_id)
        bench.client.rpush(bench.key("queue", "normal"), task_id)
        bench.client.hset(bench.key("state", task_id), "status", "pending")

    def test_one_that_waits_and_stands_nowhere_goes_to_the_end(self, bench: Bench) -> None:
        self.line_up(bench, "a", "b", "c")
        self.forget(bench, "b")
        assert mend(bench, "b") == (["put at the end of the sequence of k"], {"sequence:k": {"b": 4}})

    def test_one_that_waits_for_nobody_starts(self, bench: Bench) -> None:
        self.line_up(bench, "a", "b")
        bench.client.delete(bench.key("sequence", "k"))
        done, changed = mend(bench, "b")
        assert done == ["put at the end of the sequence of k", "it was the first of its sequence, and starts"]
        assert (changed["status:pending"], changed["queue:normal"]) == (["+b"], ["a", "b"])

    @pytest.mark.parametrize("known", [True, False])
    def test_one_that_may_start_beside_one_that_runs_waits_again(self, bench: Bench, known: bool) -> None:
        self.line_up(bench, "a", "b", "c")
        bench.claim("w1", 1)
        self.pending(bench, "b")
        if not known:
            bench.client.zrem(bench.key("sequence", "k"), "b")
        done, changed = mend(bench, "b")
        assert done == ["b waits in its sequence"]
        assert (changed["status:waiting"], changed["tombstones"]) == (["+b"], ["+b"])
        assert changed.get("sequence:k") == (None if known else {"b": 4}), "it keeps its place"

    def test_one_that_may_start_before_the_first_takes_its_place(self, bench: Bench) -> None:
        self.line_up(bench, "a", "b")
        self.pending(bench, "b")
        done, changed = mend(bench, "b")
        assert done == ["put at the beginning of the sequence of k", "a waits in its sequence"]
        assert (changed["sequence:k"], changed["tombstones"]) == ({"b": 0}, ["+a"])

    @pytest.mark.parametrize("other", ["", "a"])
    def test_one_that_a_limit_holds_up_is_the_first_or_waits_for_it(self, bench: Bench, other: str) -> None:
        """Out of its sequence it may start, unless somebody runs: then it waits, and stands in no list."""
        bench.run(bench.protocol.set_limit(Limit("few", concurrency=1)))
        bench.register("w1")
        bench.submit(task("in", limits="few"), task("b", limits="few", ordering="k"))
        assert [claim.task_id for claim in bench.claim("w1", 2)] == ["in"]
        bench.client.delete(bench.key("sequence", "k"))
        bench.audited = False
        if other:
            bench.submit(task("a", ordering="k"))
            bench.claim("w1", 1)
        done, changed = mend(bench, "b")
        assert bench.client.exists(bench.key("blocked", "few")) == 0
        assert changed.get("queue:normal") == (None if other else ["b"])
        assert changed["sequence:k"] == ({"b": 2} if other else {"b": -1})
        assert "tombstones" not in changed
        assert done[-1] == ("b waits in its sequence" if other else "back at the head of normal")

    def test_nobody_is_buried_who_stands_in_no_list(self, bench: Bench) -> None:
        """The tombstone would come alive in the place of an entry that is not there."""
        self.line_up(bench, "a", "b")
        self.pending(bench, "b")
        bench.client.srem(bench.key("status", "pending"), "a")
        bench.client.lrem(bench.key("queue", "normal"), 1, "a")
        _, changed = mend(bench, "b")
        assert changed["status:waiting"] == ["+a"]
        assert "tombstones" not in changed

    def test_when_the_first_has_no_envelope_the_next_one_starts(self, bench: Bench) -> None:
        self.line_up(bench, "a", "b")
        bench.client.delete(bench.key("task", "a"))
        done, changed = mend(bench, "a")
        assert "dropped and counted: it has no envelope" in done
        assert (changed["status:pending"], changed["sequence:k"]) == (["+b", "-a"], {"a": None})


def test_what_was_left_of_a_saga_without_an_envelope_is_told(bench: Bench) -> None:
    claim = bench.claim_one("p")
    bench.run(bench.protocol.commit(CommitPlan("p", claim.fence, "n", "1", None, "running one"), (), 0))
    bench.client.delete(bench.key("task", "p"), bench.key("running"), bench.key("processing", "w1"))
    done, changed = mend(bench, "p")
    assert done[-2:] == ["no saga any more", "what was left of it deleted"]
    assert changed["sagas"] == {"p": None}


def test_what_is_mended_after_its_end_is_retained_again(bench: Bench) -> None:
    """It may expire later than before, and would be forgotten by nobody."""
    bench.end("w1", settle(bench.claim_one("a")))
    bench.move_clock(30)
    bench.client.persist(bench.key("task", "a"))
    done, changed = mend(bench, "a")
    assert done == ["its envelope expires"]
    assert changed == {"task:a ttl": "100s", "retained:t+140": ["a"], "retention": {"t+140": "t+140"}}


@pytest.mark.parametrize("taken", [False, True])
def test_a_unique_key_is_held_again_if_it_is_free(bench: Bench, taken: bool) -> None:
    bench.submit(task("a", unique="k"))
    if taken:
        bench.client.set(bench.key("unique", "k"), "other")
        assert mend(bench, "a") == (["its unique key belongs to another task"], {"state:a": {"unique": None}})
    else:
        bench.client.delete(bench.key("unique", "k"))
        assert mend(bench, "a") == (["its unique key is held again"], {"unique:k": "a"})


@pytest.mark.parametrize("held", [False, True])
def test_one_that_waits_for_a_key_and_is_no_successor_holds_it_if_it_is_free(bench: Bench, held: bool) -> None:
    bench.submit(task("holder", unique="k"))
    bench.register("w1")
    bench.claim("w1", 1)
    bench.submit(keyed("next", "queue_one"))
    bench.client.delete(bench.key("successor", "k"), *([] if held else [bench.key("unique", "k")]))
    done, changed = mend(bench, "next")
    assert "it does not wait for a unique key any more" in done
    assert changed["queue:normal"] == ["next"]
    assert changed.get("unique:k") == (None if held else "next")
    assert changed["state:next"].get("unique") == (None if held else "k")


def test_what_waits_for_a_later_holder_does_not_start_when_an_earlier_one_is_mended(bench: Bench) -> None:
    bench.submit(keyed("earlier"))
    bench.register("w1")
    bench.end("w1", settle(bench.claim("w1", 1)[0], "fail"))
    bench.submit(keyed("holder", ttl=10))
    bench.claim("w1", 1)
    bench.submit(keyed("next", "queue_one"))
    bench.move_clock(20)
    bench.client.persist(bench.key("task", "earlier"))
    done, _ = mend(bench, "earlier")
    assert done == ["its envelope expires"]
    assert bench.client.smembers(bench.key("status", "waiting")) == {"next"}


@pytest.mark.parametrize("limits", ["", "k"])
def test_a_record_that_speaks_of_a_state_which_is_gone_is_put_right(bench: Bench, limits: str) -> None:
    bench.run(bench.protocol.set_limit(Limit("k", concurrency=1)))
    bench.register("w1")
    bench.submit(task("a", limits=limits))
    (claim,) = bench.claim("w1", 1)
    bench.run(bench.protocol.checkpoint("a", claim.fence, "1", -1))
    bench.client.delete(bench.key("state", "a"))
    record = "#.tok-w1.1 w1 normal 1 t+0 " + ("k l" if limits else "-")
    assert mend(bench, "a", "w1") == (["its record put right"], {"running": {"a": record}})


@pytest.mark.parametrize(("family", "name"), [("blocked", "few"), ("jams", ""), ("woken", "")])
def test_beside_a_damaged_key_nothing_is_done_by_halves(bench: Bench, family: str, name: str) -> None:
    bench.run(bench.protocol.set_limit(Limit("few", concurrency=1)))
    bench.register("w1")
    bench.submit(task("in", limits="few"), task("b", limits="few"))
    bench.claim("w1", 2)
    bench.client.smove(bench.key("status", "waiting"), bench.key("status", "pending"), "b")
    bench.client.pexpire(bench.key("task", "b"), 90_000)
    bench.client.delete(bench.key(family, name))
    bench.client.set(bench.key(family, name), "x")
    before = bench.state()
    with pytest.raises(ServerError, match="WRONGTYPE"):
        mend(bench, "b")
    assert changes(before, bench.state()) == {}


def mend_place(bench: Bench, verb: str, name: str, detail: str = "") -> tuple[list[str], State]:
    bench.audited = False
    done, changed = bench.act(bench.protocol.mend_place(verb, name, detail, TIMES.lease_ms))
    return list(done), changed


@pytest.mark.parametrize(
    ("verb", "name", "detail"),
    [
        ("push", "later", "normal"),
        ("push", "pend", "normal"),
        ("bury", "pend", "low 0 n 1 0  "),  # stands in another list
        ("bury", "pend", "normal 3 n 1 0  "),  # stands nearer to the tail
        ("bury", "pend", "normal 0 n 0 0  "),  # was not pending when its entries were counted
        ("bury", "pend", "normal 0 n 1 1  "),  # had a tombstone
        ("bury", "pend", "normal 0 n 1 0 1 "),  # has been run since
        ("bury", "run", "normal 0 n 0 0  #.tok.1 w1 normal 1 1 -"),
        ("unbury", "pend", ""),
        ("retain", "pend", ""),
        ("retain", "complete", ""),
        ("unique", "key", ""),
        ("unique", "unknown", ""),
        ("unique", "kept", ""),
        ("successor", "key", ""),
        ("successor", "unknown", ""),
        ("sequence", "k", ""),
        ("permits", "few", ""),
        ("permits", "other", ""),
        ("blocked", "blocked", "few"),
        ("blocked", "run", "few"),
        ("jams", "none", ""),
        ("gates", "none", ""),
        ("gates", "type:x", ""),
        ("gates", "!broken:a", ""),
        ("gates", "!broken:b", ""),
        ("limited", "limited", ""),
        ("woken", "few", ""),
        ("bell", "normal", ""),
        ("workers", "w1", ""),
        ("sagas", "run", ""),
    ],
)
def test_a_place_that_is_right_stays(bench: Bench, verb: str, name: str, detail: str) -> None:
    one_of_each(bench)
    bench.submit(keyed("done", key="kept", idempotency=50, queue="mail"), keyed("keyed", key="key", queue="mail"))
    done, _ = bench.claim("w1", 2, ["mail:normal"])
    bench.end("w1", settle(done))
    bench.submit(keyed("next", "queue_one", key="key"))
    bench.run(bench.protocol.set_circuit(Circuit("broken", 1, 60, 60)))
    bench.run(bench.protocol.open_circuit("broken:a", 0))
    bench.client.hset(bench.key("gates"), "!broken:b", "half in")
    bench.run(bench.protocol.gate(True, "type:x"))
    assert mend_place(bench, verb, name, detail) == ([], {})


def test_an_entry_too_many_becomes_the_tombstone_of_somebody_else(bench: Bench) -> None:
    bench.submit_ids("a", "b")
    bench.client.rpush(bench.key("queue", "normal"), "a", "c")
    for _ in range(2):  # a call that is repeated takes nothing more away
        assert mend_place(bench, "bury", "a", "normal 0 n1 1 0  ")[0] == [
            "a tombstone put in place of an entry in normal"
        ]
        assert bench.client.lrange(bench.key("queue", "normal"), 0, -1) == ["a", "b", "gone-n1", "c"]
        assert bench.client.smembers(bench.key("tombstones")) == {"gone-n1"}
    bench.register("w1")
    assert [claim.task_id for claim in bench.claim("w1", 4)] == ["a", "b"]
    assert bench.client.smembers(bench.key("tombstones")) == set()


def test_an_entry_too_many_is_found_where_others_have_come_behind_it(bench: Bench) -> None:
    bench.submit_ids("a")
    bench.client.rpush(bench.key("queue", "normal"), "a", *range(399))
    assert mend_place(bench, "bury", "a", "normal 0 n1 1 0  ")[0] != []
    bench.client.rpush(bench.key("queue", "normal"), "a", *range(400))
    assert mend_place(bench, "bury", "a", "normal 0 n2 1 0  ") == ([], {})


@pytest.mark.parametrize("anybody_waits", [True, False])
def test_permits_given_back_let_others_in_at_once(bench: Bench, anybody_waits: bool) -> None:
    one_of_each(bench)
    if not anybody_waits:
        bench.run(bench.protocol.cancel("blocked", "{}", TTL_MS))
    else:
        bench.client.zadd(bench.key("jams"), {"few": bench.at(600)})
    bench.client.hset(bench.key("permits"), "few", 2)
    done, changed = mend_place(bench, "permits", "few")
    assert (done, changed["permits"]) == (["counted again: 1"], {"few": "1"})
    assert changed.get("jams") == ({"few": "t+0"} if anybody_waits else None)


@pytest.mark.parametrize("anybody_waits", [True, False])
def test_those_behind_a_gate_that_is_taken_away_are_let_in_at_once(bench: Bench, anybody_waits: bool) -> None:
    bench.register("w1")
    bench.run(bench.protocol.set_circuit(Circuit("k", 1, 60, 600)))
    bench.run(bench.protocol.open_circuit("k", 0))
    if anybody_waits:
        bench.submit(task("a", limits="k"))
        assert bench.claim("w1", 1) == ()
    bench.client.hset(bench.key("gates"), "!k", "damaged")
    done, changed = mend_place(bench, "gates", "!k")
    assert (done, changed["gates"]) == (["is open to all"], {"!k": None})
    assert changed.get("jams") == ({"k": "t+0"} if anybody_waits else None)
    assert [claim.task_id for claim in bench.claim("w1", 1)] == (["a"] if anybody_waits else [])


@pytest.mark.parametrize(
    ("text", "right"), [("# x ", True), ("# x  y ", True), ("#*", True), (" x ", False), ("*", False), ("# y ", False)]
)
def test_what_is_counted_may_be_named_beside_more_but_all_of_it_is(bench: Bench, text: str, right: bool) -> None:
    for name in ("k", "type:x"):
        bench.run(bench.protocol.set_limit(Limit(name, concurrency=1)))
    bench.audited = False
    bench.client.set(bench.key("limited"), text)
    assert mend_place(bench, "limited", "limited") == (([], {}) if right else (["written anew"], {"limited": "# x "}))


def test_nobody_is_woken_for_a_limit_for_which_nobody_waits(bench: Bench) -> None:
    one_of_each(bench)
    bench.run(bench.protocol.cancel("blocked", "{}", TTL_MS))
    bench.client.zadd(bench.key("blocked", "few"), {"pend": 1, "run": 2})
    bench.client.zadd(bench.key("jams"), {"few": 1})
    bench.client.hset(bench.key("woken"), "few", "pend")
    assert mend_place(bench, "blocked", "pend", "few")[0] == ["taken out of it"]
    done, changed = mend_place(bench, "blocked", "run", "few")
    assert (done, changed) == (
        ["taken out of it"],
        {"blocked:few": None, "jams": {"few": None}, "woken": {"few": None}},
    )


class TestWorkers:
    def test_whoever_has_a_lease_but_is_not_listed_is_listed(self, bench: Bench) -> None:
        bench.register("w1")
        bench.client.srem(bench.key("workers"), "w1")
        done, changed = mend_place(bench, "workers", "w1")
        assert (done, changed["workers"]) == (["registered, with a lease"], ["+w1"])

    def test_whoever_has_no_card_is_forgotten(self, bench: Bench) -> None:
        bench.client.sadd(bench.key("workers"), "w9")
        assert mend_place(bench, "workers", "w9") == (["forgotten"], {"workers": ["-w9"]})
        assert mend_place(bench, "workers", "w9") == ([], {})

    def test_a_lease_that_is_too_long_is_cut(self, bench: Bench) -> None:
        bench.register("w1")
        bench.client.zadd(bench.key("leases"), {"w1": bench.at(600)})
        assert mend_place(bench, "workers", "w1") == (["its lease cut to one length"], {"leases": {"w1": "t+60"}})
