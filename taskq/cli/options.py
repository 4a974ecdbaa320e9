"""The options that every command takes, and the types of values that several commands share."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from taskq import kinds
from taskq.errors import InvalidTask
from taskq.model.moment import parse_duration
from taskq.states import TaskPriority


_LONGEST_SHOWN = 60


@dataclass(slots=True)
class GlobalFlags:
    """What the global options were set to; each may stand before or after the name of a command."""

    redis_url: str | None = None
    prefix: str | None = None
    json: bool = False
    log_level: str | None = None
    log_format: str | None = None
    debug: bool = False


def _remember(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    flags = ctx.find_object(GlobalFlags)
    if flags is not None and value and parameter.name is not None:
        setattr(flags, parameter.name, value)


def _global(name: str, help_text: str, **attributes: Any) -> click.Option:
    return click.Option([f"--{name}"], help=help_text, expose_value=False, callback=_remember, **attributes)


_LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]

# The checks beyond these choices are those of the settings, so that a flag and a variable get the same message.
GLOBAL_OPTIONS = (
    _global("redis-url", "Server, such as redis://host:6379/0.", metavar="URL"),
    _global("prefix", "Namespace: the first part of every key.", metavar="NAME"),
    _global("json", "Print one JSON document, errors as JSON too.", is_flag=True),
    _global("log-level", "Least severe message to log.", type=click.Choice(_LEVELS, case_sensitive=False)),
    _global("log-format", "Form of the log lines.", type=click.Choice(["console", "json"], case_sensitive=False)),
)


class Duration(click.ParamType):
    """Seconds, or a number with a unit; the value is a float of seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds; a value that is a number already passes."""
        if isinstance(value, int | float):
            return float(value)
        try:
            return parse_duration(value)
        except InvalidTask as error:
            self.fail(str(error), param, ctx)


class Priority(click.ParamType):
    """The name of a priority, or its number."""

    name = "priority"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> TaskPriority:
        """Return the priority."""
        try:
            return TaskPriority.parse(int(value) if str(value).strip().isdecimal() else value)
        except InvalidTask as error:
            self.fail(str(error), param, ctx)


class Moment(click.ParamType):
    """An ISO 8601 time; one without an offset is local time."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the datetime, aware or naive as it was written."""
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            self.fail(
                f"{value!r} is not a time: write it like 2026-11-21T09:00 (local time), 2026-11-21T09:00Z or "
                "2026-11-21T09:00+01:00; for a delay there is --delay 5m",
                param,
                ctx,
            )


class Size(click.ParamType):
    """A number of bytes, or one with a unit; the value is an int of bytes."""

    name = "size"
    _kind = kinds.size(1, 2**50)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the bytes."""
        try:
            size: int = self._kind.parse(value)
        except (ValueError, TypeError):
            self.fail(f"{value!r} is not a size: write 512MB, or a number of bytes", param, ctx)
        return size


class Names(click.ParamType):
    """Names between commas; the value is a tuple."""

    name = "names"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the names; blanks around them are cut off."""
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in value.split(",") if name.strip())
        return names or self.fail(f"{value!r} has no name in it", param, ctx)


class JsonObject(click.ParamType):
    """A JSON object; the value is a dict."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, Any]:
        """Return the dict."""
        if isinstance(value, dict):
            return value
        parsed = parse_json(value, "'--metadata'")
        if not isinstance(parsed, dict):
            self.fail(f'{value!r} is JSON, but no object: write it like \'{{"source": "shop"}}\'', param, ctx)
        return parsed


def read_payload(text: str | None) -> Any:
    """Return the payload that an argument means; ``-`` is read from the standard input, None is null.

    Raises:
        click.BadParameter: if it is no JSON; the message shows how to quote.
    """
    if text is None:
        return None
    if text == "-":
        if sys.stdin.isatty():
            click.echo("taskq: reading the payload as JSON; Ctrl+D ends it", err=True)
        text = click.get_text_stream("stdin").read()
    return parse_json(text, "PAYLOAD")


def parse_json(text: str, what: str) -> Any:
    """Return the value that a JSON text of the command line stands for.

    Args:
        text: the argument.
        what: how the user knows it, for the message.

    Raises:
        click.BadParameter: if it is no JSON; the message shows how to quote.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        shown = text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
        raise click.BadParameter(f"{shown!r} is not JSON ({error}); {_how_to_quote(text)}", param_hint=what) from None


def _how_to_quote(text: str) -> str:
    plain = text.strip()
    if plain and len(plain) <= _LONGEST_SHOWN and "'" not in plain and plain[0] not in '{["':
        return f"a text is quoted twice: '{json.dumps(plain, ensure_ascii=False)}'"
    return 'put single quotes around the whole and double quotes around names and texts: \'{"query": "hello"}\''
