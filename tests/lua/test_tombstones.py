"""An id that comes back while its tombstone stands in a list: the old entry is taken out, or nothing is stored."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.protocol.keys import lists_of
from taskq.protocol.operation import Operation
from taskq.protocol.operations import load_scripts
from taskq.protocol.submits import Submission, SubmitReply
from taskq.protocol.workflow import Child, CommitPlan, FamilyPlan, Node
from tests.lua.cut import rewritten
from tests.state import TTL_MS, Bench, task

LOOKS = 4
_SCRIPT = load_scripts("shifted_clock")["submit"]
SHORT_SIGHTED = rewritten(_SCRIPT, _SCRIPT.source.replace("LOOKED_THROUGH = 100000", f"LOOKED_THROUGH = {LOOKS}"))


def bury(bench: Bench, *tasks: Submission) -> None:
    """Leave tombstones: tasks are cancelled in their lists, and their retention ends."""
    bench.submit(*tasks)
    for one in tasks:
        assert bench.run(bench.protocol.cancel(one.task_id, "{}", TTL_MS)) == "cancelled"
    bench.expire(*(one.task_id for one in tasks))


def submit(bench: Bench, *tasks: Submission) -> Operation[SubmitReply]:
    return bench.protocol.submit(tasks, 0)


def claimed(bench: Bench, queue: str | None = None) -> list[str]:
    bench.register("w1")
    return [claim.task_id for claim in bench.claim("w1", 100, lists_of(queue))]


@pytest.mark.parametrize("old", ["urgent", "normal", "low"])
@pytest.mark.parametrize("queue", [None, "mail"])
def test_the_old_entry_leaves_the_lists_of_its_queue(bench: Bench, queue: str | None, old: str) -> None:
    bench.submit(task("first", old, queue=queue))
    bury(bench, task("a", old, queue=queue))
    bench.submit(task("last", old, queue=queue))
    reply, changed = bench.act(submit(bench, task("a", queue=queue)))
    assert reply.ids == ("a",)
    assert changed["tombstones"] == ["-a"]
    assert changed[f"queue:{'mail:' if queue else ''}{old}"] == ["first", "last", *(["a"] if old == "normal" else [])]
    assert set(claimed(bench, queue)) == {"first", "last", "a"}
    assert bench.state()["counters"].get("strays") is None


def test_in_another_queue_it_is_refused_until_somebody_has_come_to_the_old_entry(bench: Bench) -> None:
    bury(bench, task("a", queue="mail"))
    bench.submit_ids("b")
    reply, changed = bench.act(submit(bench, task("c"), task("a")))
    assert (reply.ids, reply.buried, changed) == ((), "a", {})
    assert claimed(bench, "mail") == []
    assert bench.run(submit(bench, task("c"), task("a"))).ids == ("c", "a")
    assert claimed(bench) == ["b", "c", "a"]


def test_a_purge_frees_the_id(bench: Bench) -> None:
    bury(bench, task("a", queue="mail"))
    assert bench.run(bench.protocol.purge("mail:normal", 100)) == (0, False)
    assert bench.run(submit(bench, task("a"))).ids == ("a",)
    assert claimed(bench) == ["a"]


def test_one_that_is_to_start_later(bench: Bench) -> None:
    bury(bench, task("a"))
    _, changed = bench.act(submit(bench, task("a", "low", due=bench.at(60))))
    assert (changed["tombstones"], changed["queue:normal"]) == (["-a"], None)
    bench.move_clock(61)
    assert claimed(bench) == ["a"]


class TestGroups:
    def test_in_its_place_the_old_entry_is_dropped_before_the_new_one(self, bench: Bench) -> None:
        bury(bench, task("a", group="g"))
        bench.submit(task("a", group="g"), task("b", group="g"))
        assert bench.state()["group:normal/g"] == ["a", "a", "b"]
        assert claimed(bench) == ["a", "b"]

    @pytest.mark.parametrize("new", [{}, {"group": "h"}])
    def test_in_another_one_it_is_refused(self, bench: Bench, new: Any) -> None:
        bury(bench, task("a", group="g"))
        reply, changed = bench.act(submit(bench, task("a", **new)))
        assert (reply.buried, changed) == ("a", {})

    def test_an_entry_of_its_own_is_taken_out(self, bench: Bench) -> None:
        bury(bench, task("a"))
        _, changed = bench.act(submit(bench, task("a", group="g")))
        assert (changed["tombstones"], changed["queue:normal"]) == (["-a"], ["@g"])


class TestALongList:
    @pytest.mark.parametrize(
        ("others", "place", "seen"),
        [(3, 3, True), (4, 1, True), (4, 2, False), (4, 3, True), (4, 4, True), (8, 7, True), (8, 6, False)],
    )
    def test_it_is_looked_through_from_both_ends(self, bench: Bench, others: int, place: int, seen: bool) -> None:
        names = [f"n{n}" for n in range(others)]
        names.insert(place, "a")
        bench.submit(*(task(name) for name in names))
        bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
        bench.expire("a")
        reply = bench.run(submit(bench, task("a"))._replace(script=SHORT_SIGHTED))
        assert reply.buried == (None if seen else "a")
        assert bench.state()["queue:normal"] == ([*(name for name in names if name != "a"), "a"] if seen else names)

    def test_all_ids_of_a_call_share_what_it_looks_through(self, bench: Bench) -> None:
        bury(bench, *(task(name) for name in "abc"))
        operation = submit(bench, *(task(name, "high") for name in "abc"))
        assert bench.act(operation._replace(script=SHORT_SIGHTED))[0].buried == "b"
        assert bench.run(operation).ids == ("a", "b", "c")


class TestOthersWhoStore:
    def test_a_graph(self, bench: Bench) -> None:
        bury(bench, task("a", "low"), task("b", queue="mail"))
        nodes = [Node("a", "A", "normal", "fail_fast", ()), Node("b", "B", "normal", "fail_fast", ("a",))]
        assert bench.act(bench.protocol.graph(nodes, 0)) == ((-4, b"b"), {})
        reply, changed = bench.act(bench.protocol.graph(nodes[:1], 0))
        assert (reply, changed["tombstones"], changed["queue:low"]) == ((1, 1), ["-a"], None)

    def test_children(self, bench: Bench) -> None:
        claim = bench.claim_one("p")
        bury(bench, task("a", "low"), task("b", queue="mail"))
        plan = FamilyPlan("p/1", 1, "wait_all", 0, "p", claim.fence)
        assert bench.act(bench.protocol.fanout(plan, 0, [Child("b", "B", "normal")], 0)) == ((-1, b"b"), {})
        reply, changed = bench.act(bench.protocol.fanout(plan, 0, [Child("a", "A", "normal")], 0))
        assert (reply, changed["tombstones"], changed["queue:low"]) == ((1, 1), ["-a"], None)

    def test_a_commit(self, bench: Bench) -> None:
        claim = bench.claim_one("p")
        bury(bench, task("a", "low"), task("b", queue="mail"))
        plan = CommitPlan("p", claim.fence, "n", "", None, "")
        assert bench.act(bench.protocol.commit(plan, [Child("b", "B", "normal")], 0)) == ((-2, b"b"), {})
        reply, changed = bench.act(bench.protocol.commit(plan, [Child("a", "A", "normal")], 0))
        assert (reply, changed["tombstones"], changed["queue:low"]) == ((1, 1), ["-a"], None)
