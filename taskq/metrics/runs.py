"""What a worker process measures of its runs, without a metrics library: it is summed up elsewhere.

A process is told by its supervisor to measure, counts in plain lists, and sends them about once a second. The counts of
all processes of a worker, dead ones included, make up what ``taskq worker --metrics-port`` shows.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from typing import Any

from taskq.middleware import Middleware, Run
from taskq.model.task import DEFAULT_QUEUE

# from a no-op to a night; the last bucket has no upper bound
BOUNDS_SECONDS = (
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    1800.0,
)

Snapshot = dict[str, Any]


class Distribution:
    """How often a number of seconds fell between two bounds."""

    __slots__ = ("counts", "total_seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_SECONDS) + 1)
        self.total_seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self.total_seconds += seconds

    def merge(self, counts: list[int], total_seconds: float) -> None:
        """Add what another one has counted."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, counts, strict=True)]
        self.total_seconds += total_seconds

    def cumulative(self) -> list[tuple[str, int]]:
        """Return upper bound and number of all up to it, as Prometheus wants them."""
        rows, number = [], 0
        for bound, count in zip([*(f"{bound:g}" for bound in BOUNDS_SECONDS), "+Inf"], self.counts, strict=True):
            number += count
            rows.append((bound, number))
        return rows


class RunTotals:
    """Counts of runs; those of several processes can be added up."""

    def __init__(self) -> None:
        self.runs: dict[tuple[str, str], int] = {}
        self.run_seconds: dict[str, Distribution] = {}
        self.start_seconds: dict[tuple[str, str], Distribution] = {}

    def add(self, snapshot: Snapshot) -> None:
        """Add what a process has sent."""
        for task_type, outcome, number in snapshot.get("runs", ()):
            self.runs[task_type, outcome] = self.runs.get((task_type, outcome), 0) + number
        for task_type, counts, seconds in snapshot.get("run_seconds", ()):
            self.run_seconds.setdefault(task_type, Distribution()).merge(counts, seconds)
        for queue, priority, counts, seconds in snapshot.get("start_seconds", ()):
            self.start_seconds.setdefault((queue, priority), Distribution()).merge(counts, seconds)

    def snapshot(self) -> Snapshot:
        """Return the counts as JSON can say them."""
        return {
            "runs": [[*key, number] for key, number in self.runs.items()],
            "run_seconds": [[key, one.counts, one.total_seconds] for key, one in self.run_seconds.items()],
            "start_seconds": [[*key, one.counts, one.total_seconds] for key, one in self.start_seconds.items()],
        }


class RunMetrics(Middleware):
    """Counts runs by type and outcome, how long they took, and how long tasks waited for their first run."""

    def __init__(self) -> None:
        self._totals = RunTotals()
        self._lock = threading.Lock()

    def after_run(self, run: Run) -> None:
        """Count a run."""
        task, totals = run.task, self._totals
        key = task.task_type, run.outcome
        with self._lock:
            totals.runs[key] = totals.runs.get(key, 0) + 1
            _of(totals.run_seconds, task.task_type).add(run.seconds)
            if run.attempt == 1:  # a later attempt has waited for its retry, which says nothing of the workers
                place = task.queue or DEFAULT_QUEUE, task.priority.label
                _of(totals.start_seconds, place).add(run.waited_seconds)

    def snapshot(self) -> Snapshot:
        """Return what was counted since the start of the process."""
        with self._lock:
            return self._totals.snapshot()


def _of(distributions: dict[Any, Distribution], key: Any) -> Distribution:
    found = distributions.get(key)
    if found is None:
        found = distributions[key] = Distribution()
    return found
