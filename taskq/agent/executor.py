"""``AgentExecutor``: ask in the background, for code that may block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from taskq.agent import sessions
from taskq.agent.queries import (
    BATCH_CONCURRENCY,
    LOOK_SECONDS,
    Answers,
    Watch,
    batch_task,
    ordering_key,
    query_task,
    shown,
)
from taskq.agent.sessions import EXCHANGES, TTL_SECONDS, Memory
from taskq.current import get_task_queue
from taskq.errors import ResultTimeout
from taskq.flows import Context
from taskq.model.retry import RetryPolicy
from taskq.queue import Priority, TaskQueue
from taskq.registry import Handler
from taskq.worker import TaskWorker


class AgentExecutor(Answers):
    """Sends queries to an agent that answers them in workers.

    Args:
        handler: ``fn(query)`` or ``fn(query, ctx)``: a plain function, an async one, a generator of either kind that
            yields the answer piece by piece, or a ``ChatModel``; None: this process only asks.
        queue: where the queries go; None: the ``TaskQueue`` of this process.
        exchanges: how many exchanges of a session are kept for the handler, up to 200.
        session_ttl: seconds for which they are kept after the last one.
        batch_concurrency: queries of one batch that are answered at a time.
        policy: what to do when the handler raises; by default retries with exponential backoff.

    Raises:
        InvalidTask: if an argument cannot be used.
    """

    def __init__(
        self,
        handler: Handler | None = None,
        queue: TaskQueue | None = None,
        *,
        exchanges: int = EXCHANGES,
        session_ttl: float = TTL_SECONDS,
        batch_concurrency: int = BATCH_CONCURRENCY,
        policy: RetryPolicy | None = None,
    ) -> None:
        super().__init__(handler, Memory(exchanges, session_ttl), batch_concurrency, policy)
        self._queue = queue

    @property
    def queue(self) -> TaskQueue:
        """Where the queries go."""
        if self._queue is None:
            self._queue = get_task_queue()
        return self._queue

    def worker(self, **options: Any) -> TaskWorker:
        """Return a worker that answers, in this process.

        Args:
            options: as for ``TaskWorker``: concurrency, priorities, ...

        Raises:
            InvalidTask: if the executor has no handler.
        """
        worker = TaskWorker(self.queue, **options)
        self.register(worker)
        return worker

    def execute_async(
        self, query: Any, session_id: str | None = None, priority: Priority = "normal", **options: Any
    ) -> str:
        """Ask; the answer comes later.

        Args:
            query: text, or anything JSON can say.
            session_id: queries of one session are answered in their order, one at a time, and the handler is given what
                was said before; None: it stands alone.
            priority: ``low``, ``normal``, ``high`` or ``urgent``.
            options: as for ``Task``: timeout, max_retries, expires_in, metadata, task_id, queue, ...

        Returns:
            The id of the task.

        Raises:
            InvalidTask, QueueFull, TaskConflict, ServerUnavailable, ServerFull: as ``TaskQueue.submit_task``.
        """
        return self.queue.submit_task(query_task(query, session_id, priority, options))

    def execute_batch(self, queries: Iterable[Any], priority: Priority = "normal", **options: Any) -> str:
        """Ask many queries with one task.

        Args:
            queries: what to ask.
            priority: as ``execute_async``.
            options: as ``execute_async``.

        Returns:
            The id of the task; its result is that of ``batch_handler``.

        Raises:
            InvalidTask, PayloadTooLarge, QueueFull, TaskConflict, ServerUnavailable, ServerFull: as
                ``TaskQueue.submit_task``.
        """
        return self.queue.submit_task(batch_task(queries, priority, options))

    def get_task_status(self, task_id: str) -> dict[str, Any]:
        """Return where a query is, as ``TaskQueue.get_task_status``.

        Args:
            task_id: which one.

        Returns:
            The status dict. While a handler yields pieces, its ``progress`` is ``{"text", "start", "pieces"}``: the end
            of the text so far, and at which character it starts.

        Raises:
            TaskNotFound: if there is no such task.
        """
        return self.queue.get_task_status(task_id)

    def get_task_result(self, task_id: str) -> dict[str, Any] | None:
        """Return the answer, None while there is none.

        Args:
            task_id: which one.

        Returns:
            The result dict of ``TaskQueue.get_task_result`` with ``answer`` beside the rest; ``result`` has what else
            the handler has said, such as ``usage``. ``answer`` is None if the task has failed, see ``error``.

        Raises:
            TaskNotFound: if there is no such task, or its result has expired.
        """
        result = self.queue.get_task_result(task_id)
        return None if result is None else shown(result)

    def wait_for_result(self, task_id: str, timeout: float | None = None) -> dict[str, Any]:
        """Wait for the answer. The server sends it; nothing polls.

        Args:
            task_id: which one.
            timeout: seconds; None: as long as it takes.

        Returns:
            As ``get_task_result``.

        Raises:
            ResultTimeout: if there is none in time; the task goes on.
            TaskNotFound: if there is no such task.
        """
        return shown(self.queue.wait_for_result(task_id, timeout))

    def cancel_task(self, task_id: str) -> str:
        """Cancel a query, as ``TaskQueue.cancel_task``.

        Args:
            task_id: which one.

        Returns:
            What became of it.

        Raises:
            TaskNotFound: if there is no such task.
        """
        return self.queue.cancel_task(task_id)

    def follow(self, task_id: str, timeout: float | None = None) -> Iterator[dict[str, Any]]:
        """Yield the status of a query each time that it, or its progress, has changed, until it has ended.

        Args:
            task_id: which one.
            timeout: seconds; None: as long as it takes.

        Raises:
            ResultTimeout: if it has not ended in time; the task goes on.
            TaskNotFound: if there is no such task.
        """
        watch = Watch(task_id, timeout)
        while True:
            status = self.queue.get_task_status(task_id)
            if watch.news(status):
                yield status
            if watch.over():
                return
            with suppress(ResultTimeout):
                self.queue.wait_for_result(task_id, LOOK_SECONDS)

    def get_session(self, session_id: str) -> list[dict[str, Any]]:
        """Return what is kept of a session, the oldest first: dicts with ``task_id``, ``query`` and ``answer``.

        Args:
            session_id: which one; an unknown one has nothing.

        Raises:
            CannotDecrypt, CorruptTask: if it cannot be read.
        """
        return self.queue.run_flow(sessions.read(self._home(session_id), session_id))

    def forget_session(self, session_id: str) -> None:
        """Delete what is kept of a session. Its queries and results stay until they expire.

        Args:
            session_id: which one.
        """
        self.queue.run_flow(sessions.forget(self._home(session_id), session_id))

    def _home(self, session_id: str) -> Context:
        return self.queue.spread.of_key(ordering_key(session_id))
