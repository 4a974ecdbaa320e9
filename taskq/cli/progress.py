"""A bar on the standard error while a command takes long; nothing at all where nobody watches."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable
from typing import Any

from taskq.cli.session import Session
from taskq.errors import TaskqError
from taskq.operate.watching import Advance


def _bars(session: Session) -> Any:
    """Return what draws bars, loaded only where somebody sees them; None if nobody does."""
    return importlib.import_module("taskq.cli.bars") if sys.stderr.isatty() and not session.json else None


def progress_bar(session: Session, label: str, total: Callable[[], int]) -> contextlib.AbstractContextManager[Advance]:
    """Return what yields a function to be told how far the command is.

    Args:
        session: with ``--json`` there is no bar.
        label: what is being done.
        total: returns how much there is to do, as far as it is known; asked only if there is a bar.
    """
    bars = _bars(session)
    if bars is None:
        return contextlib.nullcontext(lambda done, step: None)
    number = 0
    with contextlib.suppress(TaskqError):  # of a damaged namespace: the command itself knows better what to say
        number = total()
    found: contextlib.AbstractContextManager[Advance] = bars.counting(label, number)
    return found


def time_bar(session: Session, label: str, seconds: float) -> contextlib.AbstractContextManager[Callable[[str], None]]:
    """Return what yields a function to be told lines about a command that takes a known time.

    Args:
        session: with ``--json`` there are neither lines nor a bar.
        label: what is being done.
        seconds: how long it takes, about.
    """
    bars = _bars(session)
    if bars is None:
        return contextlib.nullcontext((lambda line: None) if session.json else session.note)
    found: contextlib.AbstractContextManager[Callable[[str], None]] = bars.timing(label, seconds)
    return found
