"""Recurring times where the clocks are turned: the rows that matter, and all minutes of three days beside the rule."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taskq.model.recurrence import Cron
from tests.model.slots import BERLIN, LORD_HOWE, NEW_YORK, SANTIAGO, shown, slots_between, utc


class TestClocksAreTurned:
    """Each row: where, what, the moment to start from and the slots that follow (both UTC)."""

    @pytest.mark.parametrize(
        ("zone", "expression", "start", "expected"),
        [
            # Berlin 2026-10-25: 03:00 becomes 02:00 at 01:00 UTC. The first passage only.
            (BERLIN, "30 2 * * *", "2026-10-24T12:00", ["10-25 00:30", "10-26 01:30"]),
            (BERLIN, "0 30 2 * * *", "2026-10-24T12:00", ["10-25 00:30", "10-26 01:30"]),
            (BERLIN, "30 2 * * *", "2026-10-25T01:15", ["10-26 01:30"]),  # asked inside the repeated hour
            (BERLIN, "*/30 30 2 * * *", "2026-10-24T12:00", ["10-25 00:30", "10-25 00:30", "10-26 01:30"]),
            (BERLIN, "*/30 * * * *", "2026-10-25T00:00", ["10-25 00:30", "10-25 01:00", "10-25 01:30", "10-25 02:00"]),
            (BERLIN, "30 * * * *", "2026-10-25T00:00", ["10-25 00:30", "10-25 01:30", "10-25 02:30"]),
            # Berlin 2026-03-29: 02:00 becomes 03:00 at 01:00 UTC. What is skipped is due at that moment, once.
            (BERLIN, "30 2 * * *", "2026-03-28T12:00", ["03-29 01:00", "03-30 00:30"]),
            (BERLIN, "15,45 2 * * *", "2026-03-28T12:00", ["03-29 01:00", "03-30 00:15", "03-30 00:45"]),
            (BERLIN, "30 2,3 * * *", "2026-03-28T12:00", ["03-29 01:00", "03-29 01:30", "03-30 00:30"]),
            (BERLIN, "*/30 2 * * *", "2026-03-28T12:00", ["03-30 00:00", "03-30 00:30"]),
            (BERLIN, "@hourly", "2026-03-29T00:00", ["03-29 01:00", "03-29 02:00"]),
            # New York 2026-11-01: 02:00 becomes 01:00 at 06:00 UTC; 2026-03-08: 02:00 becomes 03:00 at 07:00 UTC.
            (NEW_YORK, "30 1 * * *", "2026-10-31T12:00", ["11-01 05:30", "11-02 06:30"]),
            (NEW_YORK, "30 1 * * *", "2026-11-01T05:30", ["11-02 06:30"]),
            (NEW_YORK, "30 2 * * *", "2026-03-07T12:00", ["03-08 07:00", "03-09 06:30"]),
            (NEW_YORK, "0 9 * * *", "2026-03-07T12:00", ["03-07 14:00", "03-08 13:00"]),
            # Lord Howe, half an hour. 2026-04-05: 02:00 becomes 01:30 at 15:00 UTC the day before.
            (LORD_HOWE, "45 1 * * *", "2026-04-04T00:00", ["04-04 14:45", "04-05 15:15"]),
            (LORD_HOWE, "45 * * * *", "2026-04-04T14:00", ["04-04 14:45", "04-04 15:15", "04-04 16:15"]),
            (LORD_HOWE, "*/15 2 * * *", "2026-04-04T12:00", ["04-04 15:30", "04-04 15:45", "04-04 16:00"]),
            # Lord Howe 2026-10-04: 02:00 becomes 02:30 at 15:30 UTC the day before.
            (LORD_HOWE, "15 2 * * *", "2026-10-02T16:00", ["10-03 15:30", "10-04 15:15"]),
            (LORD_HOWE, "*/15 * * * *", "2026-10-03T15:00", ["10-03 15:15", "10-03 15:30", "10-03 15:45"]),
            # Santiago 2026-09-06: midnight itself is skipped, at 04:00 UTC.
            (SANTIAGO, "@daily", "2026-09-05T12:00", ["09-06 04:00", "09-07 03:00"]),
            # Apia 2011-12-30 never was: its whole day is due when the next one begins, once.
            ("Pacific/Apia", "0 9 * * *", "2011-12-29T00:00", ["12-29 19:00", "12-30 10:00", "12-30 19:00"]),
        ],
    )
    def test_table(self, zone: str, expression: str, start: str, expected: list[str]) -> None:
        cron = Cron(expression, zone)
        slots = cron.upcoming(utc(start), len(expected))
        assert shown(slots) == expected
        # Backwards the same slots are found, from themselves and from just before the next one.
        for slot, following in pairwise(slots):
            assert cron.latest_at_or_before(slot, 0) == slot
            assert cron.latest_at_or_before(following - 1, 0) == slot

    def test_asked_inside_the_repeated_hour_the_latest_is_its_first_passage(self) -> None:
        cron = Cron("30 2 * * *", BERLIN)
        assert cron.latest_at_or_before(utc("2026-10-25T01:15"), 0) == utc("2026-10-25T00:30")

    @pytest.mark.parametrize(
        ("expression", "now", "following", "latest"),
        [
            ("*/30 0 10 7 *", "2026-01-15T12:00", "2026-07-09T22:00", "2025-07-09T22:30"),
            ("*/30 0 10 1 *", "2026-07-15T12:00", "2027-01-09T23:00", "2026-01-09T23:30"),
        ],
    )
    def test_slots_on_the_far_side_of_a_change(self, expression: str, now: str, following: str, latest: str) -> None:
        cron = Cron(expression, BERLIN)
        assert cron.next_after(utc(now)) == utc(following)
        assert cron.latest_at_or_before(utc(now), 0) == utc(latest)

    @pytest.mark.parametrize("zone", [BERLIN, NEW_YORK])
    @pytest.mark.parametrize("expression", ["30 2 * * *", "30 1 * * MON,SUN", "0 */2 * * *", "15,45 0-3 1-7,25-31 * *"])
    def test_two_years_as_cronsim_sees_them(self, zone: str, expression: str) -> None:
        """Where cronsim is right (whole hours, asked from ordinary moments), nothing may differ from it."""
        start = datetime(2026, 1, 1, tzinfo=ZoneInfo(zone))
        expected: list[int] = []
        for slot in CronSim(expression, start):
            if slot.year > 2027:
                break
            moment = int(slot.timestamp()) * 1000
            if moment not in expected[-1:]:  # it names the end of a gap once for each slot inside
                expected.append(moment)
        assert Cron(expression, zone).upcoming(int(start.timestamp()) * 1000, len(expected)) == expected


CHANGES = {  # a change of the clocks in each zone, UTC
    BERLIN: ("2026-03-29T01:00", "2026-10-25T01:00"),
    NEW_YORK: ("2026-03-08T07:00", "2026-11-01T06:00"),
    LORD_HOWE: ("2026-04-04T15:00", "2026-10-03T15:30"),
    SANTIAGO: ("2026-04-05T03:00", "2026-09-06T04:00"),
    "Pacific/Apia": ("2011-12-30T10:00",),
    "Asia/Kathmandu": ("2026-06-01T00:00",),
}


def due_minutes(zone: str, start_ms: int, minutes: set[int], hours: set[int], *, fixed: bool) -> Iterator[int]:
    """The rule in its plainest form: look at the clock on the wall every minute for three days.

    A fixed time of day is due when the clock first reaches it or jumps past it; any other, whenever the clock shows it.
    """
    tz = ZoneInfo(zone)

    def wall(second: int) -> int:
        local = datetime.fromtimestamp(second, tz)
        return int(local.replace(tzinfo=UTC).timestamp())

    def matches(wall_second: int) -> bool:
        return wall_second // 60 % 60 in minutes and wall_second // 3600 % 24 in hours

    start = start_ms // 1000
    reached = wall(start - 60)
    for second in range(start, start + 3 * 86_400, 60):
        now = wall(second)
        passed = range(reached + 60, now + 1, 60) if fixed else (now,)
        if any(map(matches, passed)):
            yield second * 1000
        reached = max(reached, now)


@st.composite
def around_a_change(draw: st.DrawFn) -> tuple[str, int]:
    zone = draw(st.sampled_from(sorted(CHANGES)))
    return zone, utc(draw(st.sampled_from(CHANGES[zone]))) - 36 * 3_600_000


class TestAgainstTheClockOnTheWall:
    @given(
        place=around_a_change(),
        minutes=st.sets(st.integers(0, 59), min_size=1, max_size=5),
        hours=st.sets(st.integers(0, 23) | st.integers(0, 4), min_size=1, max_size=6),
        probe=st.integers(0, 3 * 86_400_000 - 1),
    )
    @example(place=(LORD_HOWE, utc("2026-04-04T15:00") - 36 * 3_600_000), minutes={0, 15}, hours={1, 2}, probe=0)
    @settings(deadline=None, max_examples=80)
    def test_fixed_time_of_day(self, place: tuple[str, int], minutes: set[int], hours: set[int], probe: int) -> None:
        zone, start = place
        expression = f"{','.join(map(str, minutes))} {','.join(map(str, hours))} * * *"
        expected = list(due_minutes(zone, start, minutes, hours, fixed=True))
        self.compare(Cron(expression, zone), start, expected, probe)

    @given(
        place=around_a_change(),
        step=st.integers(1, 59),
        hours=st.sets(st.integers(0, 23) | st.integers(0, 4), min_size=1, max_size=6),
        probe=st.integers(0, 3 * 86_400_000 - 1),
    )
    @settings(deadline=None, max_examples=80)
    def test_every_matching_moment(self, place: tuple[str, int], step: int, hours: set[int], probe: int) -> None:
        zone, start = place
        expression = f"*/{step} {','.join(map(str, hours))} * * *"
        expected = list(due_minutes(zone, start, set(range(0, 60, step)), hours, fixed=False))
        self.compare(Cron(expression, zone), start, expected, probe)

    @staticmethod
    def compare(cron: Cron, start: int, expected: list[int], probe: int) -> None:
        end = start + 3 * 86_400_000 - 1
        assert slots_between(cron, start - 1, end) == expected
        backwards: list[int] = []
        slot = cron.latest_at_or_before(end, start - 1)
        while slot is not None:
            backwards.insert(0, slot)
            slot = cron.latest_at_or_before(slot - 1, start - 1)
        assert backwards == expected
        now = start + probe
        assert cron.latest_at_or_before(now, start - 1) == max((s for s in expected if s <= now), default=None)
        if after := [s for s in expected if s > now]:
            assert cron.next_after(now) == after[0]
