"""The verbs of ``TaskQueue`` and ``AsyncTaskQueue`` for whoever watches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from taskq.flows import Flow
from taskq.middleware import Installs
from taskq.model.history import Minute
from taskq.observe import details, history, pages
from taskq.observe.details import TaskDetails
from taskq.observe.pages import TaskFilter, TaskPage

T = TypeVar("T")


class ObserveVerbs(Installs):
    """The verbs for code that may block."""

    spread: Any  # set by the queue: its partitions

    def run_flow(self, flow: Flow[T]) -> T:
        """Drive a flow to its end and return its value."""
        raise NotImplementedError

    def get_history(self, minutes: int = 60) -> list[Minute]:
        """Return what was counted and what waited in the last minutes, the latest one last.

        Any running worker or scheduler keeps the numbers, once a minute, for a day. A minute in which none ran is
        missing.

        Args:
            minutes: how many at most, up to 1440.
        """
        return self.run_flow(history.minutes(self.spread, minutes))

    def find_tasks(self, wanted: TaskFilter | None = None, *, cursor: str = "", limit: int = 50) -> TaskPage:
        """Return a page of tasks, whatever their number.

        Pending tasks come in the order in which they are claimed, those of another time with the next one first, dead
        letters and what has ended with the latest first; running and waiting ones in no order. A call looks at 1,000
        tasks or a few more, then it returns what it has found so far and a cursor.

        Args:
            wanted: which tasks; None: those that run.
            cursor: of the page before; empty: from the beginning. A task that moves meanwhile may be missed or met
                twice.
            limit: how many, 500 at most; a page may have a few more.

        Raises:
            InvalidTask: if there is no such status or priority, or the cursor is none.
        """
        return self.run_flow(pages.find(self.spread, wanted or TaskFilter(), cursor, limit))

    def list_statuses(self, task_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return where some tasks are in their lives; those that do not exist are left out.

        Args:
            task_ids: which ones.

        Returns:
            Status dicts as in a ``TaskPage``.
        """
        return self.run_flow(details.statuses(self.spread, task_ids))

    def get_task_details(self, task_id: str) -> TaskDetails:
        """Return everything about a task: what was submitted, how it fares, its result, checkpoint and relatives.

        Args:
            task_id: which one.

        Raises:
            TaskNotFound: if there is no such task.
        """
        return self.run_flow(details.details(self.spread.of(task_id), task_id))
