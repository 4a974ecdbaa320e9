"""Who beats for a consumer: a guardian on threads of its own, also beside an event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taskq.transport.line import Line
from taskq.transport.namespace import Namespace
from taskq.worker.guardian import Guardian, Ward


class ConsumerGuard:
    """Starts a guardian for the first registration, and ends it with the last.

    Args:
        namespace: where to beat.
        lost: called from the guardian's thread when a lease was lost, with the id of its consumer.
    """

    def __init__(self, namespace: Namespace, lost: Callable[[str], None]) -> None:
        self._namespace = namespace
        self._lost = lost
        self._guardian: Guardian | None = None

    def tell(self, message: dict[str, str]) -> None:
        """Take a message of the consumer."""
        match message:
            case {"worker": worker, "token": token}:
                self._open().adopt(Ward(worker, token, self._hear, lambda: False))
            case {"registered": worker}:
                self._open().confirm(worker)
            case {"bye": worker} if self._guardian is not None:
                self._guardian.forget(worker)

    def _open(self) -> Guardian:
        if self._guardian is None:
            settings = self._namespace.settings
            # a silent connection must not cost the lease before it is given up
            patience = min(settings.socket_timeout_seconds, settings.heartbeat_interval_seconds)
            line = Line(self._namespace.endpoint, patience)
            self._guardian = Guardian(line, self._namespace.protocol, settings)
            self._guardian.start()
        return self._guardian

    def _hear(self, message: dict[str, Any]) -> None:
        match message:
            case {"lost": worker}:
                self._lost(worker)

    def close(self) -> None:
        """Stop beating."""
        if self._guardian is not None:
            self._guardian.stop()
            self._guardian = None
