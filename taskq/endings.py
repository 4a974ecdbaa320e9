"""The signals that ask a process to end."""

from __future__ import annotations

import signal
from types import FrameType


def ending_signals() -> tuple[int, ...]:
    """Return the signals after which a process ends in order: Ctrl+C, SIGTERM, and the end of its terminal.

    Under ``nohup`` the last one is ignored, and stays so.
    """
    hangup = getattr(signal, "SIGHUP", None)
    heard = hangup is not None and signal.getsignal(hangup) is not signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *((hangup,) if heard else ()))


class Interruption:
    """From now on SIGTERM and the end of the terminal do what Ctrl+C does: they raise ``KeyboardInterrupt``, once.

    For commands that have to clear away what they have started. On the main thread only.
    """

    def __init__(self) -> None:
        self._number: int = signal.SIGINT
        self._came = False
        for number in ending_signals():
            if number != signal.SIGINT:
                signal.signal(number, self._caught)

    def _caught(self, number: int, _: FrameType | None) -> None:
        if not self._came:  # another one must not break off the clearing away
            self._came, self._number = True, number
            raise KeyboardInterrupt

    @property
    def exit_code(self) -> int:
        """With which code a process ends, as shells know it: 130 after Ctrl+C, 143 after SIGTERM, 129 after SIGHUP."""
        return 128 + self._number
