"""Submits."""

from __future__ import annotations

from typing import Any

from taskq.protocol.operation import Operation
from tests.lua.scenarios.beginnings import Scenario, ended_and_expired
from tests.state import Bench, task


def submit(bench: Bench) -> Operation[Any]:
    return bench.protocol.submit([task("a"), task("b", "high", queue="mail")], 10)


def submit_delayed_and_unique(bench: Bench) -> Operation[Any]:
    return bench.protocol.submit([task("a", due=bench.at(60), unique="k"), task("b", unique="k2")], 0)


def submit_an_id_that_has_expired(bench: Bench) -> Operation[Any]:
    ended_and_expired(bench)
    return bench.protocol.submit([task("old0"), task("old1"), task("old2")], 0)


SCENARIOS: tuple[Scenario, ...] = (
    submit,
    submit_delayed_and_unique,
    submit_an_id_that_has_expired,
)
