"""What a command works with: its settings, a queue, and the form of its output."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Concatenate, ParamSpec

import click

from taskq.cli.options import GlobalFlags
from taskq.cli.output import show, show_json, show_note
from taskq.cli.program import EXIT_FAILED
from taskq.errors import EmbeddedServerError, InvalidTask, SettingsError, TaskConflict
from taskq.logs import ConsoleLines
from taskq.model.moment import iso_utc
from taskq.queue import TaskQueue
from taskq.settings import Settings, redact_url
from taskq.transport.embedded import HOST, Probe, probe
from taskq.transport.server_info import why_not_connected

P = ParamSpec("P")
# their messages name what the caller has given; those of a schema name what is in a payload
_OF_ARGUMENTS = (InvalidTask, SettingsError, TaskConflict)


class Session:
    """One run of one command.

    Args:
        flags: the global options.

    Attributes:
        starts_server: whether the queue may start the embedded server: a command that brings tasks sets it, one that
            looks at what is there does not.
    """

    def __init__(self, flags: GlobalFlags) -> None:
        self.json = flags.json
        self.starts_server = False
        self._cleanup = contextlib.ExitStack()
        flags.debug = (flags.log_level or "").upper() == "DEBUG"
        self._log_format_given = flags.log_format is not None
        self.settings = Settings.load(
            redis_url=flags.redis_url, prefix=flags.prefix, log_level=flags.log_level, log_format=flags.log_format
        )
        flags.debug = self.settings.log_level == "DEBUG"
        for warning in (*self.settings.warnings, *_password_in_arguments(flags.redis_url)):
            self.note(warning, kind="warning")

    @functools.cached_property
    def queue(self) -> TaskQueue:
        """The queue, connected; while no server answers, the user is told that the command goes on trying.

        Raises:
            AccessDenied, SettingsError, EmbeddedServerError: if there is no usable server.
        """
        if not self.starts_server:
            self._need_a_server()
        self._cleanup.callback(_log_to_stderr(self.settings))
        queue = TaskQueue(settings=self.settings)
        self._cleanup.callback(queue.close)
        why = why_not_connected(queue.transport)
        if why:
            self.note(
                f"no answer from {queue.namespace.endpoint.shown} yet ({why}); trying for up to "
                f"{self.settings.call_timeout_seconds:g} s, Ctrl+C ends it"
            )
        return queue

    def _need_a_server(self) -> None:
        settings = self.settings
        if settings.redis_url is None and settings.embedded and probe(HOST, settings.embedded_port) is Probe.NOTHING:
            raise EmbeddedServerError(
                f"no server runs: REDIS_URL is not set, and nothing listens on {HOST}:{settings.embedded_port}. "
                "`taskq worker`, `taskq submit` and `taskq server start` start one there, with the data of the last one"
            )

    def note(self, message: str, kind: str = "note") -> None:
        """Say something on the standard error, beside the result."""
        show_note(message, as_json=self.json, kind=kind)

    def tell_removed(self, removed: bool, what: dict[str, str | None], gone: str, none: str) -> None:
        """Say whether something was removed; end the command as failed if it was not there.

        Args:
            removed: whether it was.
            what: how it is named in JSON.
            gone: said if it was.
            none: said beside the result if it was not.
        """
        if self.json:
            show_json({**what, "removed": removed})
        elif removed:
            show(gone)
        if not removed:
            self.note(none)
            click.get_current_context().exit(EXIT_FAILED)

    def process_settings(self) -> Settings:
        """Return the settings for a process that logs: ``--json`` makes its log JSON."""
        if self.json and not self._log_format_given:
            return replace(self.settings, log_format="json")
        return self.settings

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before something is deleted; end the command unless the answer is yes.

        Args:
            question: what to ask.
            yes: whether it was answered on the command line.

        Raises:
            click.UsageError: if nobody is there to answer.
        """
        if yes:
            return
        if not sys.stdin.isatty():
            raise click.UsageError(f"{question} Nobody is there to answer: add --yes to do it without a question.")
        if not click.confirm(question, err=True):
            self.note("nothing was changed")
            click.get_current_context().exit(EXIT_FAILED)

    def close(self) -> None:
        """Close what was opened."""
        self._cleanup.close()


def _password_in_arguments(url: str | None) -> list[str]:
    if url is None or redact_url(url) == url:
        return []
    return ["everybody on this machine can read the password in --redis-url (ps): put the URL into REDIS_URL or .env"]


def with_session(function: Callable[Concatenate[Session, P], None]) -> Callable[P, None]:
    """Give a command its session as the first argument."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        context = click.get_current_context()
        session = Session(context.find_object(GlobalFlags) or GlobalFlags())
        context.call_on_close(session.close)
        try:
            function(session, *args, **kwargs)
        except _OF_ARGUMENTS as error:
            if type(error) in _OF_ARGUMENTS:
                error.args = (_with_flags(str(error), context.command),)
            raise

    return run


def _with_flags(message: str, command: click.Command) -> str:
    """Return what the package says of an argument, with the flag that was typed; what is quoted is the user's."""
    for option in command.params:
        if isinstance(option, click.Option) and option.name and "_" in option.name:
            message = re.sub(rf"(?<![\w'\"`./-]){option.name}(?![\w'\"`./-])", option.opts[0], message)
    return message


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(
            {
                "timestamp": iso_utc(int(record.created * 1000)),
                "level": record.levelname,
                "logger": record.name,
                "message": record.getMessage(),
            }
        )


def _log_to_stderr(settings: Settings) -> Callable[[], None]:
    """Send the log of the package to the standard error; the function returned undoes it."""
    handler = logging.StreamHandler()
    handler.setFormatter(ConsoleLines())
    if settings.log_format == "json":
        handler.setFormatter(_JsonLines())
    logger = logging.getLogger("taskq")
    level_before = logger.level
    logger.addHandler(handler)
    logger.setLevel(settings.log_level)

    def undo() -> None:
        logger.removeHandler(handler)
        logger.setLevel(level_before)

    return undo
