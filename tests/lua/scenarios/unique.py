"""Scenarios of unique keys: one that waits for the holder, one that is replaced, one that outlives its task."""

from __future__ import annotations

from typing import Any

from taskq.model.limit import Limit
from taskq.model.uniqueness import Uniqueness
from taskq.protocol.operation import Operation
from taskq.protocol.replies import Claim
from taskq.protocol.submits import Submission
from taskq.protocol.workflow import CommitPlan
from tests.state import LIMITS, TIMES, TTL_MS, Bench, settle, task

KEEP_MS = 60_000


def keyed(
    task_id: str,
    policy: str = "existing",
    *,
    key: str = "k",
    due: str = "0",
    ttl: float | None = None,
    idempotency: float | None = None,
    limits: str = "",
    queue: str | None = None,
) -> Submission:
    """Return a task with a unique key; debounce and throttle have a window of 20 s."""
    window = 20.0 if policy in ("debounce", "throttle") else None
    rules = Uniqueness(policy, ttl, window, idempotency).rules(KEEP_MS)
    return task(task_id, queue=queue, due=due, unique=key, limits=limits)._replace(rules=rules)


def _held(bench: Bench, queue: str | None = None) -> Claim:
    """Let a worker run the holder of a key while its successor waits, for a list of a queue."""
    bench.submit(keyed("holder"))
    bench.register("w1")
    (claim,) = bench.claim("w1", 1)
    bench.submit(keyed("next", "queue_one", queue=queue))
    return claim


def submit_and_wait_for_the_holder(bench: Bench) -> Operation[Any]:
    bench.submit(keyed("holder"), keyed("other", key="k2"))
    bench.register("w1")
    bench.claim("w1", 1)
    tasks = [keyed("a", "debounce"), keyed("b", "reject", key="k3", ttl=60), keyed("c", "queue_one", key="k2")]
    return bench.protocol.submit(tasks, 10)


def submit_and_replace(bench: Bench) -> Operation[Any]:
    """One in a list of another queue, one in the schedule, one that is blocked, and one that waits for a holder."""
    bench.run(bench.protocol.set_limit(Limit("few", concurrency=1)))
    bench.submit(task("x", limits="few"), keyed("blocked", key="k3", limits="few"), task("running", unique="k4"))
    bench.register("w1")
    assert len(bench.claim("w1")) == 2
    bench.submit(
        keyed("next", "queue_one", key="k4"),
        keyed("pending", "replace", queue="mail"),
        keyed("later", "debounce", key="k2"),
    )
    bench.submit(task("plain", unique="k5"))
    return bench.protocol.submit([keyed(f"new{n}", "replace", key=f"k{n or ''}") for n in (0, 2, 3, 4, 5)], 0)


def settle_starts_the_successor(bench: Bench) -> Operation[Any]:
    """A tombstone stands in another place."""
    claim = _held(bench)
    bench.submit_ids("t")
    bench.run(bench.protocol.cancel("t", "{}", TTL_MS))
    return bench.protocol.settle([settle(claim)])


def settle_lets_the_successor_wait_for_its_time(bench: Bench) -> Operation[Any]:
    bench.submit(keyed("holder"))
    bench.register("w1")
    (claim,) = bench.claim("w1", 1)
    bench.submit(keyed("next", "debounce"))
    return bench.protocol.settle([settle(claim)])


def turn_starts_the_successor(bench: Bench) -> Operation[Any]:
    claim = _held(bench)
    return bench.turn_op("w1", 1, [settle(claim)])


def settle_keeps_the_key(bench: Bench) -> Operation[Any]:
    bench.submit(keyed("a", idempotency=50), keyed("b", "throttle", key="k2"), keyed("c", "throttle", key="k3"))
    bench.register("w1")
    a, b, c = bench.claim("w1", 3)
    return bench.protocol.settle([settle(a), settle(b), settle(c, "fail")])


def cancel_a_holder(bench: Bench) -> Operation[Any]:
    bench.end("w1", settle(_held(bench), "release"))
    return bench.protocol.cancel("holder", "{}", TTL_MS)


def cancel_a_successor(bench: Bench) -> Operation[Any]:
    _held(bench)
    return bench.protocol.cancel("next", "{}", TTL_MS)


def evict_a_holder_for_good(bench: Bench) -> Operation[Any]:
    _held(bench)
    for _ in range(2):
        bench.evict("w1", charge=True)
        bench.register("w1")
        bench.claim("w1", 1)
    return bench.protocol.evict("w1", True, 100, LIMITS)


def purge_a_holder(bench: Bench) -> Operation[Any]:
    bench.end("w1", settle(_held(bench, "mail"), "release"))
    return bench.protocol.purge("normal", 10)


def purge_all_that_waits(bench: Bench) -> Operation[Any]:
    """A successor, one that is blocked, one behind another of its ordering key, and one that has begun, in a saga."""
    claim = _held(bench)
    bench.run(bench.protocol.commit(CommitPlan("holder", claim.fence, "n", "1", None, "running one"), (), 0))
    bench.run(bench.protocol.set_limit(Limit("few", concurrency=1)))
    bench.submit(task("l1", limits="few"), task("l2", limits="few"), task("o1", ordering="o"), task("o2", ordering="o"))
    bench.claim("w1", 5)
    bench.client.hset(bench.key("woken"), "few", "the hundredth")
    return bench.protocol.purge_waiting("0", ["normal", "low"], 10)


def replay_with_a_key(bench: Bench) -> Operation[Any]:
    bench.submit(keyed("a", "throttle", ttl=90), keyed("b", "throttle", key="k2"))
    bench.register("w1")
    a, b = bench.claim("w1", 2)
    bench.end("w1", settle(a, "fail"), settle(b, "fail"))
    return bench.protocol.replay([("a", "normal"), ("b", "normal")])


def mend_a_successor(bench: Bench) -> Operation[Any]:
    bench.audited = False
    _held(bench)
    for hand in (bench.client.delete, lambda key: bench.client.set(key, "nobody")):
        hand(bench.key("unique", "k"))
    bench.client.hset(bench.key("state", "next"), "behind", "nobody")
    return bench.protocol.mend_place("successor", "k", "", TIMES.lease_ms)


def mend_one_that_is_no_successor(bench: Bench) -> Operation[Any]:
    bench.audited = False
    _held(bench)
    bench.client.delete(bench.key("successor", "k"))
    return bench.protocol.mend("next", "normal", TTL_MS, ())


SCENARIOS = (
    submit_and_wait_for_the_holder,
    submit_and_replace,
    settle_starts_the_successor,
    settle_lets_the_successor_wait_for_its_time,
    turn_starts_the_successor,
    settle_keeps_the_key,
    cancel_a_holder,
    cancel_a_successor,
    evict_a_holder_for_good,
    purge_a_holder,
    purge_all_that_waits,
    replay_with_a_key,
    mend_a_successor,
    mend_one_that_is_no_successor,
)
