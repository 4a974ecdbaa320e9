"""Goals: the best of the peers named decides, in the direction that the figure has."""

from __future__ import annotations

import pytest

from bench.compare.catalogue import PEERS
from bench.compare.goals import GOALS, THEIRS, WITHOUT_STATES, Goal, row, stand, standings


def rates(**values: float) -> dict[str, dict[str, list[dict[str, float]]]]:
    return {"submit": {name: [{"rate": value}] for name, value in values.items()}}


@pytest.mark.parametrize(("theirs", "ratio", "reached"), [(50.0, 2.0, True), (51.0, 100 / 51, False)])
def test_the_best_peer_decides(theirs: float, ratio: float, reached: bool) -> None:
    standing = stand(Goal("a", "submit", "rate", 2, True, THEIRS), rates(taskq=100.0, rq=theirs, arq=10.0, bare=900.0))
    assert (standing.value, standing.best, standing.reached) == (ratio, "RQ", reached)


@pytest.mark.parametrize(("theirs", "reached"), [(200.0, True), (199.0, False)])
def test_where_less_is_better_the_smallest_peer_decides(theirs: float, reached: bool) -> None:
    goal = Goal("a", "submit", "rate", 0.5, False, THEIRS, "any peer")
    standing = stand(goal, rates(taskq=100.0, rq=theirs, arq=900.0))
    assert (standing.best, standing.reached) == ("RQ", reached)
    assert row(standing)[1:] == [
        "≤ 0.5 × any peer",
        f"{100 / theirs:.3f} × RQ",
        "reached" if reached else "**not reached**",
    ]


def test_a_figure_may_stand_by_itself_or_beside_another_of_taskq() -> None:
    readings = {"memory": {"taskq": [{"pending": 480.0}]}, **rates(taskq=90.0), "batch": {"taskq": [{"rate": 30.0}]}}
    assert stand(Goal("a", "memory", "pending", 500, False), readings).reached
    standing = stand(Goal("a", "submit", "rate", 4, True, of="batch"), readings)
    assert (standing.value, standing.reached) == (3.0, False)


def test_what_was_not_measured_is_neither_reached_nor_missed() -> None:
    assert stand(GOALS[0], rates(taskq=1.0)).reached is None
    assert standings({}) == []
    assert stand(Goal("a", "submit", "rate", 2, True, THEIRS), rates(taskq=1.0)).reached is None


def test_names_are_those_of_the_catalogue() -> None:
    assert set(WITHOUT_STATES) <= {peer.name for peer in PEERS}
    absolute = {goal.work for goal in GOALS if not goal.peers and not goal.of}
    assert absolute == {"memory", "recovery", "child"}
