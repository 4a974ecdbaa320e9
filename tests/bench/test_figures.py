"""Medians, ratios, percentiles, rates, and how numbers are shown."""

from __future__ import annotations

import math

import pytest

from bench.compare.figures import Spread, percentile, rate, ratio, short, spread


def test_a_spread_is_median_and_ends() -> None:
    assert spread([30.0, 10.0, 11.0]) == Spread(11.0, 10.0, 30.0)


def test_a_ratio_compares_within_a_round() -> None:
    # the machine was three times as fast in the second round, for both
    assert ratio([50.0, 150.0, 49.0], [100.0, 300.0, 100.0]) == 0.5


def test_a_round_in_which_one_is_missing_is_left_out() -> None:
    assert ratio([None, 30.0], [100.0, 60.0]) == 0.5
    assert ratio([None], [100.0]) is None
    assert ratio([], []) is None


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_a_percentile_is_one_of_the_readings(share: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), share) == expected


def test_the_first_ones_only_start_the_clock() -> None:
    second = 1_000_000_000
    slow_start = [0, 50 * second, 51 * second, 52 * second]
    assert rate(slow_start, 2) == 1.0
    assert rate([5, 5], 1) == math.inf


@pytest.mark.parametrize(
    ("number", "expected"),
    [(12_345.6, "12,300"), (123.4, "123"), (4.567, "4.57"), (0.03141, "0.0314"), (0, "0"), (math.inf, "inf")],
)
def test_three_digits_are_shown(number: float, expected: str) -> None:
    assert short(number) == expected
