"""A line to the server that outlasts any outage, and says so once."""

from __future__ import annotations

import logging
import threading
import time
from typing import TypeVar

from taskq.errors import ServerUnavailable
from taskq.protocol.operation import Operation
from taskq.transport.line import Line, Patience

log = logging.getLogger("taskq.scheduler")

T = TypeVar("T")


class SteadyLine:
    """Runs operations; while the server is away, the caller waits.

    Args:
        line: to the server.
        address: of the server, as it may be shown.
        stop: ends the waiting.
    """

    def __init__(self, line: Line, address: str, stop: threading.Event) -> None:
        self._line = line
        self._address = address
        self._stop = stop

    def run(self, operation: Operation[T]) -> T:
        """Run an operation, with the same arguments again until the server has answered.

        Raises:
            ServerUnavailable: when ``stop`` is set meanwhile.
            TaskqError: if the server refuses.
        """
        try:
            return self._line.run(operation, Patience(0))
        except ServerUnavailable as gone:
            since = time.monotonic()
            log.warning("the server %s does not answer (%s); waiting for it", self._address, gone.__context__ or gone)
        reply = self._line.run(operation, Patience(None, self._stop))
        log.info("the server %s answers again, after %.1f s", self._address, time.monotonic() - since)
        return reply

    def close(self) -> None:
        """Close the connection."""
        self._line.close()
