"""Ctrl+C, SIGTERM and the end of the terminal, for the user's own process and for a supervisor."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from taskq.endings import ending_signals


class StopOnSignals:
    """SIGINT, SIGTERM and SIGHUP call a function, if this is the main thread; nothing changes on another one."""

    def __init__(self, handle: Callable[[int], None]) -> None:
        self._handle = handle
        self._old: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in ending_signals():
                self._old[number] = signal.signal(number, self._caught)

    def _caught(self, number: int, _: FrameType | None) -> None:
        self._handle(number)

    def __exit__(self, *_: object) -> None:
        for number, old in self._old.items():
            signal.signal(number, old)


class ReadableSignals:
    """Makes signals readable: their numbers come out of a socket.

    What they ask for is done by the main loop, between two of its steps: a handler could meet it in the middle of one,
    with a lock in its hands or half of the processes started.
    """

    def __init__(self) -> None:
        self._numbers = (*ending_signals(), signal.SIGCHLD)
        self._sockets = socket.socketpair()
        for end in self._sockets:
            end.setblocking(False)

    def __enter__(self) -> socket.socket:
        ours, theirs = self._sockets
        self._old_fd = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        self._old = {number: signal.signal(number, lambda *_: None) for number in self._numbers}
        return ours

    def poke(self) -> None:
        """Wake the main loop without a signal."""
        with suppress(OSError):  # a full buffer wakes as well, and after the end there is nobody to wake
            self._sockets[1].send(b"\0")

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._old_fd)
        for number, old in self._old.items():
            signal.signal(number, old)
        for end in self._sockets:
            end.close()
