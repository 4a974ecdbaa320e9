"""sweep: ended tasks are forgotten when their keys have expired, and nothing else is."""

from __future__ import annotations

import pytest

from taskq.errors import ServerError
from taskq.protocol.workflow import Child, CommitPlan, FamilyPlan, Node
from tests.state import TTL_MS, Bench, settle, task

ENDS = {"complete": "completed", "fail": "failed", "cancel": "cancelled"}


@pytest.mark.parametrize("outcome", ENDS)
def test_an_expired_task_is_forgotten(bench: Bench, outcome: str) -> None:
    bench.end("w1", settle(bench.claim_one("a"), outcome))
    bench.expire("a")
    bench.move_clock(111)
    looked_at, changed = bench.act(bench.protocol.sweep())
    assert looked_at == 1
    assert changed == {
        f"status:{ENDS[outcome]}": ["-a"],
        "retained:t+110": None,
        "retention": {"t+110": None},
        "counters": {"expired": 1},
        **({"dead": {"a": None}} if outcome == "fail" else {}),
    }


def test_not_before_its_time(bench: Bench) -> None:
    bench.end("w1", settle(bench.claim_one("a")))
    bench.expire("a")
    bench.move_clock(100)
    assert bench.act(bench.protocol.sweep()) == (0, {})


def test_a_replayed_task_stays(bench: Bench) -> None:
    bench.end("w1", settle(bench.claim_one("a"), "fail"))
    bench.run(bench.protocol.replay([("a", "normal")]))
    bench.move_clock(120)
    looked_at, changed = bench.act(bench.protocol.sweep())
    assert looked_at == 1
    assert changed == {"retained:t+110": None, "retention": {"t+110": None}}


def test_a_task_that_ended_anew_stays_until_its_new_time(bench: Bench) -> None:
    bench.end("w1", settle(bench.claim_one("a"), "fail"))
    bench.run(bench.protocol.replay([("a", "normal")]))
    (claim,) = bench.claim("w1", 1)
    bench.end("w1", settle(claim, number=300_000))
    bench.move_clock(120)
    bench.run(bench.protocol.sweep())
    assert bench.state()["status:completed"] == {"a"}
    assert bench.run(bench.protocol.result("a")) == (b"result of a", True)


def test_a_task_that_ended_twice_counts_once(bench: Bench) -> None:
    """The janitor was away: both lists that name the task fall due."""
    bench.end("w1", settle(bench.claim_one("a"), "fail"))
    bench.run(bench.protocol.replay([("a", "normal")]))
    (claim,) = bench.claim("w1", 1)
    bench.end("w1", settle(claim, number=200_000))
    bench.expire("a")
    bench.move_clock(300)
    assert [bench.run(bench.protocol.sweep()) for _ in range(3)] == [1, 1, 0]
    assert bench.state()["counters"] == {"submitted": 1, "failed": 1, "replayed": 1, "completed": 1, "expired": 1}


@pytest.mark.parametrize("outcome", ENDS)
def test_an_id_whose_body_outlives_its_slot_is_looked_at_again(bench: Bench, outcome: str) -> None:
    """A clock that was set, or a foreign hand that gave the body more time: forgetting the id now would leave it in its
    status set for good."""
    bench.end("w1", settle(bench.claim_one("a"), outcome))
    for family in ("task", "state", "result"):
        bench.client.pexpire(bench.key(family, "a"), 165_000)
    bench.move_clock(120)
    looked_at, changed = bench.act(bench.protocol.sweep())
    assert looked_at == 1
    assert changed == {
        "retained:t+110": None,
        "retained:t+170": ["a"],
        "retention": {"t+110": None, "t+170": "t+170"},
    }
    bench.expire("a")
    bench.move_clock(60)
    bench.run(bench.protocol.sweep())
    assert "retention" not in bench.state()
    assert "a" not in bench.state().get(f"status:{ENDS[outcome]}", set())


def test_several_ids_that_outlive_their_slot_are_all_looked_at_again(bench: Bench) -> None:
    for task_id in ("a", "b"):
        bench.end("w1", settle(bench.claim_one(task_id)))
        for family in ("task", "result"):
            bench.client.pexpire(bench.key(family, task_id), 165_000)
    bench.move_clock(120)
    bench.run(bench.protocol.sweep())
    assert bench.state()["retained:t+170"] == ["a", "b"]


