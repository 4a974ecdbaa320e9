"""The keys of a namespace as of one instant, arranged so that one can look into them. No I/O here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from taskq.protocol.keys import FAMILIES
from taskq.protocol.replies import parse_record
from taskq.states import LIVE, TERMINAL, TaskStatus

KINDS: dict[str, str] = {
    **dict.fromkeys(("queue", "processing", "bell", "retained", "reply", "children", "starts", "faults"), "list"),
    "group": "list",
    **dict.fromkeys(("history", "session"), "list"),
    **dict.fromkeys(("task", "result", "checkpoint", "awaited", "large", "rate", "limited"), "string"),
    **dict.fromkeys(("unique", "successor", "crowd"), "string"),
    **dict.fromkeys(("state", "signals", "running", "worker", "schedules", "slots", "meta", "counters"), "hash"),
    **dict.fromkeys(("family", "gathered", "limits", "sla", "breaches", "circuits", "tallies", "woken"), "hash"),
    **dict.fromkeys(("bounds", "bytes", "weights", "gates", "sidings", "grouped", "permits"), "hash"),
    **dict.fromkeys(("status", "workers", "paused", "tombstones", "queues", "waiters", "sole"), "set"),
    **dict.fromkeys(("scheduled", "leases", "retention", "dead", "sagas", "sequence", "blocked", "jams"), "zset"),
}
# what a task that waits for those before it has in its state as ``waits``
IN_SEQUENCE = "@sequence"
# ... and one that waits until a limit has room
FOR_ROOM = "@limit"
# ... and one that waits until the holder of its unique key has ended
FOR_KEY = "@unique"
# stands in the schedule for the limits with blocked tasks
LIMIT_TIMER = "@limits"
# what an entry of a list begins with that stands for a group
GROUP_ENTRY = "@"
_WHOLE_NAMES = {FAMILIES[family]: family for family in KINDS if not FAMILIES[family].endswith(":")}
_FIRST_WORDS = {FAMILIES[family][:-1]: family for family in KINDS if FAMILIES[family].endswith(":")}


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


class View:
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
        """Return the content of a key."""
        return self.entries[key].content if key in self.entries else default

    def all(self, family: str) -> list[tuple[str, Any]]:
        """Return the names and contents of the keys of a family."""
        return self._families.get(family, [])

    def _find_places(self) -> tuple[dict[str, list[str]], set[str]]:
        """Return where each id stands, one entry of each tombstoned id left out, and the tombstones in no list."""
        places: dict[str, list[str]] = {}
        unmet = set(self.tombstones)
        for family in ("queue", "group"):
            for name, ids in self.all(family):
                for task_id in ids:
                    if task_id in unmet:
                        unmet.discard(task_id)
                    elif family == "group" or not task_id.startswith(GROUP_ENTRY):
                        places.setdefault(task_id, []).append(f"{family}:{name}")
        for worker, ids in self.all("processing"):
            for task_id in ids:
                places.setdefault(task_id, []).append(f"processing:{worker}")
        for task_id in self.get("scheduled", {}).keys() - {LIMIT_TIMER}:
            places.setdefault(task_id, []).append("scheduled")
        return places, unmet

    def status(self, task_id: str) -> TaskStatus | None:
        """Return the status of a task; None: it is not known."""
        return self.status_of.get(task_id, [None])[0]

    def runs(self) -> dict[str, dict[str, str]]:
        """Return the records of what runs, by id."""
        return {task_id: parse_record(record) for task_id, record in self.get("running", {}).items()}

    def state(self, task_id: str) -> dict[str, str]:
        """Return what a task has been through."""
        found: dict[str, str] = self.get(f"state:{task_id}", {})
        return found
