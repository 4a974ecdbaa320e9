"""The calls to the server that longer work is made of: checkpoints. No I/O here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from taskq.protocol.operation import Argument, Operation

# as in operations.py, which loads these scripts with the others
ARGUMENTS: dict[str, str] = {
    "checkpoint": "id fence data ttl",
    "recall": "id",
}

DONE, STALE, ASKED_TO_STOP, UNKNOWN = 1, 0, -1, -2


class WorkflowOperations:
    """The part of ``Protocol`` for workflows."""

    def _build(self, name: str, args: Iterable[Argument], parse: Callable[[Any], Any] = ...) -> Operation[Any]:
        raise NotImplementedError

    def checkpoint(self, task_id: str, fence: str, data: str, ttl_ms: int) -> Operation[int]:
        """Keep a checkpoint, or delete it with a TTL of 0: ``DONE``, ``STALE``, ``ASKED_TO_STOP`` or ``UNKNOWN``.

        Without a fence it is not the word of an attempt, and none can be stale.
        """
        return self._build("checkpoint", (task_id, fence, data, ttl_ms))

    def recall(self, task_id: str) -> Operation[tuple[bytes | None, bool]]:
        """Return the checkpoint, if there is one, and whether the task is known."""
        return self._build("recall", (task_id,), lambda reply: (reply[0], reply[1] == 1))