def test_a_key_of_another_type_in_the_way_stops_the_sweep_before_it_writes(bench: Bench) -> None:
    bench.audited = False
    bench.end("w1", settle(bench.claim_one("a")))
    bench.client.pexpire(bench.key("task", "a"), 165_000)
    bench.move_clock(120)
    bench.client.set(bench.key("retained", bench.at(168)), "foreign")
    before = bench.state()
    with pytest.raises(ServerError, match="WRONGTYPE"):
        bench.run(bench.protocol.sweep())
    assert bench.state() == before


def test_a_discarded_task_counts_once(bench: Bench) -> None:
    bench.end("w1", settle(bench.claim_one("a"), "fail"))
    bench.run(bench.protocol.discard(["a"]))
    bench.move_clock(120)
    _, changed = bench.act(bench.protocol.sweep())
    assert changed == {"retained:t+110": None, "retention": {"t+110": None}}


def test_bounded_steps(bench: Bench) -> None:
    ids = [f"a{n}" for n in range(7)]
    bench.submit_ids(*ids)
    bench.register("w1")
    bench.end("w1", *(settle(c) for c in bench.claim("w1")))
    bench.expire(*ids)
    bench.move_clock(120)
    assert [bench.run(bench.protocol.sweep(3)) for _ in range(4)] == [3, 3, 1, 0]
    assert bench.state()["counters"]["expired"] == 7


def test_a_turn_that_settles_nothing_does_not_sweep(bench: Bench) -> None:
    bench.end("w1", settle(bench.claim_one("a")))
    bench.expire("a")
    bench.move_clock(120)
    bench.run(bench.protocol.pause(True, ["low"]))
    _, changed = bench.act(bench.turn_op("w1", 0))
    assert changed.keys() == {"worker:w1"}


def test_a_step_that_ends_with_the_list_leaves_the_slot_for_the_next(bench: Bench) -> None:
    bench.end("w1", settle(bench.claim_one("a")))
    bench.expire("a")
    bench.move_clock(120)
    assert [bench.run(bench.protocol.sweep(1)) for _ in range(3)] == [1, 0, 0]
    assert "retention" not in bench.state()


def test_memory_is_flat_when_tasks_come_and_go(bench: Bench) -> None:
    bench.register("w1")
    sizes = set()
    for n in range(12):
        bench.submit(task(f"a{n}", unique="k"))
        (claim,) = bench.claim("w1", 1)
        bench.end("w1", settle(claim, number=TTL_MS))
        bench.expire(f"a{n}")
        bench.move_clock(60)
        sizes.add((n > 3, len(bench.state()), len(bench.state()["status:completed"])))
    assert len({size for size in sizes if size[0]}) == 1


@pytest.mark.parametrize("way", ["commit", "fanout", "graph", "submit"])
@pytest.mark.parametrize("outcome", ENDS)
def test_an_id_may_come_back_before_it_is_forgotten(bench: Bench, way: str, outcome: str) -> None:
    bench.end("w1", settle(bench.claim_one("a"), outcome))
    bench.expire("a")
    bench.move_clock(101)
    come_back(bench, way)
    state = bench.state()
    assert "a" in state["status:pending"]
    assert f"status:{ENDS[outcome]}" not in state
    assert state["counters"]["expired"] == 1
    bench.move_clock(20)
    bench.run(bench.protocol.sweep())
    assert "a" in bench.state()["status:pending"]


def come_back(bench: Bench, way: str) -> None:
    if way == "submit":
        bench.submit(task("a"))
        return
    if way == "graph":
        bench.run(bench.protocol.graph([Node("a", "A", "low", "fail_fast", ())], 0))
        return
    owner = bench.claim_one("p")
    child = Child("a", "A", "low")
    if way == "commit":
        bench.run(bench.protocol.commit(CommitPlan("p", owner.fence, "n", "", None, ""), [child], 0))
    else:
        bench.run(bench.protocol.fanout(FamilyPlan("p/1", 1, "wait_all", 0, "p", owner.fence), 0, [child], 0))
