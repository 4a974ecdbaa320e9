"""The bars of ``taskq.cli.progress``, in a module of their own: they are drawn with rich, which takes time to load."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from taskq.logs import printable

_TICK_SECONDS = 0.5


@contextlib.contextmanager
def counting(label: str, total: int) -> Iterator[Callable[[int, str], None]]:
    """Yield what moves a bar by a number and may change its label; the bar is gone at the end."""
    columns = (TextColumn("{task.description}"), BarColumn(None), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=max(total, 1))

        def advance(done: int, step: str = "") -> None:
            progress.update(task, advance=done, description=step or label)

        yield advance


@contextlib.contextmanager
def timing(label: str, seconds: float) -> Iterator[Callable[[str], None]]:
    """Yield what prints a line above a bar that moves by itself for some seconds."""
    columns = (TextColumn("{task.description}"), BarColumn(None), TimeRemainingColumn())
    ended = threading.Event()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=seconds)

        def run() -> None:
            while not ended.wait(_TICK_SECONDS):
                progress.update(task, advance=_TICK_SECONDS)

        thread = threading.Thread(target=run, name="taskq progress", daemon=True)
        thread.start()
        try:
            yield lambda line: progress.console.print(printable(line), markup=False, highlight=False)
        finally:
            ended.set()
            thread.join()
