"""The minutes of a namespace: what was counted and what waited, one line of numbers each. No I/O here."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from taskq.model.moment import iso_utc

# a day
MOST_MINUTES = 1440
# beyond so many named queues, their depths are a sample
MOST_QUEUES = 250

# the words of a line after its time, see lua/remember.lua
_COUNTERS = ("submitted", "completed", "failed", "cancelled", "retried", "recovered", "replayed")
_SIZES = ("pending", "scheduled", "running", "retry", "waiting", "dead_letters", "workers")
_PRIORITIES = ("urgent", "high", "normal", "low")
_NAMES = (*_COUNTERS, *_SIZES, "oldest_ms", *_PRIORITIES)


@dataclass(frozen=True, slots=True)
class Minute:
    """What a namespace looked like at some moment of one minute.

    Attributes:
        at: begin of the minute, ISO 8601, UTC.
        counters: lifetime counters as of then: submitted, completed, failed, cancelled, retried, recovered, replayed.
        rates: per second, how much each counter has grown since the minute before it in the history; empty for the
            first one.
        sizes: tasks per live status, dead_letters and workers.
        depths: waiting tasks per priority, over all queues.
        oldest_seconds: how long ago the oldest task at the head of a list was submitted; 0 if nothing waits.
    """

    at: str
    counters: dict[str, int]
    sizes: dict[str, int]
    depths: dict[str, int]
    oldest_seconds: float
    rates: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the minute as a dict that JSON can say."""
        return asdict(self)


def read_minutes(partitions: Sequence[Iterable[str]]) -> list[Minute]:
    """Return the minutes that some lines tell, in order of time.

    Args:
        partitions: the lines of each partition; the numbers are summed up, the highest age counts. Where a partition
            has kept nothing in a minute, what it kept last stands for it.
    """
    tables = [_table(lines) for lines in partitions]
    found: list[Minute] = []
    before: tuple[int, Minute] | None = None
    for at_ms in sorted({at_ms for table in tables for at_ms in table}):
        minute = _minute(at_ms, [_latest(table, at_ms) for table in tables], before)
        found.append(minute)
        before = at_ms, minute
    return found


def _table(lines: Iterable[str]) -> dict[int, dict[str, int]]:
    table = {}
    for line in lines:
        words = line.split(" ")
        if len(words) > len(_NAMES) and all(word.isdigit() for word in words):
            table[int(words[0])] = dict(zip(_NAMES, map(int, words[1:]), strict=False))
    return dict(sorted(table.items()))


def _latest(table: dict[int, dict[str, int]], at_ms: int) -> dict[str, int]:
    if at_ms in table:
        return table[at_ms]
    times = list(table)
    index = bisect_right(times, at_ms) - 1
    return table[times[index]] if index >= 0 else {}


def _minute(at_ms: int, parts: list[dict[str, int]], before: tuple[int, Minute] | None) -> Minute:
    def summed(names: Iterable[str]) -> dict[str, int]:
        return {name: sum(part.get(name, 0) for part in parts) for name in names}

    counters = summed(_COUNTERS)
    rates: dict[str, float] = {}
    if before is not None:
        seconds = (at_ms - before[0]) / 1000
        # a counter that went down belongs to another life of the namespace: somebody flushed it
        rates = {name: max(0, value - before[1].counters[name]) / seconds for name, value in counters.items()}
    oldest_ms = max((part.get("oldest_ms", 0) for part in parts), default=0)
    return Minute(iso_utc(at_ms), counters, summed(_SIZES), summed(_PRIORITIES), oldest_ms / 1000, rates)
