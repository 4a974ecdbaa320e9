"""What every worker and every scheduler tries with its beats, and one of them does, once a minute."""

from __future__ import annotations

import logging

from taskq.errors import AccessDenied
from taskq.protocol.operations import Protocol
from taskq.transport.upkeep import Run

log = logging.getLogger("taskq")

_MINUTE_MS = 60_000


class Rounds:
    """Asks the server once a minute; between that it costs nothing. Who may not ask does not ask again.

    Args:
        run: runs an operation.
        protocol: the operations of the namespace.
    """

    # what is not done where it is refused, for the log
    _without = ""

    def __init__(self, run: Run, protocol: Protocol) -> None:
        self._run = run
        self._protocol = protocol
        self._minute = -1
        self._enabled = True

    def step(self, now_ms: int) -> None:
        """Ask if it is time to.

        Args:
            now_ms: server time, as a beat has told it.

        Raises:
            TaskqError: as ``run`` does.
        """
        minute = now_ms // _MINUTE_MS
        if not self._enabled or minute == self._minute:
            return
        try:
            self._minute = minute if self._ask() else -1
        except AccessDenied as error:
            self._enabled = False
            log.info("this process %s: %s", self._without, error)

    def _ask(self) -> bool:
        """Ask; return whether that is all for this minute."""
        raise NotImplementedError
