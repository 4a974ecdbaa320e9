"""How many processes a pool decides to have."""

from __future__ import annotations

import pytest

from taskq import ScalingOptions, SettingsError
from taskq.worker.scaling import Sample, Scaler

OPTIONS = ScalingOptions(least=1, most=8, target_wait_seconds=1, calm_seconds=10, settle_seconds=2)
SLOTS = 10


class Pool:
    """Follows what the scaler decides, one look a second."""

    def __init__(self, options: ScalingOptions = OPTIONS, step: float = 1.0) -> None:
        self.step = step
        self.scaler = Scaler(options, SLOTS)
        self.at, self.ended, self.processes = 0.0, 0, options.least

    def looks(self, waiting: int, running: int, speed: int) -> int:
        self.at += self.step
        self.ended += speed
        self.processes = self.scaler.wanted(Sample(self.at, waiting, running, self.ended, self.processes))
        return self.processes


def test_one_look_shows_no_speed_and_changes_nothing() -> None:
    assert Pool().looks(waiting=2000, running=10, speed=0) == 1


@pytest.mark.parametrize(
    ("waiting", "running", "speed", "expected"),
    [
        (0, 0, 0, 1),
        (2000, 10, 200, 8),  # ten seconds' work: ten processes, bounded
        (300, 10, 200, 2),
        (190, 10, 200, 1),  # gone in less than the target
        (5000, 10, 10_000, 1),  # depth alone is no reason
        (5, 10, 0, 2),  # nothing ends: as many as give each task a slot
        (500, 10, 0, 8),
        (15, 10, 5, 3),  # not more than there are tasks for
    ],
)
def test_what_one_process_becomes(waiting: int, running: int, speed: int, expected: int) -> None:
    pool = Pool()
    pool.looks(waiting, running, 0)
    assert pool.looks(waiting, running, speed) == expected


def test_new_processes_have_time_to_show_what_they_can_do() -> None:
    pool = Pool()
    pool.looks(600, 10, 0)
    assert pool.looks(600, 10, 200) == 3
    assert pool.looks(600, 10, 200) == 3, "they have only just been started"
    assert pool.looks(600, 30, 200) == 8


def test_it_shrinks_after_a_calm_time_to_what_was_needed_in_it() -> None:
    pool = Pool()
    pool.looks(2000, 10, 0)
    assert pool.looks(2000, 10, 200) == 8
    sizes = [pool.looks(0, 25, 500) for _ in range(12)]
    assert sizes[0] == 8
    assert sizes[-1] == 3
    assert sizes.index(3) >= 9
    assert [pool.looks(0, 0, 0) for _ in range(12)][-1] == 1


@pytest.mark.parametrize("step", [0.7, 1.3, 2.5])
def test_looks_need_not_come_at_any_special_pace(step: float) -> None:
    pool = Pool(ScalingOptions(calm_seconds=2), step)
    pool.looks(2000, 10, 0)
    assert pool.looks(2000, 10, 200) == 4
    assert [pool.looks(0, 0, 0) for _ in range(6)][-1] == 1


def test_a_pause_between_two_bursts_costs_no_restarts() -> None:
    pool = Pool()
    pool.looks(2000, 10, 0)
    pool.looks(2000, 10, 200)
    sizes = [pool.looks(*look) for _ in range(10) for look in ((0, 0, 0), (0, 0, 0), (0, 80, 500))]
    assert set(sizes) == {8}


def test_it_keeps_the_least() -> None:
    pool = Pool(ScalingOptions(least=3, most=5, calm_seconds=2))
    assert {pool.looks(0, 0, 0) for _ in range(10)} == {3}


@pytest.mark.parametrize("options", [{"least": 0}, {"least": 5, "most": 4}, {"most": 1001}, {"calm_seconds": 0}])
def test_bounds_that_contradict_each_other(options: dict[str, int]) -> None:
    with pytest.raises(SettingsError, match="use"):
        ScalingOptions(**options)
