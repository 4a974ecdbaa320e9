"""Unique keys: what a submit does that finds its key held, by policy and by where the holder is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from taskq.model.limit import Limit
from taskq.model.uniqueness import UniquePolicy
from taskq.protocol.workflow import Child, FamilyPlan
from tests.lua.holders import running, status, submit
from tests.lua.scenarios.unique import KEEP_MS, keyed
from tests.state import TTL_MS, Bench, settle, task


def outcome(bench: Bench, policy: str) -> str:
    """Submit another task with the key, and say what has become of both."""
    before = status(bench, "holder")
    reply = submit(bench, keyed("new", policy))
    if reply.duplicate:
        assert (reply.duplicate, status(bench, "new")) == ((0, "holder"), "")
        return "duplicate"
    if reply.ids == ("holder",):
        assert (status(bench, "new"), status(bench, "holder")) == ("", before)
        return "existing"
    assert reply.ids == ("new",)
    now = status(bench, "new")
    if now == "waiting":
        assert status(bench, "holder") == before
        return "waits"
    assert now == ("scheduled" if policy == "debounce" else "pending")
    assert bench.state()["unique:k"] == "new"
    if status(bench, "holder") == before:
        return "new"
    assert status(bench, "holder") == "cancelled"
    assert bench.state()["state:holder"]["reason"] == "replaced"
    assert '"error":"replaced by new"' in bench.state()["result:holder"]
    return "replaced"


# -- where the holder is: each leaves the task "holder" with the key there --


def pending(bench: Bench) -> None:
    bench.submit(keyed("holder"))


def scheduled(bench: Bench) -> None:
    bench.submit(keyed("holder", due="+30000"))


def retry(bench: Bench) -> None:
    bench.end("w1", settle(running(bench), "retry", number=30_000))


def blocked(bench: Bench) -> None:
    bench.run(bench.protocol.set_limit(Limit("few", concurrency=1)))
    bench.submit(task("other", limits="few"), keyed("holder", limits="few"))
    bench.register("w1")
    assert len(bench.claim("w1")) == 1


def ordered(bench: Bench) -> None:
    bench.submit(task("other", ordering="o"), task("holder", ordering="o", unique="k"))


def crashed(bench: Bench) -> None:
    running(bench)
    bench.evict("w1", charge=True)


def with_children(bench: Bench) -> None:
    claim = running(bench)
    plan = FamilyPlan("holder/1", 1, "wait_all", 0, "holder", claim.fence)
    bench.run(bench.protocol.fanout(plan, 0, [Child("child", "{}", "low")], 0))
    bench.end("w1", settle(claim, "wait", "holder/1", number=0))


def over_time(bench: Bench) -> None:
    running(bench, ttl=10)
    bench.move_clock(20)


def completed(bench: Bench) -> None:
    bench.end("w1", settle(running(bench)))


def completed_just_now(bench: Bench) -> None:
    bench.end("w1", settle(running(bench, idempotency=30)))
    bench.move_clock(20)


def completed_long_ago(bench: Bench) -> None:
    bench.end("w1", settle(running(bench, idempotency=30)))
    bench.move_clock(40)


def dead(bench: Bench) -> None:
    bench.end("w1", settle(running(bench, idempotency=30), "fail"))


WAITS = ("existing", "duplicate", "replaced", "existing", "replaced", "existing")
HAS_BEGUN = ("existing", "duplicate", "waits", "waits", "waits", "existing")
IS_GONE = ("new",) * 6
IS_KEPT = ("existing",) * 6
TABLE: dict[Callable[[Bench], object], tuple[str, ...]] = {
    pending: WAITS,
    scheduled: WAITS,
    retry: WAITS,
    blocked: WAITS,
    ordered: WAITS,
    crashed: WAITS,
    running: HAS_BEGUN,
    with_children: HAS_BEGUN,
    over_time: IS_GONE,
    completed: IS_GONE,
    completed_long_ago: IS_GONE,
    dead: IS_GONE,
    completed_just_now: IS_KEPT,
}
CELLS = [
    pytest.param(place, policy.value, row[n], id=f"{place.__name__}-{policy}")
    for place, row in TABLE.items()
    for n, policy in enumerate(UniquePolicy)
]


@pytest.mark.parametrize(("place", "policy", "expected"), CELLS)
def test_what_becomes_of_it(bench: Bench, place: Callable[[Bench], object], policy: str, expected: str) -> None:
    place(bench)
    assert outcome(bench, policy) == expected


# -- the one that waits for the holder --


@pytest.mark.parametrize("end", ["complete", "fail", "cancel"])
def test_it_starts_when_the_holder_has_ended(bench: Bench, end: str) -> None:
    claim = running(bench)
    submit(bench, keyed("next", "queue_one"))
    assert bench.claim("w1") == ()
    reply, changed = bench.act(bench.turn_op("w1", 0, [settle(claim, end)]))
    assert reply.refused == ()
    assert changed["unique:k"] == "next"
    assert changed["successor:k"] is None
    assert changed["queue:normal"] == ["next"]
    assert changed["bell:normal"] == ["1"]
    (claimed,) = bench.claim("w1")
    assert claimed.task_id == "next"
    bench.end("w1", settle(claimed))
    assert "unique:k" not in bench.state()


def test_it_is_claimed_in_the_turn_that_ends_the_holder(bench: Bench) -> None:
    claim = running(bench)
    submit(bench, keyed("next", "queue_one"))
    assert [claimed.task_id for claimed in bench.run(bench.turn_op("w1", 1, [settle(claim)])).claims] == ["next"]


@pytest.mark.parametrize("outcome", ["retry", "snooze", "release", "crash"])
def test_it_waits_as_long_as_the_holder_has_not_ended(bench: Bench, outcome: str) -> None:
    """A worker that dies with the holder changes nothing: the key is held by its next attempt."""
    claim = running(bench)
    submit(bench, keyed("next", "replace"))
    if outcome == "crash":
        bench.evict("w1", charge=True)
        bench.register("w1")
    else:
        bench.end("w1", settle(claim, outcome, number=10_000))
    bench.move_clock(10)
    (again,) = bench.claim("w1")
    assert (again.task_id, status(bench, "next")) == ("holder", "waiting")
    bench.end("w1", settle(again))
    assert status(bench, "next") == "pending"


def test_a_holder_that_kills_its_workers_makes_way(bench: Bench) -> None:
    running(bench)
    submit(bench, keyed("next", "queue_one"))
    for _ in range(3):
        bench.evict("w1", charge=True)
        bench.register("w1")
        bench.claim("w1", 1)
    assert [status(bench, i) for i in ("holder", "next")] == ["failed", "running"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("queue_one", "next"),
        ("replace", "third"),
        ("debounce", "third"),
        ("existing", "holder"),
        ("throttle", "holder"),
    ],
)
@pytest.mark.parametrize("crash", [False, True])
def test_only_one_waits(bench: Bench, policy: str, expected: str, crash: bool) -> None:
    running(bench)
    submit(bench, keyed("next", "queue_one"))
    if crash:
        bench.evict("w1", charge=True)
    assert submit(bench, keyed("third", policy)).ids == (expected,)
    if expected == "third":
        assert [status(bench, i) for i in ("next", "third")] == ["cancelled", "waiting"]
    assert submit(bench, keyed("fourth", "reject")).duplicate == (0, "holder")


def test_it_may_be_cancelled_or_purged(bench: Bench) -> None:
    claim = running(bench)
    submit(bench, keyed("next", "queue_one"))
    assert bench.run(bench.protocol.cancel("next", "{}", TTL_MS)) == "cancelled"
    submit(bench, keyed("third", "queue_one"))
    assert bench.run(bench.protocol.purge_waiting("0", ["normal"], 10)) == (1, "0")
    bench.end("w1", settle(claim))
    assert not {"unique:k", "successor:k"} & bench.state().keys()


def test_a_holder_that_is_purged_makes_way(bench: Bench) -> None:
    crashed(bench)
    bench.register("w1")
    (claim,) = bench.claim("w1", 1)
    submit(bench, keyed("next", "queue_one", due="+60000"))
    bench.end("w1", settle(claim, "release"))
    assert bench.run(bench.protocol.purge("normal", 10)) == (1, False)
    assert (status(bench, "next"), bench.state()["unique:k"]) == ("scheduled", "next")


def test_one_whose_holder_has_lost_the_key_waits_for_it_all_the_same(bench: Bench) -> None:
    claim = running(bench, ttl=10)
    submit(bench, keyed("next", "queue_one"))
    bench.move_clock(20)
    assert submit(bench, keyed("third", "queue_one")).ids == ("next",)
    bench.end("w1", settle(claim))
    assert (status(bench, "next"), bench.state()["unique:k"]) == ("pending", "next")


def test_one_whose_holder_has_lost_the_key_to_another_waits_for_that_one(bench: Bench) -> None:
    claim = running(bench, ttl=10)
    submit(bench, keyed("next", "queue_one"))
    bench.move_clock(20)
    assert submit(bench, keyed("other")).ids == ("other",)
    bench.end("w1", settle(claim))
    assert status(bench, "next") == "waiting"
    bench.end("w1", settle(bench.claim("w1")[0]))
    assert (status(bench, "next"), bench.state()["unique:k"]) == ("pending", "next")


def test_a_successor_that_nobody_is_holds_up_nobody(bench: Bench) -> None:
    claim = running(bench)
    bench.audited = False
    bench.client.set(bench.key("successor", "k"), "nobody")
    assert bench.end("w1", settle(claim)).refused == ()
    assert (status(bench, "holder"), bench.state().get("unique:k")) == ("completed", None)


# -- replay, batches, lists --


def test_a_replayed_one_holds_its_key_again_with_all_that_was_said(bench: Bench) -> None:
    submit(bench, keyed("a", "throttle", ttl=100))
    bench.register("w1")
    bench.end("w1", settle(bench.claim("w1")[0], "fail"))
    assert bench.run(bench.protocol.replay([("a", "normal")])) == [1]
    assert bench.state()["unique:k ttl"] == "100s"
    assert bench.state()["state:a"]["rules"].startswith("throttle 100000 20000")


def test_a_replayed_one_whose_key_is_held_runs_beside_the_holder(bench: Bench) -> None:
    dead(bench)
    submit(bench, keyed("new"))
    assert bench.run(bench.protocol.replay([("holder", "normal")])) == [1]
    assert bench.state()["unique:k"] == "new"
    assert {claim.task_id for claim in bench.claim("w1")} == {"holder", "new"}


@pytest.mark.parametrize(
    ("policies", "ids"),
    [
        (("replace", "replace"), ("b", "b")),
        (("existing", "debounce"), ("b", "b")),
        (("replace", "existing"), ("a", "a")),
        (("queue_one", "queue_one"), ("a", "a")),
        (("throttle", "throttle"), ("a", "a")),
    ],
)
@pytest.mark.parametrize("place", [completed, pending, running])
def test_twice_in_one_batch(
    bench: Bench, policies: tuple[str, str], ids: tuple[str, str], place: Callable[[Bench], object]
) -> None:
    place(bench)
    batch = [keyed(task_id, policy) for task_id, policy in zip("ab", policies, strict=True)]
    if place is not completed and ids == ("a", "a") and policies[0] in ("queue_one", "throttle"):
        ids = ids if place is running and policies[0] == "queue_one" else ("holder", "holder")
    assert submit(bench, *batch).ids == ids
    assert all(status(bench, task_id) for task_id in ids)


def test_in_one_batch_it_is_as_one_after_the_other(bench: Bench) -> None:
    running(bench)
    assert submit(bench, keyed("a"), keyed("b", "queue_one")).ids == ("holder", "b")
    assert status(bench, "b") == "waiting"


def test_a_duplicate_refuses_its_whole_batch(bench: Bench) -> None:
    before = bench.state()
    reply = submit(bench, task("x"), keyed("a"), keyed("b", "reject"))
    assert (reply.duplicate, reply.ids) == ((2, "a"), ())
    assert bench.state() == before


def test_one_that_is_replaced_again_and_again_leaves_nothing_in_its_list(bench: Bench) -> None:
    bench.submit_ids("x")
    submit(bench, *(keyed("a0", "replace"),))
    for n in range(1, 20):
        assert submit(bench, keyed(f"a{n}", "replace")).ids == (f"a{n}",)
    assert bench.state()["queue:normal"] == ["x", "a19"]
    assert "tombstones" not in bench.state()


def test_what_is_replaced_is_kept_as_long_as_the_submit_says(bench: Bench) -> None:
    pending(bench)
    submit(bench, keyed("new", "replace"))
    assert bench.state()["result:holder ttl"] == bench.state()["task:holder ttl"] == f"{KEEP_MS // 1000}s"


def test_one_that_was_replaced_and_is_sent_once_more_stays_replaced(bench: Bench) -> None:
    for task_id in ("a", "b"):
        submit(bench, keyed(task_id, "replace"))
    assert submit(bench, keyed("a", "replace")).ids == ("a",)
    assert [status(bench, i) for i in "ab"] == ["cancelled", "pending"]
