"""Medians, spreads and ratios of what was measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Several readings of one thing.

    Args:
        median: the middle one.
        least: the smallest.
        most: the largest.
    """

    median: float
    least: float
    most: float


def spread(readings: Sequence[float]) -> Spread:
    """Return the spread of at least one reading."""
    return Spread(statistics.median(readings), min(readings), max(readings))


def ratio(theirs: Sequence[float | None], ours: Sequence[float | None]) -> float | None:
    """Return the median of the ratios round by round: the machine is as fast for both within a round.

    Args:
        theirs: a reading per round; None where there is none.
        ours: likewise, of the same rounds.
    """
    pairs = [a / b for a, b in zip(theirs, ours, strict=False) if a is not None and b]
    return statistics.median(pairs) if pairs else None


def percentile(readings: Sequence[float], share: float) -> float:
    """Return the smallest reading that is not exceeded by this share of all (nearest rank)."""
    ordered = sorted(readings)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def rate(moments_ns: Sequence[int], skipped: int) -> float:
    """Return how many things happened per second, the first ones left out.

    Args:
        moments_ns: when each happened, in nanoseconds.
        skipped: how many of the first only start the clock.
    """
    ordered = sorted(moments_ns)
    passed = ordered[-1] - ordered[skipped - 1]
    return (len(ordered) - skipped) / (passed / 1e9) if passed else math.inf


def short(number: float) -> str:
    """Return a number with three digits that count: 12,300, 4.57, 0.031."""
    if number == 0 or not math.isfinite(number):
        return f"{number:g}"
    digits = 2 - math.floor(math.log10(abs(number)))
    return f"{round(number, digits):,.{max(0, digits)}f}"
