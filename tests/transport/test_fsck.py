"""Every kind of damage is found, mended, and costs no task; a healthy namespace has none, however busy it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from taskq.protocol.keys import FAMILIES
from tests.state import LEASE_MS, LISTS, TIMES, Bench, changes
from tests.transport.busy import busy_namespace, findings, found, ids_of, kept, run

Damage = Callable[[Bench], object]


@pytest.fixture
def bench(redis_url: str, prefix: str, redis_client: redis.Redis) -> Iterator[Bench]:
    """A namespace with something of everything."""
    with busy_namespace(redis_url, prefix, redis_client) as bench:
        yield bench


def change(command: str, family: str, name: str = "", *words: object) -> Damage:
    return lambda bench: bench.client.execute_command(command, bench.key(family, name), *words)


def rename_family(bench: Bench) -> None:
    for family in ("family", "children", "gathered"):
        bench.client.rename(bench.key(family, "ask/1"), bench.key(family, "gone/1"))
    bench.client.hset(bench.key("state", "child"), "parents", "gone/1")


RESULT = '{"task_id":"child","status":"completed","result":1}'


def both(*damages: Damage) -> Damage:
    return lambda bench: [damage(bench) for damage in damages]


def forged(bench: Bench) -> object:
    return bench.client.hset(bench.key("running"), "a", "1.tok.1 w9 normal 1 1 -")


DAMAGES: dict[str, tuple[Damage, str, str]] = {
    "pending in no list": (change("LREM", "queue", "normal", 1, "a"), "I1", "a"),
    "pending twice in a list": (change("RPUSH", "queue", "normal", "a"), "I1", "a"),
    "pending in two lists": (change("RPUSH", "queue", "low", "a"), "I1", "a"),
    "pending three times": (change("RPUSH", "queue", "normal", "a", "a"), "I1", "a"),
    "completed in a list": (change("RPUSH", "queue", "normal", "complete"), "I1", "complete"),
    "completed twice in a list": (change("RPUSH", "queue", "high", "complete", "complete"), "I1", "complete"),
    "running in a list": (change("RPUSH", "queue", "normal", "run1"), "I1", "run1"),
    "unknown in a list": (change("RPUSH", "queue", "normal", "nobody"), "I1", "nobody"),
    "scheduled in a list": (change("RPUSH", "queue", "normal", "later"), "I1", "later"),
    "tombstone in no list": (change("SADD", "tombstones", "", "nobody"), "I1", "nobody"),
    "tombstone of a pending one": (change("SADD", "tombstones", "", "a"), "I1", "a"),
    "tombstone of a pending one in no list": (
        both(change("SADD", "tombstones", "", "a"), change("LREM", "queue", "normal", 1, "a")), "I1", "a",
    ),
    "pending in the schedule": (change("ZADD", "scheduled", "", 1, "a"), "I1", "a"),
    "scheduled without a time": (change("ZREM", "scheduled", "", "later"), "I1", "later"),
    "retry without a time": (change("ZREM", "scheduled", "", "retry"), "I1", "retry"),
    "unknown in the schedule": (change("ZADD", "scheduled", "", 1, "nobody"), "I2", "nobody"),
    "waiting until a time, and not in the schedule": (change("ZREM", "scheduled", "", "wait"), "I1", "wait"),
    "waiting for a signal that it was told": (change("HSET", "signals", "wait", "go", "1"), "I1", "wait"),
    "waiting for a family that is gone": (
        both(change("DEL", "family", "ask/1"), change("DEL", "children", "ask/1"), change("DEL", "gathered", "ask/1")),
        "I1", "ask",
    ),
    "waiting for a family that is done": (
        both(change("HSET", "gathered", "ask/1", "child", "{}"), change("HSET", "family", "ask/1", "done", "completed",
             "completed", 1), change("HDEL", "state", "child", "parents")), "I1", "ask",
    ),
    "waiting, its envelope expires": (change("PEXPIRE", "task", "wait", 90000), "I5", "wait"),
    "running in the schedule": (change("ZADD", "scheduled", "", 1, "run1"), "I1", "run1"),
    "in two status sets": (change("SADD", "status", "completed", "a"), "I2", "a"),
    "running and pending": (change("SADD", "status", "pending", "run1"), "I2", "run1"),
    "ended and pending": (change("SADD", "status", "pending", "complete"), "I2", "complete"),
    "failed and retry": (change("SADD", "status", "retry", "fail"), "I2", "fail"),
    "pending, in no status set": (change("SREM", "status", "pending", "a"), "I4", "a"),
    "running, in no status set": (change("SREM", "status", "running", "run1"), "I4", "run1"),
    "scheduled, in no status set": (change("SREM", "status", "scheduled", "later"), "I4", "later"),
    "completed, in no status set": (change("SREM", "status", "completed", "complete"), "I4", "complete"),
    "failed, in no status set": (change("SREM", "status", "failed", "fail"), "I4", "fail"),
    "another status in the state": (change("HSET", "state", "later", "status", "retry"), "I2", "later"),
    "scheduled without a state": (change("DEL", "state", "later"), "I2", "later"),
    "failed, its state says pending": (change("HSET", "state", "fail", "status", "pending"), "I2", "fail"),
    "failed without a state": (change("DEL", "state", "fail"), "I2", "fail"),
    "running without a record": (change("HDEL", "running", "", "run1"), "I3", "run1"),
    "running with a record that is none": (change("HSET", "running", "", "run1", "x w1 normal 1 1 -"), "I3", "run1"),
    "running on a worker that does not hold it": (change("LREM", "processing", "w1", 1, "run1"), "I3", "run1"),
    "running on a worker that is gone": (
        both(change("DEL", "worker", "w1"), change("SREM", "workers", "", "w1"), change("ZREM", "leases", "", "w1")),
        "I3", "run1",
    ),
    "a record of one that is pending": (forged, "I3", "a"),
    "a record of nobody": (change("HSET", "running", "", "nobody", "1.tok.1 w1 normal 1 1 -"), "I3", "nobody"),
    "held without running": (change("RPUSH", "processing", "w2", "a"), "I3", "a"),
    "held by two workers": (change("RPUSH", "processing", "w2", "run1"), "I3", "run1"),
    "a state of which the record knows nothing": (change("HSET", "state", "run3", "status", "running"), "I3", "run3"),
    "a record that speaks of a state": (change("DEL", "state", "run2"), "I3", "run2"),
    "ended, and a record": (change("HSET", "running", "", "fail", "1.tok.1 w1 normal 1 1 -"), "I3", "fail"),
    "a state of nobody": (change("HSET", "state", "nobody", "status", "pending"), "I4", "nobody"),
    "a result of nobody": (change("SET", "result", "nobody", "{}", "PX", 90000), "I4", "nobody"),
    "completed, its envelope stays": (change("PERSIST", "task", "complete"), "I5", "complete"),
    "completed, its result stays": (change("PERSIST", "result", "complete"), "I5", "complete"),
    "failed, its state stays": (change("PERSIST", "state", "fail"), "I5", "fail"),
    "completed without a result": (change("DEL", "result", "complete"), "I5", "complete"),
    "completed with a state": (change("HSET", "state", "complete", "attempts", 1), "I5", "complete"),
    "pending, its envelope expires": (change("PEXPIRE", "task", "a", 90000), "I5", "a"),
    "scheduled, its state expires": (change("PEXPIRE", "state", "later", 90000), "I5", "later"),
    "pending with a result": (change("SET", "result", "a", "{}", "PX", 90000), "I5", "a"),
    "a list that expires": (change("PEXPIRE", "queue", "normal", 90000), "I5", "queue:normal"),
    "counters that expire": (change("PEXPIRE", "counters", "", 90000), "I5", "counters"),
    "a session that does not expire": (change("RPUSH", "session", "ada", "x {}"), "I5", "session:ada"),
    "a reply that does not expire": (change("RPUSH", "reply", "me", "x {}"), "I5", "reply:me"),
    "a bell with too many hints": (change("RPUSH", "bell", "normal", *range(9)), "I7", "normal"),
    "a worker without a lease": (change("ZREM", "leases", "", "w1"), "I8", "w1"),
    "a worker that is not registered": (change("SREM", "workers", "", "w1"), "I8", "w1"),
    "a card of nobody": (change("HSET", "worker", "w9", "token", "t"), "I8", "w9"),
    "a lease of nobody": (change("ZADD", "leases", "", 1, "w9"), "I8", "w9"),
    "a lease for ever": (change("ZADD", "leases", "", 9e15, "w1"), "I8", "w1"),
    "failed and no dead letter": (change("ZREM", "dead", "", "fail"), "index", "fail"),
    "a dead letter that did not fail": (change("ZADD", "dead", "", 1, "a"), "index", "a"),
    "a dead letter of nobody": (change("ZADD", "dead", "", 1, "nobody"), "index", "nobody"),
    "a key of nobody": (change("SET", "unique", "lost", "nobody"), "index", "lost"),
    "a key that is not held": (change("DEL", "unique", "key"), "index", "retry"),
    "a successor that is not noted": (change("DEL", "successor", "key2"), "index", "next"),
    "a successor that nobody is": (change("SET", "successor", "key", "nobody"), "index", "key"),
    "a successor whose holder is gone": (
        both(change("SET", "unique", "key2", "nobody"), change("HSET", "state", "next", "behind", "nobody")),
        "index",
        "key2",
    ),
    "a successor whose holder has ended": (
        both(
            change("SET", "unique", "key2", "complete", "PX", 90000),
            change("HSET", "state", "next", "behind", "complete"),
        ), "index", "key2",
    ),
    "a key that another one holds": (change("SET", "unique", "key2", "retry"), "index", "key2"),
    "a permit of nobody": (change("HINCRBY", "permits", "", "few", 1), "I12", "few"),
    "permits of a key that nobody has": (change("HSET", "permits", "", "other", 1), "I12", "other"),
    "permits that are no number": (change("HSET", "permits", "", "few", "many"), "I12", "few"),
    "running, and its permit is gone": (change("DEL", "permits", ""), "I12", "few"),
    "a key that nobody holds alone": (change("SADD", "sole", "", "lone:2"), "I12", "=lone:2"),
    "held alone, and not among those": (change("SREM", "sole", "", "lone:1"), "I12", "=lone:1"),
    "waiting for room, and blocked nowhere": (change("ZREM", "blocked", "few", "l2"), "I12", "l2"),
    "blocked and not waiting": (change("ZADD", "blocked", "few", 1, "a"), "I12", "few"),
    "blocked and never looked at": (change("DEL", "jams", ""), "I12", "few"),
    "blocked and nobody is woken": (change("ZREM", "scheduled", "", "@limits"), "I12", "few"),
    "looked at, and nobody waits": (change("ZADD", "jams", "", 1, "nobody"), "I12", "nobody"),
    "a type with a limit that claims do not know of": (change("SET", "limited", "", "# "), "I13", "limited"),
    "a key with a limit that claims do not know of": (change("SET", "limited", "", " x "), "I13", "limited"),
    "a whole key with a limit that claims do not know of": (
        change("HSET", "limits", "", "few:own", "1 - 0 0 0 0"), "I13", "limited",
    ),
    "limits that claims do not know of": (change("DEL", "limited", ""), "I13", "limited"),
    "a gate of no circuit": (change("HSET", "gates", "", "!gone:a", "open 1 2"), "I13", "!gone:a"),
    "a gate of a circuit that cannot be read": (change("HSET", "gates", "", "!ring:a", "ajar"), "I13", "!ring:a"),
    "a pause that cannot be read": (change("HSET", "gates", "", "type:x", "1"), "I13", "type:x"),
    "woken, and nobody behind it": (change("HSET", "woken", "", "nobody", "a"), "I13", "nobody"),
    "a rate that does not expire": (change("SET", "rate", "few", 1), "I5", "rate:few"),
    "a child of nobody": (
        both(change("RPUSH", "children", "ask/1", "nobody"), change("HSET", "gathered", "ask/1", "nobody", ""),
             change("HINCRBY", "family", "ask/1", "total", 1)), "I10", "ask/1",
    ),
    "a child that has ended, and nobody was told": (
        both(change("RPUSH", "children", "ask/1", "complete"), change("HSET", "gathered", "ask/1", "complete", ""),
             change("HINCRBY", "family", "ask/1", "total", 1)), "I10", "ask/1",
    ),
    "a child that has failed, and nobody was told": (
        both(change("RPUSH", "children", "ask/1", "fail"), change("HSET", "gathered", "ask/1", "fail", ""),
             change("HSET", "state", "fail", "parents", "ask/1"), change("HINCRBY", "family", "ask/1", "total", 1)),
        "I10", "ask/1",
    ),
    "a family whose record is not whole": (
        both(change("HDEL", "family", "ask/1", "total"), change("HDEL", "state", "child", "parents")), "I10", "ask/1",
    ),
    "a family that counts too few": (
        both(change("HSET", "gathered", "ask/1", "child", RESULT), change("HDEL", "state", "child", "parents")),
        "I10", "ask/1",
    ),
    "a family that counts too many": (
        change("HSET", "family", "ask/1", "failed", 1, "done", "completed"), "I10", "ask/1",
    ),
    "a family that counts another end": (
        both(change("HSET", "gathered", "ask/1", "child", RESULT), change("HDEL", "state", "child", "parents"),
             change("HSET", "family", "ask/1", "failed", 1, "done", "completed")), "I10", "ask/1",
    ),
    "a family that is done too early": (change("HSET", "family", "ask/1", "done", "completed"), "I10", "ask/1"),
    "a family that has gathered nothing": (change("DEL", "gathered", "ask/1"), "I10", "ask/1"),
    "a family of which only the children are left": (
        both(change("DEL", "family", "ask/1"), change("HDEL", "state", "child", "parents")), "I10", "ask/1",
    ),
    "a family that expires before its parent": (change("PEXPIRE", "gathered", "ask/1", 90000), "I10", "ask/1"),
    "a family of nobody that does not expire": (rename_family, "I10", "gone/1"),
    "a child that does not know who waits for it": (change("DEL", "state", "child"), "I10", "ask/1"),
    "a sequence that is gone": (change("DEL", "sequence", "k"), "I11", "o1"),
    "waiting, in no sequence": (change("ZREM", "sequence", "k", "o2"), "I11", "o2"),
    "waiting for room, in no sequence": (change("ZREM", "sequence", "q", "l2"), "I11", "l2"),
    "the first of a sequence is not in it": (change("ZREM", "sequence", "k", "o0"), "I11", "o0"),
    "the first of a sequence is behind others": (change("ZADD", "sequence", "k", 9, "o0"), "I11", "o0"),
    "two of a sequence may start": (
        both(
            change("SREM", "status", "waiting", "o1"), change("SADD", "status", "pending", "o1"),
            change("RPUSH", "queue", "low", "o1"), change("HSET", "state", "o1", "status", "pending"),
        ), "I11", "o1",
    ),
    "the first of a sequence is not live": (change("ZADD", "sequence", "k", -1, "complete"), "I11", "k"),
    "the first of a sequence is nobody": (
        both(change("ZADD", "sequence", "k", -1, "nobody"), change("ZREM", "sequence", "k", "o0")), "I11", "k",
    ),
    "a queue that is not listed": (change("SREM", "queues", "", "mail"), "index", "mail:low"),
    "a checkpoint of nobody": (change("SET", "checkpoint", "nobody", "1"), "I5", "nobody"),
    "failed, its checkpoint stays": (change("SET", "checkpoint", "fail", "1"), "I5", "fail"),
    "signals of nobody": (change("HSET", "signals", "nobody", "go", "1"), "I5", "nobody"),
    "completed, its signals stay": (change("HSET", "signals", "complete", "go", "1"), "I5", "complete"),
    "a saga of nobody": (change("ZADD", "sagas", "", 1, "nobody"), "index", "nobody"),
    "sagas that expire": (change("PEXPIRE", "sagas", "", 90000), "I5", "sagas"),
    "a group without an entry": (change("LREM", "queue", "low", 1, "@g"), "index", "low/g"),
    "a group with two entries": (change("RPUSH", "queue", "low", "@g"), "index", "low/g"),
    "an entry of nobody": (change("RPUSH", "queue", "low", "@nobody"), "index", "low/nobody"),
    "a group that is gone": (change("DEL", "group", "low/g"), "I1", "g1"),
    "pending, in a group no more": (change("LREM", "group", "low/g", 1, "g1"), "I1", "g1"),
    "pending twice in a group": (change("RPUSH", "group", "low/g", "g1"), "I1", "g1"),
    "pending in a list and in a group": (change("LPUSH", "queue", "normal", "g1"), "I1", "g1"),
    "a wrong number of those in groups": (change("HSET", "grouped", "", "low", 7), "index", "low"),
    "a group that expires": (change("PEXPIRE", "group", "low/g", 90000), "I5", "group:low/g"),
    "waiting, and not weighed": (change("HDEL", "weights", "", "a"), "I15", "a"),
    "running and weighed": (change("HSET", "weights", "", "run1", "9 default"), "I15", "run1"),
    "weighed wrong": (change("HSET", "weights", "", "a", "99 default"), "I15", "a"),
    "a weight that cannot be read": (change("HSET", "weights", "", "a", "many"), "I15", "a"),
    "more bytes said than there are": (change("HINCRBY", "bytes", "", "mail", 1), "I15", "mail"),
    "bytes of a queue that has none": (change("HSET", "bytes", "", "gone", 5), "I15", "gone"),
    "bytes of a queue that are no number": (change("HSET", "bytes", "", "mail", "many"), "I15", "mail"),
    "nothing weighed where a limit counts bytes": (change("DEL", "bytes"), "I15", "@"),
    "all weighed where no limit counts bytes": (change("DEL", "bounds"), "I15", "@"),
    "a slot of no schedule": (change("HSET", "slots", "", "gone", 1), "index", "gone"),
}  # fmt: skip


def test_a_healthy_namespace(bench: Bench) -> None:
    report = run(bench)
    assert (report.violations, report.count, report.left) == ([], 0, 0)
    assert report.checked > 30
    before = kept(bench)
    assert run(bench, repair=True).count == 0
    assert changes(before, kept(bench)) == {}


@pytest.mark.parametrize(("damage", "invariant", "subject"), DAMAGES.values(), ids=DAMAGES)
def test_what_is_damaged_is_found_and_mended(bench: Bench, damage: Damage, invariant: str, subject: str) -> None:
    known = ids_of(bench)
    damage(bench)
    damaged = kept(bench)
    assert findings(bench) != []

    report = run(bench)
    assert (invariant, subject) in found(report)
    assert report.left == report.count > 0
    assert changes(damaged, kept(bench)) == {}, "nothing is changed unless it is asked for"

    report = run(bench, repair=True)
    assert (invariant, subject) in found(report)
    assert findings(bench) == []
    assert [v for v in report.violations if v.left and v.invariant not in ("I6", "I9")] == []
    assert all(v.done for v in report.violations if not v.left and v.subject == subject)
    assert run(bench).count == 0
    assert ids_of(bench) == known, "no task is lost, none is made up"


@pytest.mark.parametrize("status", ["pending", "running", "scheduled"])
def test_a_task_without_an_envelope_is_dropped_and_counted(bench: Bench, status: str) -> None:
    task_id = {"pending": "a", "running": "run1", "scheduled": "later"}[status]
    bench.client.delete(bench.key("task", task_id))
    assert ("I4", task_id) in found(run(bench))
    run(bench, repair=True)
    assert findings(bench) == []
    assert bench.client.hget(bench.key("counters"), "lost_bodies") == "1"
    assert run(bench).count == 0


def test_nobody_waits_for_a_child_that_was_dropped(bench: Bench) -> None:
    bench.client.delete(bench.key("task", "child"))
    run(bench, repair=True)
    assert findings(bench) == []
    assert bench.client.sismember(bench.key("status", "pending"), "ask"), "its parent goes on"
    assert run(bench).count == 0


@pytest.mark.parametrize(("child", "counted"), [("complete", "completed"), ("fail", "failed"), ("nobody", "failed")])
def test_what_a_family_is_told_of_a_child_that_is_not_live(bench: Bench, child: str, counted: str) -> None:
    bench.client.rpush(bench.key("children", "ask/1"), child)
    bench.client.hset(bench.key("gathered", "ask/1"), child, "")
    bench.client.hincrby(bench.key("family", "ask/1"), "total", 1)
    told = bench.protocol.mend_place("children", child, "ask/1", LEASE_MS)
    assert bench.transport.run(told) == ("its end was told",)
    assert findings(bench) == []
    assert bench.client.hget(bench.key("family", "ask/1"), counted) == "1"
    result = bench.client.hget(bench.key("gathered", "ask/1"), child)
    assert result == bench.client.get(bench.key("result", child)) or '"nobody"' in result
    before = kept(bench)
    assert bench.transport.run(told) == ()
    assert bench.transport.run(bench.protocol.mend_place("children", "child", "ask/1", LEASE_MS)) == ()
    assert changes(before, kept(bench)) == {}


def test_a_family_that_lists_too_few_is_reported_and_stays(bench: Bench) -> None:
    bench.client.delete(bench.key("children", "ask/1"))
    before = kept(bench)
    assert found(run(bench, repair=True)) == {("I10", "ask/1")}
    assert changes(before, kept(bench)) == {}


@pytest.mark.parametrize("long", [10, 100_000], ids=["short", "long"])
def test_the_sums_of_a_large_family(bench: Bench, long: int) -> None:
    """Of results that can be read it is known how many have completed; others may have ended in any way."""
    names = [f"x{n}" for n in range(60)]
    result = '{{"task_id":"x","status":"{}","result":"{}"}}'
    gathered = {name: result.format("failed" if n % 3 else "completed", "y" * long) for n, name in enumerate(names)}
    bench.client.hset(bench.key("gathered", "ask/1"), mapping=gathered)
    bench.client.rpush(bench.key("children", "ask/1"), *names)
    bench.client.hset(bench.key("family", "ask/1"), mapping={"total": 61, "completed": 21, "failed": 39})
    assert found(run(bench)) == {("I10", "ask/1")}
    assert run(bench, repair=True).left == 0
    assert bench.client.hmget(bench.key("family", "ask/1"), "completed", "failed", "done") == ["20", "40", None]
    bench.client.hset(bench.key("gathered", "ask/1"), "x0", "no result that this version knows")
    assert run(bench).count == 0
    bench.client.hset(bench.key("family", "ask/1"), mapping={"completed": 19, "failed": 41})
    assert run(bench).count == 0
    bench.client.hset(bench.key("family", "ask/1"), mapping={"completed": 18, "failed": 42})
    assert found(run(bench)) == {("I10", "ask/1")}
    bench.client.hset(bench.key("family", "ask/1"), mapping={"completed": 19, "failed": 40})
    run(bench, repair=True)
    assert bench.client.hmget(bench.key("family", "ask/1"), "completed", "failed") == ["20", "40"]
    assert findings(bench) == []


def test_an_ended_task_that_nothing_would_forget(bench: Bench) -> None:
    (slot, *_) = bench.client.zrange(bench.key("retention"), 0, 0)
    bench.client.lrem(bench.key("retained", slot), 1, "complete")
    assert found(run(bench)) == {("I5", "complete")}
    run(bench, repair=True)
    assert findings(bench) == []


def test_a_retained_list_that_nothing_would_sweep(bench: Bench) -> None:
    (slot, *_) = bench.client.zrange(bench.key("retention"), 0, 0)
    bench.client.zrem(bench.key("retention"), slot)
    assert ("I5", slot) in found(run(bench))
    run(bench, repair=True)
    assert findings(bench) == []


def test_a_retained_list_that_is_swept_while_fsck_looks_is_not_missed(bench: Bench) -> None:
    assert list(bench.run(bench.protocol.indexes(TIMES, "retained", ["123"]))) == [""]


def test_what_was_running_is_handed_back_uncharged_to_the_head(bench: Bench) -> None:
    bench.client.lrem(bench.key("processing", "w1"), 1, "run2")
    run(bench, repair=True)
    assert bench.client.lindex(bench.key("queue", "normal"), 0) == "run2"
    assert bench.client.hget(bench.key("state", "run2"), "attempts") == "0"


def test_everything_at_once_can_still_be_run(bench: Bench) -> None:
    """All that waits after a repair can be claimed, once each."""
    bench.submit_ids(*(f"x{n}" for n in range(250)))
    for n in range(0, 250, 3):
        bench.client.lrem(bench.key("queue", "normal"), 1, f"x{n}")
    bench.client.rpush(bench.key("queue", "low"), *(f"x{n}" for n in range(1, 250, 3)))
    bench.client.srem(bench.key("status", "pending"), *(f"x{n}" for n in range(2, 250, 6)))
    bench.client.zadd(bench.key("scheduled"), {f"x{n}": 1 for n in range(5, 250, 6)})
    run(bench, repair=True)
    assert findings(bench) == []
    claimed = [claim.task_id for claim in bench.claim("w2", 400, [*LISTS, "mail:low"])]
    waiting = {"a", "b", "c", "m", "o0", "child", "g0", "g1", "g2"}
    assert sorted(claimed) == sorted(waiting | {f"x{n}" for n in range(250)})


def test_the_page_names_what_looks_at_each_key() -> None:
    page = (Path(__file__).parents[2] / "docs" / "fsck.md").read_text(encoding="utf-8")
    table = page.partition("## Which key is looked at by what")[2].partition("## What it costs")[0]
    assert sorted(re.findall(r"`([a-z]+)`", table)) == sorted(FAMILIES)
