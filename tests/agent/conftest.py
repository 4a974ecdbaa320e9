"""The queue of the tests of workers, for those of agents."""

from __future__ import annotations

from tests.worker.conftest import queue, settings, started

__all__ = ["queue", "settings", "started"]
