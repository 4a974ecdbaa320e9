"""fanout, gather and report, and how the ends of children are counted."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from taskq.protocol.replies import Claim, Settlement
from taskq.protocol.workflow import Child, FamilyPlan
from tests.state import LIMITS, TTL_MS, Bench, settle, task


def fan_out(bench: Bench, *ids: str, policy: str = "wait_all", need: int = 0, waits: bool = True) -> Claim:
    """Let task ``p`` make children, and wait for them; return its claim."""
    claim = bench.claim_one("p")
    plan = FamilyPlan("p/1", len(ids), policy, need, "p", claim.fence)
    reply = bench.run(bench.protocol.fanout(plan, 0, [Child(i, f"body of {i}", "low") for i in ids], 0))
    assert reply == (1, len(ids))
    if waits:
        bench.end("w1", Settlement("p", claim.fence, "wait", "p/1", 0))
    return claim


def end(bench: Bench, outcomes: dict[str, str]) -> None:
    """Claim the children and end them, one turn each, in the order of the dict."""
    claims = {claim.task_id: claim for claim in bench.claim("w1", 100)}
    for task_id, outcome in outcomes.items():
        bench.end("w1", settle(claims[task_id], outcome))


def status(bench: Bench, task_id: str = "p") -> str:
    (name,) = [k for k, ids in bench.state().items() if k.startswith("status:") and task_id in ids]
    return name.partition(":")[2]


def test_a_child_whose_family_is_gone_ends_all_the_same(bench: Bench) -> None:
    fan_out(bench, "a")
    bench.audited = False
    bench.client.delete(*(bench.key(kind, "p/1") for kind in ("family", "children", "gathered")))
    end(bench, {"a": "complete"})
    assert status(bench, "a") == "completed"


@pytest.mark.parametrize("group", ["", "A"])
def test_a_parent_that_goes_on_is_before_all_that_wait(bench: Bench, group: str) -> None:
    """It has had its turn, in its group too."""
    bench.register("w1")
    bench.submit(task("p", group=group))
    (parent,) = bench.claim("w1", 1)
    plan = FamilyPlan("p/1", 1, "wait_all", 0, "p", parent.fence)
    bench.run(bench.protocol.fanout(plan, 0, [Child("a", "A", "urgent")], 0))
    bench.end("w1", settle(parent, "wait", "p/1", 0))
    (child,) = bench.claim("w1", 1)
    bench.submit(task("q", group=group), task("x"))
    bench.end("w1", settle(child))
    assert [claim.task_id for claim in bench.claim("w1", 9)] == ["p", "q", "x"]


def test_children_are_stored_with_their_family(bench: Bench) -> None:
    claim = bench.claim_one("p")
    plan = FamilyPlan("p/1", 2, "fail_fast", 0, "p", claim.fence, data="note")
    reply, changed = bench.act(bench.protocol.fanout(plan, 0, [Child("a", "A", "low"), Child("b", "B", "low")], 0))
    assert reply == (1, 2)
    assert changed == {
        "family:p/1": {
            "total": "2", "policy": "fail_fast", "need": "0", "task": "p", "list": "normal", "data": "note"
        },
        "children:p/1": ["a", "b"],
        "gathered:p/1": {"a": "", "b": ""},
        "task:a": "A",
        "task:b": "B",
        "state:a": {"status": "pending", "parents": "p/1"},
        "state:b": {"status": "pending", "parents": "p/1"},
        "state:p": {"status": "running", "families": "p/1"},
        "running": {"p": "#.tok-w1.1 w1 normal 1 t+0 h"},
        "status:pending": ["+a", "+b"],
        "queue:low": ["a", "b"],
        "bell:low": ["1"],
        "counters": {"submitted": 3},
    }  # fmt: skip


def test_a_parent_waits_in_no_list_and_holds_no_slot(bench: Bench) -> None:
    fan_out(bench, "a")
    state = bench.state()
    assert state["status:waiting"] == {"p"}
    assert state["state:p"] == {
        "status": "waiting", "families": "p/1", "waits": "p/1", "list": "normal", "attempts": "0", "started": "t+0",
            "begun": "1",
    }  # fmt: skip
    assert not {"running", "processing:w1", "queue:normal", "scheduled"} & state.keys()


def test_the_last_end_wakes_it_and_charges_no_attempt(bench: Bench) -> None:
    fan_out(bench, "a", "b")
    bench.submit_ids("other")
    end(bench, {})
    claims = {claim.task_id: claim for claim in bench.claim("w1", 0)}
    assert claims == {}
    assert status(bench) == "waiting"
    held = bench.run(bench.protocol.inspect(["a", "b"]))
    for task_id, item in zip("ab", held, strict=True):
        bench.run(
            bench.protocol.settle([Settlement(task_id, item.state["fence"], "complete", f"of {task_id}", TTL_MS)])
        )
    assert bench.state()["queue:normal"] == ["p"]
    (again,) = bench.claim("w1", 1)
    assert (again.task_id, again.attempt) == ("p", 1), "no attempt is charged"
    family = bench.run(bench.protocol.gather("p/1", 0, 10))
    assert (family.done, family.ids, family.results) == ("completed", ("a", "b"), (b"of a", b"of b"))


VERDICTS = [
    ("wait_all", 0, ("complete", "complete"), "completed", 2),
    ("wait_all", 0, ("fail", "cancel"), "completed", 2),
    ("fail_fast", 0, ("complete", "complete"), "completed", 2),
    ("fail_fast", 0, ("fail", "complete"), "failed", 1),
    ("fail_fast", 0, ("complete", "cancel"), "failed", 2),
    ("quorum", 2, ("complete", "fail", "complete"), "completed", 3),
    ("quorum", 2, ("complete", "complete", "fail"), "completed", 2),
    ("quorum", 2, ("fail", "fail", "complete"), "failed", 2),
    ("quorum", 1, ("fail", "complete", "fail"), "completed", 2),
]


@pytest.mark.parametrize(("policy", "need", "outcomes", "done", "at"), VERDICTS)
def test_a_policy_decides_as_soon_as_it_can(
    bench: Bench, policy: str, need: int, outcomes: tuple[str, ...], done: str, at: int
) -> None:
    ids = [f"c{n}" for n in range(len(outcomes))]
    fan_out(bench, *ids, policy=policy, need=need)
    claims = {claim.task_id: claim for claim in bench.claim("w1", 10)}
    for n, (task_id, outcome) in enumerate(zip(ids, outcomes, strict=True), start=1):
        bench.end("w1", settle(claims[task_id], outcome))
        assert bench.run(bench.protocol.gather("p/1")).done == (done if n >= at else ""), n
        assert status(bench) == ("pending" if n >= at else "waiting")
    assert bench.state()["queue:normal"] == ["p"]


def _ends(bench: Bench, task_id: str) -> dict[str, Any]:
    """Ways in which a child can end, or go away."""
    return {
        "cancel": lambda: bench.run(bench.protocol.cancel(task_id, "{}", TTL_MS)),
        "purge": lambda: bench.run(bench.protocol.purge("low", 10)),
        "report": lambda: bench.run(bench.protocol.report("p/1", task_id, "{}", "call")),
    }


@pytest.mark.parametrize("way", ["cancel", "purge", "report"])
def test_every_way_out_is_counted(bench: Bench, way: str) -> None:
    fan_out(bench, "a")
    for _ in range(2):
        _ends(bench, "a")[way]()
        assert status(bench) == "pending"
    family = bench.run(bench.protocol.gather("p/1"))
    assert (family.completed, family.failed) == ((1, 0) if way == "report" else (0, 1))


def test_a_child_that_kills_its_workers_is_counted(bench: Bench) -> None:
    fan_out(bench, "a", policy="fail_fast")
    for _ in range(LIMITS.max_crashes):
        bench.register("dying")
        bench.claim("dying", 1, ["low"])
        bench.evict("dying", charge=True)
    assert status(bench) == "pending"
    assert bench.run(bench.protocol.gather("p/1")).done == "failed"


def test_a_child_whose_envelope_is_lost_is_counted(bench: Bench) -> None:
    fan_out(bench, "a")
    bench.audited = False
    bench.client.delete(bench.key("task", "a"))
    bench.claim("w1", 1, ["low"])
    bench.audited = True
    bench.check()
    assert status(bench) == "pending"


@pytest.mark.parametrize("together", [True, False])
def test_children_that_end_before_the_parent_waits(bench: Bench, together: bool) -> None:
    claim = fan_out(bench, "a", waits=False)
    (child,) = bench.claim("w1", 1)
    wait = Settlement("p", claim.fence, "wait", "p/1", 0)
    if together:
        bench.end("w1", wait, settle(child))
    else:
        bench.end("w1", settle(child))
        bench.end("w1", wait)
    assert status(bench) == "pending"
    assert bench.state()["queue:normal"] == ["p"]


def test_a_parent_that_crashes_between_its_parts_goes_on(bench: Bench) -> None:
    claim = bench.claim_one("p")
    plan = FamilyPlan("p/1", 3, "wait_all", 0, "p", claim.fence)
    parts = [[Child("a", "A", "low"), Child("b", "B", "low")], [Child("c", "C", "low")]]
    assert bench.run(bench.protocol.fanout(plan, 0, parts[0], 0)) == (1, 2)
    bench.evict("w1", charge=True)
    assert bench.run(bench.protocol.fanout(plan, 2, parts[1], 0)) == (0, 0), "the old attempt is stale"
    bench.register("w2")
    (again,) = bench.claim("w2", 1, ["normal"])
    later = FamilyPlan("p/1", 3, "wait_all", 0, "p", again.fence)
    assert bench.run(bench.protocol.fanout(later, 0, parts[0], 0)) == (1, 2)
    assert bench.run(bench.protocol.fanout(later, 2, parts[1], 0)) == (1, 3)
    assert bench.state()["children:p/1"] == ["a", "b", "c"]


def test_a_second_part_adds_children_and_nothing_else(bench: Bench) -> None:
    claim = bench.claim_one("p")
    plan = FamilyPlan("p/1", 2, "wait_all", 0, "p", claim.fence)
    bench.run(bench.protocol.fanout(plan, 0, [Child("a", "A", "low")], 0))
    reply, changed = bench.act(bench.protocol.fanout(plan, 1, [Child("b", "B", "low")], 0))
    assert reply == (1, 2)
    assert changed == {
        "children:p/1": ["a", "b"],
        "gathered:p/1": {"b": ""},
        "task:b": "B",
        "state:b": {"status": "pending", "parents": "p/1"},
        "status:pending": ["+b"],
        "queue:low": ["a", "b"],
        "bell:low": ["1", "1"],
        "counters": {"submitted": 3},
    }


def test_what_cannot_be_stored_changes_nothing(bench: Bench) -> None:
    claim = bench.claim_one("p")
    bench.submit_ids("x", priority="low")
    plan = FamilyPlan("p/1", 2, "wait_all", 0, "p", claim.fence)
    known = [Child("a", "A", "low"), Child("x", "X", "low")]
    assert bench.act(bench.protocol.fanout(plan, 0, known, 0)) == ((-1, b"x"), {})
    new = [Child("a", "A", "low"), Child("b", "B", "low")]
    assert bench.act(bench.protocol.fanout(plan, 0, new, 2)) == ((-2, [b"low", 1]), {})
    assert bench.run(bench.protocol.fanout(plan, 0, new, 0)) == (1, 2)
    other = FamilyPlan("p/1", 5, "wait_all", 0, "p", claim.fence)
    assert bench.act(bench.protocol.fanout(other, 2, known, 0)) == ((-3, b"2"), {})


@pytest.mark.parametrize("outcome", ["complete", "fail", "cancel"])
def test_what_was_gathered_expires_with_the_parent(bench: Bench, outcome: str) -> None:
    fan_out(bench, "a")
    end(bench, {"a": "complete"})
    bench.end("w1", settle(bench.claim("w1", 1)[0], outcome))
    state = bench.state()
    assert {state[f"{family}:p/1 ttl"] for family in ("family", "children", "gathered")} == {"100s"}


def test_a_waiting_parent_can_be_cancelled(bench: Bench) -> None:
    fan_out(bench, "a")
    assert bench.run(bench.protocol.cancel("p", "{}", TTL_MS)) == "cancelled"
    end(bench, {"a": "complete"})
    assert status(bench) == "cancelled"


def test_children_of_children(bench: Bench) -> None:
    fan_out(bench, "a")
    (child,) = bench.claim("w1", 1)
    plan = FamilyPlan("a/1", 1, "wait_all", 0, "a", child.fence)
    bench.run(bench.protocol.fanout(plan, 0, [Child("g", "G", "low")], 0))
    bench.end("w1", Settlement("a", child.fence, "wait", "a/1", 0))
    assert (status(bench), status(bench, "a")) == ("waiting", "waiting")
    for task_id in ("g", "a", "p"):
        (claim,) = bench.claim("w1", 1)
        assert claim.task_id == task_id
        bench.end("w1", settle(claim))
    assert bench.state()["status:completed"] == {"g", "a", "p"}


@pytest.mark.parametrize("order", list(permutations("ab")))
@pytest.mark.parametrize("times", [1, 2])
def test_two_reports_end_a_family_once(bench: Bench, order: tuple[str, ...], times: int) -> None:
    plan = FamilyPlan("f", 2, "wait_all", ttl_ms=TTL_MS)
    bench.run(bench.protocol.fanout(plan, 0, [Child(i, "body", "low") for i in "ab"], 0))
    calls = [bench.protocol.report("f", i, "{}", f"call {i}") for i in order]
    answers = [bench.run(call) for call in calls for _ in range(times)]
    assert [ended for _, ended in answers] == [False] * times + [True] * times, "a repeated call has the same answer"
    assert bench.run(bench.protocol.report("f", order[1], "{}", "somebody else")) == (0, False)
    assert bench.run(bench.protocol.report("f", "x", "{}", "call")) == (-1, False)


@pytest.mark.parametrize("reopen", [True, False])
def test_a_replayed_child_counts_again_if_its_family_is_opened(bench: Bench, reopen: bool) -> None:
    fan_out(bench, "a", "b")
    end(bench, {"a": "fail"})
    assert bench.run(bench.protocol.replay([("a", "low")], reopen=reopen)) == [1]
    state = bench.state()
    assert (state["family:p/1"]["failed"], state["gathered:p/1"]["a"]) == (
        ("0", "") if reopen else ("1", "result of a")
    )


def test_a_replayed_child_makes_no_family_that_is_gone(bench: Bench) -> None:
    fan_out(bench, "a", "b")
    end(bench, {"a": "fail"})
    bench.audited = False
    bench.client.delete(*(bench.key(kind, "p/1") for kind in ("family", "children", "gathered")))
    assert bench.run(bench.protocol.replay([("a", "low")], reopen=True)) == [1]
    assert not [key for key in bench.state() if key.endswith(":p/1")]


def test_a_family_that_is_decided_by_another_child_stays_so(bench: Bench) -> None:
    fan_out(bench, "a", "b", policy="fail_fast")
    end(bench, {"a": "fail", "b": "fail"})
    bench.run(bench.protocol.replay([("a", "low")], reopen=True))
    assert bench.state()["family:p/1"]["done"] == "failed"
    bench.run(bench.protocol.replay([("b", "low")], reopen=True))
    assert "done" not in bench.state()["family:p/1"]


def test_what_a_replayed_parent_has_gathered_goes_with_its_next_end(bench: Bench) -> None:
    fan_out(bench, "a")
    end(bench, {"a": "complete"})
    bench.end("w1", settle(bench.claim("w1", 1)[0], "fail"))
    bench.run(bench.protocol.replay([("p", "normal")]))
    assert "family:p/1 ttl" not in bench.state()
    bench.end("w1", settle(bench.claim("w1", 1)[0]))
    assert bench.state()["family:p/1 ttl"] == "100s"
