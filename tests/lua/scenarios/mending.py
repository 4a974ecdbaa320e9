"""What a foreign hand has damaged."""

from __future__ import annotations

from typing import Any

from taskq.protocol.operation import Operation
from taskq.protocol.workflow import Child, CommitPlan, FamilyPlan
from tests.lua.scenarios.beginnings import Scenario
from tests.state import TIMES, TTL_MS, Bench, settle, task


def mend_running(bench: Bench) -> Operation[Any]:
    bench.claim_one("a")
    bench.submit(task("b", unique="k"))
    bench.client.lrem(bench.key("processing", "w1"), 1, "a")
    return bench.protocol.mend("a", "normal", TTL_MS, ["w2"])


def mend_lost(bench: Bench) -> Operation[Any]:
    bench.submit(task("a", due=bench.at(60), unique="k"))
    bench.client.delete(bench.key("task", "a"))
    return bench.protocol.mend("a", "normal", TTL_MS)


def mend_a_lost_saga(bench: Bench) -> Operation[Any]:
    claim = bench.claim_one("p")
    bench.run(bench.protocol.commit(CommitPlan("p", claim.fence, "n", "1", None, "running one"), (), 0))
    bench.end("w1", settle(claim, "retry"))
    bench.client.delete(bench.key("task", "p"))
    return bench.protocol.mend("p", "normal", TTL_MS)


def mend_ended(bench: Bench) -> Operation[Any]:
    bench.end("w1", settle(bench.claim_one("a"), "fail"))
    bench.move_clock(30)
    bench.client.zrem(bench.key("dead"), "a")
    bench.client.persist(bench.key("task", "a"))
    bench.client.delete(bench.key("result", "a"))
    return bench.protocol.mend("a", "normal", TTL_MS)


def mend_place(bench: Bench) -> Operation[Any]:
    bench.submit_ids("a", "b")
    bench.client.lrem(bench.key("queue", "normal"), 1, "b")
    return bench.protocol.mend_place("push", "b", "normal", TIMES.lease_ms)


def bury_an_entry(bench: Bench) -> Operation[Any]:
    bench.submit_ids("a")
    bench.client.rpush(bench.key("queue", "normal"), "a")
    return bench.protocol.mend_place("bury", "a", "normal 0 n 1 0  ", TIMES.lease_ms)


def mend_a_gate(bench: Bench) -> Operation[Any]:
    bench.client.hset(bench.key("gates"), "!k", "open 1 2")
    return bench.protocol.mend_place("gates", "!k", "", TIMES.lease_ms)


def mend_what_nothing_would_forget(bench: Bench) -> Operation[Any]:
    bench.end("w1", settle(bench.claim_one("a")))
    bench.move_clock(30)
    bench.client.persist(bench.key("task", "a"))
    bench.client.pexpire(bench.key("task", "a"), TTL_MS)
    return bench.protocol.mend_place("retain", "a", "", TIMES.lease_ms)


def mend_expiry(bench: Bench) -> Operation[Any]:
    bench.submit_ids("a")
    bench.client.pexpire(bench.key("queue", "normal"), 60_000)
    return bench.protocol.mend_expiry("queue", "normal", 60_000)


def mend_wait(bench: Bench) -> Operation[Any]:
    bench.end("w1", settle(bench.claim_one("a"), "wait", "1 go", 60_000))
    bench.client.zrem(bench.key("scheduled"), "a")
    return bench.protocol.mend("a", "normal", TTL_MS)


def mend_wait_for_what_has_come(bench: Bench) -> Operation[Any]:
    bench.end("w1", settle(bench.claim_one("a"), "wait", "1 go", 0))
    bench.client.hset(bench.key("signals", "a"), "go", "1")
    return bench.protocol.mend("a", "normal", TTL_MS)


def mend_wait_for_what_is_gone(bench: Bench) -> Operation[Any]:
    claim = bench.claim_one("a")
    family = FamilyPlan("a/1", 1, "wait_all", 0, "a", claim.fence)
    bench.run(bench.protocol.fanout(family, 0, [Child("child", "C", "low")], 0))
    bench.end("w1", settle(claim, "wait", "a/1", 0))
    bench.client.delete(*(bench.key(name, "a/1") for name in ("family", "children", "gathered")))
    return bench.protocol.mend("a", "normal", TTL_MS)


def family_of_two(bench: Bench, *, waits: bool = True) -> None:
    claim = bench.claim_one("a")
    plan = FamilyPlan("a/1", 2, "wait_all", 0, "a", claim.fence)
    bench.run(bench.protocol.fanout(plan, 0, [Child("b", "B", "low"), Child("c", "C", "low")], 0))
    if waits:
        bench.end("w1", settle(claim, "wait", "a/1", 0))


def mend_sums_that_wake(bench: Bench) -> Operation[Any]:
    family_of_two(bench)
    bench.client.hset(bench.key("gathered", "a/1"), mapping={"b": "1", "c": "2"})
    return bench.protocol.mend_place("sums", "a/1", "1 1 0 0", TIMES.lease_ms)


def mend_a_family_that_is_done(bench: Bench) -> Operation[Any]:
    family_of_two(bench)
    bench.client.hset(bench.key("gathered", "a/1"), mapping={"b": "1", "c": "2"})
    bench.client.hset(bench.key("family", "a/1"), "failed", 2)
    return bench.protocol.mend_place("family", "a/1", "", TIMES.lease_ms)


def mend_a_child_that_is_not_waited_for(bench: Bench) -> Operation[Any]:
    family_of_two(bench)
    bench.claim("w1", 1, ["low"])
    bench.client.delete(bench.key("state", "b"))
    return bench.protocol.mend_place("children", "b", "a/1", TIMES.lease_ms)


def mend_what_is_left_of_a_family(bench: Bench) -> Operation[Any]:
    family_of_two(bench, waits=False)
    bench.client.delete(bench.key("family", "a/1"))
    return bench.protocol.mend_place("remains", "a/1", "", TIMES.lease_ms)


SCENARIOS: tuple[Scenario, ...] = (
    mend_running,
    mend_lost,
    mend_a_lost_saga,
    mend_ended,
    mend_place,
    bury_an_entry,
    mend_a_gate,
    mend_what_nothing_would_forget,
    mend_expiry,
    mend_wait,
    mend_wait_for_what_has_come,
    mend_wait_for_what_is_gone,
    mend_sums_that_wake,
    mend_a_family_that_is_done,
    mend_a_child_that_is_not_waited_for,
    mend_what_is_left_of_a_family,
)
