"""The verbs of ``TaskQueue`` and ``AsyncTaskQueue`` for longer work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from taskq.flows import Context, Flow
from taskq.model.checkpoint import TTL_SECONDS
from taskq.model.task import Task
from taskq.workflow import checkpoints, families

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

    def fanout(self, task_id: str, subtasks: Sequence[Task], parent_data: Any = None) -> list[str]:
        """Submit subtasks that belong together, for a parent that collects their results by hand.

        A handler calls ``ctx.fanout(children)`` instead, which also waits for them. Each part of 100 subtasks is one
        atomic call; after an error, call it again with the same subtasks.

        Args:
            task_id: the name under which they belong together, of a task or made up.
            subtasks: what to run; each is given an id that follows from the name, unless it has one.
            parent_data: a note that comes back with the aggregate, as JSON can say it.

        Returns:
            The ids of the subtasks, in order.

        Raises:
            InvalidTask, PayloadTooLarge, QueueFull: if they cannot be stored.
            TaskConflict: if an id belongs to another task, or ``task_id`` has other subtasks already.
        """
        return self.run_flow(families.fanout(self.context, task_id, subtasks, parent_data))

    def fanout_complete(self, parent_id: str, subtask_id: str, result: Any) -> dict[str, Any] | None:
        """Report the result of a subtask; whoever reports the last one is given all of them, once.

        A subtask that ends as a task before it is reported is counted too, with its own result.

        Args:
            parent_id: as given to ``fanout``.
            subtask_id: which one has ended.
            result: what has become of it, as JSON can say it.

        Returns:
            None while others are open, or if this one was counted before; else a dict with ``task_id``,
            ``parent_data`` and ``results``, the result dicts of all subtasks in order.

        Raises:
            TaskNotFound: if it is no subtask of this parent; a fan-out is remembered for a day.
            InvalidTask: if the result is not JSON, or too large.
        """
        return self.run_flow(families.complete(self.context, parent_id, subtask_id, result))
