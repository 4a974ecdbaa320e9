from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskq.errors import InvalidTask
from taskq.model.moment import MAX_SECONDS, iso_utc, parse_duration, parse_iso, seconds_to_ms, to_epoch_ms

YEAR_1_MS, YEAR_9999_MS = -62_135_596_800_000, 253_402_300_799_999


@pytest.fixture
def berlin_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


def utc(text: str) -> int:
    """Epoch ms of an ISO text, by a route of its own."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


class TestToEpochMs:
    def test_an_aware_datetime_keeps_its_zone(self) -> None:
        when = datetime(2026, 11, 21, 9, 0, 0, 123_999, tzinfo=ZoneInfo("America/New_York"))
        assert to_epoch_ms(when) == utc("2026-11-21T14:00:00.123")

    def test_before_the_epoch(self) -> None:
        assert to_epoch_ms(datetime(1969, 12, 31, 23, 59, 59, 999_500, tzinfo=UTC)) == -1

    @pytest.mark.parametrize(
        ("local", "fold", "expected"),
        [
            ("2026-07-01T12:00", 0, "2026-07-01T10:00"),
            ("2026-12-01T12:00", 0, "2026-12-01T11:00"),
            ("2026-10-25T02:30", 0, "2026-10-25T00:30"),  # the first 02:30 of that night
            ("2026-10-25T02:30", 1, "2026-10-25T01:30"),  # the second one
            ("2026-03-29T02:30", 0, "2026-03-29T01:30"),  # never on a clock: offset before the change
            ("2026-03-29T02:30", 1, "2026-03-29T00:30"),  # offset after it
        ],
    )
    @pytest.mark.usefixtures("berlin_machine")
    def test_naive_is_local_time_of_this_machine(self, local: str, fold: int, expected: str) -> None:
        naive = datetime.fromisoformat(local).replace(fold=fold)
        assert to_epoch_ms(naive) == utc(expected)
        assert to_epoch_ms(naive.replace(tzinfo=ZoneInfo("Europe/Berlin"))) == utc(expected)

    @pytest.mark.usefixtures("berlin_machine")
    def test_naive_keeps_its_milliseconds(self) -> None:
        assert to_epoch_ms(datetime(2026, 12, 1, 12, 0, 0, 123_999)) == utc("2026-12-01T11:00") + 123
        assert to_epoch_ms(datetime(1969, 12, 31, 12, 0, 0, 123_999)) == utc("1969-12-31T11:00") + 123

    def test_a_date_is_no_time(self) -> None:
        with pytest.raises(InvalidTask, match="must be a datetime, not date"):
            to_epoch_ms(date(2026, 11, 21))  # type: ignore[arg-type]

    def test_the_end_of_the_calendar(self) -> None:
        with pytest.raises(InvalidTask, match=r"0001-01-01T00:00:00.* cannot be converted to UTC"):
            to_epoch_ms(datetime(1, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo")))

    @pytest.mark.usefixtures("berlin_machine")
    def test_the_end_of_the_calendar_in_local_time(self) -> None:
        with pytest.raises(InvalidTask, match=r"0001-01-01T00:00:00 cannot be converted to UTC"):
            to_epoch_ms(datetime(1, 1, 1))


class TestIso:
    @pytest.mark.parametrize(
        ("epoch_ms", "text"),
        [
            (0, "1970-01-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (1_795_300_443_007, "2026-11-21T22:34:03.007Z"),
            (YEAR_1_MS, "0001-01-01T00:00:00.000Z"),
            (YEAR_9999_MS, "9999-12-31T23:59:59.999Z"),
        ],
    )
    def test_text(self, epoch_ms: int, text: str) -> None:
        assert iso_utc(epoch_ms) == text

    @given(st.integers(YEAR_1_MS, YEAR_9999_MS))
    @settings(deadline=None, max_examples=200)
    def test_round_trip(self, epoch_ms: int) -> None:
        assert parse_iso(iso_utc(epoch_ms)) == epoch_ms

    @given(st.integers(YEAR_1_MS, YEAR_9999_MS), st.integers(YEAR_1_MS, YEAR_9999_MS))
    @settings(deadline=None, max_examples=100)
    def test_texts_sort_like_moments(self, one: int, other: int) -> None:
        assert (iso_utc(one) < iso_utc(other)) == (one < other)

    @pytest.mark.parametrize("epoch_ms", [YEAR_1_MS - 1, YEAR_9999_MS + 1, 10**20])
    def test_outside_the_calendar(self, epoch_ms: int) -> None:
        with pytest.raises(InvalidTask, match="not in the years 1 to 9999"):
            iso_utc(epoch_ms)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2026-11-21T23:34:03.123+01:00", "2026-11-21T22:34:03.123"),
            ("2026-11-21 22:34:03Z", "2026-11-21T22:34:03"),
            ("2026-11-21T22:34:03.1239Z", "2026-11-21T22:34:03.123"),
        ],
    )
    def test_other_forms(self, text: str, expected: str) -> None:
        assert parse_iso(text) == utc(expected)

    @pytest.mark.parametrize("text", ["2026-11-21T22:34:03", "2026-11-21"])
    def test_a_text_without_its_zone_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidTask, match=r"does not say which zone .* add Z for UTC"):
            parse_iso(text)

    @pytest.mark.parametrize("text", ["", "tomorrow", "2026-02-30T00:00:00Z", None, 5])
    def test_no_time_at_all(self, text: str) -> None:
        with pytest.raises(InvalidTask, match="is not a time: write it like 2026-11-21T22:34:03Z"):
            parse_iso(text)


class TestSecondsToMs:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (0, 0),
            (-0.0, 0),
            (30, 30_000),
            (1.5, 1_500),
            (16.1, 16_100),  # 16.1 * 1000 is a little more than 16100 as a float
            (2.001, 2_001),  # and this a little less
            (1e-9, 1),
            (timedelta(minutes=1, microseconds=600), 60_001),
            (timedelta(microseconds=1), 1),
            (MAX_SECONDS, MAX_SECONDS * 1000),
        ],
    )
    def test_milliseconds(self, value: float | timedelta, expected: int) -> None:
        assert seconds_to_ms(value, "timeout") == expected

    @pytest.mark.parametrize(
        ("value", "why"),
        [
            (float("nan"), "finite number of seconds, not nan"),
            (float("inf"), "finite number of seconds, not inf"),
            (-0.001, "not be negative, got -0.001"),
            (timedelta(seconds=-2), "not be negative, got -2.0"),
            (True, r"a number of seconds, not True \(bool\)"),
            ("30", r"a number of seconds, not '30' \(str\)"),
            (None, r"a number of seconds, not None \(NoneType\)"),
            (MAX_SECONDS + 1, r"between 0 and 3153600000 seconds \(100 years\)"),
            pytest.param(10**5_000, "between 0 and 3153600000 seconds", id="huge"),
            pytest.param(-(10**5_000), "between 0 and 3153600000 seconds", id="huge negative"),
        ],
    )
    def test_refused_with_the_name_of_the_parameter(self, value: float, why: str) -> None:
        with pytest.raises(InvalidTask, match=f"^retry_delay must .*{why}"):
            seconds_to_ms(value, "retry_delay")

    @given(st.integers(0, MAX_SECONDS * 1000))
    @settings(deadline=None, max_examples=200)
    def test_whole_milliseconds_survive_the_way_through_a_float(self, ms: int) -> None:
        assert seconds_to_ms(ms / 1000, "x") == ms


class TestParseDuration:
    @pytest.mark.parametrize(
        ("text", "seconds"),
        [
            ("30", 30.0),
            ("1.5", 1.5),
            ("0", 0.0),
            (" 30s ", 30.0),
            ("500ms", 0.5),
            ("5m", 300.0),
            ("2h", 7_200.0),
            ("1d", 86_400.0),
            ("1h30m", 5_400.0),
            ("1.5h", 5_400.0),
            ("1d2h3m4s5ms", 93_784.005),
            ("1m500ms", 60.5),
        ],
    )
    def test_accepted(self, text: str, seconds: float) -> None:
        assert parse_duration(text) == seconds

    @pytest.mark.parametrize(
        "text", ["", "  ", "-5", "s", "5x", "5 m", "30m1h", "5m5m", "1h30", "1e3", "nan", "inf", ".5", "5.", "٣s"]
    )
    def test_refused(self, text: str) -> None:
        with pytest.raises(InvalidTask, match="is not a duration: write seconds"):
            parse_duration(text)

    @pytest.mark.parametrize("text", ["36501d", "9" * 400, "9" * 400 + "d"])
    def test_too_long(self, text: str) -> None:
        with pytest.raises(InvalidTask, match="is too long: a duration is at most 100 years"):
            parse_duration(text)
