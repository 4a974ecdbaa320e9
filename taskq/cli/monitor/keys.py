"""Single keys from a terminal."""

from __future__ import annotations

import os
import select
import sys
import termios
import tty
from types import TracebackType

_NAMES = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1bOA": "up",
    b"\x1bOB": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\x1b[Z": "back tab",
    b"\x1b": "escape",
    b"\t": "tab",
    b"\r": "enter",
    b"\n": "enter",
    b"\x7f": "escape",
}


class Keyboard:
    """Reads keys one by one, without echo; Ctrl+C still interrupts."""

    def __init__(self) -> None:
        self._fd = sys.stdin.fileno()
        self._left = b""

    def __enter__(self) -> Keyboard:
        self._before = termios.tcgetattr(self._fd)
        tty.setcbreak(self._fd)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        termios.tcsetattr(self._fd, termios.TCSADRAIN, self._before)

    def read(self, timeout_seconds: float) -> str:
        """Return a key, empty if none is pressed in time: a letter, or a name such as ``up``, ``tab`` or ``enter``."""
        if not self._left:
            if not select.select([self._fd], [], [], timeout_seconds)[0]:
                return ""
            self._left = os.read(self._fd, 64)
        for code, name in _NAMES.items():
            if self._left.startswith(code) and (code != b"\x1b" or self._left == code):
                self._left = self._left[len(code) :]
                return name
        if self._left.startswith(b"\x1b"):  # a key that has no meaning here
            self._left = b""
            return ""
        key, self._left = self._left[:1], self._left[1:]
        return key.decode("ascii", "ignore")
