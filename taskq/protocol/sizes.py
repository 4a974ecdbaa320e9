"""What stats answers: how many tasks are where. No I/O here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from taskq.model.bound import QueueLimit
from taskq.protocol.queue_limits import parse_queue_limits
from taskq.protocol.replies import pairs, texts


@dataclass(frozen=True, slots=True)
class ListDepth:
    """One priority list.

    Attributes:
        since_ms: when its oldest began to wait; None: unknown.
        paused: whether it, or everything, is.
        known: whether a task has been submitted to its queue; if not, it is there because it is paused.
    """

    name: str
    length: int
    since_ms: int | None
    paused: bool
    all_paused: bool = False
    known: bool = True


@dataclass(frozen=True, slots=True)
class Sizes:
    """The answer to stats.

    Attributes:
        cursor: where the next page of the lists begins; "0": all of them are here, as of the same instant.
    """

    now_ms: int
    statuses: dict[str, int]
    lists: tuple[ListDepth, ...]
    counters: dict[str, int]
    workers: int
    dead: int
    tombstones: int
    cursor: str = "0"
    sidings: tuple[tuple[str, int, bool], ...] = ()
    limits: tuple[QueueLimit, ...] = ()


def parse_sizes(reply: list[Any]) -> Sizes:
    """Return what stats answered."""
    sizes, depths, sidings = reply[1], reply[2], reply[8]
    return Sizes(
        now_ms=reply[0],
        statuses={sizes[i].decode(): sizes[i + 1] for i in range(0, len(sizes), 2)},
        lists=(
            *(
                ListDepth(name.decode(), length, int(since) if since else None, paused > 0, paused == 2)
                for name, length, since, paused in zip(*(depths[n::4] for n in range(4)), strict=True)
            ),
            *(ListDepth(name, 0, None, True, known=False) for name in sorted(texts(reply[10]))),
        ),
        counters={name: int(value) for name, value in pairs(reply[3]).items()},
        workers=reply[4],
        dead=reply[5],
        tombstones=reply[6],
        cursor=reply[7].decode(),
        sidings=tuple((sidings[i].decode(), sidings[i + 1], sidings[i + 2] == 1) for i in range(0, len(sidings), 3)),
        limits=parse_queue_limits(reply[9]),
    )
