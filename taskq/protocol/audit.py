"""Check the invariants of a namespace on a snapshot of all its keys. No I/O here.

I1  place: a live id stands in exactly one of: a priority list, a processing list, ``scheduled``; one that is waiting
    stands nowhere, and the family it waits for is not done. An ended id stands nowhere, but a task that was cancelled
    while it waited in a list leaves a tombstone there, which may outlive its body.
I2  status: every id is in exactly one status set, the status in its state (none: pending, running or completed) is the
    same one, and it fits the place: pending in a list, running in a processing list, scheduled and retry in
    ``scheduled``.
I3  running means: it has a record in ``running`` with a fence, and stands in the processing list of the worker that the
    record names; that worker is in ``workers`` and has a lease. The record says whether there is a state besides.
I4  bodies: no live id without an envelope; no envelope, state or result without an id. The ids of ended tasks whose
    keys have expired wait in a retained list to be forgotten.
I5  expiry: envelope and state of a live task have no TTL; envelope, state and result of an ended one all have. Result,
    checkpoint, session, waiters, reply and awaited keys always have one; every other key is bounded by the tasks,
    workers, lists or schedules that exist and has none.
I6  each end is accepted once: completed + failed + cancelled = ended now + expired + replayed.
I7  bells: no more than eight hints; and while no worker has taken any (``all_hints_kept``), every list that may be
    claimed from has one.
I8  leases: none lies further ahead than one lease length on the lease clock, give or take the second by which that
    clock may go back unnoticed. The workers with a lease are the registered ones.
I9  nothing is lost: submitted = live + ended now + expired + purged + lost bodies. A replayed task is live again.

I10 families: each child is counted once. A child that is open there is live; what is counted is what was gathered; a
    family is done when its policy says so. It has a TTL unless a live task has made it.

Beside them: every key belongs to a known family and has its type; ``dead`` holds the failed ids; a unique key is held
by a live task that knows of it; named queues are listed in ``queues``; only known schedules have a last slot.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from taskq.protocol.keys import FAMILIES
from taskq.protocol.replies import parse_record
from taskq.states import LIVE, TERMINAL, TaskStatus

BELL_MAX = 8
LEASE_TOLERANCE_MS = 1000

KINDS: dict[str, str] = {
    **dict.fromkeys(("queue", "processing", "bell", "retained", "reply", "children", "session"), "list"),
    **dict.fromkeys(("task", "result", "checkpoint", "unique", "awaited"), "string"),
    **dict.fromkeys(
        ("state", "running", "worker", "schedules", "slots", "meta", "counters", "family", "gathered"), "hash"
    ),
    **dict.fromkeys(("status", "workers", "paused", "tombstones", "queues", "waiters"), "set"),
    **dict.fromkeys(("scheduled", "leases", "retention", "dead"), "zset"),
}
_WHOLE_NAMES = {FAMILIES[family]: family for family in KINDS if not FAMILIES[family].endswith(":")}
_FIRST_WORDS = {FAMILIES[family][:-1]: family for family in KINDS if FAMILIES[family].endswith(":")}
_EXPIRING = frozenset({"result", "checkpoint", "session", "waiters", "reply", "awaited"})
_BY_STATUS = frozenset({"task", "state"})
_OF_FAMILIES = ("family", "children", "gathered")
_STATELESS = (TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.COMPLETED)
_FENCE = re.compile(r"[0-9]+\..+\.[0-9]+\Z")
_PLACE_OF = {
    TaskStatus.PENDING: "queue:",
    TaskStatus.RUNNING: "processing:",
    TaskStatus.SCHEDULED: "scheduled",
    TaskStatus.RETRY: "scheduled",
    TaskStatus.WAITING: "",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One key: its type, its time to live in ms (-1: none) and its content as text."""

    kind: str
    ttl_ms: int
    content: Any


def read_dump(dump: list[Any]) -> dict[str, Entry]:
    """Return the keys of a snapshot by name, without the root of the namespace.

    Args:
        dump: as ``Protocol.snapshot`` replies it.

    Returns:
        Lists as lists, sets as sets, hashes as dicts, sorted sets as dicts of member and score.
    """
    entries = {}
    for at in range(0, len(dump), 4):
        name, kind, content = _text(dump[at]), _text(dump[at + 1]), dump[at + 3]
        if kind != "string":
            words = [_text(word) for word in content]
            flat: Any = dict(zip(words[::2], words[1::2], strict=True)) if kind in ("hash", "zset") else words
            content = {member: float(score) for member, score in flat.items()} if kind == "zset" else flat
            content = set(content) if kind == "set" else content
        entries[name] = Entry(kind, dump[at + 2], _text(content) if kind == "string" else content)
    return entries


