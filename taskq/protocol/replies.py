"""What the scripts answer, as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from taskq.errors import InvalidTask, ProtocolError
from taskq.model.bound import QueueLimit
from taskq.model.circuit import CircuitState
from taskq.model.limit import Limit, LimitInfo
from taskq.model.moment import iso_utc, parse_iso
from taskq.model.task import DEFAULT_QUEUE
from taskq.model.threshold import SlaReading
from taskq.protocol.keys import split_list_name
from taskq.protocol.queue_limits import parse_queue_limits


class OutOfStep(ProtocolError):
    """A reply that belongs to another call of the same connection."""


class Claim(NamedTuple):
    """One task that a turn has claimed.

    ``fence`` is what every write of the attempt carries; ``fence_number`` grows with every claim of any task, for the
    user's own database. What has ``begun`` has waited for its children or a signal, or is a saga that has noted a step:
    it does not expire any more.
    """

    task_id: str
    envelope: bytes
    attempt: int
    retries: int
    fence: str
    fence_number: int
    begun: bool = False


class Settlement(NamedTuple):
    """How one attempt ended, as the settle step wants it.

    ``number`` is the time to keep an end, or the delay before a later run, in ms.
    """

    task_id: str
    fence: str
    outcome: str
    body: str
    number: int


def settlement_of(task_id: str, fence: str, outcome: str, body: str, number: int) -> Settlement:
    """Return a settlement for half the price of ``Settlement(...)``."""
    return tuple.__new__(Settlement, (task_id, fence, outcome, body, number))


class TurnReply(NamedTuple):
    """The answer to a turn.

    Attributes:
        registered: False if the server does not know the worker (its lease ran out, or the data was lost).
        superseded: the server has seen a later turn of this worker; this one did nothing.
        now_ms: server time.
        wait_ms: until the next scheduled task falls due; -1 if none is scheduled.
        hold: a suspect runs or wants to run alone: claim nothing until something is settled.
        refused: ids whose settlement came too late.
        claims: what to run.
    """

    registered: bool
    superseded: bool = False
    now_ms: int = 0
    wait_ms: int = -1
    hold: bool = False
    refused: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()


class Witness(NamedTuple):
    """What proves later that the namespace has kept a beat, or has not.

    Attributes:
        uuid: of the namespace; empty: nothing is known yet.
        stamp_ms: of the last beat.
        workers: whom that beat was for.
    """

    uuid: str
    stamp_ms: int
    workers: frozenset[str]


NOTHING_SEEN = Witness("", 0, frozenset())


@dataclass(frozen=True, slots=True)
class BeatReply:
    """The answer to a beat.

    Attributes:
        workers: per worker None if it is lost, else the ids that are to be cancelled.
        stamp_ms: of this beat; stamps only ever grow, unless writes are lost.
        rolled_back_ms: when writes were last found to be lost; 0: never.
        wishes: per worker what somebody wants of it; empty: nothing.
    """

    uuid: str
    now_ms: int
    reap_due: bool
    sweep_due: bool
    workers: tuple[tuple[str, ...] | None, ...]
    stamp_ms: int
    rolled_back_ms: int
    wishes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """Everything that Redis holds of one task."""

    envelope: bytes | None
    state: dict[str, str]
    result: bytes | None
    pending: bool


@dataclass(frozen=True, slots=True)
class WorkerCard:
    """One registered worker."""

    worker_id: str
    card: dict[str, str]
    held: tuple[str, ...]
    lease_ms: int


class FullLimit(NamedTuple):
    """The limit that a task is blocked by: its key, how many wait before it, its definition, some of those who run."""

    key: str
    ahead: int
    definition: str
    holders: tuple[str, ...]
    look_ms: int


class OpenFamily(NamedTuple):
    """What a task waits for: how many, how many of them have ended, and some of those that have not."""

    total: int
    ended: int
    open: tuple[str, ...]


class HeldKey(NamedTuple):
    """Who holds a unique key (empty: nobody), and for how many ms from now on at the most (-1: no time is set)."""

    holder: str
    left_ms: int


class Circumstances(NamedTuple):
    """What holds a task up.

    Attributes:
        now_ms: server time.
        place: in its list from 0 (-1: not there), tasks in that list and in those before it, how many of its group go
            first (-1: it has none) and entries of its list.
        paused: whether its list is, or all are.
        due: ms since the epoch, empty if it is not delayed.
        order: its place in its sequence, -1 for none, and who is the first of it.
        limit: that it is blocked by.
        family: that it waits for.
        ends: of tasks in the last half minute or so, ``span_ms``.
        all_paused: whether all lists are.
        type_paused: whether its type is.
        circuits: by key those that are not closed.
        held: its unique key.
        queue: the limit of its queue.
    """

    now_ms: int
    place: tuple[int, int, int, int, int]
    paused: bool
    due: str
    order: tuple[int, str]
    limit: FullLimit | None
    family: OpenFamily | None
    ends: int
    span_ms: int
    all_paused: bool = False
    type_paused: bool = False
    circuits: Mapping[str, CircuitState] = MappingProxyType({})
    held: HeldKey | None = None
    queue: QueueLimit | None = None


_CREATED = re.compile(rb'"created_at":"([^"]*)"')
# the first words of a record, see lua/lib/running.lua; then come the keys whose permits it holds, and flags
_RECORD = ("fence", "worker", "list", "attempts", "started")
_FLAGS = {"h": "history", "c": "cancel"}
# attempt and retries of a task that has never run
_NEW = (1, 0)


def texts(reply: list[bytes]) -> tuple[str, ...]:
    """Return a flat reply as strings."""
    # an id that is no UTF-8 was put there by hand; it must not hide the others
    return tuple([item.decode("utf-8", "backslashreplace") for item in reply]) if reply else ()


def pairs(reply: list[bytes]) -> dict[str, str]:
    """Return a flat reply of names and values as a dict."""
    words = [item.decode("utf-8", "replace") for item in reply]
    return dict(zip(words[::2], words[1::2], strict=True))


def _known(task_id: str, body: bytes, numbers: tuple[int, int], fence: str, fence_number: int) -> Claim:
    attempt, retries = numbers
    begun = retries < 0  # see lua/lib/noted
    return Claim(task_id, body, attempt, -1 - retries if begun else retries, fence, fence_number, begun)


def parse_turn(token: str, seq: int, reply: list[Any]) -> TurnReply:
    """Return what a turn answered; its claims share the fence ``<first>.<token>.<seq>`` and are numbered from first."""
    if reply[-1] != seq:
        raise OutOfStep(f"the answer to turn {reply[-1]} came for turn {seq}")
    if reply[0] != 1:
        return TurnReply(registered=reply[0] == -1, superseded=reply[0] == -1)
    _, now_ms, first, wait_ms, hold, refused, ids, bodies, counts, _ = reply
    claims: tuple[Claim, ...] = ()
    if ids:
        first = int(first)
        fence, names = f"{first}.{token}.{seq}", texts(ids)
        if counts:
            numbers = zip(counts[::2], counts[1::2], strict=True)
            claims = tuple([_known(names[i], bodies[i], both, fence, first + i) for i, both in enumerate(numbers)])
        elif len(ids) == 1:  # on an idle system, where somebody waits for it
            claims = (Claim(names[0], bodies[0], *_NEW, fence, first),)
        else:
            new = tuple.__new__  # for half the price of ``Claim(...)``
            claims = tuple(
                [new(Claim, (names[i], body, *_NEW, fence, first + i, False)) for i, body in enumerate(bodies)]
            )
    return TurnReply(True, False, now_ms, wait_ms, hold == 1, texts(refused), claims)


def parse_beat(reply: list[Any]) -> BeatReply:
    """Return what a beat answered."""
    workers = tuple(None if item == 0 else texts(item) for item in reply[4])
    uuid, now_ms, expired, due, _, stamp_ms, rolled_back_ms, wishes = reply
    return BeatReply(uuid.decode(), now_ms, expired > 0, due > 0, workers, stamp_ms, rolled_back_ms, texts(wishes))


def parse_inspections(reply: list[Any]) -> list[Inspection]:
    """Return what inspect answered, in the order of the ids; the record of a running task is part of its state."""
    return [
        Inspection(
            item[0], {**pairs(item[1]), **parse_record(item[4] if len(item) > 4 else None)}, item[2], item[3] == 1
        )
        for item in reply
    ]


def parse_rows(reply: list[Any]) -> list[tuple[Inspection, int | None]]:
    """Return what rows answered, in the order of the ids; due times are in ms."""
    dues = [None if item[5] is None else int(float(item[5])) for item in reply]
    return list(zip(parse_inspections(reply), dues, strict=True))


def parse_record(record: bytes | str | None) -> dict[str, str]:
    """Return the record of a running task as fields of a state; nothing if there is none or it is not one of ours."""
    words = (record.decode("utf-8", "replace") if isinstance(record, bytes) else record or "").split(" ")
    held, flags = words[len(_RECORD) : -1], words[-1]
    if len(words) <= len(_RECORD) or bool(held) != ("l" in flags):
        return {}
    fields = {"status": "running", **dict(zip(_RECORD, words[: len(_RECORD)], strict=True))}
    if held:
        fields["holds"] = " ".join(held)
    return fields | {name: "1" for letter, name in _FLAGS.items() if letter in flags}


def parse_limits(reply: list[Any]) -> list[LimitInfo]:
    """Return the limits with what was counted; a key that no limit has any more counts nowhere."""
    found = {name: Limit.parse(name, text) for name, text in sorted(pairs(reply[0]).items())}
    counts: dict[str, dict[str, tuple[int, int]]] = {name: {} for name in found}
    flat = reply[1]
    for at in range(0, len(flat), 3):
        key = flat[at].decode("utf-8", "replace")
        name = key if key in found else key.partition(":")[0]
        if name in counts and (flat[at + 1] or flat[at + 2]):
            counts[name][key] = (flat[at + 1], flat[at + 2])
    return [LimitInfo(limit, counts[name]) for name, limit in found.items()]


def parse_readings(flat: list[Any]) -> list[SlaReading]:
    """Return what read_sla answered, in the order of the lists."""
    found = []
    for at in range(0, len(flat), 5):
        queue, priority = split_list_name(flat[at].decode())
        words = (flat[at + 1].decode(), flat[at + 2] / 1000, flat[at + 3] / 1000)
        since = iso_utc(flat[at + 4]) if flat[at + 4] else None
        found.append((priority, SlaReading(queue or DEFAULT_QUEUE, priority.label, *words, since)))
    return [reading for _, reading in sorted(found, key=lambda item: (item[1].queue, -item[0], item[1].measure))]


def parse_ages(reply: list[Any]) -> list[float | None]:
    """Return for how many seconds each has waited; what cannot be read for ever, so that a turn looks at it."""
    now_ms, *heads = reply
    return [_age(now_ms, *head) if head else None for head in heads]


def _age(now_ms: int, head: bytes, queued: bytes) -> float:
    created = _CREATED.search(head)
    try:
        since_ms = int(queued) if queued else parse_iso(created[1].decode()) if created else 0
    except (ValueError, InvalidTask):
        since_ms = 0
    return (now_ms - since_ms) / 1000


def parse_circumstances(reply: list[Any]) -> Circumstances:
    """Return what explain answered."""
    now_ms, limit, family, held = reply[0], reply[5], reply[6], reply[10]
    gates = texts(reply[9])
    return Circumstances(
        now_ms,
        (reply[1][0], reply[1][1], reply[1][2], reply[1][3], reply[1][4]),
        reply[2] > 0,
        reply[3].decode(),
        (reply[4][0], texts(reply[4][1:])[0]),
        FullLimit(limit[0].decode(), limit[1], limit[2].decode(), texts(limit[3]), limit[4]) if limit else None,
        OpenFamily(int(family[1]), family[2], texts(family[3])) if family else None,
        reply[7],
        reply[8],
        reply[2] > 1,
        any(gates[1::3]),
        {key: CircuitState.parse(gate, 0, now_ms) for key, gate in zip(gates[::3], gates[2::3], strict=True) if gate},
        HeldKey(texts(held[:1])[0], held[1]) if held else None,
        next(iter(parse_queue_limits(reply[11])), None),
    )


def parse_cards(reply: list[Any]) -> tuple[int, list[WorkerCard], str]:
    """Return the server time in ms, the cards, and the next cursor."""
    flat = reply[1]
    cards = [
        WorkerCard(flat[i].decode(), pairs(flat[i + 1]), texts(flat[i + 2]), int(float(flat[i + 3])))
        for i in range(0, len(flat), 4)
    ]
    return reply[0], cards, reply[2].decode()


# ids that were handed back, and whether there may be more
Repaired = tuple[tuple[str, ...], bool]


def parse_repair(reply: list[Any]) -> Repaired:
    """Return what repair answered."""
    return texts(reply[0]), reply[1] == 1
