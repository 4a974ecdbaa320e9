"""What has happened to a task, as a line in time with the pauses between."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from taskq.cli.output import age_text, duration_text, seconds_since


class Moment(NamedTuple):
    """One thing that has happened, or is to come.

    Attributes:
        word: what.
        iso: when, ISO 8601; None if it has not happened.
        note: what is worth saying of it.
    """

    word: str
    iso: str | None
    note: str = ""


def timeline(moments: Sequence[Moment]) -> str:
    """Return the moments in order of time, each with the pause since the one before; those to come are hollow.

    Args:
        moments: in any order.
    """
    known = sorted((moment for moment in moments if moment.iso and seconds_since(moment.iso) is not None), key=_when)
    width = max((len(moment.word) for moment in known), default=0)
    lines = []
    before: float | None = None
    for moment in known:
        at = _when(moment)
        ahead = (seconds_since(moment.iso) or 0.0) < 0
        if ahead or before is None:
            pause = age_text(moment.iso) + ("" if ahead else " ago")
        else:
            pause = f"after {duration_text(max(0.0, at - before))}"
        said = ", ".join(filter(None, (pause, moment.note)))
        lines.append(f"{'○' if ahead else '●'} {moment.word.ljust(width)}  {moment.iso}  {said}")
        before = at
    return "\n".join(lines)


def _when(moment: Moment) -> float:
    return datetime.fromisoformat(moment.iso or "").timestamp()