def _text(word: bytes | str) -> str:
    return word.decode("utf-8", "replace") if isinstance(word, bytes) else word


def family_of(key: str) -> str | None:
    """Return the family that a key belongs to, None for a key that is not of taskq."""
    first, colon, _ = key.partition(":")
    return _FIRST_WORDS.get(first) if colon else _WHOLE_NAMES.get(first)


def expires(family: str) -> bool | None:
    """Return whether the keys of a family have to expire; None: it depends on the task, and each is judged with it."""
    if family in _BY_STATUS or family in _OF_FAMILIES or family == "result":
        return None
    return family in _EXPIRING


def audit(
    snapshot: tuple[int, list[Any] | None], lease_ms: int | None = None, *, all_hints_kept: bool = False
) -> list[str]:
    """Return what is wrong with a namespace, one sentence each; nothing if all invariants hold.

    Args:
        snapshot: as ``Protocol.snapshot`` replies it.
        lease_ms: length of a lease; None: I8 is not checked.
        all_hints_kept: that no worker has taken a hint from a bell and not yet followed it with a turn.
    """
    now_ms, dump = snapshot
    if dump is None:
        return ["the namespace holds more keys than the snapshot may have, so it was not checked"]
    view = _View(read_dump(dump), now_ms)
    findings = [*_check_keys(view), *_check_places(view), *_check_running(view), *_check_bodies(view)]
    findings += [*_check_expiry(view), *_check_counters(view), *_check_workers(view)]
    findings += _check_indexes(view)
    findings += _check_families(view)
    findings += _check_bells(view, all_hints_kept)
    if lease_ms is not None:
        findings += _check_leases(view, lease_ms)
    return findings


class _View:
    """A snapshot, arranged for the checks."""

    def __init__(self, entries: dict[str, Entry], now_ms: int) -> None:
        self.now_ms = now_ms
        self.foreign: list[str] = []
        self.entries: dict[str, Entry] = {}
        self._families: dict[str, list[tuple[str, Any]]] = {}
        for key, entry in entries.items():
            family = family_of(key)
            if family is None or KINDS[family] != entry.kind:
                self.foreign.append(key)
                continue
            self.entries[key] = entry
            self._families.setdefault(family, []).append((key[len(FAMILIES[family]) :], entry.content))
        self.sets = {status: self.get(f"status:{status}", set()) for status in TaskStatus}
        self.status_of: dict[str, list[TaskStatus]] = {}
        for status, ids in self.sets.items():
            for task_id in ids:
                self.status_of.setdefault(task_id, []).append(status)
        self.live = {i for status in LIVE for i in self.sets[status]}
        self.ended = {i for status in TERMINAL for i in self.sets[status]}
        self.tombstones: set[str] = self.get("tombstones", set())
        self.retained = {i for _, ids in self.all("retained") for i in ids}
        self.places, self.idle_tombstones = self._find_places()

    def get(self, key: str, default: Any) -> Any:
        return self.entries[key].content if key in self.entries else default

    def all(self, family: str) -> list[tuple[str, Any]]:
        return self._families.get(family, [])

    def _find_places(self) -> tuple[dict[str, list[str]], set[str]]:
        """Return where each id stands, one entry of each tombstoned id left out, and the tombstones in no list."""
        places: dict[str, list[str]] = {}
        unmet = set(self.tombstones)
        for name, ids in self.all("queue"):
            for task_id in ids:
                if task_id in unmet:
                    unmet.discard(task_id)
                else:
                    places.setdefault(task_id, []).append(f"queue:{name}")
        for worker, ids in self.all("processing"):
            for task_id in ids:
                places.setdefault(task_id, []).append(f"processing:{worker}")
        for task_id in self.get("scheduled", {}):
            places.setdefault(task_id, []).append("scheduled")
        return places, unmet

    def status(self, task_id: str) -> TaskStatus | None:
        return self.status_of.get(task_id, [None])[0]

    def runs(self) -> dict[str, dict[str, str]]:
        return {task_id: parse_record(record) for task_id, record in self.get("running", {}).items()}

    def state(self, task_id: str) -> dict[str, str]:
        found: dict[str, str] = self.get(f"state:{task_id}", {})
        return found


def _check_keys(view: _View) -> Iterator[str]:
    for key in view.foreign:
        yield f"key {key} is of no family, or of the wrong type for its family"


