"""The program as a whole: how it ends, and what it says when it fails."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from taskq.cli.commands import LazyGroup
from taskq.cli.options import GlobalFlags
from taskq.cli.output import show_error
from taskq.errors import (
    AccessDenied,
    EmbeddedServerError,
    InvalidTask,
    NameNotFound,
    ResultTimeout,
    ServerUnavailable,
    SettingsError,
    TaskqError,
    UnsupportedServer,
    UntrustedServer,
)

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NO_SERVER = 3
EXIT_TIMEOUT = 124
EXIT_INTERRUPTED = 130

EXIT_CODES = """\b
Exit codes:
  0    done
  1    failed, refused or not found
  2    wrong usage or setting
  3    no server, or it denies access
  124  the time given to --wait is over
  130  interrupted with Ctrl+C"""

_CODES: tuple[tuple[type[TaskqError], int], ...] = (
    (NameNotFound, EXIT_FAILED),
    (InvalidTask, EXIT_USAGE),
    (SettingsError, EXIT_USAGE),
    (ServerUnavailable, EXIT_NO_SERVER),
    (AccessDenied, EXIT_NO_SERVER),
    (UnsupportedServer, EXIT_NO_SERVER),
    (UntrustedServer, EXIT_NO_SERVER),
    (EmbeddedServerError, EXIT_NO_SERVER),
    (ResultTimeout, EXIT_TIMEOUT),
)


def exit_code_of(error: TaskqError) -> int:
    """Return the code with which the program ends after an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), EXIT_FAILED)


class Program(LazyGroup):
    """The root of all commands."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run a command and end the process with its code; see ``click.Command.main``."""
        words = list(sys.argv[1:] if args is None else args)
        flags = GlobalFlags(json="--json" in words)  # an error may come before the options have been read
        try:
            code = super().main(words, prog_name, complete_var, standalone_mode=False, obj=flags, **extra)
        except click.Abort:
            code = EXIT_INTERRUPTED
        except click.ClickException as error:
            code = error.exit_code
            if flags.json:
                # the names of the kinds of wrong usage differ between releases of click
                kind = "UsageError" if isinstance(error, click.UsageError) else type(error).__name__
                _show_error_json(kind, error.format_message())
            else:
                error.show()
        except TaskqError as error:
            code = exit_code_of(error)
            if flags.debug:
                traceback.print_exc()
            if flags.json:
                _show_error_json(type(error).__name__, str(error))
            else:
                show_error(str(error))
        sys.exit(code if isinstance(code, int) else 0)


def _show_error_json(kind: str, message: str) -> None:
    click.echo(json.dumps({"error": {"type": kind, "message": message}}), err=True)
