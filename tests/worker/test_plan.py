"""In which order lists are walked."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from taskq import SettingsError, TaskPriority
from taskq.protocol.keys import lists_of, split_list_name
from taskq.worker.plan import WEIGHTS, check_numbers, plan_of

LISTS = lists_of(None)
WEIGHTED = {"urgent": 8, "high": 4, "normal": 2, "low": 1}


class Lists:
    """Lists from which a plan claims as a turn does: to the end of one before the next."""

    def __init__(self, weights: dict[str, int] | None, lists: list[str] = LISTS, **depths: int) -> None:
        self.plan = plan_of(lists, weights)
        self.depths = Counter(depths)
        self.claimed: list[str] = []

    def turn(self, want: int) -> list[str]:
        order, got = self.plan.order(), []
        for name in order:
            take = min(self.depths[name], want - len(got))
            self.depths[name] -= take
            got += [name] * take
        self.plan.note(order, want, [split_list_name(name)[1] for name in got])
        self.claimed += got
        return got

    def shares(self, turns: int, want: int) -> dict[str, float]:
        counts = Counter(name for _ in range(turns) for name in self.turn(want))
        return {name: counts[name] / counts.total() for name in LISTS}


def test_strict_priority_is_the_default() -> None:
    lists = Lists(None, urgent=3, low=3)
    assert lists.turn(4) == ["urgent"] * 3 + ["low"]
    lists.depths["urgent"] = 4
    assert lists.turn(4) == ["urgent"] * 4


@pytest.mark.parametrize("want", [1, 3, 5, 50])
def test_each_gets_its_part_while_all_have_tasks(want: int) -> None:
    shares = Lists(WEIGHTED, **dict.fromkeys(LISTS, 10**6)).shares(1500, want)
    assert shares == {name: pytest.approx(weight / 15, abs=0.01) for name, weight in WEIGHTED.items()}


@pytest.mark.parametrize("want", [1, 5])
def test_what_the_empty_ones_leave_goes_to_the_others_by_their_weights(want: int) -> None:
    shares = Lists(WEIGHTED, urgent=10**6, low=10**6).shares(900, want)
    assert shares == {
        "urgent": pytest.approx(8 / 9, abs=0.01),
        "high": 0,
        "normal": 0,
        "low": pytest.approx(1 / 9, abs=0.01),
    }


def test_low_waits_for_a_bounded_number_of_turns() -> None:
    """With a total weight of W a list of weight w is first in one of ceil(W / w) turns, and one more at the start."""
    lists = Lists(WEIGHTED, **dict.fromkeys(LISTS, 10**6))
    firsts = [lists.turn(5)[0] for _ in range(600)]
    at = [turn for turn, name in enumerate(firsts) if name == "low"]
    gaps = [later - earlier for earlier, later in zip([-1, *at], at, strict=False)]
    assert max(gaps) <= 16


def test_a_list_that_was_empty_does_not_flood_when_it_fills() -> None:
    lists = Lists(WEIGHTED, urgent=10**6, low=10**6)
    lists.shares(500, 5)
    lists.depths["high"] = 10**6
    assert lists.shares(15, 5)["high"] <= 2 / 3


def test_an_idle_worker_takes_what_comes_first_by_priority() -> None:
    lists = Lists(WEIGHTED)
    for _ in range(100):
        lists.turn(5)
    assert lists.plan.order() == LISTS


@pytest.mark.parametrize("seed", range(20))
def test_nobody_starves_whatever_comes(seed: int) -> None:
    chance = random.Random(seed)
    lists = Lists(WEIGHTED, **dict.fromkeys(LISTS, 10))
    since = Counter[str]()
    for _ in range(2000):
        for name in LISTS:
            lists.depths[name] += chance.choice([0, 0, 1, 7, 40])
        waiting = [name for name in LISTS if lists.depths[name]]
        got = lists.turn(chance.randint(1, 8))
        for name in LISTS:
            since[name] = 0 if name in got or name not in waiting else since[name] + 1
        assert max(since.values()) <= 120


def test_lists_of_one_priority_share_its_part() -> None:
    names = ["mail:urgent", "urgent", "mail:low", "low"]
    plan = plan_of(names, WEIGHTED)
    assert plan.order() == names
    plan.note(names, 4, [TaskPriority.URGENT] * 4)
    assert plan.order() == ["mail:low", "low", "mail:urgent", "urgent"]


def test_a_weight_that_is_not_named_is_the_usual_one() -> None:
    assert list(WEIGHTS.values()) == [8, 4, 2, 1]
    shares = Lists({"low": 8}, urgent=10**6, low=10**6).shares(400, 3)
    assert shares["low"] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("numbers", [{"urgnt": 1}, {"low": 0}, {"low": 1001}, {"low": True}])
def test_numbers_that_cannot_be_used(numbers: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match="use urgent, high, normal, low with whole numbers from 1 to 1,000"):
        check_numbers(numbers, "weight", 1000)
