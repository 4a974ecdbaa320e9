"""How the values of options are read. Each function is the ``type`` of an option and the name of its value in help."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

import click

from taskq import kinds
from taskq.errors import InvalidTask
from taskq.model.circuit import parse_share
from taskq.model.moment import parse_duration
from taskq.states import TaskPriority

_LONGEST_SHOWN = 60
_SIZE = kinds.size(1, 2**50)
_LARGEST = "1048576GB"


def duration(value: str | float) -> float:
    """Return the seconds of ``30``, ``500ms`` or ``1h30m``."""
    if isinstance(value, int | float):
        return float(value)
    try:
        return parse_duration(value)
    except InvalidTask as error:
        raise click.BadParameter(str(error)) from None


def share(value: str | float) -> float:
    """Return the part of ``0.5`` or ``50%``."""
    try:
        return parse_share(str(value))
    except InvalidTask as error:
        raise click.BadParameter(str(error)) from None


def priority(value: str | int) -> TaskPriority:
    """Return the priority of a name or a number."""
    try:
        return TaskPriority.parse(int(value) if str(value).strip().isdecimal() else value)
    except InvalidTask as error:
        raise click.BadParameter(str(error)) from None


def moment(value: str) -> datetime:
    """Return the datetime of an ISO 8601 text, aware or naive as it was written."""
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is not a time: write it like 2026-11-21T09:00 (local time), 2026-11-21T09:00Z or "
            "2026-11-21T09:00+01:00; for a delay there is --delay 5m"
        ) from None


class WholeNumber(click.IntRange):
    """A whole number within bounds; what is none is refused with the bounds in words."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        try:
            int(value)
        except ValueError:
            bounds = f"{self.min:,} or more" if self.max is None else f"one from {self.min:,} to {self.max:,}"
            self.fail(f"{value!r} is not a whole number: use {bounds}", param, ctx)
        return super().convert(value, param, ctx)


def size(value: str | int) -> int:
    """Return the bytes of ``512MB`` or a plain number, for tasks: no task is smaller than a few hundred."""
    return _at_least(value, 2**10, "1KB", "64MB")


def memory(value: str | int) -> int:
    """Return the bytes of ``512MB`` or a plain number, for processes: none is smaller than some megabytes."""
    return _at_least(value, 2**20, "1MB", "512MB")


def _at_least(value: str | int, least: int, shown: str, example: str) -> int:
    try:
        found = int(_SIZE.parse(value))
    except (ValueError, TypeError):
        raise click.BadParameter(
            f"{value!r} is not a size: write {example}, or a number of bytes; the units are KB, MB and GB, and "
            f"the largest is {_LARGEST}"
        ) from None
    if found < least:
        number = "1 byte" if found == 1 else f"{found:,} bytes"
        raise click.BadParameter(
            f"{str(value).strip()} is {number}, less than {shown} and of no use here: give the unit, as in {example}"
        )
    return found


def address(value: str) -> str:
    """Return ``host:port`` of ``[HOST:]PORT``; a bare port is one of this machine alone."""
    host, _, port = value.rpartition(":")
    if not (port.isascii() and port.isdecimal()) or int(port) > 65_535:
        raise click.BadParameter(f"{value!r} is not an address: write 9464, or 0.0.0.0:9464 for all interfaces")
    return f"{host or '127.0.0.1'}:{port}"


def numbers(value: str | tuple[int, ...]) -> tuple[int, ...]:
    """Return the numbers of ``0-3,7``."""
    if isinstance(value, tuple):
        return value
    found: list[int] = []
    for part in filter(None, (part.strip() for part in value.split(","))):
        first, _, last = part.partition("-")
        if not first.isdecimal() or not (last or first).isdecimal() or int(last or first) - int(first) > 10_000:
            raise click.BadParameter(f"{value!r} is no list of numbers: write 0-3,7")
        if last and int(last) < int(first):
            raise click.BadParameter(f"{part} goes from the larger to the smaller: write {last}-{first}")
        found += range(int(first), int(last or first) + 1)
    if not found:
        raise click.BadParameter(f"{value!r} has no number in it: write 0-3,7")
    return tuple(dict.fromkeys(found))


def by_name(value: str) -> dict[str, int]:
    """Return the numbers of ``urgent=2,high=1``."""
    found: dict[str, int] = {}
    for part in value.split(","):
        name, _, number = part.partition("=")
        if not number.strip().isdecimal():
            raise click.BadParameter(f"{part!r} has no number: write {name.strip() or 'urgent'}=1")
        found[name.strip()] = int(number)
    return found


def weights(value: str) -> dict[str, int]:
    """Return the numbers of ``urgent=8,low=1``; ``default`` is none at all."""
    if value == "default":
        return {}
    try:
        return by_name(value)
    except click.BadParameter as error:
        raise click.BadParameter(f"{error.message}, or default") from None


def names(value: str) -> tuple[str, ...]:
    """Return the names between commas."""
    found = tuple(name.strip() for name in value.split(",") if name.strip())
    if not found:
        raise click.BadParameter(f"{value!r} has no name in it")
    return found


def json_object(value: str) -> dict[str, Any]:
    """Return the dict of a JSON object."""
    parsed = _parse_json(value)
    if not isinstance(parsed, dict):
        raise click.BadParameter(f'{value!r} is JSON, but no object: write it like \'{{"source": "shop"}}\'')
    return parsed


def read_payload(text: str | None, name: str = "PAYLOAD") -> Any:
    """Return what an argument means; ``-`` is read from the standard input, None is null.

    Args:
        text: the argument, JSON.
        name: of the argument.

    Raises:
        click.BadParameter: if it is no JSON; the message shows how to quote.
    """
    if text is None:
        return None
    if text == "-":
        if sys.stdin.isatty():
            click.echo(f"taskq: reading {name} as JSON; Ctrl+D ends it", err=True)
        text = _read_stdin(name)
    try:
        return _parse_json(text)
    except click.BadParameter as error:
        error.param_hint = name
        raise


def _read_stdin(name: str) -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"the standard input is not UTF-8 ({error})", param_hint=name) from None


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
        raise click.BadParameter(f"{shown!r} is not JSON ({error}); {_how_to_quote(text)}") from None


def _how_to_quote(text: str) -> str:
    plain = text.strip()
    if plain and len(plain) <= _LONGEST_SHOWN and "'" not in plain and plain[0] not in '{["':
        return f"a text is quoted twice: '{json.dumps(plain, ensure_ascii=False)}'"
    return 'put single quotes around the whole and double quotes around names and texts: \'{"query": "hello"}\''
