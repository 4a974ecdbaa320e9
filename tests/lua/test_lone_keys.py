"""A key of a limit that one running task holds alone is known by name, and counted like the others in all else."""

from __future__ import annotations

import pytest

from taskq.model.task import Task
from tests.lua.lone_keys import lone
from tests.state import TIMES, TTL_MS, Bench, settle, task


def held_alone(bench: Bench) -> set[str]:
    return {key for key in bench.client.smembers(bench.key("sole")) if not key.startswith("@")}


def test_who_holds_a_key_alone_is_in_no_number(bench: Bench) -> None:
    first, *_ = lone(bench)
    assert bench.client.hgetall(bench.key("permits")) == {}
    bench.submit(task("a", limits="k:7"))
    (second,) = bench.run(bench.turn_op("w1", 1, [settle(first)])).claims
    assert held_alone(bench) == {"k:1", "k:2", "k:7"}
    bench.end("w1", settle(second))
    assert held_alone(bench) == {"k:1", "k:2"}


@pytest.mark.parametrize("outcome", ["complete", "fail", "cancel", "retry", "snooze", "release"])
def test_whatever_ends_the_run_makes_room(bench: Bench, outcome: str) -> None:
    first, *_ = lone(bench, most=1)
    bench.submit(task("next", limits="k:0"))
    assert bench.claim("w1", 3) == ()
    bench.run(bench.protocol.settle([settle(first, outcome)]))
    assert held_alone(bench) == {"k:1", "k:2"}
    assert [claim.task_id for claim in bench.claim("w1", 1)] == ["old0" if outcome == "release" else "next"]


@pytest.mark.parametrize("charge", [True, False])
def test_a_worker_that_dies_gives_the_key_back(bench: Bench, charge: bool) -> None:
    lone(bench, most=1)
    bench.evict("w1", charge=charge)
    assert held_alone(bench) == set()


def test_a_lost_claim_that_is_repaired_gives_the_key_back(bench: Bench) -> None:
    lone(bench, most=1)
    bench.move_clock(20)
    bench.run(bench.protocol.repair("w1", "tok-w1", TIMES, []))
    assert held_alone(bench) == set()


def test_the_one_who_holds_it_alone_counts_beside_others(bench: Bench) -> None:
    """In each way of a turn: two may run with a key, and one does already."""
    lone(bench, 1)
    bench.submit(*(task(f"a{n}", limits="k:0") for n in range(2)), task("free"))
    assert [claim.task_id for claim in bench.claim("w1", 3)] == ["a0", "free"]
    (limit,) = bench.run(bench.protocol.list_limits())
    assert limit.keys == {"k:0": (2, 1)}
    why = bench.run(bench.protocol.explain(Task(task_id="a1", task_type="custom", limit_keys=["k:0"]), TTL_MS))
    assert why.limit
    assert sorted(why.limit.holders) == ["a0", "old0"]


def test_a_taken_over_task_keeps_its_key(bench: Bench) -> None:
    claims = lone(bench)
    bench.register("w2")
    bench.move_clock(5)
    reply = bench.run(bench.takeover_op("w2", 0, claims[:1]))
    assert held_alone(bench) == {"k:0", "k:1", "k:2"}
    bench.end("w2", *(settle(claim) for claim in reply.claims))
    assert held_alone(bench) == {"k:1", "k:2"}
