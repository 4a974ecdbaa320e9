"""What is known of one worker, all of its processes together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from taskq.metrics.runs import RunTotals


@dataclass(frozen=True, slots=True)
class WorkerReading:
    """A worker at one moment.

    Attributes:
        totals: of its runs since it was started.
        processes: that run.
        slots: of these processes.
        running: tasks that run.
        refused: outcomes that the server has refused.
        recovered: tasks of dead workers that were brought back.
        ends: how processes have ended -> how many.
        server_up: whether the server answers all of them.
        silent_seconds: how long the claim loop of one has been silent without a good reason.
    """

    totals: RunTotals
    processes: int
    slots: int
    running: int
    refused: int
    recovered: int
    ends: Mapping[str, int]
    server_up: bool
    silent_seconds: float


# name, what it says, and how it is read; likewise for Prometheus and OpenTelemetry
WORKER_COUNTERS: tuple[tuple[str, str, Callable[[WorkerReading], int]], ...] = (
    ("refused", "Outcomes that came too late: the lease of the worker was lost.", lambda reading: reading.refused),
    ("recovered", "Tasks of dead workers that were brought back by this one.", lambda reading: reading.recovered),
)
WORKER_ENDS = ("process_ends", "Worker processes that have ended.")
WORKER_GAUGES: tuple[tuple[str, str, Callable[[WorkerReading], float]], ...] = (
    ("processes", "Worker processes that run.", lambda reading: reading.processes),
    ("slots", "Tasks that may run at a time.", lambda reading: reading.slots),
    ("running", "Tasks that run now.", lambda reading: reading.running),
    ("server_up", "Whether the server answers this worker: 1 or 0.", lambda reading: int(reading.server_up)),
    (
        "claim_silence_seconds",
        "For how long the claim loop has been silent without a good reason.",
        lambda reading: reading.silent_seconds,
    ),
)
