"""Keep the numbers of each minute; every worker and every scheduler tries it, the first one of a minute does it."""

from __future__ import annotations

from taskq.transport.rounds import Rounds


class Chronicle(Rounds):
    """Asks the server once a minute to keep its numbers."""

    _without = "keeps no history of the namespace"

    def _ask(self) -> bool:
        self._run(self._protocol.remember())
        return True
