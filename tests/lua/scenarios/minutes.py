"""The minutes that are remembered."""

from __future__ import annotations

from typing import Any

from taskq.protocol.operation import Operation
from tests.lua.scenarios.beginnings import Scenario
from tests.state import Bench, settle, task


def remember(bench: Bench) -> Operation[Any]:
    bench.end("w1", settle(bench.claim_one("dead"), "fail"))
    bench.run(bench.protocol.remember())
    bench.move_clock(60)
    bench.submit(task("a"), task("b", "low", queue="mail"))
    return bench.protocol.remember()


def history(bench: Bench) -> Operation[Any]:
    bench.run(bench.protocol.remember())
    return bench.protocol.history(10)


SCENARIOS: tuple[Scenario, ...] = (
    remember,
    history,
)
