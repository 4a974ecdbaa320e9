"""Points in time and lengths of time, as the rest of the package holds them: whole milliseconds.

A moment is ``epoch_ms``, the milliseconds since 1970-01-01T00:00:00Z. Text and ``datetime`` exist only at the edges.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from taskq.errors import InvalidTask

MAX_SECONDS = 100 * 365 * 86_400
"""The longest length of time that is accepted: 100 years of 365 days."""
END_OF_TIME_MS = 253_402_300_799_999
"""The last moment that has a name, at the end of the year 9999."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
_PLAIN_SECONDS = re.compile(_NUMBER)
_WITH_UNITS = re.compile(rf"(?:{_NUMBER}d)?(?:{_NUMBER}h)?(?:{_NUMBER}m)?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?")
_UNIT_SECONDS = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)


def to_epoch_ms(when: datetime) -> int:
    """Return the moment that a datetime means.

    Args:
        when: an aware datetime is taken as it is. A naive one is the local time of *this machine*, so two machines in
            two zones read it as two moments. Where the clocks of the zone are turned, ``when.fold`` decides, as
            everywhere in Python: of a local time that happens twice, 0 is the earlier one and 1 the later; a local
            time that is skipped is read with the offset before the change (0) or after it (1).

    Returns:
        Milliseconds since the epoch; anything below a millisecond is cut off.

    Raises:
        InvalidTask: ``when`` is not a datetime, or too close to the ends of the calendar to be converted.
    """
    if not isinstance(when, datetime):
        raise InvalidTask(
            f"a time must be a datetime, not {type(when).__name__}: "
            "pass datetime(2026, 11, 21, 9, 0), with tzinfo= unless local time is meant"
        )
    try:
        if when.utcoffset() is None:
            # astimezone() of a naive time reads a skipped one the wrong way round; timestamp() heeds fold.
            second = datetime.fromtimestamp(when.replace(microsecond=0).timestamp(), UTC)
            when = second.replace(microsecond=when.microsecond)
        return (when.astimezone(UTC) - _EPOCH) // _MILLISECOND
    except (OverflowError, ValueError, OSError):
        raise InvalidTask(
            f"{when.isoformat()} cannot be converted to UTC: use a year between 1 and 9999, away from both ends"
        ) from None


# What is done together has the same moments in it.
@lru_cache(maxsize=16)
def iso_utc(epoch_ms: int) -> str:
    """Return a moment as ISO 8601 in UTC with exactly three decimals, like ``2026-11-21T22:34:03.123Z``.

    Args:
        epoch_ms: milliseconds since the epoch, in the years 1 to 9999.

    Raises:
        InvalidTask: the moment is outside those years.
    """
    second, millisecond = divmod(epoch_ms, 1000)
    return f"{_iso_second(second)}.{millisecond:03d}Z"


# A worker stamps thousands of moments in the same second; only the first of them pays for the calendar.
@lru_cache(maxsize=1024)
def _iso_second(epoch_second: int) -> str:
    try:
        return datetime.fromtimestamp(epoch_second, UTC).isoformat()[:19]
    except (OverflowError, ValueError, OSError):
        raise InvalidTask(
            f"{epoch_second} s since the epoch is not in the years 1 to 9999: are these milliseconds or microseconds?"
        ) from None


def parse_iso(text: str) -> int:
    """Return the moment that an ISO 8601 text means; the reverse of :func:`iso_utc`.

    Args:
        text: date, time and offset, like ``2026-11-21T22:34:03.123Z`` or ``2026-11-21T23:34+01:00``.

    Returns:
        Milliseconds since the epoch; anything below a millisecond is cut off.

    Raises:
        InvalidTask: the text is no ISO 8601 date and time, or it does not say its offset. Text travels between
            machines, so local time is never guessed from it.
    """
    try:
        when = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise InvalidTask(f"{text!r} is not a time: write it like 2026-11-21T22:34:03Z") from None
    if when.tzinfo is None:
        raise InvalidTask(
            f"{text!r} does not say which zone it is in: add Z for UTC, or an offset, like {when.isoformat()}+01:00"
        )
    return to_epoch_ms(when)


def seconds_to_ms(value: float | int | timedelta, name: str) -> int:
    """Return a length of time in whole milliseconds, after checking that it is one.

    Args:
        value: seconds, with a fraction if needed, or a timedelta.
        name: the parameter as the caller knows it, like ``"timeout"``; error messages start with it.

    Returns:
        Milliseconds, rounded to the nearest; more than zero never becomes zero, because zero often means "at once".

    Raises:
        InvalidTask: not a number (a bool is none), NaN, infinite, negative, or longer than 100 years.
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidTask(f"{name} must be a number of seconds, not {value!r} ({type(value).__name__})")
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidTask(f"{name} must be a finite number of seconds, not {value!r}")
    if abs(value) > MAX_SECONDS:  # not shown: an int of 5,000 digits cannot even be formatted
        raise InvalidTask(f"{name} must be between 0 and {MAX_SECONDS} seconds (100 years)")
    if value < 0:
        raise InvalidTask(f"{name} must not be negative, got {value!r} seconds")
    return max(1, round(value * 1000)) if value else 0


def parse_duration(text: str) -> float:
    """Return the seconds that a command line flag means.

    Args:
        text: plain seconds (``30``, ``1.5``), or numbers with units from the largest to the smallest, each at most
            once: ``1d``, ``2h``, ``5m``, ``30s``, ``500ms``, ``1h30m``.

    Raises:
        InvalidTask: the text is none of these, or longer than 100 years.
    """
    compact = text.strip()
    if _PLAIN_SECONDS.fullmatch(compact):
        seconds = float(compact)
    else:
        match = _WITH_UNITS.fullmatch(compact)
        if not match or not compact:
            raise InvalidTask(
                f"{text!r} is not a duration: write seconds (30, 1.5) or units, largest first (500ms, 5m, 1h30m, 1d)"
            )
        numbers = (float(number) if number else 0.0 for number in match.groups())
        seconds = math.fsum(number * unit for number, unit in zip(numbers, _UNIT_SECONDS, strict=True))
    if seconds > MAX_SECONDS:
        raise InvalidTask(f"{text!r} is too long: a duration is at most 100 years (36500d)")
    return seconds


def plain_seconds(value: float | timedelta, name: str) -> float:
    """Return checked seconds as an int or a float: how a subclass of these shows itself need not be JSON."""
    seconds_to_ms(value, name)
    if isinstance(value, timedelta):
        return value.total_seconds()
    return int(value) if isinstance(value, int) else float(value)
