"""The options that every command takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

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
