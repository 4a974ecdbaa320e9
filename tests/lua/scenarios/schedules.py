"""Recurring schedules."""

from __future__ import annotations

from typing import Any

from taskq.protocol.operation import Operation
from tests.lua.scenarios.beginnings import Scenario
from tests.state import Bench, task


def add_schedule(bench: Bench) -> Operation[Any]:
    bench.run(bench.protocol.add_schedule("s", "old"))
    bench.run(bench.protocol.fire("s", "old", 1000, task("a")))
    return bench.protocol.add_schedule("s", "new")


def remove_schedule(bench: Bench) -> Operation[Any]:
    bench.run(bench.protocol.add_schedule("s", "old"))
    bench.run(bench.protocol.fire("s", "old", 1000, task("a")))
    return bench.protocol.remove_schedule("s")


def list_schedules(bench: Bench) -> Operation[Any]:
    bench.run(bench.protocol.add_schedule("s", "old"))
    return bench.protocol.list_schedules()


def fire(bench: Bench) -> Operation[Any]:
    bench.run(bench.protocol.add_schedule("s", "old"))
    return bench.protocol.fire("s", "old", 1000, task("a", queue="mail"))


SCENARIOS: tuple[Scenario, ...] = (
    add_schedule,
    remove_schedule,
    list_schedules,
    fire,
)
