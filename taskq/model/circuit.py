"""Circuits: tasks of a kind are held back while most of them would fail. Pure values, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from taskq.errors import InvalidTask
from taskq.model.limit import check_limit_key
from taskq.model.moment import seconds_to_ms
from taskq.model.names import in_words

MAX_CIRCUITS = 1000
_MOST_FAILURES = 1_000


def parse_share(text: str) -> float:
    """Return the part of ``0.5`` or ``50%``.

    Raises:
        InvalidTask: if it is none.
    """
    number, percent, rest = text.strip().partition("%")
    try:
        return float(number + rest) / (100 if percent else 1)
    except ValueError:
        raise InvalidTask(f"share is {text!r:.60}: write 0.5, or 50%") from None


@dataclass(frozen=True, slots=True)
class Circuit:
    """The rule by which a circuit opens.

    Args:
        name: what it counts, as a limit does: tasks with this limit key, and each key ``<name>:<more>`` by itself;
            ``type:<type>`` counts the tasks of a type, and ``type`` those of each type by itself.
        failures: attempts that have to fail.
        within: seconds within which they have to.
        open_for: seconds after which one task is let through to try.
        share: what part of all attempts within that time they have to be besides, above 0 and at most 1; None: any.

    Raises:
        InvalidTask: for a name or a number that cannot be used.
    """

    name: str
    failures: int = 5
    within: float = 60.0
    open_for: float = 30.0
    share: float | None = None

    def __post_init__(self) -> None:
        check_limit_key(self.name, "circuit name")
        if type(self.failures) is not int or not 1 <= self.failures <= _MOST_FAILURES:
            raise InvalidTask(f"failures is {self.failures!r:.60}: use a whole number from 1 to {_MOST_FAILURES:,}")
        for word in ("within", "open_for"):
            if seconds_to_ms(getattr(self, word), word) < 1:
                raise InvalidTask(f"{word} is {in_words(getattr(self, word))}: use a number of seconds above 0")
        if self.share is not None and not (type(self.share) in (int, float) and 0.001 <= self.share <= 1):
            raise InvalidTask(
                f"share is {in_words(self.share)}: use a number from 0.001 to 1, like 0.5, or leave it out"
            )

    @property
    def percent(self) -> str:
        """The share, for people; empty if there is none."""
        return f"{self.share * 100:.4g} %" if self.share is not None else ""

    def text(self) -> str:
        """Return it as it is stored, times in ms and the share in thousandths; see lua/lib/gates.lua."""
        words = [self.failures, seconds_to_ms(self.within, "within"), seconds_to_ms(self.open_for, "open_for")]
        if self.share is not None:
            words.append(round(self.share * 1000))
        return " ".join(map(str, words))

    @classmethod
    def parse(cls, name: str, text: str) -> Circuit | None:
        """Return what is stored; None for a name or a text that is none of ours."""
        words = text.split()
        if len(words) not in (3, 4) or not all(word.isdecimal() for word in words):
            return None
        share = int(words[3]) / 1000 if words[3:] else None
        try:
            return cls(name, int(words[0]), int(words[1]) / 1000, int(words[2]) / 1000, share)
        except InvalidTask:
            return None


@dataclass(frozen=True, slots=True)
class CircuitState:
    """How a circuit is for one key.

    Attributes:
        state: ``closed``, ``open`` or ``half_open``.
        until_ms: when an open one lets a task through to try, ms since the epoch; 0 if it is not open.
        probe: id of the task that tries; empty if none does.
        waiting: how many tasks are held back.
    """

    state: str = "closed"
    until_ms: int = 0
    probe: str = ""
    waiting: int = 0

    @classmethod
    def parse(cls, gate: str, waiting: int, now_ms: int) -> CircuitState:
        """Return what a gate says."""
        words = gate.split()
        if words[:1] == ["half"]:
            return cls("half_open", 0, words[1], waiting)
        if words[:1] == ["open"] and words[2:3] and words[2].isdecimal():
            until_ms = int(words[2])
            return cls("open" if until_ms > now_ms else "half_open", until_ms if until_ms > now_ms else 0, "", waiting)
        return cls("closed", 0, "", waiting)


@dataclass(frozen=True, slots=True)
class CircuitInfo:
    """A circuit and what it holds back.

    Attributes:
        circuit: its rule.
        keys: how it is for each key for which it is not closed.
        failed: how many attempts with the key that is its name have failed within its time, while it is closed; over
            several partitions the most.
        attempts: of how many, if it opens by a share of them; else 0.
    """

    circuit: Circuit
    keys: dict[str, CircuitState] = field(default_factory=dict)
    failed: int = 0
    attempts: int = 0

    @property
    def state(self) -> str:
        """``open`` if it is for any key, else ``half_open`` if it is for any, else ``closed``."""
        states = {item.state for item in self.keys.values()}
        return next((state for state in ("open", "half_open") if state in states), "closed")

    @property
    def waiting(self) -> int:
        """How many tasks are held back."""
        return sum(item.waiting for item in self.keys.values())

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict that JSON can say."""
        keys = {
            key: {"state": item.state, "until_ms": item.until_ms, "probe": item.probe, "waiting": item.waiting}
            for key, item in self.keys.items()
        }
        rule = self.circuit
        return {
            "name": rule.name,
            "failures": rule.failures,
            "within": rule.within,
            "open_for": rule.open_for,
            "share": rule.share,
            "state": self.state,
            "waiting": self.waiting,
            "failed": self.failed,
            "attempts": self.attempts,
            "keys": keys,
        }
