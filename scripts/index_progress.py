"""Show how far the main job is: a bar on a terminal, a line now and then anywhere else."""

from __future__ import annotations

import shutil
import sys
import time
from types import TracebackType
from typing import Any, Self

import click

_LINE_SECONDS = 2.0
_LEAST_COLUMNS = 80  # a bar that does not fit would leave a trail of lines


class Progress:
    """A context in which ``show`` may be called as often as one likes.

    Args:
        total: number of tasks.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._begun = time.monotonic()
        self._next_line = self._begun + _LINE_SECONDS
        self._bar: Any = None
        if sys.stdout.isatty() and shutil.get_terminal_size().columns >= _LEAST_COLUMNS:
            self._bar = click.progressbar(
                length=total,
                label="  indexing",
                width=20,
                show_pos=True,
                show_percent=True,
                show_eta=False,
                item_show_func=lambda note: note,
            )

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.__exit__(kind, error, trace)

    def show(self, done: int) -> None:
        """Show how many tasks have ended."""
        now = time.monotonic()
        if self._bar is not None:
            self._bar.update(done - self._bar.pos)
        elif now >= self._next_line or done == self._total:
            self._next_line = now + _LINE_SECONDS if done < self._total else float("inf")
            rate = done / (now - self._begun)
            click.echo(f"  indexing  {done / self._total:4.0%}  {done:>6,} of {self._total:,}  {rate:.0f} tasks/s")

    def note(self, short: str, full: str) -> None:
        """Say something beside the bar, or in full on a line of its own."""
        if self._bar is not None:
            self._bar.update(0, current_item=short)
        else:
            click.echo(f"  {full}")
