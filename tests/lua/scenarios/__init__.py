"""For each script situations in which it has something to do, and the call that does it."""

from __future__ import annotations

from tests.lua.scenarios import (
    bounding,
    families,
    grouping,
    limiting,
    mending,
    minutes,
    ordering,
    reads,
    sagas,
    schedules,
    sidings,
    submits,
    tasks,
    thresholds,
    turns,
    unique,
    workers,
)
from tests.lua.scenarios.beginnings import Scenario

__all__ = ["SCENARIOS", "Scenario"]

_SUBJECTS = (
    submits,
    turns,
    ordering,
    unique,
    limiting,
    grouping,
    bounding,
    sidings,
    thresholds,
    workers,
    tasks,
    schedules,
    families,
    sagas,
    reads,
    mending,
    minutes,
)

SCENARIOS: tuple[Scenario, ...] = tuple(scenario for subject in _SUBJECTS for scenario in subject.SCENARIOS)
