"""How often an attempt tells the server how far it is: what is said in between is merged, the last word counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

INTERVAL_SECONDS = 0.1


class Pace:
    """Sends at most one text per interval, and the last one that was held back when the interval is over.

    Args:
        send: sends a text, and repeats it for some seconds while the server is away; None: as long as any call.
        send_late: flushes on another thread than the handler's, and raises nothing.
    """

    __slots__ = ("_late", "_lock", "_next", "_said", "_send", "_send_late", "_sent")

    def __init__(self, send: Callable[[str, float | None], object], send_late: Callable[[], object]) -> None:
        self._send = send
        self._send_late = send_late
        self._late = False
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
        """Send a text, or have it sent later if the last one was sent within the interval."""
        self._said = text
        if time.monotonic() >= self._next:
            with self._lock:
                if time.monotonic() >= self._next:  # else another thread has sent while this one waited
                    self._send_last()
                    return
        if not self._late:
            self._late = True
            _latecomers.add(self)

    def wait_seconds(self) -> float:
        """Return how long it is until the next text may be sent."""
        return max(0.0, self._next - time.monotonic())

    def deliver(self) -> None:
        """Send what was held back."""
        self._late = False
        self._send_late()

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


class _Latecomers:
    """Delivers what was held back and followed by nothing: one thread for all attempts of the process."""

    def __init__(self) -> None:
        self._waiting: list[Pace] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, pace: Pace) -> None:
        """Deliver it when its interval is over."""
        with self._changed:
            self._waiting.append(pace)
            # a forked child has the object without its thread
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="taskq progress", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            for pace in self._next_due():
                pace.deliver()

    def _next_due(self) -> list[Pace]:
        with self._changed:
            while True:
                waits = [pace.wait_seconds() for pace in self._waiting]
                due = [pace for pace, seconds in zip(self._waiting, waits, strict=True) if not seconds]
                if due:
                    self._waiting = [pace for pace, seconds in zip(self._waiting, waits, strict=True) if seconds]
                    return due
                self._changed.wait(min(waits, default=None))


_latecomers = _Latecomers()
