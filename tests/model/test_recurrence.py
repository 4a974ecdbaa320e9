from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskq.errors import InvalidTask
from taskq.model.recurrence import ALIASES, Cron, Every, Recurrence, from_json
from tests.model.slots import BERLIN, LORD_HOWE, NEW_YORK, SANTIAGO, shown, utc

YEAR_MS = 365 * 86_400_000
moments = st.integers(0, 80 * YEAR_MS)  # 1970 to about 2050


class TestEvery:
    def test_slots_stand_on_the_anchor(self) -> None:
        every = Every(30, 1_000)
        assert every.next_after(1_000) == 31_000
        assert every.next_after(30_999) == 31_000
        assert every.next_after(31_000) == 61_000
        assert every.upcoming(1_000, 3) == [31_000, 61_000, 91_000]
        assert every.upcoming(1_000, 0) == []

    def test_the_anchor_is_the_first_slot(self) -> None:
        every = Every(30, 1_000)
        assert every.next_after(-500_000) == 1_000
        assert every.latest_at_or_before(999, -500_000) is None
        assert every.latest_at_or_before(1_000, -500_000) == 1_000

    def test_latest_is_inside_the_gap_only(self) -> None:
        every = Every(30, 0)
        assert every.latest_at_or_before(60_000, 59_999) == 60_000
        assert every.latest_at_or_before(60_000, 60_000) is None
        assert every.latest_at_or_before(89_999, 0) == 60_000

    @given(interval_ms=st.integers(100, 10**9), anchor=moments, start=moments, k=st.integers(1, 10**6))
    @settings(deadline=None, max_examples=200)
    def test_no_drift(self, interval_ms: int, anchor: int, start: int, k: int) -> None:
        every = Every(interval_ms / 1000, anchor)
        slot = every.next_after(start)
        assert slot > start
        assert (slot - anchor) % interval_ms == 0
        assert slot - interval_ms <= start or slot == anchor
        assert every.next_after(slot + k * interval_ms - 1) == slot + k * interval_ms

    @given(interval_ms=st.integers(100, 10**9), anchor=moments, now=moments, gap=st.integers(0, YEAR_MS))
    @settings(deadline=None, max_examples=200)
    def test_latest_and_next_meet(self, interval_ms: int, anchor: int, now: int, gap: int) -> None:
        every = Every(interval_ms / 1000, anchor)
        latest = every.latest_at_or_before(now, now - gap)
        if latest is None:
            assert every.next_after(now - gap) > now
        else:
            assert now - gap < latest <= now < every.next_after(latest) == every.next_after(now)

    @pytest.mark.parametrize(
        ("seconds", "text"), [(30, "every 30 s"), (1.5, "every 1.5 s"), (0.1, "every 0.1 s"), (1e6, "every 1000000 s")]
    )
    def test_described(self, seconds: float, text: str) -> None:
        assert Every(seconds, 0).describe() == text

    @pytest.mark.parametrize(
        ("seconds", "anchor", "message"),
        [
            (0.0994, 0, "an interval is at least 0.1 s, got 0.0994"),
            (0, 0, "an interval is at least 0.1 s, got 0"),
            (-5, 0, "seconds must not be negative"),
            (float("nan"), 0, "seconds must be a finite number"),
            (True, 0, "seconds must be a number of seconds, not True"),
            (5, 1.5, "anchor_ms must be a whole number of milliseconds, not 1.5"),
            (5, False, "anchor_ms must be a whole number"),
        ],
    )
    def test_refused(self, seconds: float, anchor: Any, message: str) -> None:
        with pytest.raises(InvalidTask, match=message):
            Every(seconds, anchor)


