"""Tasks with an ordering key."""

from __future__ import annotations

from typing import Any

from taskq.protocol.keys import lists_of
from taskq.protocol.operation import Operation
from tests.lua.scenarios.beginnings import Scenario
from tests.state import LIMITS, LISTS, TIMES, TTL_MS, Bench, settle, task


def _line_up(bench: Bench, *ids: str) -> None:
    """Submit tasks with one ordering key, each to a list of its own queue but the first."""
    first, *others = ids
    bench.submit(task(first, ordering="k"), *(task(i, "high", queue="mail", ordering="k") for i in others))


def submit_in_order(bench: Bench) -> Operation[Any]:
    _line_up(bench, "first")
    tasks = [task("a", ordering="k"), task("b", ordering="k2", due=bench.at(60)), task("c", ordering="k2")]
    return bench.protocol.submit([*tasks, task("d", ordering="k", due=bench.at(60), unique="u")], 0)


def turn_completes_the_first(bench: Bench) -> Operation[Any]:
    """What waits behind it starts in the same step, and is claimed in the same turn."""
    _line_up(bench, "a", "b", "c")
    bench.register("w1")
    claims = bench.claim("w1", 5)
    return bench.turn_op("w1", 5, [settle(claim) for claim in claims], [*lists_of("mail"), *LISTS])


def settle_the_first_fails(bench: Bench) -> Operation[Any]:
    """The next one is delayed; a tombstone stands in another place."""
    _line_up(bench, "a")
    bench.submit(task("b", ordering="k", due=bench.at(60)))
    bench.register("w1")
    claims = bench.claim("w1", 5)
    bench.submit_ids("t")
    bench.run(bench.protocol.cancel("t", "{}", TTL_MS))
    return bench.protocol.settle([settle(claim, "fail") for claim in claims])


def cancel_the_first(bench: Bench) -> Operation[Any]:
    _line_up(bench, "a", "b")
    return bench.protocol.cancel("a", "{}", TTL_MS)


def cancel_one_in_between(bench: Bench) -> Operation[Any]:
    _line_up(bench, "a", "b", "c")
    return bench.protocol.cancel("b", "{}", TTL_MS)


def purge_the_first(bench: Bench) -> Operation[Any]:
    _line_up(bench, "a", "b")
    return bench.protocol.purge("normal", 10)


def turn_loses_the_first(bench: Bench) -> Operation[Any]:
    _line_up(bench, "a", "b")
    bench.register("w1")
    bench.client.delete(bench.key("task", "a"))
    return bench.turn_op("w1", 5)


def evict_the_first_for_good(bench: Bench) -> Operation[Any]:
    bench.submit(task("poison", ordering="k"), task("b", "low", ordering="k"))
    for n in range(2):
        bench.register(f"dying{n}")
        bench.claim(f"dying{n}", 1)
        bench.evict(f"dying{n}", charge=True)
    bench.register("w1")
    bench.claim("w1", 1)
    return bench.protocol.evict("w1", True, 10, LIMITS)


def replay_in_order(bench: Bench) -> Operation[Any]:
    """One is the only one of its key, the other goes behind one that is new."""
    bench.submit(task("a", ordering="k"), task("b", ordering="k2"))
    bench.register("w1")
    bench.end("w1", *(settle(claim, "fail") for claim in bench.claim("w1", 5)))
    bench.submit(task("new", ordering="k2"))
    return bench.protocol.replay([("a", "normal"), ("b", "normal")])


def mend_a_sequence(bench: Bench) -> Operation[Any]:
    _line_up(bench, "a", "b")
    bench.client.zrem(bench.key("sequence", "k"), "b")
    return bench.protocol.mend("b", "normal", TTL_MS)


def mend_the_first_of_a_sequence(bench: Bench) -> Operation[Any]:
    _line_up(bench, "a", "b")
    bench.client.zadd(bench.key("sequence", "k"), {"nobody": -1})
    return bench.protocol.mend_place("sequence", "k", "", TIMES.lease_ms)


SCENARIOS: tuple[Scenario, ...] = (
    submit_in_order,
    turn_completes_the_first,
    turn_loses_the_first,
    settle_the_first_fails,
    cancel_the_first,
    cancel_one_in_between,
    purge_the_first,
    evict_the_first_for_good,
    replay_in_order,
    mend_a_sequence,
    mend_the_first_of_a_sequence,
)
