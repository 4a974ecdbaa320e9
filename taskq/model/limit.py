"""Limits: how many tasks of a kind may run at a time, and how many may start within a time. Pure values, no I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from taskq.errors import InvalidTask
from taskq.model.names import check_name, in_words

MAX_LIMITS = 1000
MAX_LIMIT_KEYS = 4
_MOST = 1_000_000
_MOST_IN_A_WINDOW = 10_000
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_RATE = re.compile(r"([1-9][0-9]{0,6})/([1-9][0-9]{0,4})?([smhd])\Z")


def check_limit_key(key: str, what: str = "limit key") -> str:
    """Return a name of a limit, or such a name, a colon and a name of its own.

    Raises:
        InvalidTask: if it is none.
    """
    name, colon, rest = key.partition(":") if isinstance(key, str) else (key, "", "")
    check_name(name, what)
    if colon:
        check_name(rest, what)
    return key


def check_limit_keys(keys: Sequence[str]) -> tuple[str, ...]:
    """Return the keys of a task, each once.

    Raises:
        InvalidTask: if one cannot be used, or they are too many.
    """
    if isinstance(keys, str):
        raise InvalidTask(f"limit_keys is {keys!r:.80}: use a list of keys")
    found = tuple(dict.fromkeys(check_limit_key(key) for key in keys))
    if len(found) > MAX_LIMIT_KEYS:
        raise InvalidTask(f"limit_keys has {len(found)} keys, more than {MAX_LIMIT_KEYS}")
    return found


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit.

    Args:
        name: what it counts: tasks with this limit key, and each key ``<name>:<more>`` by itself; ``type:<type>``
            counts the tasks of a type, and ``type`` those of each type by itself.
        concurrency: how many may run at a time; None: any number.
        rate: how many may start within a time: ``"100/s"``, ``"10/m"``, ``"500/15m"``; None: any number.
        burst: how many may start at once after a pause (token bucket); None: all of the rate.
        sliding: whether no span of that time, wherever it begins, has more starts than the rate says.

    Raises:
        InvalidTask: for a name, number or rate that cannot be used.
    """

    name: str
    concurrency: int | None = None
    rate: str | None = None
    burst: int | None = None
    sliding: bool = False

    def __post_init__(self) -> None:
        check_limit_key(self.name, "limit name")
        for word in ("concurrency", "burst"):
            value = getattr(self, word)
            if value is not None and (type(value) is not int or not 1 <= value <= _MOST):
                most = f"{_MOST:,}, or leave it out"
                raise InvalidTask(f"{word} is {in_words(value)}: use a whole number from 1 to {most}")
        if self.concurrency is None and self.rate is None:
            raise InvalidTask(f"the limit {self.name} limits nothing: give it a concurrency, a rate, or both")
        if self.rate is None and (self.burst is not None or self.sliding):
            raise InvalidTask("burst and sliding belong to a rate: give one, such as rate='100/s'")
        if self.burst is not None and self.sliding:
            raise InvalidTask("a sliding window has no burst: leave one of them out")
        if self.rate is not None and self.sliding and self._starts_and_ms()[0] > _MOST_IN_A_WINDOW:
            raise InvalidTask(
                f"a sliding window remembers each start, so its rate may have {_MOST_IN_A_WINDOW:,} at most: use a "
                "shorter time, or leave sliding out"
            )

    def _starts_and_ms(self) -> tuple[int, int]:
        found = _RATE.match(str(self.rate))
        if found is None:
            raise InvalidTask(f"rate is {self.rate!r:.60}: write it as '100/s', '10/m' or '500/15m' (s, m, h, d)")
        return int(found[1]), int(found[2] or 1) * _UNITS_MS[found[3]]

    def text(self) -> str:
        """Return it as it is stored: most at a time, kind of rate, starts, ms, burst; see lua/lib/limits.lua."""
        if self.rate is None:
            return f"{self.concurrency or 0} - 0 0 0"
        starts, period_ms = self._starts_and_ms()
        kind = "window" if self.sliding else "bucket"
        return f"{self.concurrency or 0} {kind} {starts} {period_ms} {self.burst or starts}"

    @classmethod
    def parse(cls, name: str, text: str) -> Limit:
        """Return what is stored; a text that is none of ours limits what it seems to say."""
        words = text.split(" ")
        most, kind, starts, period_ms, burst = (words + ["0"] * 5)[:5]
        concurrency = int(most) if most.isdigit() and most != "0" else None
        if kind not in ("bucket", "window") or not (starts.isdigit() and period_ms.isdigit() and burst.isdigit()):
            return _unchecked(cls, name, concurrency, None, None, False)
        unit = max(
            (u for u, ms in _UNITS_MS.items() if int(period_ms) % ms == 0), key=_UNITS_MS.__getitem__, default="s"
        )
        number = int(period_ms) // _UNITS_MS[unit]
        rate = f"{starts}/{number if number != 1 else ''}{unit}"
        own_burst = int(burst) if kind == "bucket" and burst != starts else None
        return _unchecked(cls, name, concurrency, rate, own_burst, kind == "window")


def _unchecked(cls: type[Limit], *values: Any) -> Limit:
    limit = cls.__new__(cls)
    for name, value in zip(("name", "concurrency", "rate", "burst", "sliding"), values, strict=True):
        object.__setattr__(limit, name, value)
    return limit


@dataclass(frozen=True, slots=True)
class LimitInfo:
    """A limit and what it holds up.

    Attributes:
        limit: its definition.
        keys: for each key with running or blocked tasks, how many run and how many wait for room. Of the keys
            ``<name>:<more>`` those are shown for which somebody waits.
    """

    limit: Limit
    keys: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def running(self) -> int:
        """How many run with the keys that are shown."""
        return sum(running for running, _ in self.keys.values())

    @property
    def waiting(self) -> int:
        """How many wait until it has room."""
        return sum(waiting for _, waiting in self.keys.values())

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict that JSON can say."""
        limit = self.limit
        return {
            "name": limit.name,
            "concurrency": limit.concurrency,
            "rate": limit.rate,
            "burst": limit.burst,
            "sliding": limit.sliding,
            "running": self.running,
            "waiting": self.waiting,
            "keys": {key: {"running": running, "waiting": waiting} for key, (running, waiting) in self.keys.items()},
        }
