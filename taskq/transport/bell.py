"""Wait for work without polling: a BLPOP under way on a connection of its own."""

from __future__ import annotations

from typing import Any, TypeVar

from taskq.protocol.operation import Operation
from taskq.protocol.replies import OutOfStep
from taskq.transport.endpoint import Endpoint
from taskq.transport.failures import ReplyError, check
from taskq.transport.line import Line
from taskq.transport.wire import pack

T = TypeVar("T")

# the server answers a BLPOP when its timeout ends; silence for this much longer means a half-open connection
_GRACE_SECONDS = 2.0


class Bell:
    """Blocks in the server on the bells of some lists; the caller selects on the descriptor.

    Args:
        endpoint: where to connect.
        keys: the bells, the most urgent first.
    """

    def __init__(self, endpoint: Endpoint, keys: list[str]) -> None:
        self._line = Line(endpoint, _GRACE_SECONDS)
        self._keys = keys
        self._behind: Operation[Any] | None = None
        self._done: tuple[Operation[Any], Any] | None = None
        self.armed = False

    def arm(self, timeout_seconds: float, behind: Operation[Any] | None = None) -> None:
        """Begin to wait, for at most some seconds, unless a wait is under way.

        Args:
            timeout_seconds: after which the wait ends.
            behind: is sent along, and run by the server in the moment in which the wait ends; see ``collect``.

        Raises:
            Unsure, TaskqError: if the server cannot be asked.
        """
        packed = b""
        if not self.armed:
            # 0 would mean for ever
            packed = pack(("BLPOP", *self._keys, f"{max(timeout_seconds, 0.01):.3f}"))
        if behind is not None and self._behind is None:
            packed += pack(behind.command())
            self._behind = behind
        if not packed:
            return
        try:
            self._line.wire().send(packed)
        except Exception:
            self.close()
            raise
        self.armed = True

    def fileno(self) -> int:
        """The descriptor that becomes readable when the wait ends; -1 if none is under way."""
        return self._line.wire().fileno() if self.armed else -1

    def answer(self) -> str | None:
        """Read how the wait ended: the list whose bell was rung, or None at the timeout.

        Raises:
            Unsure, TaskqError: if the connection is of no more use; the wait is over then.
        """
        self.armed = False
        behind, self._behind = self._behind, None
        wire = self._line.wire()
        try:
            reply = wire.take()
            if isinstance(reply, ReplyError):
                check(reply)
            if behind is not None:
                reply_behind = wire.take()
                self._done = behind, reply_behind
                if isinstance(reply_behind, ReplyError) and reply_behind.code != "NOSCRIPT":
                    self._line.close()  # perhaps this server is not in charge any more
        except Exception:
            self._line.close()
            raise
        return None if reply is None else reply[0].decode().partition(":bell:")[2]

    def collect(self, behind: Operation[T]) -> T | None:
        """Return the reply to what was sent along with the wait that has ended; None if it was lost: run it again."""
        done, self._done = self._done, None
        if done is None or done[0] is not behind or isinstance(done[1], ReplyError):
            return None
        try:
            value: T = behind.parse(done[1])
            return value
        except OutOfStep:
            self.close()
            return None

    def close(self) -> None:
        """Give up the wait. A hint on its way is lost with it, which costs the others one timeout at most."""
        self.armed = False
        self._behind = None
        self._line.close()
