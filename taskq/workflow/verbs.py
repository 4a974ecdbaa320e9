"""The verbs of ``TaskQueue`` and ``AsyncTaskQueue`` for longer work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from taskq.flows import Flow
from taskq.model.checkpoint import TTL_SECONDS
from taskq.model.task import Task
from taskq.workflow import checkpoints, families, graphs, sagas, signals, trees
from taskq.workflow.sagas import SagaInfo, SagaPage
from taskq.workflow.trees import TaskTree

T = TypeVar("T")


class WorkflowVerbs:
    """The verbs for code that may block."""

    spread: Any  # set by the queue: its partitions, and the queue that is confined to none of them
    _whole: Any

    def run_flow(self, flow: Flow[T]) -> T:
        """Drive a flow to its end and return its value."""
        raise NotImplementedError

    def checkpoint(self, task_id: str, data: Any, ttl_seconds: float | None = TTL_SECONDS) -> None:
        """Note what a task needs to know when it is run again; a later checkpoint replaces it.

        A handler calls ``ctx.checkpoint(data)`` instead, which an attempt that no longer counts cannot do. The
        checkpoint of a task that runs is deleted when it completes, any other ends with its time, or with the task.

        Args:
            task_id: which one.
            data: anything JSON can say, up to the size that a task may have.
            ttl_seconds: how long it is kept; None: as long as the task.

        Raises:
            TaskNotFound: if there is no such task.
            InvalidTask: if the data is not JSON, or the time is not above 0.
            PayloadTooLarge: if it is larger than allowed.
        """
        self.run_flow(checkpoints.put(self.spread.of(task_id), task_id, data, ttl_seconds))

    def get_checkpoint(self, task_id: str) -> Any:
        """Return what a task has noted last, None if it has noted nothing or it is over.

        Args:
            task_id: which one.

        Raises:
            TaskNotFound: if there is no such task.
            CannotDecrypt, CorruptTask: if it cannot be read.
        """
        return self.run_flow(checkpoints.get(self.spread.of(task_id), task_id))

    def delete_checkpoint(self, task_id: str) -> None:
        """Delete what a task has noted, so that it begins anew; nothing happens if there is nothing.

        Args:
            task_id: which one.
        """
        self.run_flow(checkpoints.delete(self.spread.of(task_id), task_id))

    def signal(self, task_id: str, name: str, data: Any = None) -> str:
        """Tell a task what it waits for with ``ctx.wait_for(name)``, or will wait for.

        One that waits for it goes on at the head of its list, no attempt charged. One that does not yet is told when it
        comes to that. Sent twice, a signal is the same as sent once: what was said first counts.

        Args:
            task_id: which task.
            name: of the signal.
            data: what ``ctx.wait_for`` returns, as JSON can say it, up to 64 KB.

        Returns:
            ``told``, or the status with which the task had ended before.

        Raises:
            TaskNotFound: if there is no such task.
            InvalidTask: if the name or the data cannot be used, or the task has been sent 64 others.
            PayloadTooLarge: if the data is larger than allowed.
        """
        return self.run_flow(signals.send(self.spread.of(task_id), task_id, name, data))

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
        return self.run_flow(families.fanout(self.spread.of(task_id), task_id, subtasks, parent_data))

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
        return self.run_flow(families.complete(self.spread.of(parent_id), parent_id, subtask_id, result))

    def chain(self, *tasks: Task) -> list[str]:
        """Submit tasks of which each runs when the one before it has completed.

        A handler finds the result before it as ``ctx.results()[-1]["result"]``. If a step fails, those behind it are
        cancelled.

        Args:
            tasks: in order; each may have a ``depends_on`` besides.

        Returns:
            Their ids, in order.

        Raises:
            InvalidTask, QueueFull, TaskConflict, TaskNotFound: as ``submit_task``.
        """
        ids: list[str] = self._whole.run_flow(graphs.chain(self._whole.spread, tasks))
        return ids

    def chord(self, tasks: Sequence[Task], callback: Task) -> list[str]:
        """Submit tasks, and one that runs with their results when all of them have completed.

        Args:
            tasks: up to 500; ``ctx.fanout`` has room for more.
            callback: finds the results of the tasks, in order, in ``ctx.results()``.

        Returns:
            The ids of the tasks, and of the callback as the last one.

        Raises:
            InvalidTask, QueueFull, TaskConflict, TaskNotFound: as ``submit_task``.
        """
        ids: list[str] = self._whole.run_flow(graphs.chord(self._whole.spread, tasks, callback))
        return ids

    def group(self, *tasks: Task) -> list[str]:
        """Submit tasks that run side by side, all or none of up to 1,000.

        In a queue of several partitions they are in one; ``submit_batch`` spreads them.

        Args:
            tasks: more than 1,000 are stored in several steps, each all or none.

        Returns:
            Their ids, in order.

        Raises:
            InvalidTask, QueueFull, TaskConflict, TaskNotFound: as ``submit_task``.
        """
        ids: list[str] = self._whole.run_flow(graphs.group(self._whole.spread, tasks))
        return ids

    def submit_with_callbacks(
        self, task: Task, *, on_success: Task | None = None, on_failure: Task | None = None
    ) -> str:
        """Submit a task, and others that run when it has completed, or when it has failed or was cancelled.

        Args:
            task: what to run.
            on_success: finds the result in ``ctx.results()``; it is cancelled if the task fails.
            on_failure: finds the error there; it is cancelled if the task completes.

        Returns:
            The id of the task.

        Raises:
            InvalidTask, QueueFull, TaskConflict, TaskNotFound: as ``submit_task``.
        """
        task_id: str = self._whole.run_flow(graphs.with_callbacks(self._whole.spread, task, on_success, on_failure))
        return task_id

    def list_sagas(self, limit: int = 100, state: str | None = None) -> list[SagaInfo]:
        """Return the sagas that have begun, those that began last first.

        Args:
            limit: how many at most.
            state: only those that are ``running``, ``compensating``, ``completed``, ``compensated`` or ``stuck``.

        Raises:
            InvalidTask: if there is no such state.
        """
        return self.run_flow(sagas.list_sagas(self.spread.contexts, limit, state))

    def find_sagas(self, state: str | None = None, *, cursor: str = "", limit: int = 50) -> SagaPage:
        """Return a page of the sagas that have begun, those that began last first, and never read more than a bound.

        Args:
            state: only those that are ``running``, ``compensating``, ``completed``, ``compensated`` or ``stuck``.
            cursor: of the page before; empty: the first page.
            limit: how many at most.

        Returns:
            The sagas and the cursor of the next page. A page may be short, even empty, and yet not be the last one.

        Raises:
            InvalidTask: if there is no such state, or the cursor is none.
        """
        return self.run_flow(sagas.find_sagas(self.spread, state, cursor, limit))

    def get_saga(self, task_id: str) -> SagaInfo:
        """Return a saga with its steps and what they have returned.

        Args:
            task_id: of its task.

        Raises:
            TaskNotFound: if there is no such task.
            NameNotFound: if it is no saga, or has not begun.
        """
        return self.run_flow(sagas.get_saga(self.spread.of(task_id), task_id))

    def resume_saga(self, task_id: str, skip: bool = False) -> SagaInfo:
        """Let a stuck saga go on where it is: its task goes back into its list.

        Args:
            task_id: of its task.
            skip: whether the compensation at which it is stuck counts as done, because somebody has done it by hand.

        Returns:
            The saga as it is then.

        Raises:
            TaskNotFound: if there is no such task.
            InvalidTask: if it is no saga, or not stuck.
        """
        return self.run_flow(sagas.resume_saga(self.spread.of(task_id), task_id, skip))

    def abort_saga(self, task_id: str) -> SagaInfo:
        """Let a saga that goes forward turn round and undo what it has done.

        A step that runs comes to its end first; one that waits for a signal, or whose saga is stuck, is given up.

        Args:
            task_id: of its task.

        Returns:
            The saga as it is then.

        Raises:
            TaskNotFound: if there is no such task.
            InvalidTask: if it is no saga, is over, or is stuck on its way back.
        """
        return self.run_flow(sagas.abort_saga(self.spread.of(task_id), task_id))

    def cancel_tree(self, task_id: str) -> int:
        """Cancel a task with its children from ``ctx.fanout``, and theirs: at once what waits, on request what runs.

        A parent that runs may make further children before it stops; call it again then.

        Args:
            task_id: the task at the root.

        Returns:
            How many tasks were cancelled or asked to stop; those that had been cancelled before are counted again.

        Raises:
            TaskNotFound: if there is no such task.
        """
        return self.run_flow(trees.cancel_tree(self.spread.of(task_id), task_id))

    def retry_tree(self, task_id: str) -> int:
        """Run again what has failed or was cancelled among a task, its children from ``ctx.fanout``, and theirs.

        What has completed is not run again, nor is anything below it. A parent waits for its children as the first
        time, and goes on with their new results. A child whose retention is over (``TASKQ_RESULT_TTL``,
        ``TASKQ_DEAD_TTL``) cannot be run again.

        Args:
            task_id: the task at the root.

        Returns:
            How many tasks were put back into their lists.

        Raises:
            TaskNotFound: if there is no such task.
            InvalidTask: if it has completed.
        """
        return self.run_flow(trees.retry_tree(self.spread.of(task_id), task_id))

    def get_tree(self, task_id: str, limit: int = 200) -> TaskTree:
        """Return a task with the tasks that it has fanned out to or depends on, and so on.

        Args:
            task_id: the task at the root.
            limit: how many tasks at most, those nearer to the root first; of each family the first 20 are returned.

        Raises:
            TaskNotFound: if there is no such task.
        """
        return self.run_flow(trees.get_tree(self.spread.of(task_id), task_id, limit))
