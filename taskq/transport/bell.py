"""Wait for work without polling: a BLPOP under way on a connection of its own."""

from __future__ import annotations

from taskq.transport.endpoint import Endpoint
from taskq.transport.failures import Unsure, check
from taskq.transport.line import Line
from taskq.transport.wire import pack

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
        self.armed = False

    def arm(self, timeout_seconds: float) -> None:
        """Begin to wait, for at most some seconds; nothing happens if a wait is under way.

        Raises:
            Unsure, TaskqError: if the server cannot be asked.
        """
        if self.armed:
            return
        try:
            # 0 would mean for ever
            self._line.wire().send(pack(("BLPOP", *self._keys, f"{max(timeout_seconds, 0.01):.3f}")))
        except Unsure:
            self._line.close()
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
        try:
            reply = self._line.wire().read()
            check(reply)
        except Exception:
            self._line.close()
            raise
        return None if reply is None else reply[0].decode().partition(":bell:")[2]

    def close(self) -> None:
        """Give up the wait. A hint on its way is lost with it, which costs the others one timeout at most."""
        self.armed = False
        self._line.close()
