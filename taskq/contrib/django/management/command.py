"""A command of ``manage.py`` that is one of taskq: the same flags, the settings of the project."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from taskq.cli import main
from taskq.contrib.django.queues import project_settings
from taskq.settings import FIELDS

# Django itself has dealt with these before a command is called.
_OF_DJANGO = ("--settings", "--pythonpath")


class TaskqCommand(BaseCommand):
    """Hands its arguments to the command line of taskq.

    Attributes:
        words: which command it is, and what it is always told.
    """

    words: tuple[str, ...] = ()

    def run_from_argv(self, argv: list[str]) -> None:
        """Run with the words behind the name of the command."""
        publish_settings()
        main(args=[*self.words, *_without_djangos(argv[2:])], prog_name=" ".join(argv[:2]))

    def add_arguments(self, parser: CommandParser) -> None:
        """Take whatever follows the name of the command."""
        parser.add_argument("words", nargs=argparse.REMAINDER, help="as for the command line of taskq")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run with the words that ``call_command`` was given."""
        publish_settings()
        try:
            main(args=[*self.words, *options["words"]], prog_name="taskq")
        except SystemExit as end:
            if end.code:
                words = " ".join(["taskq", *self.words, *options["words"]])
                raise CommandError(f"`{words}` has failed; it has said why", returncode=int(end.code)) from None


def publish_settings() -> None:
    """Put the settings of the project into the environment, which processes of a worker inherit."""
    given = project_settings()
    for spec in FIELDS:
        if given.get(spec.name) is not None:
            os.environ[spec.env[0]] = str(given[spec.name])


def _without_djangos(words: list[str]) -> Iterator[str]:
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word in _OF_DJANGO:
            skip = True
        elif word.partition("=")[0] not in _OF_DJANGO:
            yield word
