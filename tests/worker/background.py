"""Look at a namespace and at calls that are under way."""

from __future__ import annotations

import threading
from collections.abc import Callable

from taskq import TaskQueue
from taskq.protocol.audit import audit


def findings(queue: TaskQueue) -> list[str]:
    """Return what the audit finds wrong with the namespace of a queue."""
    return audit(queue.transport.run(queue.namespace.protocol.snapshot()), round(queue.settings.lease_seconds * 1000))


class Background:
    """A call on a thread of its own, so that the test can look at a worker while it works."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self.value: object = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.value = self._function()
        except BaseException as error:
            self.error = error

    @property
    def running(self) -> bool:
        return self.thread.is_alive()

    def join(self, timeout_seconds: float = 60) -> object:
        """Return what the call returned, or raise what it raised."""
        self.thread.join(timeout_seconds)
        assert not self.thread.is_alive(), f"the call did not end within {timeout_seconds:g} s"
        if self.error is not None:
            raise self.error
        return self.value
