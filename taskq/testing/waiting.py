"""The one way in which tests wait: poll a condition until it holds or its deadline has passed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_FIRST_PAUSE_SECONDS = 0.001
_LONGEST_PAUSE_SECONDS = 0.02


def eventually(predicate: Callable[[], T], timeout_seconds: float = 30, what: str = "the condition") -> T:
    """Return the first true value of ``predicate``.

    Args:
        predicate: called again and again; its errors are not caught.
        timeout_seconds: deadline; by default patient enough for a machine that has much else to do.
        what: what is waited for, for the message.

    Raises:
        AssertionError: if no call gave a true value in time; the message shows the last value.
    """
    deadline = time.monotonic() + timeout_seconds
    pause_seconds = _FIRST_PAUSE_SECONDS
    while not (value := predicate()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout_seconds:g} s; the last value was {value!r}")
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 1.5, _LONGEST_PAUSE_SECONDS)
    return value
