"""Judge what is known of single tasks, page by page, on a namespace that is at work. No I/O here.

The rules are those of ``taskq.protocol.audit``, which needs the whole of a namespace as of one instant. What is known
of a task comes from one script, so it is consistent: every transition is one script too.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from taskq.protocol.audit import lets_go_by_time
from taskq.protocol.keys import FAMILIES
from taskq.protocol.sizes import Sizes
from taskq.protocol.view import FOR_KEY, FOR_ROOM, IN_SEQUENCE
from taskq.states import TaskStatus

GONE = -2
FOREVER = -1
_FENCE = re.compile(r"[0-9]+\..+\.[0-9]+\Z")
_STATUSES = (
    TaskStatus.PENDING,
    TaskStatus.SCHEDULED,
    TaskStatus.RUNNING,
    TaskStatus.RETRY,
    TaskStatus.WAITING,
    TaskStatus.COMPLETED,
    TaskStatus.FAILED,
    TaskStatus.CANCELLED,
)
_STATELESS = (TaskStatus.PENDING, TaskStatus.RUNNING, TaskStatus.COMPLETED)
_LATER = (TaskStatus.SCHEDULED, TaskStatus.RETRY)
_SIEVE_BYTES = 8 << 20
# as check.lua reads them
_STATE_FIELDS = ("status", "list", "unique", "started", "sequence", "waits", "blocked", "wakes", "succeeds", "rules")


class Facts(NamedTuple):
    """All that a namespace holds of one id, as of one instant.

    Attributes:
        statuses: the status sets that it is in.
        tombstone: whether an entry of it in a list is to be dropped.
        body_ms, state_ms, result_ms: time to live of these keys in ms; -1: for ever, -2: there is none.
        state: status, list, unique key and start, as far as its state says.
        record: of its run; empty: it does not run.
        held: whether the worker of the record holds it; ``known``: whether that worker is registered and has a lease.
        due: whether it stands in the schedule.
        dead: whether it is a dead letter.
        key_holder: who holds the unique key that its state names.
        kept: whether it is not live, and has a checkpoint or signals that do not expire.
        rank: its place in the sequence of its ordering key, from 0; None: it stands in none.
        blocked: whether it stands among the blocked of the limit that its state names.
        come: whether it waits for a signal that it was told, or for a family that is done or gone.
        succeeds: whether it is the successor that its state names.
    """

    task_id: str
    statuses: tuple[TaskStatus, ...]
    tombstone: bool
    body_ms: int
    state_ms: int
    result_ms: int
    state: dict[str, str]
    record: str
    held: bool
    known: bool
    due: bool
    dead: bool
    key_holder: str
    kept: bool = False
    rank: int | None = None
    blocked: bool = False
    come: bool = False
    succeeds: bool = False

    @property
    def pending(self) -> bool:
        """Whether it is in the set of the pending ones."""
        return TaskStatus.PENDING in self.statuses

    @property
    def waits_until(self) -> bool:
        """Whether its wait for a signal is to end by itself."""
        return "wakes" in self.state and " " in self.state.get("waits", "")

    @property
    def worker(self) -> str:
        """Who runs it, by its record."""
        words = self.record.split(" ")
        return words[1] if len(words) > 1 else ""

    @property
    def held_keys(self) -> tuple[str, ...]:
        """The keys of limits whose permits it holds, by its record."""
        return tuple(self.record.split(" ")[5:-1])

    @property
    def trail(self) -> tuple[Any, ...]:
        """What differs after each move: the same trail twice means that it has stood where it was in between."""
        return self.statuses, self.tombstone, self.state.get("started"), self.record


class Member(NamedTuple):
    """An entry of a list, and in how many places of the lists its id should stand."""

    task_id: str
    expected: int


def parse_members(reply: list[Any]) -> tuple[str, list[Member]]:
    """Return what ``check`` answered for the source ``list``."""
    words = reply[1]
    return _text(reply[0]), [Member(_text(i), expected) for i, expected in zip(words[::2], words[1::2], strict=True)]


def parse_facts(reply: list[Any]) -> tuple[str, list[Facts]]:
    """Return what ``check`` answered: the next cursor ("0": the end) and the page."""
    return _text(reply[0]), [_facts(item) for item in reply[1]]


def parse_names(reply: list[Any]) -> tuple[str, list[str]]:
    """Return what ``check`` answered for a source of names."""
    return _text(reply[0]), [_text(name) for name in reply[1]]


def _facts(item: list[Any]) -> Facts:
    digits, fields = _text(item[1]), [None if field is None else _text(field) for field in item[5]]
    state = {name: field for name, field in zip(_STATE_FIELDS, fields, strict=True) if field is not None}
    members = tuple(status for status, digit in zip(_STATUSES, digits, strict=False) if digit == "1")
    flags = (item[7] == 1, item[8] == 1, _text(item[9]) != "", item[10] == 1)
    return Facts(
        _text(item[0]),
        members,
        digits[8] == "1",
        item[2],
        item[3],
        item[4],
        state,
        _text(item[6]),
        *flags,
        _text(item[11]),
        item[12] == 1,
        item[13] if item[13] >= 0 else None,
        item[14] == 1,
        item[15] == 1,
        item[16] == 1,
    )


def _text(word: Any) -> str:
    return as_name(word) if isinstance(word, bytes) else str(word)


def as_name(word: bytes) -> str:
    """Return an id or the name of a key, even one that is no UTF-8; ``as_sent`` gives its bytes back."""
    return word.decode("utf-8", "surrogateescape")


def as_sent(name: str) -> bytes:
    """Return the bytes of a name from ``as_name``."""
    return name.encode("utf-8", "surrogateescape")


def as_shown(text: str) -> str:
    """Return what can be printed of a text with names from ``as_name``."""
    return as_sent(text).decode("utf-8", "backslashreplace")


def judge(facts: Facts) -> list[str]:
    """Return what is wrong with a task, its places in lists left out; one sentence each, its invariant first."""
    if not facts.statuses:
        return list(_judge_unknown(facts))
    found = []
    if len(facts.statuses) > 1:
        found.append(f"I2: is in {len(facts.statuses)} status sets: {', '.join(sorted(facts.statuses))}")
    status = facts.statuses[0]
    found += _judge_ended(facts, status) if status.terminal else _judge_live(facts, status)
    if status != TaskStatus.RUNNING and facts.record:
        found.append(f"I3: is {status}, but there is a record of its run")
    if facts.due != (status in _LATER) and not (facts.due and status == TaskStatus.WAITING):
        found.append(f"I1: is {status} and stands {'' if facts.due else 'not '}in the schedule")
    if facts.dead != (status == TaskStatus.FAILED):
        found.append(f"index: is {status} and {'a' if facts.dead else 'no'} dead letter")
    return found


def _judge_unknown(facts: Facts) -> Iterator[str]:
    for family, left_ms in (("task", facts.body_ms), ("state", facts.state_ms), ("result", facts.result_ms)):
        if left_ms != GONE:
            yield f"I4: has {FAMILIES[family]}<id>, but is in no status set"
    if facts.record:
        yield "I3: is in no status set, but there is a record of its run"
    if facts.due:
        yield "I2: stands in the schedule, but is in no status set"
    if facts.dead:
        yield "index: is a dead letter, but in no status set"
    if facts.kept:
        yield "I5: is in no status set, but what it has noted or was told does not expire"


def _judge_live(facts: Facts, status: TaskStatus) -> Iterator[str]:
    if facts.body_ms == GONE:
        yield f"I4: is {status} and has no envelope"
    if facts.body_ms >= 0 or facts.state_ms >= 0:
        yield f"I5: is {status}, but its {'envelope' if facts.body_ms >= 0 else 'state'} expires"
    if facts.result_ms != GONE:
        yield f"I5: is {status} and has a result"
    stated = facts.state.get("status")
    if stated != status and (stated or status not in _STATELESS):
        yield f"I2: is {status}, its state says {stated}"
    if status in _LATER and "list" not in facts.state:
        yield f"I2: is {status}, and its state does not say for which list"
    if status == TaskStatus.RUNNING:
        yield from _judge_running(facts)
    lets_go = lets_go_by_time(facts.state.get("rules", ""))
    if "unique" in facts.state and facts.key_holder != facts.task_id and not lets_go:
        yield f"index: claims the unique key {facts.state['unique']}, which it does not hold"
    if status == TaskStatus.WAITING:
        yield from _judge_waiting(facts)
    if "sequence" in facts.state:
        yield from _judge_rank(facts, status, facts.state["sequence"])


def _judge_waiting(facts: Facts) -> Iterator[str]:
    waits = facts.state.get("waits")
    if waits == FOR_ROOM and not facts.blocked:
        yield "I12: waits for room, and stands among the blocked of no limit"
    if waits == FOR_KEY and not facts.succeeds:
        yield "index: waits for a unique key, and is the successor of nobody"
    if facts.come:
        yield f"I1: waits for {waits}, which has come"
    elif facts.waits_until and not facts.due:
        yield f"I1: waits for {waits} until a time, and does not stand in the schedule"


def _judge_rank(facts: Facts, status: TaskStatus, key: str) -> Iterator[str]:
    waits = status == TaskStatus.WAITING and facts.state.get("waits") == IN_SEQUENCE
    if facts.rank is None:
        yield f"I11: has the ordering key {key} and does not stand in its sequence"
    elif waits and facts.rank == 0:
        yield f"I11: is the first with the ordering key {key}, and waits"
    elif not waits and facts.rank > 0:
        yield f"I11: is {status}, but there are others with the ordering key {key} before it"


def _judge_running(facts: Facts) -> Iterator[str]:
    words = facts.record.split(" ")
    if len(words) < 6 or not _FENCE.match(words[0]):
        yield "I3: is running without a record and its fence"
        return
    if not facts.held:
        yield f"I3: runs on {facts.worker}, who does not hold it"
    if not facts.known:
        yield f"I3: runs on {facts.worker}, who is not registered or has no lease"
    if ("h" in words[-1]) != (facts.state_ms != GONE):
        yield f"I3: its record {'speaks of' if 'h' in words[5] else 'knows nothing of'} its state"


def _judge_ended(facts: Facts, status: TaskStatus) -> Iterator[str]:
    if facts.body_ms == GONE:  # expired, and soon forgotten
        return
    if facts.body_ms == FOREVER:
        yield f"I5: is {status}, but its envelope does not expire"
    if facts.kept:
        yield f"I5: is {status}, but what it has noted or was told does not expire"
    if facts.result_ms == GONE:
        yield f"I5: is {status} and has no result"
    elif facts.result_ms == FOREVER:
        yield f"I5: is {status}, but its result does not expire"
    if status == TaskStatus.COMPLETED:
        if facts.state_ms != GONE:
            yield "I5: is completed and still has a state"
        return
    if facts.state.get("status") != status:
        yield f"I2: is {status}, its state says {facts.state.get('status')}"
    elif facts.state_ms == FOREVER:
        yield f"I5: is {status}, but its state does not expire"


def judge_totals(sizes: Sizes) -> list[str]:
    """Return which counters do not add up, as of one instant."""
    counted = sizes.counters.get
    live = sum(number for name, number in sizes.statuses.items() if not TaskStatus(name).terminal)
    ended = sum(number for name, number in sizes.statuses.items() if TaskStatus(name).terminal)
    found = []
    ends = counted("completed", 0) + counted("failed", 0) + counted("cancelled", 0)
    accounted = ended + counted("expired", 0) + counted("replayed", 0)
    if ends != accounted:
        found.append(f"I6: {ends} ends were counted, but ended now + expired + replayed make {accounted}")
    known = live + ended + counted("expired", 0) + counted("purged", 0) + counted("lost_bodies", 0)
    if counted("submitted", 0) != known:
        found.append(f"I9: {counted('submitted', 0)} submitted, but live + ended + expired + purged + lost: {known}")
    return found


def misplaced_number(sizes: Sizes) -> int:
    """Return how many entries the lists have more than pending tasks and tombstones, as of one instant.

    With more queues than one call looks at, nothing can be said, and it is 0.
    """
    if sizes.cursor != "0":
        return 0
    entries = sum(depth.length for depth in sizes.lists)
    return entries - sizes.statuses[TaskStatus.PENDING] - sizes.tombstones


class Sieve:
    """Remembers ids in 8 MB, however many they are; of a million it takes about 15 for seen that were not.

    What it has seen it never forgets. The salt is new each time, so what one run overlooks the next one does not.
    """

    def __init__(self) -> None:
        self._bits = bytearray(_SIEVE_BYTES)
        self._salt = os.urandom(8)

    def _places(self, word: str) -> list[tuple[int, int]]:
        digest = hashlib.blake2b(word.encode("utf-8", "surrogateescape"), digest_size=16, salt=self._salt).digest()
        numbers = (int.from_bytes(digest[at : at + 4], "little") for at in (0, 4, 8, 12))
        return [((number >> 3) % _SIEVE_BYTES, 1 << (number & 7)) for number in numbers]

    def __contains__(self, word: str) -> bool:
        return all(self._bits[at] & bit for at, bit in self._places(word))

    def add(self, word: str) -> bool:
        """Remember an id; return whether it seems to have been seen before."""
        seen = True
        for at, bit in self._places(word):
            if not self._bits[at] & bit:
                seen = False
                self._bits[at] |= bit
        return seen
