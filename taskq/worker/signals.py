"""Ctrl+C, SIGTERM and the end of the terminal for what runs in the user's own process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
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
