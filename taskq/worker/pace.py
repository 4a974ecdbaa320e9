"""How often an attempt tells the server how far it is: what is said in between is merged, the last word counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

INTERVAL_SECONDS = 0.1


class Pace:
    """Sends at most one text per interval, and at the end the last one if it was held back.

    Args:
        send: sends a text, and repeats it for some seconds while the server is away; None: as long as any call.
    """

    __slots__ = ("_lock", "_next", "_said", "_send", "_sent")

    def __init__(self, send: Callable[[str, float | None], object]) -> None:
        self._send = send
        self._said: str | None = None
        self._sent: str | None = None
        self._next = 0.0
        # a timeout may strike a handler inside of this lock: its thread must be able to come in again
        self._lock = threading.RLock()

    @property
    def holds_back(self) -> bool:
        """Whether the last text has not been sent."""
        return self._said != self._sent

    def say(self, text: str) -> None:
        """Send a text, or keep it for a later call if the last one was sent within the interval."""
        self._said = text
        if time.monotonic() >= self._next:
            with self._lock:
                if time.monotonic() >= self._next:  # else another thread has sent while this one waited
                    self._send_last()

    def flush(self, patience_seconds: float | None = None) -> None:
        """Send the last text if it has not been sent."""
        with self._lock:
            if self.holds_back:
                self._send_last(patience_seconds)

    def _send_last(self, patience_seconds: float | None = None) -> None:
        text = self._said
        assert text is not None
        self._next = time.monotonic() + INTERVAL_SECONDS
        self._send(text, patience_seconds)
        self._sent = text
