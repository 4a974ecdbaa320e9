"""A connection that comes back: one place in the pool, or the own line of an engine."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from taskq.protocol.operation import Operation
from taskq.protocol.replies import OutOfStep
from taskq.transport.endpoint import Endpoint
from taskq.transport.failures import Unsure, check, unavailable
from taskq.transport.wire import Wire, pack

T = TypeVar("T")

log = logging.getLogger("taskq.transport")


class Patience:
    """How long, and until what, a call is repeated.

    Args:
        seconds: from the first attempt; None: without end.
        stop: set by another thread to give up at once.
    """

    def __init__(self, seconds: float | None, stop: threading.Event | None = None) -> None:
        self.seconds = seconds
        self._stop = stop

    def repeat(self, attempt: Callable[[], T], address: str) -> T:
        """Call ``attempt`` until it no longer raises ``Unsure``.

        Raises:
            ServerUnavailable: when patience ends.
        """
        deadline = None if self.seconds is None else time.monotonic() + self.seconds
        stop = self._stop or threading.Event()

        def over(state: RetryCallState) -> bool:
            return stop.is_set() or (deadline is not None and time.monotonic() >= deadline)

        def pause(seconds: float) -> None:
            stop.wait(seconds)

        def give_up(state: RetryCallState) -> Any:
            last = state.outcome.exception() if state.outcome else None
            raise unavailable(address, self.seconds, last) from None

        return Retrying(
            retry=retry_if_exception_type(Unsure),
            wait=wait_random_exponential(multiplier=0.02, max=0.5),
            sleep=pause,
            stop=over,
            retry_error_callback=give_up,
        )(attempt)


class Line:
    """At most one connection to the server, opened when needed, closed when in doubt.

    Not for two threads at once.

    Args:
        endpoint: where to connect.
        timeout_seconds: how long one reply may take.
    """

    def __init__(self, endpoint: Endpoint, timeout_seconds: float) -> None:
        self._endpoint = endpoint
        self._timeout = timeout_seconds
        self._wire: Wire | None = None
        self._unread: deque[Operation[Any]] = deque()
        self.connects = 0

    def run(self, operation: Operation[T], patience: Patience) -> T:
        """Run an operation, with the same arguments again if its fate is unknown.

        Raises:
            ServerUnavailable: when patience ends.
            TaskqError: if the server refuses.
        """
        packed = pack(operation.command())
        if self._unread:
            self.close()  # its reply would be taken for the one of an operation that was posted
        try:
            reply = self._attempt(packed, operation)
        except Unsure as first:
            if patience.seconds == 0:
                raise unavailable(self._endpoint.shown, 0, first) from None
            reply = patience.repeat(lambda: self._attempt(packed, operation), self._endpoint.shown)
        return operation.parse(reply)

    def _attempt(self, packed: bytes, operation: Operation[T]) -> Any:
        def exchange(wire: Wire) -> Any:
            reply = wire.request(packed)
            if isinstance(reply, Exception):
                if str(reply).startswith("NOSCRIPT"):
                    reply = wire.request(pack(operation.full_command()))
                check(reply)
            return reply

        return self._guarded(exchange)

    def _guarded(self, exchange: Callable[[Wire], T]) -> T:
        """Let a function use the connection once, and close the connection if it may be out of step after that."""
        try:
            return exchange(self.wire())
        except Unsure as doubt:
            if doubt.reconnect:
                self.close()
                self._endpoint.heed(doubt)
            raise
        except BaseException:
            # an interrupt in the middle of a reply leaves the wire out of step
            self.close()
            raise

    def post(self, operation: Operation[Any]) -> None:
        """Send an operation without waiting for its reply, for which ``collect`` is to be called.

        Several may be on their way; they are collected in the order in which they were posted. What goes wrong here is
        made good there.
        """
        try:
            if self._wire is not None:  # opening one may take its time, and fail
                self._wire.send(pack(operation.command()))
                self._unread.append(operation)
        except Unsure:
            self.close()

    def collect(self, operation: Operation[T], patience: Patience) -> T:
        """Return the reply to the oldest operation that was posted; if it was lost, run the operation again.

        Raises:
            ServerUnavailable: when patience ends.
            TaskqError: if the server refuses.
        """
        if self._wire is not None and self._unread and self._unread[0] is operation:
            try:
                reply = self._wire.read()
            except Unsure as doubt:
                log.debug("no reply: %s", doubt)
                self.close()
            except BaseException:
                self.close()
                raise
            else:
                self._unread.popleft()
                if isinstance(reply, Exception):
                    log.debug("refused: %s", reply)
                else:
                    try:
                        value: T = operation.parse(reply)
                        return value
                    except OutOfStep as error:
                        log.warning("%s: a proxy on the way has left a reply out; connecting again", error)
                        self.close()
                if self._unread:
                    self.close()  # those behind it are run again too, each when its turn comes
        return self.run(operation, patience)

    def fileno(self) -> int:
        """The descriptor to wait on for the reply to what was posted; -1 if there is none to wait for."""
        wire = self._wire
        return -1 if wire is None or not self._unread or wire.answered() else wire.fileno()

    def talk(self, exchange: Callable[[Wire], T], patience: Patience) -> T:
        """Let a function exchange several messages on the connection, all of them again if their fate is unknown.

        Args:
            exchange: gets the open connection; it reads a reply to everything it sends before it raises an error that
                is not ``Unsure``, or closes the line.
            patience: how long to repeat.

        Raises:
            ServerUnavailable: when patience ends.
            TaskqError: if the server refuses.
        """
        return patience.repeat(lambda: self._guarded(exchange), self._endpoint.shown)

    def wire(self) -> Wire:
        """Return the open connection, or open it.

        Raises:
            Unsure, TaskqError: as ``Endpoint.connect``.
        """
        if self._wire is None:
            self._wire = Wire(self._endpoint, self._timeout)
            self.connects += 1
        return self._wire

    def close(self) -> None:
        """Close the connection; the next call opens another one."""
        self._unread.clear()
        if self._wire is not None:
            self._wire.close()
            self._wire = None
