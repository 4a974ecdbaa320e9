"""What ``taskq verify`` has tried and found."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from taskq.testing.check import Verdict
from taskq.testing.verify.losses import LossWindow

_MOST_SHOWN = 20


@dataclass(slots=True)
class Tally:
    """What one suite has tried and found.

    Attributes:
        suite: its name.
        title: what it does, in a few words.
        points: places at which a fault was tried.
        faults: injected faults, by kind.
        commands: what was struck by those on the wire: scripts and commands of the server.
        tasks: accepted submits.
        lost: accepted tasks that are nowhere, or did not end.
        double: tasks with more than one accepted completion.
        second_runs: attempts that were started because a worker was lost, or its answer was.
        refused: outcomes of stale attempts that were refused.
        recovery_seconds: from each fault until everything that was submitted had ended.
        violations: what cannot be true, one sentence each.
        seconds: how long the suite took.
    """

    suite: str
    title: str
    points: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    commands: Counter[str] = field(default_factory=Counter)
    tasks: int = 0
    lost: int = 0
    double: int = 0
    second_runs: int = 0
    refused: int = 0
    recovery_seconds: list[float] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, verdict: Verdict, where: str = "") -> None:
        """Add what the check of a namespace has found."""
        self.tasks += verdict.tasks
        self.lost += verdict.lost
        self.double += verdict.double
        self.second_runs += verdict.second_runs
        self.blame(verdict.violations, where)

    def blame(self, violations: Iterable[str], where: str = "") -> None:
        """Add violations."""
        self.violations += [f"{where}: {text}" if where else text for text in violations]

    def struck(self, kind: str, seconds: float | None = None) -> None:
        """Count a fault, and how long it took to recover."""
        self.faults[kind] += 1
        if seconds is not None:
            self.recovery_seconds.append(seconds)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON can say it."""
        return {
            "suite": self.suite,
            "title": self.title,
            "points": self.points,
            "faults": dict(self.faults),
            "commands": dict(self.commands),
            "tasks": self.tasks,
            "lost": self.lost,
            "double_completions": self.double,
            "second_runs": self.second_runs,
            "stale_outcomes_refused": self.refused,
            "recovery_seconds": {"p50": median(self.recovery_seconds), "max": longest(self.recovery_seconds)},
            "violations": self.violations,
            "seconds": round(self.seconds, 1),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What one run has found.

    Attributes:
        server: address, without its password.
        version: name and version of the server.
        seed: replays the run.
        started: ISO 8601, UTC.
        seconds: how long it took.
        suites: in the order in which they ended.
        losses: what a crash of the server takes, by durability.
        interrupted: whether somebody has ended it before its time; then it has what was tried until then.
    """

    server: str
    version: str
    seed: int
    started: str
    seconds: float
    suites: Sequence[Tally]
    losses: Sequence[LossWindow] = ()
    interrupted: bool = False

    @property
    def violations(self) -> list[str]:
        """Everything that cannot be true, with the name of its suite."""
        return [f"{suite.suite}: {text}" for suite in self.suites for text in suite.violations]

    @property
    def total(self) -> Tally:
        """The sum of all suites."""
        total = Tally("all", "", seconds=self.seconds)
        for suite in self.suites:
            total.faults += suite.faults
            total.commands += suite.commands
            total.violations += suite.violations
            total.recovery_seconds += suite.recovery_seconds
            for name in ("points", "tasks", "lost", "double", "second_runs", "refused"):
                setattr(total, name, getattr(total, name) + getattr(suite, name))
        return total

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON can say it."""
        return {
            "ok": not self.violations and not self.interrupted,
            "interrupted": self.interrupted,
            "server": self.server,
            "version": self.version,
            "seed": self.seed,
            "started": self.started,
            "seconds": round(self.seconds, 1),
            "suites": [suite.to_dict() for suite in self.suites],
            "total": self.total.to_dict(),
            "loss_windows": [loss.to_dict() for loss in self.losses],
        }

    def rows(self) -> list[tuple[object, ...]]:
        """Return the lines of a table, one per suite and one for all; ``HEADERS`` has the titles."""
        return [_row(suite) for suite in (*self.suites, self.total)]

    def shown_violations(self) -> list[str]:
        """Return the first violations, and how many more there are."""
        found = self.violations
        more = [f"... and {len(found) - _MOST_SHOWN} more"] if len(found) > _MOST_SHOWN else []
        return found[:_MOST_SHOWN] + more


HEADERS = ("SUITE", "POINTS", "FAULTS", "TASKS", "LOST", "DOUBLE", "SECOND RUNS", "REFUSED", "P50", "MAX", "BAD")


def _row(suite: Tally) -> tuple[object, ...]:
    return (
        suite.suite,
        suite.points,
        suite.faults.total(),
        suite.tasks,
        suite.lost,
        suite.double,
        suite.second_runs,
        suite.refused,
        _seconds(median(suite.recovery_seconds)),
        _seconds(longest(suite.recovery_seconds)),
        len(suite.violations),
    )


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f} s"


def median(values: Sequence[float]) -> float | None:
    """Return the median, None of nothing."""
    return round(statistics.median(values), 3) if values else None


def longest(values: Sequence[float]) -> float | None:
    """Return the largest value, None of nothing."""
    return round(max(values), 3) if values else None
