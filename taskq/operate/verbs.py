"""The verbs of ``TaskQueue`` for whoever operates a queue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from taskq import dead, partitions
from taskq.flows import Flow
from taskq.model.views import DeadLetter, WorkerInfo
from taskq.model.wish import DRAIN, RUN, STOP, Wish
from taskq.operate import pauses
from taskq.operate.pauses import Scope
from taskq.operate.workers import get_workers, tell_workers
from taskq.states import TaskPriority

T = TypeVar("T")
Priority = TaskPriority | str | int


class OperateVerbs:
    """The verbs for code that may block."""

    spread: Any  # set by the queue: its partitions

    def run_flow(self, flow: Flow[T]) -> T:
        """Drive a flow to its end and return its value."""
        raise NotImplementedError

    def pause(
        self,
        queue: str | None = None,
        priority: Priority | None = None,
        *,
        task_type: str | None = None,
        everything: bool = False,
    ) -> int:
        """Stop claims of a queue, of a type or of everything until ``resume``; what runs goes on, submits are accepted.

        Tasks of a paused type leave their lists when a worker comes upon them, so those behind them run; they keep
        their places, and no attempt is charged.

        Args:
            queue: its name; None: the default queue.
            priority: only this list; None: all four.
            task_type: tasks of this type instead, in whatever queue.
            everything: all queues instead, also those that begin later.

        Returns:
            How many lists, or types, were not paused before.

        Raises:
            InvalidTask: for a name that cannot be used, or if more than one of queue, type and everything is meant.
        """
        return self.run_flow(pauses.pause(self.spread, True, Scope(queue, priority, task_type, everything)))

    def resume(
        self,
        queue: str | None = None,
        priority: Priority | None = None,
        *,
        task_type: str | None = None,
        everything: bool = False,
    ) -> int:
        """Let workers claim again what ``pause`` has stopped, each of its three kinds by itself.

        Tasks of a paused type go back to the heads of their lists, in their order.

        Args:
            queue: its name; None: the default queue.
            priority: only this list; None: all four.
            task_type: tasks of this type instead.
            everything: the pause of all queues instead; what is paused by itself stays so.

        Returns:
            How many lists, or types, were paused before.

        Raises:
            InvalidTask: for a name that cannot be used, or if more than one of queue, type and everything is meant.
        """
        return self.run_flow(pauses.pause(self.spread, False, Scope(queue, priority, task_type, everything)))

    def paused_types(self) -> list[str]:
        """Return the types that are paused by themselves; ``get_queue_stats`` tells which lists are."""
        return self.run_flow(pauses.paused_types(self.spread))

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

    def get_workers(self, name: str) -> list[WorkerInfo]:
        """Return the worker of an id, or all workers of a name.

        Args:
            name: the id of a worker, or the name that was given to one or more of them.

        Raises:
            InvalidTask: for a name that no worker can have.
            WorkerNotFound: if there is none of that id or name.
        """
        return self.run_flow(get_workers(self.spread, name))

    def drain_worker(self, name: str) -> list[str]:
        """Let a worker finish what it runs and claim nothing more; it stays registered until it is resumed or stopped.

        It is told with its next beat, at most ``heartbeat_interval_seconds`` from now; ``list_workers`` shows the state
        ``draining`` as soon as it has followed. A process that serves several partitions, or has reserved slots, is
        several workers and follows with all of them.

        Args:
            name: the id of a worker, or the name that was given to one or more of them.

        Returns:
            The ids of those that are told.

        Raises:
            InvalidTask: for a name that no worker can have.
            WorkerNotFound: if there is none of that id or name.
        """
        return self.run_flow(tell_workers(self.spread, name, Wish(state=DRAIN)))

    def resume_worker(self, name: str) -> list[str]:
        """Let a worker claim again that was drained.

        Args:
            name: the id of a worker, or the name that was given to one or more of them.

        Returns:
            The ids of those that are told, with their next beat.

        Raises:
            InvalidTask: for a name that no worker can have.
            WorkerNotFound: if there is none of that id or name.
        """
        return self.run_flow(tell_workers(self.spread, name, Wish(state=RUN)))

    def stop_worker(self, name: str) -> list[str]:
        """Let a worker end as on SIGTERM: what runs may end within the grace period, then it is handed back.

        Its process is not replaced, but in a pool, which keeps as many as its bounds say. It cannot be taken back.

        Args:
            name: the id of a worker, or the name that was given to one or more of them.

        Returns:
            The ids of those that are told, with their next beat.

        Raises:
            InvalidTask: for a name that no worker can have.
            WorkerNotFound: if there is none of that id or name.
        """
        return self.run_flow(tell_workers(self.spread, name, Wish(state=STOP)))

    def set_worker(self, name: str, *, concurrency: int | None = None, log_level: str | None = None) -> list[str]:
        """Change how many tasks the process of a worker runs at a time, or what it logs, while it runs.

        Args:
            name: the id of a worker, or the name that was given to one or more of them.
            concurrency: tasks at a time, 1 to 10,000; with fewer than now, what runs goes on. None: as it is.
            log_level: the least severe message that is logged: DEBUG, INFO, WARNING, ERROR or CRITICAL. None: as it is.

        Returns:
            The ids of those that are told, with their next beat.

        Raises:
            InvalidTask: for a name that no worker can have.
            SettingsError: for a number or a level that cannot be used.
            WorkerNotFound: if there is none of that id or name.
        """
        return self.run_flow(tell_workers(self.spread, name, Wish(None, concurrency, log_level)))
