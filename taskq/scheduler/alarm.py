"""Sleep until a time, or until the server says that there is something new."""

from __future__ import annotations

import select
import threading
import time

from taskq.errors import TaskqError
from taskq.scheduler.complaints import Complaints
from taskq.transport.bell import Bell
from taskq.transport.failures import Unsure

# A wait in the server ends by itself, so that a scheduler that is gone is noticed there.
_BELL_SECONDS = 5.0
# Silence for this much longer means that the connection is half open.
_GRACE_SECONDS = 2.0
# How soon a stop is noticed; the look at the event costs no command.
_STOP_CHECK_SECONDS = 0.2
_PAUSE_SECONDS = 0.1


class Alarm:
    """One sleeping place.

    Args:
        bell: of the schedulers.
        stop: ends every sleep.
    """

    def __init__(self, bell: Bell, stop: threading.Event) -> None:
        self._bell = bell
        self._stop = stop
        self._silent_at = 0.0
        self._complaints = Complaints()

    def wait(self, seconds: float) -> bool:
        """Sleep; return whether the bell has ended it.

        A bell that cannot be heard is no error: the sleep is cut short, and the next call of the server shows what is
        wrong, or that all is well again.

        Args:
            seconds: how long at most.
        """
        until = time.monotonic() + seconds
        while not self._stop.is_set() and (left := until - time.monotonic()) > 0:
            try:
                if self._listen(min(left, _STOP_CHECK_SECONDS)):
                    return True
            except Unsure:
                self._bell.close()
                self._stop.wait(min(left, _PAUSE_SECONDS))
                return False
            except TaskqError as refusal:
                self._complaints.say("the bell of the schedulers", refusal)
                self._bell.close()
                self._stop.wait(min(left, _STOP_CHECK_SECONDS))
            else:
                self._complaints.over("the bell of the schedulers")
        return False

    def _listen(self, seconds: float) -> bool:
        if not self._bell.armed:
            self._bell.arm(_BELL_SECONDS)
            self._silent_at = time.monotonic() + _BELL_SECONDS + _GRACE_SECONDS
        # not select(): it fails in a process with more than a thousand open files
        poll = select.poll()
        poll.register(self._bell.fileno(), select.POLLIN)
        if poll.poll(seconds * 1000):
            return self._bell.answer() is not None
        if time.monotonic() > self._silent_at:
            raise Unsure("the bell has not answered in time")
        return False

    def close(self) -> None:
        """Give up the wait in the server."""
        self._bell.close()
