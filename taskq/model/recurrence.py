"""When a recurring task is due: a cron expression in a time zone, or a fixed interval.

A *slot* is a moment at which the task is due. Slots depend on nothing but the value itself, so any number of schedulers
on any machines agree on them.

cronsim reads the expressions and walks the calendar, always on a plain one without offsets. The step from a wall clock
to moments is made here: handed a zone, cronsim 2.8 can name a next slot that lies in the past (asked in the repeated
hour), skip slots (half-hour changes, Australia/Lord_Howe), and find other slots backwards than forwards.
"""

from __future__ import annotations

import difflib
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import TypeAlias

from cronsim import CronSim, CronSimError

from taskq.errors import InvalidTask
from taskq.model.moment import MAX_SECONDS, seconds_to_ms
from taskq.model.names import in_words

ALIASES: Mapping[str, str] = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
MIN_INTERVAL_MS = 100
_MAX_INTERVAL_MS = MAX_SECONDS * 1000

_MAX_EXPRESSION = 1_000
_FIELDS = ("second", "minute", "hour", "day-of-month", "month", "day-of-week")
_RANGES = {
    "second": "0-59",
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L or LW, a day that the chosen months have",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 or SUN-SAT, 5L or MON#2",
}
_EXAMPLE = 'for example "0 9 * * MON-FRI" (minute hour day-of-month month day-of-week)'
# No zone turns its clocks by more than a day, or twice within two days.
_REACH = 2 * 86_400


