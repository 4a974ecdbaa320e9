"""Commands and groups that take the global options, say what was meant, and load their code when it is needed."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import click

from taskq.cli.options import GLOBAL_OPTIONS

# What people who come from other tools type; what is merely misspelt needs no entry.
_SYNONYMS = {
    "list": "ls",
    "get": "show",
    "info": "show",
    "inspect": "show",
    "status": "show",
    "delete": "rm",
    "remove": "rm",
    "clear": "purge",
    "flush": "purge",
    "create": "add",
    "enqueue": "submit",
    "dead": "dlq",
    "cron": "schedule",
    "unpause": "resume",
}


class _WithGlobalOptions(click.Command):
    """Adds the global options, in a section of their own."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *self._global_options()]

    def _global_options(self) -> list[click.Option]:
        """Return the global options; one of the command's own of the same name stands in for it."""
        own = {parameter.name for parameter in self.params}
        return [option for option in GLOBAL_OPTIONS if option.name not in own]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        everywhere = set(GLOBAL_OPTIONS)
        own = [
            parameter
            for parameter in self.get_params(ctx)
            if isinstance(parameter, click.Option) and parameter not in everywhere
        ]
        _section(formatter, "Options", [parameter.get_help_record(ctx) for parameter in own])
        if isinstance(self, click.Group):
            self.format_commands(ctx, formatter)
        records = [option.get_help_record(ctx) for option in self._global_options()]
        _section(formatter, "Options of every command", records)


def _section(formatter: click.HelpFormatter, title: str, records: Sequence[tuple[str, str] | None]) -> None:
    rows = [record for record in records if record is not None]
    if rows:
        with formatter.section(title):
            formatter.write_dl(rows)


class TaskqCommand(_WithGlobalOptions):
    """A command that takes the global options."""


class TaskqGroup(_WithGlobalOptions, click.Group):
    """A group whose commands stand in the order in which they were defined."""

    command_class = TaskqCommand
    group_class = type

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of their definition."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first argument names.

        Raises:
            click.UsageError: if there is none; the message says which one may have been meant.
        """
        word = args[0]
        if not word.startswith("-") and self.get_command(ctx, word) is None and not ctx.resilient_parsing:
            raise click.UsageError(f"No such command '{word}'.{self._hint(ctx, word)}", ctx)
        return super().resolve_command(ctx, args)

    def _hint(self, ctx: click.Context, word: str) -> str:
        names = self.list_commands(ctx)
        meant = [name for name in (_SYNONYMS.get(word),) if name in names]
        meant = meant or difflib.get_close_matches(word, names) or self._inside_groups(ctx, word)
        if not meant:
            return f" The commands are {', '.join(names)}."
        return f" Did you mean {' or '.join(repr(f'{ctx.command_path} {name}') for name in meant)}?"

    def _inside_groups(self, ctx: click.Context, word: str) -> list[str]:
        """Return the commands of that name one level down: ``taskq purge`` is ``taskq queue purge``."""
        groups = ((name, self.get_command(ctx, name)) for name in self.list_commands(ctx))
        return [
            f"{name} {word}"
            for name, group in groups
            if isinstance(group, click.Group) and group.get_command(ctx, word) is not None
        ]


class LazyGroup(TaskqGroup):
    """A group that imports the module of a command when it is called.

    The client behind most commands takes 200 ms to import, which ``taskq --help``, a mistyped command and shell
    completion do not need.

    Args:
        table: section -> name -> module and one line of help; the module has the command under the same name.
        attributes: as for ``click.Group``.
    """

    def __init__(self, table: Mapping[str, Mapping[str, tuple[str, str]]], **attributes: Any) -> None:
        super().__init__(**attributes)
        self._table = table
        self._rows = {name: row for section in table.values() for name, row in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(self._rows)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported now; None if there is none of that name."""
        if cmd_name not in self._rows:
            return None
        if cmd_name not in self.commands:
            module, help_text = self._rows[cmd_name]
            command: click.Command = getattr(importlib.import_module(module), cmd_name)
            command.short_help = help_text
            self.commands[cmd_name] = command
        return self.commands[cmd_name]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table, without an import."""
        for section, rows in self._table.items():
            _section(formatter, section, [(name, help_text) for name, (_, help_text) in rows.items()])
