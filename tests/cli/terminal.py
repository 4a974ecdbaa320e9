"""A terminal of a given size, with a program in it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping
from pathlib import Path

from tests.waiting import eventually


class Terminal:
    """``python -m taskq`` on a pseudo-terminal.

    Args:
        arguments: of taskq.
        environment: beside that of this process.
        folder: where it runs.
        size: columns and lines.
    """

    def __init__(
        self, arguments: list[str], environment: Mapping[str, str], folder: Path, size: tuple[int, int] = (80, 24)
    ) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "taskq", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env={**os.environ, "TERM": "xterm-256color", "PYTHONUTF8": "1", **environment},
            start_new_session=True,
        )
        os.close(theirs)
        self._heard = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self._ours, 65536):
                self._heard += data

    @property
    def text(self) -> str:
        """All that was shown so far, without colours and movements."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self._heard.decode("utf-8", "replace"))

    def sees(self, words: str) -> None:
        """Wait until some words are shown after the last key."""
        eventually(lambda: words in self.text, 60, f"{words!r} in {self.text[-2000:]}")

    def press(self, keys: str) -> None:
        """Type; what was shown before is forgotten."""
        self._heard = b""
        os.write(self._ours, keys.encode())

    def end(self) -> int:
        """Return the exit code; end it if it has not ended."""
        try:
            code = self.process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            code = self.process.wait()
        self._reader.join(1)
        os.close(self._ours)
        return code
