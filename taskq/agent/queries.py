"""What the blocking and the async executor share: the tasks that they submit, and how results are shown."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from typing import Any

from taskq.agent.batch import batch_handler
from taskq.agent.responder import Responder
from taskq.agent.sessions import Memory
from taskq.errors import InvalidTask, ResultTimeout
from taskq.model.names import check_name
from taskq.model.retry import RetryPolicy
from taskq.model.task import Task
from taskq.registry import Handler, HandlerSource, Registry
from taskq.states import TaskStatus, TaskType

BATCH_CONCURRENCY = 4
# how long the follower of a task waits for its end before it looks at its progress
LOOK_SECONDS = 0.25


def query_task(query: Any, session_id: str | None, priority: Any, options: dict[str, Any]) -> Task:
    """Return the task of a query."""
    payload = {"query": query}
    if session_id is not None:
        for name in ("ordering_key", "partition_key"):
            if options.get(name) is not None:
                raise InvalidTask(
                    f"a query of a session has no {name} of its own: the session says what comes in order"
                )
        payload["session_id"] = session_id
        options = {**options, "ordering_key": ordering_key(session_id)}
    return Task(task_type=TaskType.AGENT_QUERY, payload=payload, priority=priority, **options)


def ordering_key(session_id: str) -> str:
    """Return the key with which the queries of a session run in order, one at a time.

    Raises:
        InvalidTask: if it is no name, or longer than 120 characters.
    """
    return check_name(f"session.{check_name(session_id, 'session id')}", "session id")


def batch_task(queries: Iterable[Any], priority: Any, options: dict[str, Any]) -> Task:
    """Return the task of many queries."""
    if isinstance(queries, str | bytes | dict):
        raise InvalidTask(f"queries is a {type(queries).__name__}: give a list of queries")
    return Task(task_type=TaskType.BATCH_QUERY, payload={"queries": list(queries)}, priority=priority, **options)


def shown(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result dict with the answer beside the rest."""
    value = result.get("result")
    return {**result, "answer": value.get("answer") if isinstance(value, dict) else value}


class Watch:
    """What the follower of a query has seen, and how long it goes on.

    Args:
        task_id: whom it follows.
        timeout: seconds; None: as long as it takes.
    """

    def __init__(self, task_id: str, timeout: float | None) -> None:
        self._task_id = task_id
        self._timeout = timeout
        self._deadline = math.inf if timeout is None else time.monotonic() + timeout
        self._seen: dict[str, Any] = {}

    def news(self, status: dict[str, Any]) -> bool:
        """Return whether a status differs from the one before."""
        before, self._seen = self._seen, status
        return status != before

    def over(self) -> bool:
        """Return whether the query has ended.

        Raises:
            ResultTimeout: if it has not ended in time.
        """
        if TaskStatus(self._seen["status"]).terminal:
            return True
        if time.monotonic() > self._deadline:
            raise ResultTimeout(f"task {self._task_id} has not ended within {self._timeout:g} s: it is not given up")
        return False


class Answers(HandlerSource):
    """The working half of an executor: its handlers.

    Args:
        handler: what answers; None: this process only asks.
        memory: how much of a session is kept.
        batch_concurrency: queries of a batch that are answered at a time.
        policy: what to do when the handler raises.
    """

    def __init__(
        self, handler: Handler | None, memory: Memory, batch_concurrency: int, policy: RetryPolicy | None
    ) -> None:
        self._handler = handler
        self._memory = memory
        self._registry = Registry()
        if handler is None:
            return
        responder = Responder(handler, memory)
        batch = batch_handler(responder.item_handler(), concurrency=batch_concurrency)
        self._registry.register(TaskType.AGENT_QUERY, responder.task_handler(), policy)
        self._registry.register(TaskType.BATCH_QUERY, batch, policy)

    @property
    def registry(self) -> Registry:
        """The handlers for ``agent_query`` and ``batch_query``; ``taskq worker --handlers`` finds them by it."""
        return self._registry

    def register(self, worker: Any) -> None:
        """Let a worker answer: with ``register = executor.register`` in a module, or called by hand.

        Args:
            worker: a ``TaskWorker``, or what ``taskq worker`` passes to ``register``.

        Raises:
            InvalidTask: if the executor has no handler.
        """
        if self._handler is None:
            raise InvalidTask("this executor has no handler, it can only ask: AgentExecutor(handler)")
        worker.registry.update(self._registry)
