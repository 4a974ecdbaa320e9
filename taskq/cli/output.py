"""How commands speak: plain aligned tables for people, one JSON document for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from taskq.logs import printable as printable  # noqa: PLC0414 - for the commands, which speak through this module
from taskq.model.result import headline

_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def show_json(value: Any) -> None:
    """Print one JSON document on the standard output."""
    text = _harmless(json.dumps(value, indent=2, ensure_ascii=False, default=str))
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2, default=str)
    click.echo(text)


def _harmless(text: str) -> str:
    """Return JSON with what could steer a terminal as JSON writes it: these characters stand in its strings only."""
    if text.isascii():
        return text  # JSON escapes the control characters of ASCII anyway
    return "".join(char if char == "\n" or char.isprintable() else json.dumps(char)[1:-1] for char in text)


def show(text: str, *, err: bool = False) -> None:
    """Print text for people; what their terminal cannot say is written as an escape."""
    encoding = (sys.stderr if err else sys.stdout).encoding or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), err=err)


def show_error(message: str) -> None:
    """Say why a command has failed, on the standard error, for people."""
    show(f"taskq: {_told(message)}", err=True)


def show_note(message: str, *, as_json: bool, kind: str = "note") -> None:
    """Say something beside the result, on the standard error.

    Args:
        message: one sentence.
        as_json: whether standard error is read by a program, one JSON document a line.
        kind: ``note`` or ``warning``.
    """
    if as_json:
        click.echo(json.dumps({kind: {"message": message}}), err=True)
    else:
        show(f"taskq: {'warning: ' if kind == 'warning' else ''}{_told(message)}", err=True)


def _told(message: str) -> str:
    # further lines are moved to the right, so that none can pass for a message of its own
    return printable(message).replace("\n", "\n  ")


def error_line(error: str | None, width: int = 60) -> str:
    """Return the line of an error that names it, cut to a width."""
    line = printable(headline(error))
    return line if len(line) <= width else f"{line[: width - 3]}..."


def table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> str:
    """Return an aligned table; no value is cut, because people copy them.

    Args:
        headers: titles of the columns.
        rows: their values; None shows as ``-``.
        right: titles of the columns of numbers.
    """
    lines = [list(headers), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headers))]
    shown = []
    for line in lines:
        cells = (
            cell.rjust(width) if title in right else cell.ljust(width)
            for cell, width, title in zip(line, widths, headers, strict=True)
        )
        shown.append("  ".join(cells).rstrip())
    return "\n".join(shown)


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else printable(str(value), keep="")


def fields(pairs: Iterable[tuple[str, object]]) -> str:
    """Return names and values, one a line, the values aligned; a value of None is left out."""
    known = [(name, printable(str(value), keep="")) for name, value in pairs if value is not None and value != ""]
    width = max((len(name) for name, _ in known), default=0)
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in known)


def indented(text: str, indent: str = "  ") -> str:
    """Return a text of several lines with each line moved to the right."""
    return "\n".join(f"{indent}{line}".rstrip() for line in printable(text).splitlines())


def duration_text(seconds: float | None) -> str:
    """Return a length of time for people: ``250 ms``, ``3.2 s``, ``5m 3s``, ``2d 4h``."""
    if seconds is None:
        return "-"
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    left, parts = round(seconds), []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def plural(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 task``, ``2,000 tasks``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def size_text(size_bytes: float) -> str:
    """Return a size for people: ``512 B``, ``1.5 MB``; 1 MB = 1024 KB."""
    for unit in ("B", "KB", "MB", "GB"):
        if size_bytes < 1024:
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1024
    return f"{size_bytes:.1f} TB"


def seconds_since(iso: str | None) -> float | None:
    """Return how long ago a moment was, in seconds, by the clock of this machine; negative: it is to come."""
    if not iso:
        return None
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(iso)).total_seconds()
    except (TypeError, ValueError):  # written by something else than taskq
        return None


def age_text(iso: str | None) -> str:
    """Return how long ago a moment was, or how long it is until it comes, for people."""
    seconds = seconds_since(iso)
    if seconds is None:
        return "-"
    return duration_text(seconds) if seconds >= 0 else f"in {duration_text(-seconds)}"


def when_text(iso: str | None) -> str | None:
    """Return a moment with its age, for people; None if there is none."""
    if not iso:
        return None
    seconds = seconds_since(iso)
    if seconds is None:
        return iso
    return f"{iso}  ({duration_text(seconds)} ago)" if seconds >= 0 else f"{iso}  (in {duration_text(-seconds)})"
