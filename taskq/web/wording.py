"""Numbers, times and lengths as the pages write them."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def number(value: float | int | None) -> str:
    """Return a count with thousands apart; from ten million on, in millions."""
    if value is None:
        return "–"
    if value >= 10_000_000:
        return f"{value / 1_000_000:,.1f} M"
    return f"{value:,.0f}"


def rate(value: float | None) -> str:
    """Return a number per second with two digits that mean something."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if value < 0.01:
        return "<0.01"
    digits = max(0, 1 - math.floor(math.log10(value)))
    return f"{value:,.{min(2, digits)}f}"


def seconds(value: float | None) -> str:
    """Return a length of time with one or two units."""
    if value is None:
        return "–"
    if value < 0.001:
        return f"{value * 1e6:.0f} µs" if value else "0 s"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 10:
        return f"{value:.1f} s"
    if value < 60:
        return f"{value:.0f} s"
    for index, (unit, size) in enumerate(_UNITS):
        if value >= size:
            whole, rest = divmod(int(value), size)
            lower = _UNITS[index + 1] if index + 1 < len(_UNITS) else ("s", 1)
            more = rest // lower[1]
            return f"{whole} {unit}" + (f" {more} {lower[0]}" if more else "")
    return f"{value:.0f} s"


def moment(iso: str | None, mode: str = "ago") -> Markup:
    """Return a ``time`` element; the script of the page turns it into "3 s ago" or "in 5 min" and keeps it right.

    Args:
        iso: ISO 8601, UTC.
        mode: ``ago``, ``in``, ``since`` (a length up to now) or ``at``.
    """
    if not iso:
        return Markup('<span class="dim">–</span>')
    try:
        when = datetime.fromisoformat(iso).astimezone(UTC)
    except ValueError:
        return Markup("{}").format(iso)
    return Markup('<time datetime="{}" data-mode="{}" title="{}">{}</time>').format(
        when.isoformat().replace("+00:00", "Z"), mode, f"{when:%Y-%m-%d %H:%M:%S} UTC", f"{when:%H:%M:%S} UTC"
    )


def short_id(task_id: str) -> str:
    """Return the beginning of a UUID; other ids as they are, unless they are very long."""
    if len(task_id) >= 36 and task_id[8:9] == "-":
        return task_id[:8]
    return task_id if len(task_id) <= 24 else f"{task_id[:22]}…"


FILTERS: dict[str, Any] = {
    "number": number,
    "rate": rate,
    "seconds": seconds,
    "moment": moment,
    "short_id": short_id,
}
