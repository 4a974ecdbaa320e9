"""What a submit through a decorated task returns: the id, and the verbs on it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from taskq.errors import TaskFailed
from taskq.model.result import headline
from taskq.states import TaskStatus

if TYPE_CHECKING:
    from taskq.aio import AsyncTaskQueue
    from taskq.queue import TaskQueue


def value_of(result: dict[str, Any]) -> Any:
    """Return what the handler returned.

    Raises:
        TaskFailed: if the task did not complete.
    """
    if result["status"] == TaskStatus.COMPLETED:
        return result["result"]
    raise TaskFailed(f"task {result['task_id']} {result['status']}: {headline(result.get('error'))}", result)


class TaskHandle:
    """A submitted task.

    Attributes:
        id: of the task.
    """

    def __init__(self, queue: TaskQueue, task_id: str) -> None:
        self._queue = queue
        self.id = task_id

    def __repr__(self) -> str:
        return f"<TaskHandle {self.id}>"

    def status(self) -> str:
        """Return the status as a word."""
        return str(self._queue.get_task_status(self.id)["status"])

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the end and return what the handler returned.

        Args:
            timeout: seconds; None: as long as it takes.

        Raises:
            ResultTimeout: if it has not ended in time.
            TaskFailed: if it failed or was cancelled.
        """
        return value_of(self._queue.wait_for_result(self.id, timeout))

    async def aresult(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - the same signature as result
        """As ``result``, for code on an event loop: the wait happens on a thread."""
        return await asyncio.to_thread(self.result, timeout)

    def cancel(self) -> str:
        """Cancel the task; return what became of it, as ``TaskQueue.cancel_task`` does."""
        return self._queue.cancel_task(self.id)


class AsyncTaskHandle:
    """A submitted task of an ``AsyncTaskQueue``.

    Attributes:
        id: of the task.
    """

    def __init__(self, queue: AsyncTaskQueue, task_id: str) -> None:
        self._queue = queue
        self.id = task_id

    def __repr__(self) -> str:
        return f"<AsyncTaskHandle {self.id}>"

    async def status(self) -> str:
        """Return the status as a word."""
        return str((await self._queue.get_task_status(self.id))["status"])

    async def result(self, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - the same signature as the blocking one
        """Wait for the end and return what the handler returned.

        Args:
            timeout: seconds; None: as long as it takes.

        Raises:
            ResultTimeout: if it has not ended in time.
            TaskFailed: if it failed or was cancelled.
        """
        return value_of(await self._queue.wait_for_result(self.id, timeout))

    aresult = result

    async def cancel(self) -> str:
        """Cancel the task; return what became of it, as ``AsyncTaskQueue.cancel_task`` does."""
        return await self._queue.cancel_task(self.id)
