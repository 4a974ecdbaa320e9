"""The audit finds each way in which a namespace can be wrong, and nothing in a good one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from taskq.protocol.audit import audit
from taskq.protocol.keys import FAMILIES
from taskq.protocol.view import family_of, read_dump

NOW_MS = 1_000_000
LEASE_MS = 60_000
Keys = dict[str, Any]

# One task of every kind. A key is its content, or a pair of content and ms to live.
GOOD: Keys = {
    "meta": {"uuid": "u", "lease_tick": "1000000", "lease_credit": "500"},
    "counters": {
        "submitted": "17", "completed": "2", "failed": "2", "cancelled": "1", "replayed": "1", "expired": "1",
        "purged": "1", "lost_bodies": "1",
    },
    "task:pending": "{}", "task:again": "{}", "task:running": "{}", "task:scheduled": "{}", "task:retry": "{}",
    "task:new": "{}", "task:patient": "{}", "task:parent": "{}",
    "task:completed": ("{}", 5000), "task:failed": ("{}", 5000), "task:cancelled": ("{}", 5000),
    "result:completed": ("{}", 5000), "result:failed": ("{}", 5000), "result:cancelled": ("{}", 5000),
    "state:again": {"status": "pending", "attempts": "1"},
    "state:running": {"status": "running", "unique": "k", "parents": "parent/1"},
    "running": {"running": "17.tok.3 w1 normal 1 999000 h", "new": "18.tok.3 w1 normal 1 999000 c"},
    "state:patient": {"status": "waiting", "waits": "2 go", "late": " 1"}, "signals:patient": {"other": "1"},
    "state:parent": {"status": "waiting", "waits": "parent/1", "families": "parent/1"},
    "family:parent/1": {"task": "parent", "total": "1", "policy": "wait_all"}, "children:parent/1": ["running"],
    "gathered:parent/1": {"running": ""},
    "checkpoint:again": "1", "checkpoint:scheduled": ("1", 5000), "checkpoint:failed": ("1", 5000),
    "checkpoint:forgotten": ("1", 5000), "sagas": [("again", 999_000.0), ("failed", 998_000.0)],
    "state:scheduled": {"status": "scheduled", "list": "normal"},
    "state:retry": {"status": "retry", "list": "normal"},
    "state:failed": ({"status": "failed", "unique": "k"}, 5000),
    "state:cancelled": ({"status": "cancelled"}, 5000),
    "task:o1": "{}", "task:o2": "{}", "task:o3": "{}",
    "state:o1": {"status": "pending", "sequence": "k", "list": "low"},
    "state:o2": {"status": "waiting", "waits": "@sequence", "sequence": "k", "list": "low"},
    "state:o3": {"status": "waiting", "waits": "@sequence", "sequence": "k", "list": "low"},
    "sequence:k": [("o1", 1.0), ("o2", 2.0), ("o3", 4.0)],
    "queue:low": ["o1"],
    "status:pending": {"pending", "again", "o1"}, "status:running": {"running", "new"},
    "status:scheduled": {"scheduled"},
    "status:retry": {"retry"}, "status:completed": {"completed"}, "status:failed": {"failed"},
    "status:cancelled": {"cancelled"}, "status:waiting": {"patient", "parent", "o2", "o3"},
    "queue:normal": ["pending", "cancelled", "forgotten"], "queue:mail:low": ["again"], "queues": {"mail"},
    "tombstones": {"cancelled", "forgotten"},
    "processing:w1": ["running", "new"],
    "scheduled": [("scheduled", 1_050_000.0), ("retry", 1_060_000.0), ("patient", 1_070_000.0)],
    "workers": {"w1"}, "worker:w1": {"token": "t"}, "leases": [("w1", 1_059_500.0)],
    "dead": [("failed", 999_000.0)],
    "retention": [("1010000", 1_010_000.0), ("1020000", 1_020_000.0)],
    "retained:1010000": ["completed", "failed", "cancelled", "again"],
    "unique:k": "running",
    "bell:normal": ["1"], "bell:mail:low": ["1"],
    "paused": {"low"}, "schedules": {"s": "{}"}, "slots": {"s": "1"},
    "waiters:pending": ({"me"}, 5000), "awaited": ("1", 5000), "reply:me": (["x {}"], 5000),
}  # fmt: skip

KINDS = {str: b"string", dict: b"hash", set: b"set"}


def dump(keys: Keys) -> list[Any]:
    """Return keys as the server would send them."""
    flat: list[Any] = []
    for name, value in keys.items():
        content, ttl_ms = value if isinstance(value, tuple) else (value, -1)
        kind = KINDS.get(type(content), b"list")
        if isinstance(content, str):
            words: Any = content.encode()
        elif isinstance(content, dict):
            words = [word.encode() for pair in content.items() for word in pair]
        elif content and isinstance(content, list) and isinstance(content[0], tuple):
            kind, words = b"zset", [str(word).encode() for pair in content for word in pair]
        else:
            words = [word.encode() for word in content]
        flat += [name.encode(), kind, ttl_ms, words]
    return flat


def findings(keys: Keys, lease_ms: int | None = LEASE_MS, *, all_hints_kept: bool = True) -> list[str]:
    return audit((NOW_MS, dump(keys)), lease_ms, all_hints_kept=all_hints_kept)


def test_a_good_namespace() -> None:
    assert findings(GOOD) == []


def test_an_empty_namespace() -> None:
    assert findings({}) == []


def test_too_many_keys_are_not_taken_for_none() -> None:
    (finding,) = audit((NOW_MS, None))
    assert "was not checked" in finding


def expired_but_not_swept(keys: Keys) -> None:
    for family in ("task", "state", "result"):
        keys.pop(f"{family}:failed")


def being_taken_away(keys: Keys) -> None:
    """A supervisor has taken the card of a worker and not yet its last task."""
    keys.pop("worker:w1")


def swept_up_to_the_last_of_a_slot(keys: Keys) -> None:
    keys["retention"].append(("999000", 999_000.0))


def bell_of_a_paused_list(keys: Keys) -> None:
    keys["paused"].add("normal")
    keys.pop("bell:normal")


def resubmitted_beside_its_tombstone(keys: Keys) -> None:
    keys["queue:normal"].append("pending")
    keys["tombstones"].add("pending")


@pytest.mark.parametrize(
    "change",
    [
        expired_but_not_swept,
        being_taken_away,
        swept_up_to_the_last_of_a_slot,
        bell_of_a_paused_list,
        resubmitted_beside_its_tombstone,
    ],
)
def test_what_looks_odd_and_is_right(change: Callable[[Keys], None]) -> None:
    keys = copy.deepcopy(GOOD)
    change(keys)
    assert findings(keys) == []


def put(name: str, value: Any) -> Callable[[Keys], None]:
    return lambda keys: keys.__setitem__(name, value)


def drop(name: str) -> Callable[[Keys], None]:
    return lambda keys: keys.pop(name)


def within(name: str, act: Callable[[Any], object]) -> Callable[[Keys], None]:
    def change(keys: Keys) -> None:
        value = keys[name]
        act(value[0] if isinstance(value, tuple) else value)

    return change


def run_of(task_id: str, record: str, **others: Any) -> Callable[[Keys], None]:
    def change(keys: Keys) -> None:
        keys["running"][task_id] = record
        keys.update(others)

    return change


def never_forgotten(keys: Keys) -> None:
    expired_but_not_swept(keys)
    keys["retained:1010000"].remove("failed")


def in_the_wrong_place(keys: Keys) -> None:
    keys["status:retry"].clear()
    keys["status:pending"].add("retry")


WRONG: list[tuple[str, Callable[[Keys], None], str]] = [
    (
        "twice in a list",
        within("queue:normal", lambda q: q.append("pending")),
        "I1: pending is pending and stands in 2",
    ),
    ("in two lists", within("queue:mail:low", lambda q: q.append("pending")), "stands in 2 places"),
    ("list and processing", within("processing:w1", lambda q: q.append("pending")), "stands in 2 places"),
    ("nowhere", within("queue:normal", lambda q: q.remove("pending")), "I1: pending is pending and stands in 0 places"),
    (
        "ended in a list",
        within("queue:normal", lambda q: q.append("completed")),
        "I1: completed is completed and stands",
    ),
    (
        "ended and scheduled",
        within("scheduled", lambda z: z.append(("failed", 1.0))),
        "I1: failed is failed and stands",
    ),
    (
        "two entries, one tombstone",
        within("queue:normal", lambda q: q.append("cancelled")),
        "I1: cancelled is cancelled",
    ),
    ("tombstone of nothing", within("tombstones", lambda s: s.add("x")), "the tombstone of x stands in no list"),
    ("two sets", within("status:running", lambda s: s.add("pending")), "I2: pending is in 2 status sets"),
    (
        "state of another status",
        within("state:retry", lambda h: h.update(status="scheduled")),
        "I2: retry is in the set",
    ),
    ("no state", drop("state:retry"), "I2: retry is in the set retry, its state says None"),
    ("pending in processing", within("state:running", lambda h: h.update(status="pending")), "its state says pending"),
    ("wrong place", in_the_wrong_place, "I2: retry is pending and"),
    (
        "no status set",
        within("queue:normal", lambda q: q.append("x")),
        "I2: x stands in queue:normal and is in no status",
    ),
    ("running without a record", within("running", lambda h: h.pop("new")), "I3: new is running without a record"),
    ("an odd record", run_of("new", "18.tok.3 w1 normal"), "I3: new is running without a record"),
    ("an odd fence", run_of("new", "x w1 normal 1 999000 -"), "I3: new is running without a record and its fence"),
    ("another owner", run_of("new", "18.tok.3 w2 normal 1 999000 -"), "I3: new runs on w2, who does not hold it"),
    (
        "a known owner who does not hold it",
        run_of("new", "18.tok.3 w2 normal 1 999000 -", workers={"w1", "w2"}),
        "I3: new runs on w2, who does not hold it",
    ),
    (
        "a state that the record does not know",
        run_of("running", "17.tok.3 w1 normal 1 999000 -"),
        "I3: the record of running knows nothing of its state",
    ),
    (
        "a state that is not there",
        run_of("new", "18.tok.3 w1 normal 1 999000 h"),
        "I3: the record of new speaks of its state",
    ),
    ("not registered", within("workers", lambda s: s.clear()), "I3: running runs on w1, who is not registered"),
    ("no lease", within("leases", lambda z: z.clear()), "who is not registered or has no lease"),
    (
        "a record of the dead",
        run_of("failed", "1.t.1 w1 normal 1 999000 h"),
        "I3: failed does not run, but there is a record",
    ),
    ("a record of nobody", run_of("x", "1.t.1 w1 normal 1 999000 -"), "I3: x does not run, but there is a record"),
    ("a record that is none", run_of("retry", ""), "I3: retry does not run, but there is a record"),
    ("live without body", drop("task:running"), "I4: running is running and has no body"),
    ("forgotten by the janitor", never_forgotten, "I4: failed has ended and expired, but nothing will"),
    ("body of nobody", put("task:x", "{}"), "I4: task:x belongs to no known task"),
    ("state of nobody", put("state:x", {"status": "running"}), "I4: state:x belongs to no known task"),
    ("result of nobody", put("result:x", ("{}", 1)), "I4: result:x belongs to no known task"),
    ("live body expires", put("task:pending", ("{}", 5000)), "I5: task:pending has a TTL"),
    ("live state expires", put("state:retry", ({"status": "retry"}, 5000)), "I5: state:retry has a TTL"),
    ("ended body stays", put("task:failed", "{}"), "I5: task:failed has no TTL"),
    ("ended state stays", put("state:failed", {"status": "failed"}), "I5: state:failed has no TTL"),
    ("result stays", put("result:completed", "{}"), "I5: result:completed has no TTL"),
    ("waiters stay", put("waiters:pending", {"me"}), "I5: waiters:pending has no TTL"),
    ("reply stays", put("reply:me", ["x {}"]), "I5: reply:me has no TTL"),
    ("awaited stays", put("awaited", "1"), "I5: awaited has no TTL"),
    ("a list expires", put("queue:normal", (["pending", "cancelled", "forgotten"], 10)), "I5: queue:normal has a TTL"),
    ("result of a live task", put("result:pending", ("{}", 10)), "I5: pending is pending and has a result"),
    ("ended without result", drop("result:cancelled"), "I5: cancelled has ended and has no result"),
    ("ended, not retained", within("retained:1010000", lambda q: q.remove("completed")), "stands in no retained list"),
    (
        "completed with state",
        put("state:completed", ({"status": "completed"}, 9)),
        "I5: completed has completed and still",
    ),
    ("slot not indexed", within("retention", lambda z: z.pop(0)), "I5: retained:1010000 is not in the retention index"),
    ("an end counted twice", within("counters", lambda h: h.update(completed="3")), "I6: 6 ends were counted"),
    ("a lost task", within("counters", lambda h: h.update(submitted="16")), "I9: 16 tasks were submitted"),
    ("too many hints", put("bell:normal", ["1"] * 9), "I7: bell:normal holds 9 hints"),
    ("no hint", drop("bell:mail:low"), "I7: queue:mail:low holds work and its bell was not rung"),
    ("a long lease", put("leases", [("w1", 1_060_501.0)]), "I8: the lease of w1 lies"),
    ("a lease of nobody", within("leases", lambda z: z.append(("w2", 1.0))), "I8: w2 is registered without a lease"),
    ("a card of nobody", put("worker:w2", {"token": "t"}), "I3: worker:w2 belongs to no registered worker"),
    ("ids of nobody", put("processing:w2", ["x"]), "I3: processing:w2 belongs to no registered worker"),
    ("failed, not dead", drop("dead"), "failed is failed without being a dead letter"),
    (
        "dead, not failed",
        within("dead", lambda z: z.append(("pending", 1.0))),
        "pending is failed without being a dead",
    ),
    ("unique key of the dead", put("unique:k", "failed"), "unique:k is held by failed"),
    ("unique key unknown", put("unique:x", "pending"), "unique:x is held by pending, which does not know of it"),
    ("unique key not held", drop("unique:k"), "running claims unique:k, which it does not hold"),
    ("unlisted queue", drop("queues"), "queue:mail:low is not listed in queues"),
    ("slot of nothing", within("slots", lambda h: h.update(x="1")), "slots remembers x"),
    (
        "waiting in a list",
        within("queue:low", lambda q: q.append("o2")),
        "I1: o2 waits for others, and stands in queue:low",
    ),
    ("first and waiting", within("sequence:k", lambda z: z.pop(0)), "I11: o2 has place 1 in the sequence of k"),
    ("first not in it", within("sequence:k", lambda z: z.pop(0)), "I11: o1 has the ordering key 'k' and does not"),
    ("no sequence", drop("sequence:k"), "I11: o3 has the ordering key 'k' and does not"),
    ("in two", put("sequence:x", [("o3", 1.0)]), "I11: o3 has place 1 in the sequence of x"),
    ("second and pending", within("sequence:k", lambda z: z.append(("again", 5.0))), "I11: again has place 4"),
    ("ended in it", within("sequence:k", lambda z: z.append(("failed", 5.0))), "I11: failed has place 4"),
    ("waits for what was said", put("signals:patient", {"go": "1"}), "I1: patient is waiting for nothing"),
    ("waits for nobody", put("signals:patient", {"@abort": "1"}), "I1: patient is waiting for nothing"),
    (
        "waits in a list",
        within("queue:normal", lambda q: q.append("patient")),
        "I1: patient is waiting for nothing, or",
    ),
    ("waits for what is done", within("family:parent/1", lambda h: h.update(done="x")), "I1: parent is waiting for"),
    ("signals of nobody", put("signals:x", {"go": "1"}), "I4: signals:x belongs to no known task"),
    ("signals of a live one expire", put("signals:patient", ({"a": "1"}, 9)), "I5: signals:patient has a TTL"),
    ("signals of an ended one stay", put("signals:failed", {"go": "1"}), "I5: signals:failed has no TTL"),
    ("a checkpoint of an ended one stays", put("checkpoint:failed", "1"), "I5: checkpoint:failed has no TTL"),
    ("a checkpoint of nobody stays", put("checkpoint:x", "1"), "I5: checkpoint:x has no TTL"),
    ("a saga of nobody", within("sagas", lambda z: z.append(("x", 1.0))), "sagas lists x, which is no known task"),
    ("a gate of no circuit", put("gates", {"!x:a": "half b"}), "I13: the gate of x:a is that of no circuit"),
    ("a gate that says nothing", put("gates", {"!x": "closed"}), "I13: the gate !x cannot be read: closed"),
    ("a pause without its time", put("gates", {"type:x": "paused"}), "I13: the gate type:x cannot be read"),
    ("a pause that claims pass by", put("gates", {"type:x": "paused 1"}), "I13: type:x is to be counted"),
    ("a key that claims pass by", put("circuits", {"x": "1 1 1"}), "I13: x is to be counted"),
    ("nobody behind it", put("woken", {"k": "pending"}), "I13: nobody waits behind the one that woken names for k"),
    ("a limit that says nothing", put("limits", {"k": "5"}), "I14: limits k cannot be read: 5"),
    ("foreign key", put("something", "x"), "key something is of no family"),
    ("wrong type", put("queue:low", {"x"}), "key queue:low is of no family, or of the wrong type"),
]


@pytest.mark.parametrize(("change", "sentence"), [pytest.param(c, s, id=name) for name, c, s in WRONG])
def test_what_is_wrong_is_found(change: Callable[[Keys], object], sentence: str) -> None:
    keys = copy.deepcopy(GOOD)
    change(keys)
    assert any(sentence in finding for finding in findings(keys)), findings(keys)


def test_without_a_lease_length_leases_are_not_judged() -> None:
    keys = {**GOOD, "leases": [("w1", 9_999_999.0)]}
    assert findings(keys, None) == []


def test_hints_that_workers_have_taken_are_not_missed() -> None:
    keys = {**GOOD}
    del keys["bell:normal"]
    assert findings(keys, all_hints_kept=False) == []


def test_every_family_is_known() -> None:
    assert family_of("nothing") is None
    for family, suffix in FAMILIES.items():
        if family not in ("root", "events"):  # the whole, and a channel, which is no key
            assert family_of(suffix + ("x" if suffix.endswith(":") else "")) == family


def test_a_dump_is_read_by_type() -> None:
    entries = read_dump(dump({"queue:low": ["a", "b"], "dead": [("a", 1.5)], "task:a": ("{}", 7), "workers": {"w"}}))
    assert {name: entry.content for name, entry in entries.items()} == {
        "queue:low": ["a", "b"],
        "dead": {"a": 1.5},
        "task:a": "{}",
        "workers": {"w"},
    }
    assert entries["task:a"].ttl_ms == 7
