"""Charts as inline SVG, drawn here: a browser without scripts sees them, a policy without inline styles allows them.

Lines and areas are stretched to the width of the page; words stand beside them as HTML, so none is stretched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from taskq.model.history import Minute
from taskq.web import wording

WIDTH, HEIGHT = 600, 120
_MOST_POINTS = 240
_MINUTE_SECONDS = 60
_LEAST_SECONDS = 600

Value = float | None


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a chart: its name, its class in the style sheet, and how it is drawn: ``area`` or ``line``."""

    name: str
    style: str
    values: tuple[Value, ...]
    shape: str = "line"


@dataclass(frozen=True, slots=True)
class Drawn:
    """A line, ready for the page."""

    name: str
    style: str
    shape: str
    path: str
    area: str
    latest: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, ready for the page.

    Attributes:
        title: what it shows; ``unit`` in what.
        lines: in the order in which they are drawn.
        top: the value at its upper edge, ``middle`` half of it, as text.
        begin: ISO 8601 of its left edge; ``end`` of its right one.
        points: for the script that reads values aloud: per point time and texts.
        summary: the chart in one sentence, for those who do not see it.
    """

    title: str
    unit: str
    lines: tuple[Drawn, ...]
    top: str
    middle: str
    begin: str
    end: str
    points: dict[str, Any] = field(default_factory=dict)
    summary: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw yet."""
        return len(self.points.get("at", ())) < 2


def overview_charts(minutes: Sequence[Minute], span: int) -> list[Chart]:
    """Return the charts of the overview.

    Args:
        minutes: the history, the latest one last.
        span: how many minutes the charts show.
    """
    picked = _thinned(minutes)
    times = [_epoch(minute.at) for minute in picked]

    def values(read: Callable[[Minute], Value]) -> tuple[Value, ...]:
        return tuple(read(minute) for minute in picked)

    def rates(name: str) -> tuple[Value, ...]:
        return values(lambda minute: minute.rates.get(name))

    throughput = [
        Series("completed", "completed", rates("completed"), "area"),
        Series("submitted", "submitted", rates("submitted")),
        Series("failed", "failed", rates("failed")),
    ]
    depths = [
        Series(label, f"depth-{label}", values(lambda minute, label=label: float(minute.depths[label])), "area")  # type: ignore[misc]  # mypy does not infer lambdas with defaults
        for label in ("urgent", "high", "normal", "low")
    ]
    oldest = [Series("oldest", "oldest", values(lambda minute: minute.oldest_seconds), "area")]
    return [
        _chart("Throughput", "tasks per second", throughput, times, span, wording.rate),
        _chart("Waiting", "tasks by priority", depths, times, span, wording.number, stacked=True),
        _chart("Oldest waiting", "age of the task at the head", oldest, times, span, wording.seconds),
    ]


def _epoch(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()


def _thinned(minutes: Sequence[Minute]) -> list[Minute]:
    """Return so many minutes as can be told apart: of each group the one in which the oldest task was oldest."""
    size = math.ceil(len(minutes) / _MOST_POINTS) or 1
    if size == 1:
        return list(minutes)
    groups = [minutes[start : start + size] for start in range(0, len(minutes), size)]
    thinned = []
    for group in groups:
        peak = max(group, key=lambda minute: minute.oldest_seconds)
        names = group[-1].rates
        mean = {name: sum(minute.rates.get(name, 0.0) for minute in group) / len(group) for name in names}
        thinned.append(Minute(group[-1].at, peak.counters, peak.sizes, peak.depths, peak.oldest_seconds, mean))
    return thinned


def _chart(
    title: str,
    unit: str,
    series: Sequence[Series],
    times: Sequence[float],
    span: int,
    words: Callable[[float | None], str],
    *,
    stacked: bool = False,
) -> Chart:
    end = times[-1] if times else 0.0
    # a young history has the whole width, but a chart of two minutes would look like a trend
    begin = max(end - span * _MINUTE_SECONDS, min(times[0], end - _LEAST_SECONDS)) if times else 0.0
    layers = _stacked(series) if stacked else [(line.values, None) for line in series]
    top = nice_ceiling(max((v for tops, _ in layers for v in tops if v is not None), default=0.0))
    place = _Place(begin, end, top)
    # a gap of more than two steps is a time in which nobody kept the numbers
    step = max(_MINUTE_SECONDS, (span / _MOST_POINTS) * _MINUTE_SECONDS) * 2.5
    lines = []
    for line, (tops, floors) in zip(series, layers, strict=True):
        runs = _runs(times, tops, step)
        area = "".join(place.area(times, tops, floors, run) for run in runs) if line.shape == "area" else ""
        path = "".join(place.line(times, tops, run) for run in runs)
        latest = words(line.values[-1]) if line.values else "–"
        lines.append(Drawn(line.name, line.style, line.shape, path, area, latest))
    points = {
        "at": [round(moment) for moment in times],
        "x": [round(place.x(moment) / WIDTH, 4) for moment in times],
        "texts": {line.name: [words(value) for value in line.values] for line in series},
    }
    summary = f"{title}, {unit}: now " + ", ".join(f"{line.name} {line.latest}" for line in lines)
    return Chart(title, unit, tuple(lines), words(top), words(top / 2), _iso(begin), _iso(end), points, summary)


def _iso(epoch: float) -> str:
    return datetime.fromtimestamp(epoch).astimezone().isoformat()


def _stacked(series: Sequence[Series]) -> list[tuple[tuple[Value, ...], tuple[Value, ...] | None]]:
    layers: list[tuple[tuple[Value, ...], tuple[Value, ...] | None]] = []
    below: tuple[Value, ...] = tuple(0.0 for _ in series[0].values)
    for line in series:
        tops = tuple((floor or 0.0) + (value or 0.0) for floor, value in zip(below, line.values, strict=True))
        layers.append((tops, below))
        below = tops
    return layers


def _runs(times: Sequence[float], values: Sequence[Value], step: float) -> list[list[int]]:
    """Return the positions of values that belong together, without gaps."""
    runs: list[list[int]] = []
    for index, value in enumerate(values):
        if value is None:
            continue
        if runs and runs[-1][-1] == index - 1 and times[index] - times[index - 1] <= step:
            runs[-1].append(index)
        else:
            runs.append([index])
    return [run for run in runs if len(run) > 1]


class _Place:
    """Where a value stands in the picture."""

    def __init__(self, begin: float, end: float, top: float) -> None:
        self._begin, self._span, self._top = begin, max(1.0, end - begin), top or 1.0

    def x(self, moment: float) -> float:
        return max(0.0, (moment - self._begin) / self._span * WIDTH)

    def _point(self, moment: float, value: float) -> str:
        return f"{self.x(moment):.1f} {HEIGHT - value / self._top * HEIGHT:.1f}"

    def line(self, times: Sequence[float], tops: Sequence[Value], run: Sequence[int]) -> str:
        return "M" + "L".join(self._point(times[i], tops[i] or 0.0) for i in run)

    def area(
        self, times: Sequence[float], tops: Sequence[Value], floors: Sequence[Value] | None, run: Sequence[int]
    ) -> str:
        back = "L".join(self._point(times[i], (floors[i] or 0.0) if floors else 0.0) for i in reversed(run))
        return f"{self.line(times, tops, run)}L{back}Z"


def nice_ceiling(value: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, 50, ... that is not below a value; 1 for nothing."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value * 0.9999)
