"""Keep the numbers of each minute; every worker and every scheduler tries it, the first one of a minute does it."""

from __future__ import annotations

import logging

from taskq.errors import AccessDenied
from taskq.protocol.operations import Protocol
from taskq.transport.upkeep import Run

log = logging.getLogger("taskq")

_MINUTE_MS = 60_000


class Chronicle:
    """Asks the server once a minute to keep its numbers; between that it costs nothing.

    Args:
        run: runs an operation.
        protocol: the operations of the namespace.
    """

    def __init__(self, run: Run, protocol: Protocol) -> None:
        self._run = run
        self._protocol = protocol
        self._minute = -1
        self._enabled = True

    def step(self, now_ms: int) -> None:
        """Have the numbers kept if a new minute has begun.

        Args:
            now_ms: server time, as a beat has told it.

        Raises:
            TaskqError: as ``run`` does.
        """
        minute = now_ms // _MINUTE_MS
        if not self._enabled or minute == self._minute:
            return
        try:
            self._run(self._protocol.remember())
            self._minute = minute
        except AccessDenied as error:
            self._enabled = False
            log.info("this process keeps no history of the namespace: %s", error)
