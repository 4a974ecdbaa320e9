"""Sleep until there is something to do: a bell in the server, a runner that has finished, or a task that falls due."""

from __future__ import annotations

import logging
import random
import select
import socket
import time
from contextlib import suppress
from typing import Any, TypeVar

from taskq.errors import TaskqError
from taskq.protocol.operation import Operation
from taskq.transport.bell import Bell
from taskq.transport.failures import Unsure

T = TypeVar("T")

log = logging.getLogger("taskq.worker")

# A lost hint delays a task by this much at most; two commands per wait keep an idle worker below one a second.
IDLE_WAIT_SECONDS = 3.0
_MOST_SPREAD = 1.1
# The server answers when its own timeout ends; a silence longer by this much means a dead connection.
_GRACE_SECONDS = 2.0


class Waiter:
    """One sleeping place.

    Args:
        bell: of the lists that are served.
    """

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._poll_wakee = select.poll()
        self._bell_fd = -1
        self._silent_at = 0.0
        self._asleep = False
        self._waker, self._wakee = socket.socketpair()
        self._waker.setblocking(False)
        self._wakee.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._wakee, select.POLLIN)
        self._poll_wakee.register(self._wakee, select.POLLIN)

    @property
    def asleep(self) -> bool:
        """Whether the sleep was announced and nobody has ended it; for other threads."""
        return self._asleep

    def wake(self) -> None:
        """End the sleep, if there is one; for other threads."""
        if self._asleep:
            self._asleep = False
            # a full pipe wakes as well, and behind a closed one nobody sleeps: a runner may outlive the loop
            with suppress(OSError):
                self._waker.send(b"\0")

    def lie_down(self) -> None:
        """Announce the sleep; what was put down for the sleeper before a ``wake`` must be looked for after this."""
        self._asleep = True

    def get_up(self) -> None:
        """Take the announcement back."""
        self._asleep = False

    def nap(self, seconds: float) -> None:
        """Sleep for a moment without listening to the bell; a ``wake`` ends it."""
        if self._poll_wakee.poll(seconds * 1000):
            self._drain()
        self._asleep = False

    def watch(self, fd: int, seconds: float) -> bool:
        """Sleep until a descriptor is readable or somebody calls ``wake``; return whether it was the latter."""
        self._poll_wakee.register(fd, select.POLLIN)
        try:
            ready = self._poll_wakee.poll(seconds * 1000)
        finally:
            self._poll_wakee.unregister(fd)
        self._asleep = False
        woken = any(found != fd for found, _ in ready)
        if woken:
            self._drain()
        return woken

    @property
    def listening(self) -> bool:
        """Whether a wait for the bell is under way."""
        return self._bell.armed

    def collect(self, behind: Operation[T]) -> T | None:
        """Return the reply to what was sent along with the wait that has ended; None if it was lost: run it again."""
        return self._bell.collect(behind)

    def soon(self, due_ms: int) -> bool:
        """Whether a sleep ends when the next scheduled task falls due."""
        return 0 <= due_ms < IDLE_WAIT_SECONDS * 1000 * _MOST_SPREAD

    def deaf(self) -> None:
        """Give up the wait for the bell, and what was sent along with it."""
        self._bell.close()

    def sleep(self, listen: bool, due_ms: int, behind: Operation[Any] | None = None) -> bool:
        """Sleep; return whether to look for work.

        Args:
            listen: whether there is a free slot, so that the bell matters.
            due_ms: until the next scheduled task falls due; -1 if none is.
            behind: is run by the server in the moment in which the wait for the bell ends; ``collect`` has the reply.
        """
        seconds = IDLE_WAIT_SECONDS * random.uniform(0.9, _MOST_SPREAD)  # noqa: S311 - spreads load, no secret
        due = listen and 0 <= due_ms < seconds * 1000
        if due:
            seconds = due_ms / 1000 + 0.001
        if listen and not self._arm(seconds, behind):
            self._asleep = False
            time.sleep(random.uniform(0.05, 0.5))  # noqa: S311 - spreads load, no secret
            return True
        self._follow()
        ready = self._poll.poll(self._patience_ms(seconds if due else None))
        self._asleep = False
        look = due and not ready
        for fd, _ in ready:
            if fd == self._bell_fd:
                look = self._answer() or look
            else:
                self._drain()
        if self._bell.armed and time.monotonic() > self._silent_at:
            log.debug("bell: no answer in time, connecting again")
            self._bell.close()
            look = True
        return look

    def _arm(self, seconds: float, behind: Operation[Any] | None) -> bool:
        armed = self._bell.armed
        try:
            self._bell.arm(seconds, behind)
        except (Unsure, TaskqError) as error:
            log.debug("bell: %s", error)
            return False
        if not armed:
            self._silent_at = time.monotonic() + seconds + _GRACE_SECONDS
        return True

    def _patience_ms(self, due_seconds: float | None) -> float | None:
        limits = [] if due_seconds is None else [due_seconds]
        if self._bell.armed:
            limits.append(self._silent_at - time.monotonic())
        return max(0.0, min(limits)) * 1000 if limits else None

    def _answer(self) -> bool:
        """Read what the bell said; both a hint and a timeout are reasons to look."""
        try:
            self._bell.answer()
        except (Unsure, TaskqError) as error:
            log.debug("bell: %s", error)
        return True

    def _follow(self) -> None:
        """Keep the poll in step with the descriptor of the bell, which changes with every connection."""
        fd = self._bell.fileno()
        if fd != self._bell_fd:
            if self._bell_fd >= 0:
                self._poll.unregister(self._bell_fd)
            if fd >= 0:
                self._poll.register(fd, select.POLLIN)
            self._bell_fd = fd

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            self._wakee.recv(4096)

    def close(self) -> None:
        """Close the bell and the pipe."""
        self._bell.close()
        self._waker.close()
        self._wakee.close()
