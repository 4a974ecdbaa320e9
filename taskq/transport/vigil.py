"""Watch over the thresholds of a namespace; every worker and every scheduler tries it, one of them does it."""

from __future__ import annotations

from taskq.protocol.operations import Protocol
from taskq.transport.rounds import Rounds
from taskq.transport.upkeep import Run


class Vigil(Rounds):
    """Has the server look after its thresholds at every beat; once a minute where there are none.

    Args:
        run: runs an operation.
        protocol: the operations of the namespace.
        period_ms: how often it is to look, whoever asks.
    """

    _without = "does not watch over thresholds"

    def __init__(self, run: Run, protocol: Protocol, period_ms: int) -> None:
        super().__init__(run, protocol)
        self._period_ms = period_ms

    def _ask(self) -> bool:
        return not self._run(self._protocol.watch(self._period_ms))
