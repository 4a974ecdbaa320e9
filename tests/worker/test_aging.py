"""Whoever has waited too long goes first."""

from __future__ import annotations

import time

import pytest

from taskq import Fairness, SettingsError, Task, TaskQueue, TaskWorker
from taskq.errors import ServerUnavailable
from taskq.model.moment import iso_utc
from taskq.worker.aging import LOOK_EVERY, Ages, AgingPlan
from taskq.worker.plan import plan_of
from tests.state import LISTS
from tests.worker.test_fairness import WEIGHTS, started

SECONDS = 30.0


class Load:
    """A worker of one slot that runs a task in a tenth of a second, and lists that are always given ten in a second.

    Nine of ten are urgent and one is low, so that there is never a slot to spare.
    """

    def __init__(self, weights: dict[str, int] | None) -> None:
        self.now = 0.0
        self.lists: dict[str, list[float]] = {name: [] for name in LISTS}
        self.waited: dict[str, list[float]] = {name: [] for name in LISTS}
        self.looks = 0
        self.base = plan_of(LISTS, weights)
        self.plan = AgingPlan(self.base, LISTS, SECONDS, self.ages, lambda: self.now)

    def ages(self) -> Ages:
        self.looks += 1
        return [self.now - self.lists[name][0] if self.lists[name] else None for name in LISTS]

    def run(self, turns: int, *, aging: bool = True) -> None:
        plan = self.plan if aging else self.base
        for turn in range(turns):
            self.lists["low" if turn % 10 == 9 else "urgent"].append(self.now)
            # what stood there from the start keeps the worker busy
            order = plan.order()
            name = next(name for name in order if self.lists[name])
            self.waited[name].append(self.now - self.lists[name].pop(0))
            self.now += 0.1


@pytest.mark.parametrize("weights", [None, {"urgent": 1000, "low": 1}])
def test_under_nine_of_ten_urgent_ones_nobody_waits_much_longer(weights: dict[str, int] | None) -> None:
    """1.1 times the time, and as long as it takes those before it to run."""
    load = Load(weights)
    load.lists["urgent"] = [0.0] * 200  # twenty seconds of work, so that strict priority never comes to low
    load.run(6000)
    assert load.waited["low"], "it is taken at all"
    assert max(load.waited["low"]) <= SECONDS * (1 + LOOK_EVERY) + 0.2
    strict = Load(None)
    strict.lists["urgent"] = [0.0] * 200
    strict.run(6000, aging=False)
    assert max(strict.waited["low"], default=0) > 3 * SECONDS


def test_while_nobody_is_old_it_looks_seldom_and_changes_nothing() -> None:
    load = Load(None)
    for _ in range(100):
        assert load.plan.order() == LISTS
        load.now += 0.1
    assert load.looks == 4, "each three seconds, of ten"
    load.lists["low"] = [load.now]
    assert load.plan.order() == LISTS


def test_the_oldest_list_goes_first_and_the_others_keep_their_order() -> None:
    load = Load(None)
    load.lists.update(low=[0.0], normal=[5.0], urgent=[40.0])
    load.now = 40.0
    assert load.plan.order() == ["low", "normal", "urgent", "high"]
    load.lists["low"] = []
    assert load.plan.order() == ["normal", "urgent", "high", "low"], "it looks again before each turn"


def test_a_server_that_is_away_leaves_the_order_as_it_is() -> None:
    def away() -> Ages:
        raise ServerUnavailable("away")

    assert AgingPlan(plan_of(LISTS, None), LISTS, SECONDS, away).order() == LISTS


@pytest.fixture
def aged(queue: TaskQueue) -> TaskQueue:
    """Of the tasks of low priority the first three were submitted a minute ago."""
    then = iso_utc((time.time_ns() // 1_000_000) - 60_000)
    queue.submit_batch([Task(task_type="note", priority="low", created_at=then) for _ in range(3)])
    queue.submit_batch([Task(task_type="note", priority="low") for _ in range(5)])
    queue.submit_batch([Task(task_type="note", priority="urgent") for _ in range(20)])
    return queue


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_a_worker_starts_the_old_ones_first(aged: TaskQueue, weights: dict[str, int] | None) -> None:
    seen = started(aged, Fairness(weights, aging=SECONDS), 1)
    assert seen[:4] == ["low"] * 3 + ["urgent"]
    assert len(seen) == 28


def test_without_aging_priority_alone_counts(aged: TaskQueue) -> None:
    assert started(aged, None, 1) == ["urgent"] * 20 + ["low"] * 8


def test_a_time_that_is_none_is_refused(queue: TaskQueue) -> None:
    with pytest.raises(SettingsError, match=r"aging is 0: use 0\.1 s or more"):
        TaskWorker(queue, fairness=Fairness(aging=0))
