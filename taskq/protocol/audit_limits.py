"""The part of the audit that looks at limits, gates and settings. No I/O here; see ``taskq.protocol.audit``."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from taskq.model.envelope import outline
from taskq.model.limit import MAX_LIMIT_KEYS
from taskq.model.task import DEFAULT_QUEUE
from taskq.protocol.view import FOR_ROOM, LIMIT_TIMER, View
from taskq.states import TaskStatus

_GATE = re.compile(r"paused \d+\Z")
_GATE_OF_CIRCUIT = re.compile(r"(open \d+ \d+|half \S+)\Z")
# hash of what users set -> what each of its lines looks like
_LINES = {
    "limits": re.compile(r"\d+ \S+ \d+ \d+ \d+ \d+\Z"),
    "circuits": re.compile(r"\d+ \d+ \d+( \d+)?\Z"),
    "bounds": re.compile(r"\d+ \S+ \d+ \d+( \d+)?\Z"),
    "sla": re.compile(r"\d+ \d+\Z"),
}


def check_limits(view: View) -> Iterator[str]:
    """Yield what is wrong with who runs and who waits by limits: I12."""
    definitions, runs = view.get("limits", {}), view.runs()
    holders: dict[str, list[str]] = defaultdict(list)
    for task_id, run in runs.items():
        for key in run.get("holds", "").split():
            holders[key].append(task_id)
    # those who hold it alone have "=" before it
    counts = view.get("permits", {}) | {f"={key}": "1" for key in view.get("sole", set())}
    for key in holders.keys() | {key for key in counts if not key.removeprefix("=").startswith("@")}:
        if str(len(holders[key]) or None) != str(counts.get(key)):
            yield f"I12: {len(holders[key])} run with {key}, and {counts.get(key, 'none')} are counted"
    for key in {key.removeprefix("=") for key in holders}:
        ids = [*holders[key], *holders[f"={key}"]]
        text = definitions.get(key) or definitions.get(key.partition(":")[0], "")
        words = text.split(" ")
        most, since = (int(words[0]), int(words[5])) if len(words) == 6 else (0, 0)
        begun = sum(_began_after(runs[task_id], since) for task_id in ids)
        if most and begun > most:
            yield f"I12: {begun} tasks run with {key}, which has room for {most}"
    yield from _check_counted(view, definitions, runs)
    yield from _check_blocked(view)


def _began_after(run: dict[str, str], since_ms: int) -> bool:
    """Return whether a run has begun after a limit was set; by its fence, which never goes back, unlike clocks."""
    fence_us = run["fence"].partition(".")[0]
    return fence_us.isdecimal() and int(fence_us) > since_ms * 1000


def _check_counted(view: View, definitions: dict[str, str], runs: dict[str, dict[str, str]]) -> Iterator[str]:
    """Yield who runs for the first time, has begun since a limit was set, and is not counted by it."""
    for task_id, run in runs.items() if definitions else ():
        task = outline(view.get(f"task:{task_id}", ""), task_id)
        keys = task.limit_keys if len(task.limit_keys) <= MAX_LIMIT_KEYS else ()
        for key in (*keys, f"type:{task.task_type}"):
            most, *_, since = (definitions.get(key) or definitions.get(key.partition(":")[0], "0 0")).split(" ")
            counts = most != "0" and _began_after(run, int(since)) and run["attempts"] == "1"
            if counts and key not in run.get("holds", "").replace("=", "").split():
                yield f"I12: {task_id} runs and is not counted by {key}"


def _check_blocked(view: View) -> Iterator[str]:
    jams, waiting = view.get("jams", {}), dict(view.all("blocked"))
    for key in jams.keys() ^ waiting.keys():
        yield f"I12: {key} has blocked tasks and is not looked at again, or the other way round"
    if jams and not view.get("scheduled", {}).get(LIMIT_TIMER, float("inf")) <= min(jams.values()):
        yield "I12: nobody is woken for the first of the jams"
    for key, ids in waiting.items():
        for task_id in ids:
            if view.status(task_id) is not TaskStatus.WAITING or view.state(task_id).get("blocked") != key:
                yield f"I12: {task_id} stands among the blocked of {key} and does not wait for it"
    for task_id in view.sets[TaskStatus.WAITING]:
        state = view.state(task_id)
        if state.get("waits") == FOR_ROOM and task_id not in waiting.get(state.get("blocked", ""), ()):
            yield f"I12: {task_id} waits for room, and stands among the blocked of no limit"


def check_weights(view: View) -> Iterator[str]:
    """Yield what is wrong with the bytes of what waits: I15."""
    totals, weights = dict(view.get("bytes", {})), view.get("weights", {})
    by_bytes = any(text.count(" ") == 4 for text in view.get("bounds", {}).values())
    if by_bytes != ("@" in totals) or ((weights or totals) and not by_bytes):
        yield "I15: the limits of queues and what is weighed do not agree on whether bytes are counted"
    if not by_bytes:
        return
    totals.pop("@", None)
    for task_id in weights.keys() ^ view.sets[TaskStatus.PENDING]:
        yield f"I15: {task_id} waits and is not weighed, or the other way round"
    found: Counter[str] = Counter()
    for task_id, entry in weights.items():
        size, _, queue = entry.partition(" ")
        stored = len(view.get(f"task:{task_id}", "").encode())
        if size != str(stored or size) or not size.isdecimal():
            yield f"I15: {task_id} has {stored} bytes and is weighed as {size}"
            continue
        found[queue] += int(size)
        places = [place.partition(":")[2].partition("/")[0] for place in view.places.get(task_id, [])]
        if places and (places[0].rpartition(":")[0] or DEFAULT_QUEUE) != queue:
            yield f"I15: {task_id} stands in {places[0]} and is weighed for {queue}"
    for queue in found.keys() | totals.keys():
        if str(found[queue]) != totals.get(queue, "0"):
            yield f"I15: the tasks of {queue} have {found[queue]} bytes, and are said to have {totals.get(queue)}"


def check_settings(view: View) -> Iterator[str]:
    """Yield what is wrong with gates, and with what users set: I13 and I14."""
    circuits, waiting = view.get("circuits", {}), dict(view.all("blocked"))
    for field, gate in view.get("gates", {}).items():
        key = field.removeprefix("!")
        if not (_GATE_OF_CIRCUIT if key != field else _GATE).match(gate):
            yield f"I13: the gate {field} cannot be read: {gate}"
        if key != field and key not in circuits and key.partition(":")[0] not in circuits:
            yield f"I13: the gate of {key} is that of no circuit"
    named = view.get("limited", "")
    for field in (field for hash_name in ("limits", "gates", "circuits") for field in view.get(hash_name, {})):
        kind, colon, name = field.removeprefix("!").partition(":")
        word = "#" if kind != "type" else f" {name} " if colon else "*"
        if word not in named and (word == "#" or "*" not in named):
            yield f"I13: {field} is to be counted, and the mark of what is counted does not say so"
        if word == "#" and colon and not field.startswith("!") and ":" not in named:
            yield f"I13: {field} is a whole key, and the mark of what is counted does not say that any is"
    for key in view.get("woken", {}).keys() - waiting.keys():
        yield f"I13: nobody waits behind the one that woken names for {key}"
    for hash_name, line in _LINES.items():
        for name, text in view.get(hash_name, {}).items():
            if not line.match(text):
                yield f"I14: {hash_name} {name} cannot be read: {text:.100}"
