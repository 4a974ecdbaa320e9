"""The verbs of ``TaskQueue`` and ``AsyncTaskQueue`` for longer work."""

from __future__ import annotations

from typing import Any, TypeVar

from taskq.flows import Context, Flow
from taskq.model.checkpoint import TTL_SECONDS
from taskq.workflow import checkpoints

T = TypeVar("T")


class WorkflowVerbs:
    """The verbs for code that may block."""

    @property
    def context(self) -> Context:
        """What the flows of this queue need."""
        raise NotImplementedError

    def run_flow(self, flow: Flow[T]) -> T:
        """Drive a flow to its end and return its value."""
        raise NotImplementedError

    def checkpoint(self, task_id: str, data: Any, ttl_seconds: float = TTL_SECONDS) -> None:
        """Note what a task needs to know when it is run again; a later checkpoint replaces it.

        A handler calls ``ctx.checkpoint(data)`` instead, which an attempt that no longer counts cannot do. The
        checkpoint of a task that runs is deleted when it completes, any other ends with its time.

        Args:
            task_id: which one.
            data: anything JSON can say, up to the size that a task may have.
            ttl_seconds: how long it is kept.

        Raises:
            TaskNotFound: if there is no such task.
            InvalidTask: if the data is not JSON, or the time is not above 0.
            PayloadTooLarge: if it is larger than allowed.
        """
        self.run_flow(checkpoints.put(self.context, task_id, data, ttl_seconds))

    def get_checkpoint(self, task_id: str) -> Any:
        """Return what a task has noted last, None if it has noted nothing or it is over.

        Args:
            task_id: which one.

        Raises:
            TaskNotFound: if there is no such task.
            CannotDecrypt, CorruptTask: if it cannot be read.
        """
        return self.run_flow(checkpoints.get(self.context, task_id))

    def delete_checkpoint(self, task_id: str) -> None:
        """Delete what a task has noted, so that it begins anew; nothing happens if there is nothing.

        Args:
            task_id: which one.
        """
        self.run_flow(checkpoints.delete(self.context, task_id))
