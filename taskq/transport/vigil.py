"""Watch over the thresholds of a namespace; every worker and every scheduler tries it, one of them does it."""

from __future__ import annotations

import logging

from taskq.errors import AccessDenied
from taskq.protocol.operations import Protocol
from taskq.transport.upkeep import Run

log = logging.getLogger("taskq")

_MINUTE_MS = 60_000


class Vigil:
    """Has the server look after its thresholds at every beat; once a minute where there are none.

    Args:
        run: runs an operation.
        protocol: the operations of the namespace.
        period_ms: how often it is to look, whoever asks.
    """

    def __init__(self, run: Run, protocol: Protocol, period_ms: int) -> None:
        self._run = run
        self._protocol = protocol
        self._period_ms = period_ms
        self._idle_minute = -1
        self._enabled = True

    def step(self, now_ms: int) -> None:
        """Have it look, if there is anything to look after.

        Args:
            now_ms: server time, as a beat has told it.

        Raises:
            TaskqError: as ``run`` does.
        """
        minute = now_ms // _MINUTE_MS
        if not self._enabled or minute == self._idle_minute:
            return
        try:
            watched = self._run(self._protocol.watch(self._period_ms))
            self._idle_minute = -1 if watched else minute
        except AccessDenied as error:
            self._enabled = False
            log.info("this process does not watch over thresholds: %s", error)