class TestCron:
    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            ("*/15 * * * *", ["11-21 22:45", "11-21 23:00"]),
            ("0 9 * * *", ["11-22 09:00", "11-23 09:00"]),
            ("0 9 * * MON-FRI", ["11-23 09:00", "11-24 09:00"]),
            ("34 22 * * *", ["11-22 22:34", "11-23 22:34"]),
            ("0 0 L * *", ["11-30 00:00", "12-31 00:00"]),
            ("0 0 * * MON#1", ["12-07 00:00", "01-04 00:00"]),
            ("0 0 29 2 *", ["02-29 00:00", "02-29 00:00"]),
            ("@hourly", ["11-21 23:00", "11-22 00:00"]),
            ("@daily", ["11-22 00:00", "11-23 00:00"]),
            ("@midnight", ["11-22 00:00", "11-23 00:00"]),
            ("@weekly", ["11-22 00:00", "11-29 00:00"]),
            ("@monthly", ["12-01 00:00", "01-01 00:00"]),
            ("@yearly", ["01-01 00:00", "01-01 00:00"]),
            (" @Annually ", ["01-01 00:00", "01-01 00:00"]),
        ],
    )
    def test_upcoming(self, expression: str, expected: list[str]) -> None:
        now = utc("2026-11-21T22:34:00")
        assert shown(Cron(expression).upcoming(now, 2)) == expected

    def test_six_fields_have_the_second_first(self) -> None:
        assert Cron("*/20 * * * * *").upcoming(utc("2026-11-21T22:34:00"), 3) == [
            utc("2026-11-21T22:34:20"),
            utc("2026-11-21T22:34:40"),
            utc("2026-11-21T22:35:00"),
        ]

    def test_next_is_strictly_after_to_the_millisecond(self) -> None:
        slot = utc("2026-11-21T09:00:00")
        daily = Cron("0 9 * * *")
        assert daily.next_after(slot - 1) == slot
        assert daily.next_after(slot) == slot + 86_400_000

    def test_latest_is_inside_the_gap_only(self) -> None:
        slot = utc("2026-11-21T09:00:00")
        daily = Cron("0 9 * * *")
        assert daily.latest_at_or_before(slot, slot - 1) == slot
        assert daily.latest_at_or_before(slot + 999, slot) is None
        assert daily.latest_at_or_before(slot - 1, 0) == slot - 86_400_000

    def test_nothing_before_a_leap_day_within_the_gap(self) -> None:
        assert Cron("0 0 29 2 *").latest_at_or_before(utc("2027-01-01"), utc("2025-01-01")) is None

    @pytest.mark.parametrize("zone", ["UTC", BERLIN])
    def test_a_year_of_downtime_costs_no_walk_through_it(self, zone: str) -> None:
        now = utc("2026-11-21T22:34:30")
        every_second = Cron("* * * * * *", zone)
        started = time.process_time()
        for _ in range(20):
            assert every_second.latest_at_or_before(now, now - YEAR_MS) == now
        # 20 searches take about 2 ms; a walk through 31,536,000 slots takes minutes.
        assert time.process_time() - started < 2

    def test_described(self) -> None:
        assert Cron("0  9 * * *", BERLIN).describe() == "0 9 * * * in Europe/Berlin"
        assert Cron("@daily").describe() == "@daily in UTC"


class TestProperties:
    crons = st.builds(
        Cron,
        st.sampled_from(
            [
                *ALIASES,
                *("* * * * *", "*/7 * * * *", "30 2 * * *", "*/10 1 * * *", "0 0 1 1 *", "0 0 29 2 *"),
                *("* * * * * *", "59 59 23 L * *", "0 12 13 * FRI", "15 1 * * SUN"),
            ]
        ),
        st.sampled_from(["UTC", BERLIN, NEW_YORK, LORD_HOWE, SANTIAGO, "Africa/Casablanca", "Asia/Kolkata"]),
    )

    @given(crons, moments)
    @settings(deadline=None, max_examples=100)
    def test_slots_strictly_increase(self, cron: Cron, start: int) -> None:
        slots = [start, *cron.upcoming(start, 6)]
        assert all(one < other for one, other in pairwise(slots))

    @given(crons, moments)
    @settings(deadline=None, max_examples=200)
    def test_latest_and_next_are_neighbours(self, cron: Cron, now: int) -> None:
        latest = cron.latest_at_or_before(now, -10 * YEAR_MS)
        assert latest is not None
        assert latest <= now < cron.next_after(latest) == cron.next_after(now)
        assert cron.latest_at_or_before(now, latest) is None
        assert cron.latest_at_or_before(now, latest - 1) == latest


