"""What holds for all scripts: each may be sent twice, and none leaves half a transition behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from taskq.errors import ServerError
from taskq.protocol.operation import Operation
from taskq.protocol.operations import ARGUMENTS
from taskq.protocol.view import family_of
from tests.lua.scenarios import SCENARIOS, Scenario
from tests.state import Bench, State, changes

NewBench = Callable[[], Bench]

# A body of the wrong type cannot be told from one that was lost, a foreign state is replaced: see test_claim.
ANSWERED_OTHERWISE = {
    (f"turn_{turn}", family)
    for turn in (
        "claims",
        "claims_one",
        "of_new_tasks",
        "of_completions",
        "promotes",
        "retries_at_once",
        "drops",
        "drops_strays",
        "goes_on_to_another_list",
        "of_the_last_child",
        "loses_a_child",
        "completes_the_first",
        "loses_the_first",
        "starts_the_successor",
        "makes_room_in_a_queue",
    )
    for family in ("task", "state")
}
# of a group the next one starts in the place of one that is lost
ANSWERED_OTHERWISE |= {(f"turn_{what}", "task") for what in ("takes_of_groups", "drops_the_cancelled_of_a_group")}
ANSWERED_OTHERWISE |= {("turn_loses_a_child", family) for family in ("family", "gathered", "queue", "status")}
ANSWERED_OTHERWISE |= {("turn_loses_the_first", family) for family in ("sequence", "queue", "status")}
# one that waits for room and whose state or list is foreign is passed over; a limit that is foreign holds nobody up
_LETTING_IN = (
    *("turn_makes_room", "settle_makes_room", "settle_completes_and_makes_room", "promote_lets_in"),
    *("resume_a_type", "remove_circuit", "close_circuit", "settle_a_probe", "turn_sends_a_probe"),
)
ANSWERED_OTHERWISE |= {(name, family) for name in _LETTING_IN for family in ("state", "queue", "task")}
# as is one on a siding; a worker whose card cannot be read may know what it passes over or not
ANSWERED_OTHERWISE |= {("turn_looks_behind", family) for family in ("state", "queue", "task")}
ANSWERED_OTHERWISE |= {(name, "worker") for name in ("settle_passes_to_nobody", "turn_passes")}
ANSWERED_OTHERWISE |= {
    (f"turn_{what}", family)
    for what in ("meets_a_full_limit", "meets_a_full_window", "meets_an_open_circuit", "sends_a_probe")
    for family in (
        "limits",
        "gates",
        "circuits",
        "woken",
        "faults",
        "permits",
        "blocked",
        "jams",
        "rate",
        "starts",
        "scheduled",
        "status",
        "state",
        "task",
    )
}
# an envelope that is foreign has no weight; whoever claims it finds out
ANSWERED_OTHERWISE |= {("weigh_all", "task")}
# what hardly any scenario has, and many scripts write
RARELY_THERE = ("woken", "tombstones", "gates", "circuits")


def scenarios() -> list[object]:
    return [pytest.param(scenario, id=scenario.__name__) for scenario in SCENARIOS]


def test_every_script_has_a_scenario(new_bench: NewBench) -> None:
    assert {scenario(new_bench()).script.name for scenario in SCENARIOS} == ARGUMENTS.keys()


@pytest.mark.parametrize("scenario", scenarios())
def test_sent_twice_it_has_the_same_effect(bench: Bench, scenario: Scenario) -> None:
    operation = scenario(bench)
    bench.run(operation)
    after_one = bench.state()
    bench.run(operation)
    assert changes(after_one, bench.state()) == {}


@pytest.mark.parametrize("scenario", scenarios())
def test_it_changes_something_only_if_it_may(bench: Bench, scenario: Scenario) -> None:
    operation = scenario(bench)
    _, changed = bench.act(operation)
    assert bool(changed) is not (operation.script.read_only or scenario.__name__ in ("list_schedules",))


def keys_of(state: State) -> set[str]:
    return {key for key in state if not key.endswith(" ttl")}


def without(changed: State, key: str) -> State:
    return {k: v for k, v in changed.items() if k not in (key, f"{key} ttl")}


def put_wrong_type(bench: Bench, key: str) -> None:
    name = bench.raw_key(key)
    ttl_ms = bench.client.pttl(name)
    bench.client.delete(name)
    if family_of(key) in ("task", "result", "checkpoint", "unique", "awaited", "limited", "successor", "crowd"):
        bench.client.rpush(name, "foreign")
    else:
        bench.client.set(name, "foreign")
    if ttl_ms > 0:
        bench.client.pexpire(name, ttl_ms)


def refusal(bench: Bench, operation: Operation[Any]) -> str:
    """Run an operation; return the words of the error, if there is one."""
    try:
        bench.transport.run(operation)
    except ServerError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("scenario", scenarios())
def test_a_key_of_the_wrong_type_never_leaves_half_a_transition(new_bench: NewBench, scenario: Scenario) -> None:
    """Either the script fails and nothing has changed, or everything has changed but for the damaged key."""
    healthy = new_bench()
    operation = scenario(healthy)
    keys = keys_of(healthy.state())
    _, expected = healthy.act(operation)
    keys |= keys_of(healthy.state())
    # one step of these can lead to the next in the same call
    if operation.script.name in ("turn", "settle", "promote"):
        keys |= {f"status:{status}" for status in ("pending", "scheduled", "retry", "waiting")} | {"scheduled"}
    keys |= {name for name in RARELY_THERE if f"NS..'{name}'" in operation.script.source}
    for key in sorted(keys):
        if (scenario.__name__, family_of(key)) in ANSWERED_OTHERWISE:
            continue
        bench = new_bench()
        bench.audited = False
        operation = scenario(bench)
        put_wrong_type(bench, key)
        before = bench.state()
        failure = refusal(bench, operation)
        changed = changes(before, bench.state())
        if failure:
            assert ("WRONGTYPE" in failure, changed) == (True, {}), key
        else:
            assert without(changed, key) == without(expected, key), key