def _check_places(view: _View) -> Iterator[str]:
    for task_id, statuses in view.status_of.items():
        if len(statuses) > 1:
            yield f"I2: {task_id} is in {len(statuses)} status sets: {', '.join(sorted(statuses))}"
        status, places = statuses[0], view.places.get(task_id, [])
        stated = view.state(task_id).get("status")
        expired = status.terminal and f"task:{task_id}" not in view.entries
        if stated != status and not expired and (stated or status not in _STATELESS):
            yield f"I2: {task_id} is in the set {status}, its state says {stated}"
        if status.terminal and places:
            yield f"I1: {task_id} is {status} and stands in {', '.join(places)}"
        elif status is TaskStatus.WAITING:
            family = view.get(f"family:{view.state(task_id).get('waits')}", {})
            if places or family.get("task") != task_id or "done" in family:
                yield f"I1: {task_id} is waiting for nothing, or stands in a list: {', '.join(places)}"
        elif not status.terminal and len(places) != 1:
            yield f"I1: {task_id} is {status} and stands in {len(places)} places: {', '.join(places)}"
        elif not status.terminal and not places[0].startswith(_PLACE_OF[status]):
            yield f"I2: {task_id} is {status} and stands in {places[0]}"
    for task_id in view.places.keys() - view.status_of.keys():
        yield f"I2: {task_id} stands in {', '.join(view.places[task_id])} and is in no status set"
    for task_id in view.idle_tombstones:
        yield f"I1: the tombstone of {task_id} stands in no list"


def _check_running(view: _View) -> Iterator[str]:
    workers, leases, runs = view.get("workers", set()), view.get("leases", {}), view.runs()
    for task_id in view.sets[TaskStatus.RUNNING]:
        run = runs.pop(task_id, {})
        worker = run.get("worker", "")
        if not _FENCE.match(run.get("fence", "")):
            yield f"I3: {task_id} is running without a record and its fence"
        if view.places.get(task_id) != [f"processing:{worker}"]:
            yield f"I3: {task_id} runs on {worker or 'nobody'}, who does not hold it"
        if worker not in workers or worker not in leases:
            yield f"I3: {task_id} runs on {worker or 'nobody'}, who is not registered or has no lease"
        if run and ("history" in run) != bool(view.state(task_id)):
            yield f"I3: the record of {task_id} {'speaks of' if 'history' in run else 'knows nothing of'} its state"
    for task_id in runs:
        yield f"I3: {task_id} does not run, but there is a record of its run"


def _check_bodies(view: _View) -> Iterator[str]:
    for task_id in view.live:
        if f"task:{task_id}" not in view.entries:
            yield f"I4: {task_id} is {view.status(task_id)} and has no body"
    for task_id in view.ended:
        if f"task:{task_id}" not in view.entries and task_id not in view.retained:
            yield f"I4: {task_id} has ended and expired, but nothing will forget it"
    for family in ("task", "state", "result"):
        for task_id, _ in view.all(family):
            if task_id not in view.status_of:
                yield f"I4: {family}:{task_id} belongs to no known task"


def _check_expiry(view: _View) -> Iterator[str]:
    for key, entry in view.entries.items():
        family = family_of(key) or ""
        task_id = key.partition(":")[2]
        must_expire = family in _EXPIRING or (family in _BY_STATUS and task_id in view.ended)
        if family in _OF_FAMILIES:
            owner, slash, _ = task_id.partition("/")
            must_expire = not slash or owner not in view.live
        if must_expire != (entry.ttl_ms >= 0):
            yield f"I5: {key} has {'no' if must_expire else 'a'} TTL"
        if family == "result" and task_id in view.live:
            yield f"I5: {task_id} is {view.status(task_id)} and has a result"
    for task_id in view.ended:
        if f"task:{task_id}" not in view.entries:
            continue
        if f"result:{task_id}" not in view.entries:
            yield f"I5: {task_id} has ended and has no result"
        if task_id not in view.retained:
            yield f"I5: {task_id} has ended and stands in no retained list"
        if view.status(task_id) == TaskStatus.COMPLETED and view.state(task_id):
            yield f"I5: {task_id} has completed and still has a state"


def _check_counters(view: _View) -> Iterator[str]:
    counters = Counter({name: int(value) for name, value in view.get("counters", {}).items()})
    ends = counters["completed"] + counters["failed"] + counters["cancelled"]
    accounted = len(view.ended) + counters["expired"] + counters["replayed"]
    if ends != accounted:
        yield (
            f"I6: {ends} ends were counted, but {len(view.ended)} ended tasks, {counters['expired']} expired and "
            f"{counters['replayed']} replayed ones make {accounted}"
        )
    gone = counters["expired"] + counters["purged"] + counters["lost_bodies"]
    known = len(view.live) + len(view.ended)
    if counters["submitted"] != known + gone:
        yield (
            f"I9: {counters['submitted']} tasks were submitted, but {len(view.live)} live, {len(view.ended)} ended and "
            f"{gone} forgotten, purged or lost ones make {known + gone}"
        )


