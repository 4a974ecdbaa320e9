"""Check the invariants of a namespace on a snapshot of all its keys. No I/O here.

I1  place: a live id stands in exactly one of: a priority list or a group that has one entry there, a processing list,
    ``scheduled``; one that is waiting
    stands nowhere, and the family it waits for is not done, or it is not the first of its sequence; one that waits for
    a signal has not been sent it, and may stand in ``scheduled``. An ended id stands nowhere, but a task that was
    cancelled while it waited in a list leaves a tombstone there, which may outlive its body.
I2  status: every id is in exactly one status set, the status in its state (none: pending, running or completed) is the
    same one, and it fits the place: pending in a list, running in a processing list, scheduled and retry in
    ``scheduled``.
I3  running means: it has a record in ``running`` with a fence, and stands in the processing list of the worker that the
    record names; that worker is in ``workers`` and has a lease. The record says whether there is a state besides.
I4  bodies: no live id without an envelope; no envelope, state or result without an id. The ids of ended tasks whose
    keys have expired wait in a retained list to be forgotten.
I5  expiry: envelope, state and signals of a live task have no TTL; those of an ended one, and its result, all have.
    Result, session, waiters, reply, awaited and history keys always have one, and so has a checkpoint whose task is
    not live; every other key is bounded by the tasks, workers, lists or schedules that exist and has none.
I6  each end is accepted once: completed + failed + cancelled = ended now + expired + replayed.
I7  bells: no more than eight hints; and while no worker has taken any (``all_hints_kept``), every list that may be
    claimed from has one.
I8  leases: none lies further ahead than one lease length on the lease clock, give or take the second by which that
    clock may go back unnoticed. The workers with a lease are the registered ones.
I9  nothing is lost: submitted = live + ended now + expired + purged + lost bodies. A replayed task is live again.

I10 families: each child is counted once. A child that is open there is live; what is counted is what was gathered; a
    family is done when its policy says so. It has a TTL unless a live task has made it.
I11 sequences: exactly the live tasks with an ordering key stand in the sequence of that key; all but the first of them
    are waiting for it, and the first is not.
I12 limits: of each key exactly as many permits are counted as running tasks hold, and no more of these have begun
    since the limit was set than it allows. Exactly the tasks that wait for room stand among the blocked of their
    key, each such key in ``jams``, and the schedule wakes somebody up in time for the first of those.
I13 gates: ``limited`` names all that is counted; a gate says how it is closed, and that of a circuit has its rule;
    ``woken`` names only keys with blocked tasks.
I14 settings: limits, circuits, limits of queues and thresholds can be read; ``taskq fsck`` also looks at schedules.
I15 bytes: while any limit of a queue counts bytes, exactly the pending tasks are weighed, each as its envelope is
    stored, and those of each queue add up to what is said of it. Else nothing is weighed.

Beside them: every key belongs to a known family and has its type; ``dead`` holds the failed ids, ``sagas`` known ones;
a unique key is held by a live task that knows of it, or expires, and its successor waits for it behind a live task;
named queues are listed in ``queues``; only known schedules have a last slot.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from taskq.protocol.audit_limits import check_limits, check_settings, check_weights
from taskq.protocol.keys import ALL_LISTS
from taskq.protocol.lines import check_groups
from taskq.protocol.view import FOR_KEY, FOR_ROOM, IN_SEQUENCE, View, family_of, read_dump
from taskq.states import TaskStatus

BELL_MAX = 8
LEASE_TOLERANCE_MS = 1000

_EXPIRING = frozenset(
    {"result", "waiters", "reply", "awaited", "history", "session", "rate", "starts", "faults", "tallies", "crowd"}
)
_BY_STATUS = frozenset({"task", "state", "signals"})
_OF_FAMILIES = ("family", "children", "gathered")
_STATELESS = (TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.COMPLETED)
_FENCE = re.compile(r"[0-9]+\..+\.[0-9]+\Z")
_PLACE_OF: dict[TaskStatus, str | tuple[str, ...]] = {
    TaskStatus.PENDING: ("queue:", "group:"),
    TaskStatus.RUNNING: "processing:",
    TaskStatus.SCHEDULED: "scheduled",
    TaskStatus.RETRY: "scheduled",
    TaskStatus.WAITING: "",
}


def expires(family: str) -> bool | None:
    """Return whether the keys of a family have to expire; None: it depends on the task, and each is judged with it."""
    if family in _BY_STATUS or family in _OF_FAMILIES or family in ("result", "checkpoint", "unique"):
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
    view = View(read_dump(dump), now_ms)
    findings = [*_check_keys(view), *_check_places(view), *_check_running(view), *_check_bodies(view)]
    findings += [*_check_expiry(view), *_check_counters(view), *_check_workers(view)]
    findings += _check_indexes(view)
    findings += _check_families(view)
    findings += _check_sequences(view)
    findings += check_limits(view)
    findings += check_settings(view)
    findings += check_weights(view)
    findings += _check_bells(view, all_hints_kept)
    if lease_ms is not None:
        findings += _check_leases(view, lease_ms)
    return findings


def _check_keys(view: View) -> Iterator[str]:
    for key in view.foreign:
        yield f"key {key} is of no family, or of the wrong type for its family"


def _check_places(view: View) -> Iterator[str]:
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
        elif status is TaskStatus.WAITING and view.state(task_id).get("waits") in (IN_SEQUENCE, FOR_ROOM, FOR_KEY):
            if places:
                yield f"I1: {task_id} waits for others, and stands in {', '.join(places)}"
        elif status is TaskStatus.WAITING:
            if not _waits(view, task_id, places):
                yield f"I1: {task_id} is waiting for nothing, or stands in a list: {', '.join(places)}"
        elif not status.terminal and len(places) != 1:
            yield f"I1: {task_id} is {status} and stands in {len(places)} places: {', '.join(places)}"
        elif not status.terminal and not places[0].startswith(_PLACE_OF[status]):
            yield f"I2: {task_id} is {status} and stands in {places[0]}"
    for task_id in view.places.keys() - view.status_of.keys():
        yield f"I2: {task_id} stands in {', '.join(view.places[task_id])} and is in no status set"
    for task_id in view.idle_tombstones:
        yield f"I1: the tombstone of {task_id} stands in no list"


def _waits(view: View, task_id: str, places: list[str]) -> bool:
    """Return whether what a task waits for has not come yet: the end of a family, or a signal."""
    awaited = view.state(task_id).get("waits", "")
    _, space, signal = awaited.partition(" ")
    if space:
        timed = [["scheduled"]] if "wakes" in view.state(task_id) else [[], ["scheduled"]]
        return places in timed and not {signal, "@abort"} & view.get(f"signals:{task_id}", {}).keys()
    family = view.get(f"family:{awaited}", {})
    return not places and family.get("task") == task_id and "done" not in family


def _check_running(view: View) -> Iterator[str]:
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


def _check_bodies(view: View) -> Iterator[str]:
    for task_id in view.live:
        if f"task:{task_id}" not in view.entries:
            yield f"I4: {task_id} is {view.status(task_id)} and has no body"
    for task_id in view.ended:
        if f"task:{task_id}" not in view.entries and task_id not in view.retained:
            yield f"I4: {task_id} has ended and expired, but nothing will forget it"
    for family in ("task", "state", "result", "signals"):
        for task_id, _ in view.all(family):
            if task_id not in view.status_of:
                yield f"I4: {family}:{task_id} belongs to no known task"


def _check_expiry(view: View) -> Iterator[str]:
    for key, entry in view.entries.items():
        family = family_of(key) or ""
        task_id = key.partition(":")[2]
        must_expire = family in _EXPIRING or (family in _BY_STATUS and task_id in view.ended)
        if family in _OF_FAMILIES:
            owner, slash, _ = task_id.partition("/")
            must_expire = not slash or owner not in view.live
        if family == "checkpoint":  # that of a live task may be kept as long as the task
            must_expire = task_id not in view.live or entry.ttl_ms >= 0
        if must_expire != (entry.ttl_ms >= 0) and family != "unique":
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


def _check_counters(view: View) -> Iterator[str]:
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


def _check_bells(view: View, all_hints_kept: bool) -> Iterator[str]:
    bells = dict(view.all("bell"))
    for name, hints in bells.items():
        if len(hints) > BELL_MAX:
            yield f"I7: bell:{name} holds {len(hints)} hints, more than {BELL_MAX}"
    if not all_hints_kept:
        return
    paused = view.get("paused", set())
    for name, ids in view.all("queue"):
        claimable = name not in paused and ALL_LISTS not in paused
        if name not in bells and claimable and any(i in view.sets[TaskStatus.PENDING] for i in ids):
            yield f"I7: queue:{name} holds work and its bell was not rung"


def _check_leases(view: View, lease_ms: int) -> Iterator[str]:
    meta = view.get("meta", {})
    virtual_ms = int(meta.get("lease_tick", view.now_ms)) - int(meta.get("lease_credit", 0))
    for worker, until_ms in view.get("leases", {}).items():
        ahead_ms = until_ms - virtual_ms
        if ahead_ms > lease_ms + LEASE_TOLERANCE_MS:
            yield f"I8: the lease of {worker} lies {ahead_ms:.0f} ms ahead, more than {lease_ms}"


def _check_workers(view: View) -> Iterator[str]:
    workers: set[str] = view.get("workers", set())
    for worker in workers ^ set(view.get("leases", {})):
        yield f"I8: {worker} is registered without a lease, or has a lease without being registered"
    for family in ("worker", "processing"):
        for worker, _ in view.all(family):
            if worker not in workers:
                yield f"I3: {family}:{worker} belongs to no registered worker"


def _check_indexes(view: View) -> Iterator[str]:
    for task_id in view.sets[TaskStatus.FAILED] ^ set(view.get("dead", {})):
        yield f"{task_id} is failed without being a dead letter, or the other way round"
    for task_id in view.get("sagas", {}).keys() - view.status_of.keys():
        yield f"sagas lists {task_id}, which is no known task"
    for slot, _ in view.all("retained"):
        if slot not in view.get("retention", {}):
            yield f"I5: retained:{slot} is not in the retention index, so nothing will sweep it"
    yield from _check_unique_keys(view)
    yield from check_groups(view)
    queues = view.get("queues", set())
    for name, _ in view.all("queue"):
        if ":" in name and name.rpartition(":")[0] not in queues:
            yield f"queue:{name} is not listed in queues"
    for name in view.get("slots", {}).keys() - view.get("schedules", {}).keys():
        yield f"slots remembers {name}, which is no schedule"


def _check_unique_keys(view: View) -> Iterator[str]:
    for name, holder in view.all("unique"):
        known = holder in view.live and view.state(holder).get("unique") == name
        if not known and view.entries[f"unique:{name}"].ttl_ms < 0:
            yield f"unique:{name} is held by {holder}, which does not know of it or is not live"
    for name, successor in view.all("successor"):
        state = view.state(successor)
        if state.get("waits") != FOR_KEY or state.get("succeeds") != name or successor not in view.live:
            yield f"successor:{name} is {successor}, which does not wait for it"
        if not {state.get("behind"), view.get(f"unique:{name}", None)} & view.live:
            yield f"successor:{name} is {successor}, which waits behind nobody"
    for task_id in view.live:
        state = view.state(task_id)
        key, successor_of = state.get("unique"), state.get("succeeds")
        if key and view.get(f"unique:{key}", None) != task_id and not lets_go_by_time(state.get("rules", "")):
            yield f"{task_id} claims unique:{key}, which it does not hold"
        if (successor_of is not None) != (state.get("waits") == FOR_KEY and view.status(task_id) is TaskStatus.WAITING):
            yield f"{task_id} is to wait for a unique key, and does not know for which, or is {view.status(task_id)}"
        if successor_of and view.get(f"successor:{successor_of}", None) != task_id:
            yield f"{task_id} is to be the successor:{successor_of}, and is not"


def lets_go_by_time(rules: str) -> bool:
    """Return whether a task lets go of its unique key while it is live; see lua/lib/unique.lua."""
    words = rules.split(" ")
    return len(words) > 1 and words[1] != "0"


def _check_families(view: View) -> Iterator[str]:
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


def _check_sequences(view: View) -> Iterator[str]:
    members: dict[str, str] = {}
    for key, scores in view.all("sequence"):
        for rank, task_id in enumerate(sorted(scores, key=lambda i: (scores[i], i))):
            members[task_id] = key
            status, waits = view.status(task_id), view.state(task_id).get("waits")
            if (status is TaskStatus.WAITING and waits == IN_SEQUENCE) != (rank > 0):
                yield f"I11: {task_id} has place {rank + 1} in the sequence of {key}, and is {status}"
    for task_id in view.live:
        key = view.state(task_id).get("sequence", "")
        if members.pop(task_id, "") != key:
            yield f"I11: {task_id} has the ordering key {key!r} and does not stand in its sequence, or in another"
    for task_id, key in members.items():
        yield f"I11: {task_id} stands in the sequence of {key} and is not live"


def _verdict(policy: str, *, total: int, need: int, completed: int, failed: int) -> str | None:
    """Return how a family is done, None if it is not yet; what lua/lib/family.lua decides, in other words."""
    if policy == "quorum":
        return "completed" if completed >= need else "failed" if total - failed < need else None
    if policy == "fail_fast" and failed:
        return "failed"
    return "completed" if completed + failed == total else None
