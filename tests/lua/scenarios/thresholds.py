"""Situations for the scripts that compare how long tasks wait with how long they may."""

from __future__ import annotations

from typing import Any

from taskq.protocol.operation import Operation
from tests.lua.scenarios.beginnings import Scenario
from tests.state import Bench, created


def _late(bench: Bench) -> None:
    bench.submit(created(bench, "old", -90), created(bench, "late", -90, "low"))
    bench.register("w1")
    bench.claim("w1", 1, ["low"])
    bench.run(bench.protocol.set_sla("normal", 60_000, 0))
    bench.run(bench.protocol.set_sla("low", 0, 60_000))


def set_sla(bench: Bench) -> Operation[Any]:
    return bench.protocol.set_sla("normal", 5_000, 0)


def remove_sla(bench: Bench) -> Operation[Any]:
    _late(bench)
    bench.run(bench.protocol.watch(5_000))
    return bench.protocol.remove_sla("normal")


def check_sla(bench: Bench) -> Operation[Any]:
    _late(bench)
    return bench.protocol.check_sla()


def watch_a_breach(bench: Bench) -> Operation[Any]:
    _late(bench)
    return bench.protocol.watch(5_000)


def watch_its_end(bench: Bench) -> Operation[Any]:
    _late(bench)
    bench.run(bench.protocol.watch(5_000))
    bench.claim("w1", 1, ["normal"])
    bench.move_clock(70)
    return bench.protocol.watch(5_000)


SCENARIOS: tuple[Scenario, ...] = (
    set_sla,
    remove_sla,
    check_sla,
    watch_a_breach,
    watch_its_end,
)