@dataclass(frozen=True, slots=True)
class Every:
    """A fixed interval.

    Slots are ``anchor_ms + k * interval`` for k = 0, 1, 2, …, each computed afresh: nothing adds up, so nothing drifts.

    Attributes:
        seconds: the interval, at least 0.1, kept to the millisecond.
        anchor_ms: the first slot, milliseconds since the epoch.

    Raises:
        InvalidTask: the interval is no usable length of time, or the anchor no whole number.
    """

    seconds: float
    anchor_ms: int

    def __post_init__(self) -> None:
        interval_ms = seconds_to_ms(self.seconds, "seconds")
        if interval_ms < MIN_INTERVAL_MS:
            raise InvalidTask(f"an interval is at least {MIN_INTERVAL_MS / 1000} s, got {in_words(self.seconds)}")
        if isinstance(self.anchor_ms, bool) or not isinstance(self.anchor_ms, int):
            raise InvalidTask(f"anchor_ms must be a whole number of milliseconds, not {self.anchor_ms!r}")
        object.__setattr__(self, "seconds", interval_ms / 1000)

    @property
    def interval_ms(self) -> int:
        """The interval in milliseconds."""
        return seconds_to_ms(self.seconds, "seconds")

    def next_after(self, epoch_ms: int) -> int:
        """Return the first slot after ``epoch_ms``, never ``epoch_ms`` itself."""
        if epoch_ms < self.anchor_ms:
            return self.anchor_ms
        done = (epoch_ms - self.anchor_ms) // self.interval_ms
        return self.anchor_ms + (done + 1) * self.interval_ms

    def latest_at_or_before(self, epoch_ms: int, earliest_ms: int) -> int | None:
        """Return the last slot that is later than ``earliest_ms`` and not later than ``epoch_ms``, or None."""
        if epoch_ms < self.anchor_ms:
            return None
        slot_ms = self.anchor_ms + (epoch_ms - self.anchor_ms) // self.interval_ms * self.interval_ms
        return slot_ms if slot_ms > earliest_ms else None

    def upcoming(self, epoch_ms: int, count: int) -> list[int]:
        """Return the next ``count`` slots after ``epoch_ms``."""
        first_ms = self.next_after(epoch_ms)
        return [first_ms + k * self.interval_ms for k in range(count)]

    def describe(self) -> str:
        """Return the interval in words, like ``every 30 s``."""
        return f"every {f'{self.seconds:.3f}'.rstrip('0').rstrip('.')} s"

    def to_json(self) -> dict[str, str | int]:
        """Return what is stored; :func:`from_json` reads it back."""
        return {"every_ms": self.interval_ms, "anchor_ms": self.anchor_ms}


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression in a time zone.

    Where the clocks are turned, the rule is that of Debian's cron:

    - An expression with a fixed time of day (neither minute nor hour starts with ``*``) means each local time once.
      A time that happens twice in the autumn fires at its first passage. A time that is skipped in the spring fires
      at the moment of the change; several of them there fire once.
    - Any other (``*/15 * * * *``, ``@hourly``, ``*/30 2 * * *``) means every real moment whose local time matches:
      both passages in the autumn, nothing for the hour that is skipped in the spring.

    Attributes:
        expression: five fields (minute hour day-of-month month day-of-week), six with the second first, or one of
            @yearly @annually @monthly @weekly @daily @midnight @hourly. ``L`` and ``LW`` as the day of the month and
            ``5L``, ``MON#2`` as the day of the week are understood.
        tz: an IANA name, like ``Europe/Berlin``.

    Raises:
        InvalidTask: the expression cannot be read or never fires, or the zone is unknown.
    """

    expression: str
    tz: str = "UTC"

    def __post_init__(self) -> None:
        if not isinstance(self.expression, str) or not isinstance(self.tz, str):
            raise InvalidTask(f"cron expression and time zone must be text; {_EXAMPLE}, tz='Europe/Berlin'")
        object.__setattr__(self, "expression", " ".join(self.expression.split()))
        _check_expression(self.expression)
        _zone(self.tz)

    def next_after(self, epoch_ms: int) -> int:
        """Return the first slot after ``epoch_ms`` (milliseconds since the epoch), never ``epoch_ms`` itself."""
        earliest = epoch_ms // 1000 + 1
        find = _first_fixed if self._fixed_time_of_day else _first_matching
        return find(self._fields, _zone(self.tz), earliest) * 1000

    def latest_at_or_before(self, epoch_ms: int, earliest_ms: int) -> int | None:
        """Return the last slot that is later than ``earliest_ms`` and not later than ``epoch_ms``, or None.

        It is searched backwards from ``epoch_ms``, so the length of the gap does not matter.
        """
        find = _last_fixed if self._fixed_time_of_day else _last_matching
        slot = find(self._fields, _zone(self.tz), epoch_ms // 1000)
        return slot * 1000 if slot is not None and slot * 1000 > earliest_ms else None

    def upcoming(self, epoch_ms: int, count: int) -> list[int]:
        """Return the next ``count`` slots after ``epoch_ms``."""
        slots: list[int] = []
        for _ in range(count):
            epoch_ms = self.next_after(epoch_ms)
            slots.append(epoch_ms)
        return slots

    def describe(self) -> str:
        """Return expression and zone, like ``0 9 * * * in Europe/Berlin``."""
        return f"{self.expression} in {self.tz}"

    def to_json(self) -> dict[str, str | int]:
        """Return what is stored; :func:`from_json` reads it back."""
        return {"cron": self.expression, "tz": self.tz}

    @property
    def _fields(self) -> str:
        return ALIASES.get(self.expression.lower(), self.expression)

    @property
    def _fixed_time_of_day(self) -> bool:
        minute, hour = self._fields.split()[-5:-3]
        return not minute.startswith("*") and not hour.startswith("*")


Recurrence: TypeAlias = Cron | Every


def from_json(data: Mapping[str, object]) -> Recurrence:
    """Return the recurrence that ``to_json`` of either kind stored.

    Raises:
        InvalidTask: a field is missing, unknown or of the wrong kind; a newer version may have stored it.
    """
    match dict(data):
        case {"cron": str(expression), "tz": str(tz), **rest} if not rest:
            return Cron(expression, tz)
        case {"every_ms": int(every_ms), "anchor_ms": int(anchor_ms), **rest} if (
            not rest and abs(every_ms) <= _MAX_INTERVAL_MS
        ):
            return Every(every_ms / 1000, anchor_ms)
    raise InvalidTask(
        f"stored recurrence with the fields {sorted(map(str, data))} is not understood: it must have cron and tz "
        "(text), or every_ms and anchor_ms (whole numbers), and nothing else; was it stored by a newer version?"
    )


@lru_cache(maxsize=512)
def _check_expression(expression: str) -> None:
    if expression.lower() == "@reboot":
        raise InvalidTask("@reboot is not supported: a schedule has no machine to start; submit the task at start-up")
    if expression.startswith("@") and expression.lower() not in ALIASES:
        raise InvalidTask(f"unknown cron alias {expression!r}: use one of {', '.join(ALIASES)}")
    fields = ALIASES.get(expression.lower(), expression)
    parts = fields.split()
    if len(fields) > _MAX_EXPRESSION:
        raise InvalidTask(
            f"bad cron expression {expression[:80]!r}: it has {len(fields):,} characters and may have "
            f"{_MAX_EXPRESSION:,}; {_EXAMPLE}"
        )
    if len(parts) not in {5, 6}:
        raise InvalidTask(
            f"bad cron expression {expression[:80]!r}: it has {len(parts)} fields, but takes 5, "
            f"or 6 with the second first; {_EXAMPLE}"
        )
    try:
        next(CronSim(fields, datetime(2000, 1, 1, tzinfo=UTC)))
    except StopIteration:
        raise InvalidTask(f"cron expression {expression!r} never fires: its days never meet; {_EXAMPLE}") from None
    except CronSimError as error:
        name = str(error).removeprefix("Bad ")
        if name not in _FIELDS:
            raise InvalidTask(f"bad cron expression {expression!r}: {error}; {_EXAMPLE}") from None
        part = parts[_FIELDS.index(name) - len(_FIELDS)]
        raise InvalidTask(
            f"bad cron expression {expression!r}: the {name} field {part!r} is not possible, "
            f"it takes {_RANGES[name]}, *, ranges (1-5), lists (1,3) and steps (*/2); {_EXAMPLE}"
        ) from None


@lru_cache(maxsize=512)
def _zone(name: str) -> tzinfo:
    if name == "UTC":  # needs no time zone database, and the default must work everywhere
        return UTC
    if name == "localtime":
        raise InvalidTask("time zone 'localtime' differs from machine to machine: name the zone, like Europe/Berlin")
    try:
        return zoneinfo.ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        known = zoneinfo.available_timezones()
    if not known:
        raise InvalidTask(f"time zone {name!r} cannot be looked up, this machine has no database: pip install tzdata")
    # People type the city alone, in any case: both forms lead to the full name.
    by_text = {zone.rpartition("/")[2].lower(): zone for zone in sorted(known)} | {z.lower(): z for z in known}
    close = dict.fromkeys(by_text[text] for text in difflib.get_close_matches(name.lower(), by_text))
    hint = f"did you mean {' or '.join(close)}?" if close else "use an IANA name, like Europe/Berlin"
    raise InvalidTask(f"unknown time zone {name!r}: {hint}")


# Below, times are whole seconds: of the epoch, or of a wall clock, counted as if the clock showed UTC.


def _offset(zone: tzinfo, second: int) -> int:
    delta = datetime.fromtimestamp(second, zone).utcoffset()
    assert delta is not None
    return int(delta.total_seconds())


def _change(zone: tzinfo, before: int, after: int) -> int:
    """Return the first second that has the offset of ``after``, given that ``before`` has another one."""
    offset = _offset(zone, after)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(zone, middle) == offset:
            after = middle
        else:
            before = middle
    return after


def _walls(fields: str, wall: int, *, reverse: bool = False) -> CronSim:
    return CronSim(fields, datetime.fromtimestamp(wall, UTC), reverse=reverse)


def _first_matching(fields: str, zone: tzinfo, earliest: int) -> int:
    """Return the first second from ``earliest`` on whose local time matches."""
    while True:
        offset = _offset(zone, earliest)
        slot = _next_wall(_walls(fields, earliest + offset - 1)) - offset
        horizon = min(slot, earliest + _REACH)
        if _offset(zone, horizon) != offset:
            earliest = _change(zone, earliest, horizon)
        elif horizon == slot:
            return slot
        else:
            # Nothing matches before the slot, whatever the offsets are until two days before it.
            earliest = max(horizon, slot - _REACH)


def _last_matching(fields: str, zone: tzinfo, latest: int) -> int | None:
    """Return the last second up to ``latest`` whose local time matches."""
    while True:
        offset = _offset(zone, latest)
        wall = next(_walls(fields, latest + offset + 1, reverse=True), None)
        if wall is None:
            return None
        slot = int(wall.timestamp()) - offset
        horizon = max(slot, latest - _REACH)
        if _offset(zone, horizon) != offset:
            latest = _change(zone, horizon, latest) - 1
        elif horizon == slot:
            return slot
        else:
            latest = min(horizon, slot + _REACH)


def _first_fixed(fields: str, zone: tzinfo, earliest: int) -> int:
    """Return the first moment from ``earliest`` on at which one of the local times is due."""
    # From the second before: if `earliest` is the very moment of a change, the skipped times are due now.
    before = earliest - 1
    walls = _walls(fields, before + _offset(zone, before))
    while (slot := _due(zone, _next_wall(walls))) < earliest:
        pass
    return slot


def _last_fixed(fields: str, zone: tzinfo, latest: int) -> int | None:
    """Return the last moment up to ``latest`` at which one of the local times is due."""
    # In the second passage of a repeated hour, all of that hour was due in the first: start from its end.
    first_passage = datetime.fromtimestamp(latest, zone).replace(fold=0).utcoffset()
    assert first_passage is not None
    walls = _walls(fields, latest + int(first_passage.total_seconds()) + 1, reverse=True)
    return next((slot for wall in walls if (slot := _due(zone, int(wall.timestamp()))) <= latest), None)


def _due(zone: tzinfo, wall: int) -> int:
    """Return when a local time is due: at its first passage; if it is skipped, at the moment of the change."""
    local = datetime.fromtimestamp(wall, UTC).replace(tzinfo=zone)
    moment = int(local.timestamp())
    if moment + _offset(zone, moment) == wall:
        return moment
    return _change(zone, int(local.replace(fold=1).timestamp()), moment)


def _next_wall(walls: CronSim) -> int:
    wall = next(walls, None)
    if wall is None:
        raise InvalidTask("the cron expression does not fire in the 50 years after this moment: remove the schedule")
    return int(wall.timestamp())
