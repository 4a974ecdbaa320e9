"""Situations with tasks that a worker has passed over."""

from __future__ import annotations

from typing import Any

from taskq.protocol.operation import Operation
from taskq.protocol.replies import Claim, Settlement
from tests.lua.scenarios.beginnings import Scenario
from tests.state import TIMES, UUID, Bench, settle, task


def worker_that_knows(bench: Bench, name: str, knows: str | None, lists: str = "urgent high normal low") -> None:
    """Register a worker with a card; ``knows`` is None: it is of a release without sidings."""
    bench.register(name)
    card = {"lists": lists} | ({} if knows is None else {"knows": knows, "bell": f"@{name}"})
    assert bench.run(bench.protocol.register(name, f"tok-{name}", TIMES, UUID, card))[0]


def passed(claim: Claim, word: str = "new@1") -> Settlement:
    """Return how a worker says that it does not know the type of a task."""
    return settle(claim, "pass", word, 10_000)


def pass_over(bench: Bench, *ids: str, by: str = "old") -> None:
    """Submit tasks, let a worker claim and pass them over."""
    bench.submit(*(task(i) for i in ids))
    claims = bench.claim(by, len(ids))
    assert [claim.task_id for claim in claims] == list(ids)
    bench.end(by, *map(passed, claims))


def _two(bench: Bench) -> None:
    worker_that_knows(bench, "old", "other@1-1")
    worker_that_knows(bench, "able", "new@1-1")


def turn_passes(bench: Bench) -> Operation[Any]:
    _two(bench)
    return bench.turn_op("old", 0, [passed(bench.claim_one("a", "old"))])


def settle_passes_again(bench: Bench) -> Operation[Any]:
    _two(bench)
    pass_over(bench, "a")
    return bench.protocol.settle([passed(bench.claim_one("b", "old"))])


def settle_passes_to_nobody(bench: Bench) -> Operation[Any]:
    worker_that_knows(bench, "odd", "new@1-1")
    return bench.protocol.settle([passed(bench.claim_one("a", "odd"))])


def turn_looks_behind(bench: Bench) -> Operation[Any]:
    _two(bench)
    pass_over(bench, "a", "b", "c")
    bench.submit(task("d"))
    return bench.turn_op("able", 2)


def register_beside_a_siding(bench: Bench) -> Operation[Any]:
    worker_that_knows(bench, "old", "other@1-1")
    pass_over(bench, "a")
    card = {"lists": "normal", "knows": "new@1-1", "bell": "@able"}
    return bench.protocol.register("able", "tok-able", TIMES, UUID, card)


def watch_a_siding(bench: Bench) -> Operation[Any]:
    _two(bench)
    pass_over(bench, "a")
    bench.evict("able")
    return bench.protocol.watch(5_000)


def watch_an_empty_siding(bench: Bench) -> Operation[Any]:
    _two(bench)
    pass_over(bench, "a")
    bench.claim("able", 1)
    bench.move_clock(40)
    return bench.protocol.watch(5_000)


SCENARIOS: tuple[Scenario, ...] = (
    turn_passes,
    settle_passes_again,
    settle_passes_to_nobody,
    turn_looks_behind,
    register_beside_a_siding,
    watch_a_siding,
    watch_an_empty_siding,
)
