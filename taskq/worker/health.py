"""What the supervisor knows of its processes: for probes and metrics, read by the threads that serve them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from taskq.metrics.runs import RunTotals, Snapshot
from taskq.metrics.worker import WorkerReading

# How often a process reports.
REPORT_SECONDS = 1.0


@dataclass(slots=True)
class _Process:
    ready: bool = False
    heard: float | None = None
    silent: float = 0.0
    running: int = 0
    away: bool = False
    slots: int = 0
    draining: bool = False
    refused: int = 0
    metrics: Snapshot = field(default_factory=dict)


class Health:
    """Of all processes of one worker.

    Args:
        slots: of each process, as long as nobody has changed that.
        hung_seconds: silence of a claim loop that counts as its end.
        recovered: returns how many tasks of dead workers were brought back.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        slots: int,
        hung_seconds: float,
        recovered: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slots = slots
        self._hung_seconds = hung_seconds
        self._recovered = recovered
        self._clock = clock
        self._lock = threading.Lock()
        self._processes: dict[int, _Process] = {}
        self._past = RunTotals()
        self._past_refused = 0
        self._ends = Counter({"done": 0, "recycled": 0, "crashed": 0, "killed": 0})
        self._stopping = False

    # -- told by the supervisor --

    def born(self, pid: int) -> None:
        """A process was started."""
        with self._lock:
            self._processes[pid] = _Process(slots=self._slots)

    def registered(self, pid: int) -> None:
        """The server knows the worker of a process."""
        with self._lock:
            process = self._processes[pid]
            process.ready, process.heard = True, self._clock()

    def hear(self, pid: int, report: dict[str, Any]) -> None:
        """A process has said how it is."""
        with self._lock:
            process = self._processes[pid]
            process.heard = self._clock()
            for name in ("silent", "running", "away", "slots", "draining", "refused", "metrics"):
                setattr(process, name, report[name])

    def ended(self, pid: int, how: str) -> None:
        """A process has ended; what it has counted goes on to count."""
        with self._lock:
            process = self._processes.pop(pid)
            self._past.add(process.metrics)
            self._past_refused += process.refused
            self._ends[how] += 1

    def stopping(self) -> None:
        """The worker was told to stop."""
        self._stopping = True

    # -- asked by probes and scrapes --

    def live_problems(self) -> list[str]:
        """Return why the worker should be restarted; empty if it should not."""
        with self._lock:
            silences = {pid: self._silence(process) for pid, process in self._processes.items()}
        return [
            f"the claim loop of process {pid} has been silent for {seconds:.0f} s"
            for pid, seconds in silences.items()
            if seconds > self._hung_seconds
        ]

    def ready_problems(self) -> list[str]:
        """Return why no task would start now; empty if one would."""
        if self._stopping:
            return ["the worker is stopping"]
        with self._lock:
            processes = list(self._processes.values())
        if not any(process.ready for process in processes):
            return ["no process has registered with the server yet"]
        if all(process.away for process in processes if process.ready):
            return ["the server does not answer"]
        if all(process.draining for process in processes if process.ready):
            return ["the worker was told to claim nothing: `taskq worker resume` lets it go on"]
        return self.live_problems()

    def reading(self) -> WorkerReading:
        """Return everything at once, for a scrape."""
        totals = RunTotals()
        recovered = self._recovered()
        with self._lock:
            processes = list(self._processes.values())
            totals.add(self._past.snapshot())
            for process in processes:
                totals.add(process.metrics)
            return WorkerReading(
                totals=totals,
                processes=len(processes),
                slots=sum(process.slots for process in processes),
                running=sum(process.running for process in processes),
                refused=self._past_refused + sum(process.refused for process in processes),
                recovered=recovered,
                ends=dict(self._ends),
                server_up=not any(process.away for process in processes),
                silent_seconds=max((self._silence(process) for process in processes), default=0.0),
            )

    def _silence(self, process: _Process) -> float:
        """Return for how long nothing was seen of a claim loop; one that is still loading its handlers is not silent.

        A process that reports nothing is as silent as one that reports a silence: something holds all its threads.
        """
        if process.heard is None:
            return 0.0
        late = self._clock() - process.heard - REPORT_SECONDS
        return process.silent + max(0.0, late)
