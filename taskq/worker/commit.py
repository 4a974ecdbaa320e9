"""``ctx.commit``: children, a checkpoint and the result of a task in one atomic step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from taskq.errors import InvalidTask
from taskq.model.task import Task
from taskq.protocol.replies import Settlement
from taskq.protocol.workflow import ASKED_TO_STOP, STALE
from taskq.worker.attempt import Attempt, AttemptLost
from taskq.workflow import commits
from taskq.workflow.commits import Together

if TYPE_CHECKING:
    from types import TracebackType

    from taskq.queue import TaskQueue
    from taskq.worker.context import TaskContext

# what completes an attempt with a value
Completion = Callable[[Attempt, Any], Settlement]
_NONE = object()


def commit_together(queue: TaskQueue, attempt: Attempt, wanted: Together) -> None:
    """Let several things happen in one step.

    Raises:
        AttemptLost: if the attempt no longer counts; nothing was done.
    """
    if wanted.completion is not None and attempt.ctx is not None:
        attempt.ctx._say_last()
    code = queue.run_flow(commits.apply(queue.context, wanted))
    if code == STALE:
        attempt.lost = True
        raise AttemptLost
    attempt.committed = wanted.completion is not None
    if code == ASKED_TO_STOP:
        attempt.cancel_requested = True


class Commit:
    """What a block of ``ctx.commit()`` collects."""

    def __init__(self, ctx: TaskContext) -> None:
        self._ctx = ctx
        self._children: list[Task] = []
        self._noted: Any = _NONE
        self._completion: Settlement | None = None
        self._open = False

    def submit(self, child: Task) -> str:
        """Submit a task when the block ends.

        Args:
            child: any task without ``unique_key``, ``ordering_key`` and ``depends_on``.

        Returns:
            Its id.

        Raises:
            InvalidTask: if it cannot be submitted so.
        """
        self._check_open()
        task_id = commits.check_child(self._ctx._queue.context, child)
        self._children.append(child)
        return task_id

    def checkpoint(self, data: Any) -> None:
        """Note what the next attempt needs to know; kept as long as the task, deleted when it completes.

        Args:
            data: anything JSON can say; it replaces what was noted before.
        """
        self._check_open()
        self._noted = data

    def set_result(self, value: Any) -> None:
        """Complete the task when the block ends.

        Args:
            value: its result, as JSON can say it.

        Raises:
            InvalidTask, PayloadTooLarge: if it cannot be a result.
        """
        self._check_open()
        if self._ctx._recalled().saga is not None:
            raise InvalidTask("a step of a saga does not complete the task, its last step does: return the result")
        self._completion = self._ctx._completion(self._ctx._attempt, value)

    def _check_open(self) -> None:
        if not self._open:
            raise InvalidTask("the block of this commit is not open: use it as `with ctx.commit() as tx:`")

    def __enter__(self) -> Commit:
        if self._ctx._attempt.committed:
            raise InvalidTask(
                f"task {self._ctx.task_id} was completed by a commit before, so there is nothing to add to: let "
                "set_result stand in the last one"
            )
        self._open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open = False
        if kind is None:
            self._apply()

    async def __aenter__(self) -> Commit:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, traceback)

    def _apply(self) -> None:
        ctx, noted = self._ctx, None if self._noted is _NONE else self._ctx._with_place(self._noted)
        wanted = Together(ctx.task_id, ctx._attempt.claim.fence, self._children, noted, self._completion)
        commit_together(ctx._queue, ctx._attempt, wanted)
        if noted is not None:
            ctx._noted = noted