class TestRefused:
    @pytest.mark.parametrize(
        ("expression", "message"),
        [
            ("61 * * * *", "the minute field '61' is not possible, it takes 0-59"),
            ("0 24 * * *", "the hour field '24' is not possible, it takes 0-23"),
            ("0 0 0 * *", "the day-of-month field '0' is not possible, it takes 1-31"),
            ("0 0 * FOO *", "the month field 'FOO' is not possible, it takes 1-12 or JAN-DEC"),
            ("0 0 * * 8", "the day-of-week field '8' is not possible, it takes 0-7 or SUN-SAT"),
            ("60 0 0 * * *", "the second field '60' is not possible, it takes 0-59"),
            ("0 61 * * * *", "the minute field '61' is not possible"),
            ("0 0 31 2 *", "the day-of-month field '31' is not possible, .* a day that the chosen months have"),
            ("0 9 * *", "it has 4 fields, but takes 5, or 6 with the second first"),
            ("", "it has 0 fields"),
            ("0 0 * * * * 2026", "it has 7 fields"),
            ("0 0 */31 2 MON#5", "never fires: its days never meet"),
            ("0 " * 3 + "*" + "," * 1_000 + " *", "characters"),
        ],
    )
    def test_expression(self, expression: str, message: str) -> None:
        with pytest.raises(InvalidTask, match=message) as caught:
            Cron(expression)
        assert 'for example "0 9 * * MON-FRI"' in str(caught.value)

    def test_reboot(self) -> None:
        with pytest.raises(InvalidTask, match=r"@reboot is not supported: .* submit the task at start-up"):
            Cron("@reboot")

    def test_unknown_alias(self) -> None:
        with pytest.raises(InvalidTask, match=r"unknown cron alias '@fortnightly': use one of @yearly, .* @hourly"):
            Cron("@fortnightly")

    @pytest.mark.parametrize(
        ("zone", "message"),
        [
            ("Berlin", "unknown time zone 'Berlin': did you mean .*Europe/Berlin"),
            ("BERLIN", "did you mean .*Europe/Berlin"),
            ("new york", r"unknown time zone 'new york': did you mean America/New_York"),
            ("Europe/Brelin", "did you mean Europe/Berlin"),
            ("utc", "did you mean .*UTC"),
            ("Qqqqqq", "unknown time zone 'Qqqqqq': use an IANA name"),
            ("", "unknown time zone '': use an IANA name"),
            ("../../etc/passwd", "unknown time zone '../../etc/passwd'"),
            ("/etc/localtime", "unknown time zone"),
            ("Europe", "unknown time zone 'Europe'"),
            ("x" * 5_000, "unknown time zone"),
            ("localtime", "differs from machine to machine"),
        ],
    )
    def test_zone(self, zone: str, message: str) -> None:
        with pytest.raises(InvalidTask, match=message):
            Cron("0 9 * * *", zone)

    def test_a_machine_without_time_zones(self) -> None:
        script = """
import sys
sys.modules["tzdata"] = None  # as if it were not installed
from taskq.model.recurrence import Cron
print(Cron("@daily").next_after(0))
Cron("@daily", "Europe/Berlin")
"""
        run = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONTZPATH": ""},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert run.stdout == "86400000\n"  # UTC needs none
        assert run.stderr.endswith(
            "InvalidTask: time zone 'Europe/Berlin' cannot be looked up, "
            "this machine has no database: pip install tzdata\n"
        )

    @pytest.mark.parametrize("arguments", [(None,), (5,), ("@daily", None), ("@daily", UTC)])
    def test_no_text(self, arguments: tuple[Any, ...]) -> None:
        with pytest.raises(InvalidTask, match="must be text"):
            Cron(*arguments)

    @given(st.text("0123456789*/-,#?LWMONABCJ@ ", max_size=24) | st.text(max_size=20))
    @settings(deadline=None, max_examples=300)
    def test_any_text_is_a_recurrence_or_an_invalid_task(self, text: str) -> None:
        try:
            cron = Cron(text)
        except InvalidTask:
            return
        assert cron.next_after(0) > 0


class TestJson:
    @pytest.mark.parametrize(
        ("recurrence", "stored"),
        [
            (Cron("0 9 * * *", BERLIN), {"cron": "0 9 * * *", "tz": "Europe/Berlin"}),
            (Cron("@daily"), {"cron": "@daily", "tz": "UTC"}),
            (Every(30, 1_795_300_443_007), {"every_ms": 30_000, "anchor_ms": 1_795_300_443_007}),
            (Every(0.1004, -5), {"every_ms": 100, "anchor_ms": -5}),
        ],
    )
    def test_stored_and_read_back(self, recurrence: Recurrence, stored: dict[str, object]) -> None:
        assert recurrence.to_json() == stored
        assert from_json(stored) == recurrence

    @given(st.integers(100, 10**12), moments)
    @settings(deadline=None, max_examples=200)
    def test_every_interval_survives(self, every_ms: int, anchor_ms: int) -> None:
        stored = {"every_ms": every_ms, "anchor_ms": anchor_ms}
        assert from_json(stored).to_json() == stored

    @pytest.mark.parametrize(
        "stored",
        [
            {},
            {"cron": "0 9 * * *"},
            {"cron": "0 9 * * *", "tz": "UTC", "jitter": 5},
            {"cron": "0 9 * * *", "tz": None},
            {"every_ms": 30_000},
            {"every_ms": 30_000, "anchor_ms": 0, "tz": "UTC"},
            {"every_ms": 30_000.0, "anchor_ms": 0},
            {"every_ms": "30000", "anchor_ms": 0},
            {"every_ms": 10**400, "anchor_ms": 0},
            {"every_ms": 30_000, "anchor_ms": None},
            {"cron": "0 9 * * *", "tz": "UTC", "every_ms": 30_000, "anchor_ms": 0},
        ],
    )
    def test_not_understood(self, stored: dict[str, object]) -> None:
        with pytest.raises(InvalidTask, match=r"stored recurrence with the fields \[.*\] is not understood"):
            from_json(stored)

    @pytest.mark.parametrize(
        ("stored", "message"),
        [
            ({"cron": "61 * * * *", "tz": "UTC"}, "minute field '61'"),
            ({"every_ms": 50, "anchor_ms": 0}, "at least 0.1 s"),
            ({"every_ms": True, "anchor_ms": 0}, "at least 0.1 s"),
            ({"every_ms": 30_000, "anchor_ms": True}, "anchor_ms must be a whole number"),
        ],
    )
    def test_values_are_checked(self, stored: dict[str, object], message: str) -> None:
        with pytest.raises(InvalidTask, match=message):
            from_json(stored)
