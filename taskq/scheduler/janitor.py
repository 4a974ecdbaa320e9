"""Bring back the tasks of dead workers, and forget what has expired."""

from __future__ import annotations

import time

from taskq.protocol.operations import Protocol
from taskq.settings import Settings
from taskq.transport.chronicle import Chronicle
from taskq.transport.upkeep import Run, Upkeep, lease_times
from taskq.transport.vigil import Vigil


class Janitor:
    """Upkeep as a service of the loop: asks once per heartbeat interval whether there is anything to do.

    Args:
        run: runs an operation.
        protocol: the operations of the namespace.
        settings: for the heartbeat interval and the limits.
    """

    name = "upkeep"

    def __init__(self, run: Run, protocol: Protocol, settings: Settings) -> None:
        self._upkeep = Upkeep(run, protocol, settings)
        self._chronicle = Chronicle(run, protocol)
        self._vigil = Vigil(run, protocol, lease_times(settings).period_ms)
        self._interval = settings.heartbeat_interval_seconds
        self._ask_at = time.monotonic()

    @property
    def recovered(self) -> int:
        """Tasks taken from dead workers so far."""
        return self._upkeep.recovered

    @property
    def forgotten(self) -> int:
        """Expired ids cleared away so far."""
        return self._upkeep.forgotten

    def step(self) -> float:
        """Ask, if it is time, and make one short step; return the seconds until there is more to do."""
        now = time.monotonic()
        if now >= self._ask_at:
            reply = self._upkeep.beat()
            self._ask_at = now + self._interval
            self._chronicle.step(reply.now_ms)
            self._vigil.step(reply.now_ms)
        if self._upkeep.pending:
            self._upkeep.step()
        return 0.0 if self._upkeep.pending else max(0.0, self._ask_at - time.monotonic())
