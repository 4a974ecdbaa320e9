"""The verbs of ``TaskQueue`` for whoever operates a queue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from taskq import dead, partitions
from taskq.flows import Flow
from taskq.model.views import DeadLetter
from taskq.states import TaskPriority

T = TypeVar("T")
Priority = TaskPriority | str | int


class OperateVerbs:
    """The verbs for code that may block."""

    spread: Any  # set by the queue: its partitions

    def run_flow(self, flow: Flow[T]) -> T:
        """Drive a flow to its end and return its value."""
        raise NotImplementedError

    def pause(self, queue: str | None = None, priority: Priority | None = None) -> int:
        """Stop claims from a queue until ``resume``; running tasks go on, submits are accepted.

        Args:
            queue: its name; None: the default queue.
            priority: only this list; None: all four.

        Returns:
            How many lists were not paused before.
        """
        return self.run_flow(partitions.pause(self.spread, True, queue, priority))

    def resume(self, queue: str | None = None, priority: Priority | None = None) -> int:
        """Let workers claim from a paused queue again.

        Args:
            queue: its name; None: the default queue.
            priority: only this list; None: all four.

        Returns:
            How many lists were paused before.
        """
        return self.run_flow(partitions.pause(self.spread, False, queue, priority))

    def purge(self, queue: str | None = None, priority: Priority | None = None) -> int:
        """Delete the tasks that wait in a queue.

        Args:
            queue: its name; None: the default queue.
            priority: only this list; None: all four.

        Returns:
            How many were deleted.
        """
        return self.run_flow(partitions.purge(self.spread, queue, priority))

    def list_dead(self, limit: int = 100) -> list[DeadLetter]:
        """Return the dead letters, the latest first.

        Args:
            limit: how many at most.
        """
        return self.run_flow(partitions.list_dead(self.spread, limit))

    def replay_dead(self, task_ids: Iterable[str] | None = None) -> int:
        """Run dead letters again, with all their attempts before them.

        Args:
            task_ids: which ones; None: all.

        Returns:
            How many were put back into their lists.
        """
        return self.run_flow(partitions.replay(self.spread, task_ids))

    def purge_dead(self, task_ids: Iterable[str] | None = None) -> int:
        """Forget dead letters.

        Args:
            task_ids: which ones; None: all.

        Returns:
            How many were forgotten.
        """
        return self.run_flow(partitions.purge_dead(self.spread, task_ids))

    def retry_task(self, task_id: str) -> None:
        """Run a failed or cancelled task again.

        Args:
            task_id: which one.

        Raises:
            TaskNotFound: if there is no such task.
            InvalidTask: if it has not ended, or has completed.
        """
        self.run_flow(dead.retry_task(self.spread.of(task_id), task_id))
