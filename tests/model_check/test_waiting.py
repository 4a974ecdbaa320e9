"""Every state of the protocol of waiting and claiming is visited; each of its guards is missed when it is left out."""

from __future__ import annotations

import pytest

from tests.model_check.waiting import GUARDS, Finding, Model, explore

NOTHING = frozenset[str]()


def without(*guards: str, faults: int = 2, batch: bool = True) -> Finding:
    found = explore(Model(frozenset(guards), faults, batch))
    print(f"without {', '.join(guards) or 'nothing'}: {found.states} states, {found.problem or 'clean'}")
    for step in found.way:
        print(f"  {step}")
    return found


@pytest.mark.parametrize(
    ("faults", "batch"), [(0, True), (0, False), (1, True), (1, False), (2, True), (2, False), (3, True)]
)
def test_the_protocol_is_clean(faults: int, batch: bool) -> None:
    found = without(faults=faults, batch=batch)
    assert (found.problem, found.way) == ("", ())
    assert found.states > 30


@pytest.mark.parametrize("batch", [True, False], ids=["in one call", "one by one"])
def test_as_long_as_nothing_goes_wrong_hints_are_enough(batch: bool) -> None:
    """The timeout is for faults only: no task waits for it otherwise."""
    assert without("timeout", faults=0, batch=batch).problem == ""


@pytest.mark.parametrize(
    ("guards", "faults", "problem"),
    [
        (["fence"], 1, "a task has ended twice"),
        (["turn number"], 1, "a task can never end"),
        (["timeout"], 1, "a task can never end"),
    ],
    ids=lambda value: " and ".join(value) if isinstance(value, list) else "",
)
def test_each_guard_is_missed(guards: list[str], faults: int, problem: str) -> None:
    found = without(*guards, faults=faults)
    assert found.problem == problem
    assert found.way


def test_without_the_cascade_an_idle_worker_sleeps_beside_waiting_work() -> None:
    """One hint for two tasks: whoever takes one of them has to ring for the other."""
    found = explore_parallel("cascade")
    assert found.problem == "work waits beside a worker that nobody wakes"
    assert explore_parallel().problem == ""


def explore_parallel(*guards: str) -> Finding:
    """As ``explore`` without faults and timeout, for a handler that never ends: the other worker has to be woken."""
    model = Model(frozenset({"timeout", *guards}), faults=0)
    seen, queue = {model.first}, [model.first]
    for state in queue:
        steps = [step for step in model.steps(state) if "finishes" not in step.name]
        if not steps and any(task.place == "pending" for task in state.tasks):
            return Finding(len(seen), "work waits beside a worker that nobody wakes")
        for step in steps:
            if step.after not in seen:
                seen.add(step.after)
                queue.append(step.after)
    return Finding(len(seen))


def test_every_guard_is_tried() -> None:
    tried = {"fence", "turn number", "timeout", "cascade"}
    assert tried == set(GUARDS)
