"""Numbers, times and charts as the pages show them."""

from __future__ import annotations

import re

import pytest

from taskq.model.history import Minute
from taskq.model.moment import iso_utc
from taskq.web import wording
from taskq.web.charts import nice_ceiling, overview_charts


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0 s"), (0.000004, "4 µs"), (0.25, "250 ms"), (4.26, "4.3 s"), (59, "59 s"), (61, "1 min 1 s"),
     (3600, "1 h"), (3725, "1 h 2 min"), (90_000, "1 d 1 h")],
)  # fmt: skip
def test_lengths_of_time(value: float | None, text: str) -> None:
    assert wording.seconds(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (0, "0"), (0.004, "<0.01"), (0.123, "0.12"), (1.26, "1.3"), (52.4, "52"), (1234, "1,234")],
)
def test_rates(value: float | None, text: str) -> None:
    assert wording.rate(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1234, "1,234"), (9_999_999, "9,999,999"), (12_345_678, "12.3 M")]
)
def test_counts(value: int, text: str) -> None:
    assert wording.number(value) == text


def test_moments() -> None:
    assert 'data-mode="in"' in wording.moment("2026-11-22T00:31:03.589Z", "in")
    assert wording.moment("<b>") == "&lt;b&gt;"
    assert "–" in wording.moment(None)


@pytest.mark.parametrize(("value", "top"), [(0, 1), (0.7, 1), (1, 1), (3, 5), (51, 100), (2000, 2000)])
def test_the_top_of_a_chart(value: float, top: float) -> None:
    assert nice_ceiling(value) == top


def minutes(*at: int, depth: int = 4) -> list[Minute]:
    rates = dict.fromkeys(("submitted", "completed", "failed", "retried"), 2.0)
    depths = {"urgent": depth, "high": 0, "normal": depth, "low": 0}
    return [Minute(iso_utc(minute * 60_000), {}, {}, depths, 3.0, rates if n else {}) for n, minute in enumerate(at)]


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", path)]


def test_a_line_reaches_from_edge_to_edge() -> None:
    throughput, waiting, oldest = overview_charts(minutes(*range(100, 161)), 60)
    assert points(throughput.lines[0].path)[-1] == (600.0, 0.0)
    assert points(throughput.lines[0].path)[0][0] == 10.0  # the first minute has no rate yet
    assert points(oldest.lines[0].path)[0][0] == 0.0
    assert [(line.name, points(line.path)[0][1]) for line in waiting.lines] == [
        ("urgent", 72.0), ("high", 72.0), ("normal", 24.0), ("low", 24.0),
    ]  # fmt: skip
    assert waiting.top == "10"


def test_a_gap_stays_a_gap() -> None:
    (_, _, oldest) = overview_charts(minutes(100, 101, 120, 121), 60)
    assert oldest.lines[0].path.count("M") == 2


def test_nothing_is_no_error() -> None:
    assert all(chart.empty for chart in overview_charts([], 60))
    assert all(chart.empty for chart in overview_charts(minutes(7), 60))


def test_a_day_is_thinned_and_keeps_its_peak() -> None:
    day = minutes(*range(1440))
    day[700] = Minute(day[700].at, {}, {}, {"urgent": 900, "high": 0, "normal": 0, "low": 0}, 500.0, day[700].rates)
    _, waiting, oldest = overview_charts(day, 1440)
    assert len(oldest.points["at"]) == 240
    assert oldest.top == "8 min 20 s"
    assert waiting.top == "1,000"
