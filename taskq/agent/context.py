"""``ctx`` of a handler of an agent."""

from __future__ import annotations

from typing import Any

from taskq.agent import sessions
from taskq.agent.sessions import Memory
from taskq.errors import InvalidTask
from taskq.model.names import check_name
from taskq.model.retry import Discard
from taskq.model.task import Task
from taskq.worker import TaskContext


class AgentContext(TaskContext):
    """The context of one attempt to answer a query; besides all of ``TaskContext`` it has:

    Attributes:
        task: the task, with its payload and metadata.
        query: what was asked.
        session_id: whose session it belongs to; None: none.
        exchanges: what was said in the session before, the oldest first: dicts with ``task_id``, ``query``, ``answer``.
    """

    def __init__(self, ctx: TaskContext, task: Task, query: Any, memory: Memory) -> None:
        vars(self).update(vars(ctx))  # it is the same attempt, with all that the engine has given it
        self.task = task
        self.query = query
        self.session_id: str | None = None
        self.exchanges: list[dict[str, Any]] = []
        self._memory = memory

    @classmethod
    def open(cls, ctx: TaskContext, task: Task, memory: Memory) -> AgentContext:
        """Return the context of a task of an executor; waits for the server if it has a session.

        Raises:
            Discard: if the payload has no query.
            CorruptTask: if what is kept of the session cannot be read.
        """
        payload = task.payload
        if not isinstance(payload, dict) or "query" not in payload:
            raise Discard(
                'the payload of an agent query is {"query": ...}, and "session_id" where it belongs to one; here it is '
                f"a {type(payload).__name__} without a query"
            )
        found = cls(ctx, task, payload["query"], memory)
        if payload.get("session_id") is not None:
            try:
                found.session_id = check_name(payload["session_id"], "session id")
            except InvalidTask as error:
                raise Discard(str(error)) from None
            flow = sessions.read(found._queue.context, found.session_id, memory.exchanges)
            # an attempt before this one may have come as far as to note its own answer
            found.exchanges = [said for said in found._queue.run_flow(flow) if said["task_id"] != task.task_id]
        return found

    def keep_exchange(self, answer: Any) -> None:
        """Keep the exchange with its session, if it has one; an attempt that is run again replaces its own.

        One that no longer counts keeps nothing, and its outcome is refused.
        """
        if self.session_id is None or self._memory.exchanges == 0:
            return
        said = sessions.exchange(self.session_id, self.task_id, self.query, answer)
        self._queue.run_flow(sessions.keep(self._queue.context, said, self._attempt.claim.fence, self._memory))
