"""What is known of one worker, all of its processes together."""

from __future__ import annotations

from collections.abc import Mapping
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