def _check_bells(view: _View, all_hints_kept: bool) -> Iterator[str]:
    bells = dict(view.all("bell"))
    for name, hints in bells.items():
        if len(hints) > BELL_MAX:
            yield f"I7: bell:{name} holds {len(hints)} hints, more than {BELL_MAX}"
    if not all_hints_kept:
        return
    paused = view.get("paused", set())
    for name, ids in view.all("queue"):
        if name not in bells and name not in paused and any(i in view.sets[TaskStatus.PENDING] for i in ids):
            yield f"I7: queue:{name} holds work and its bell was not rung"


def _check_leases(view: _View, lease_ms: int) -> Iterator[str]:
    meta = view.get("meta", {})
    virtual_ms = int(meta.get("lease_tick", view.now_ms)) - int(meta.get("lease_credit", 0))
    for worker, until_ms in view.get("leases", {}).items():
        ahead_ms = until_ms - virtual_ms
        if ahead_ms > lease_ms + LEASE_TOLERANCE_MS:
            yield f"I8: the lease of {worker} lies {ahead_ms:.0f} ms ahead, more than {lease_ms}"


def _check_workers(view: _View) -> Iterator[str]:
    workers: set[str] = view.get("workers", set())
    for worker in workers ^ set(view.get("leases", {})):
        yield f"I8: {worker} is registered without a lease, or has a lease without being registered"
    for family in ("worker", "processing"):
        for worker, _ in view.all(family):
            if worker not in workers:
                yield f"I3: {family}:{worker} belongs to no registered worker"


def _check_indexes(view: _View) -> Iterator[str]:
    for task_id in view.sets[TaskStatus.FAILED] ^ set(view.get("dead", {})):
        yield f"{task_id} is failed without being a dead letter, or the other way round"
    for slot, _ in view.all("retained"):
        if slot not in view.get("retention", {}):
            yield f"I5: retained:{slot} is not in the retention index, so nothing will sweep it"
    for name, holder in view.all("unique"):
        if holder not in view.live or view.state(holder).get("unique") != name:
            yield f"unique:{name} is held by {holder}, which does not know of it or is not live"
    for task_id in view.live:
        key = view.state(task_id).get("unique")
        if key and view.get(f"unique:{key}", None) != task_id:
            yield f"{task_id} claims unique:{key}, which it does not hold"
    queues = view.get("queues", set())
    for name, _ in view.all("queue"):
        if ":" in name and name.rpartition(":")[0] not in queues:
            yield f"queue:{name} is not listed in queues"
    for name in view.get("slots", {}).keys() - view.get("schedules", {}).keys():
        yield f"slots remembers {name}, which is no schedule"


def _check_families(view: _View) -> Iterator[str]:
    for family in _OF_FAMILIES[1:]:
        for name, _ in view.all(family):
            if f"family:{name}" not in view.entries:
                yield f"I10: {family}:{name} belongs to no family"
    for name, fields in view.all("family"):
        children: list[str] = view.get(f"children:{name}", [])
        gathered: dict[str, str] = view.get(f"gathered:{name}", {})
        ended = [task_id for task_id, result in gathered.items() if result]
        counted = {word: int(fields.get(word, 0)) for word in ("total", "need", "completed", "failed")}
        if counted["completed"] + counted["failed"] != len(ended) or len(ended) > counted["total"]:
            yield f"I10: {name} counts {counted}, and has gathered {len(ended)} results"
        if sorted(children) != sorted(gathered):
            yield f"I10: the children of {name} are not those that it gathers"
        for task_id in gathered.keys() - set(ended):
            if task_id not in view.live:
                yield f"I10: {task_id} is not live, but {name} waits for it"
            elif name not in view.state(task_id).get("parents", "").split():
                yield f"I10: {task_id} does not know that {name} waits for it"
        if fields.get("done") != _verdict(fields.get("policy", ""), **counted):
            yield f"I10: {name} is done: {fields.get('done')}, but counts {counted} with {fields.get('policy')}"


def _verdict(policy: str, *, total: int, need: int, completed: int, failed: int) -> str | None:
    """Return how a family is done, None if it is not yet; what lua/lib/family.lua decides, in other words."""
    if policy == "quorum":
        return "completed" if completed >= need else "failed" if total - failed < need else None
    if policy == "fail_fast" and failed:
        return "failed"
    return "completed" if completed + failed == total else None
