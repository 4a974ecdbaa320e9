"""``ctx``: what a handler may ask and say while it runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from taskq.errors import InvalidTask
from taskq.model.codec import encode
from taskq.model.task import Task
from taskq.worker.attempt import Attempt, TaskCancelled

if TYPE_CHECKING:
    from taskq.queue import TaskQueue


MAX_PROGRESS_BYTES = 65_536


class TaskContext:
    """The context of one attempt.

    Attributes:
        task_id: of the task.
        attempt: 1 for the first run.
        fence: a number that grows with every attempt of any task; store it beside what you write to your own database
            and refuse a write that carries a smaller one.
    """

    def __init__(self, attempt: Attempt, queue: TaskQueue) -> None:
        self._attempt = attempt
        self._queue = queue
        self.task_id = attempt.claim.task_id
        self.attempt = attempt.claim.attempt
        self.fence = attempt.claim.fence_number

    @property
    def cancelled(self) -> bool:
        """Whether to stop: somebody cancelled the task, its time is over, or its lease was lost."""
        return self._attempt.cancel_requested or self._attempt.timed_out or self._attempt.lost

    @property
    def deadline(self) -> float | None:
        """Seconds that are left of the timeout; None if there is none."""
        timeout = self._attempt.task.timeout
        return None if timeout is None else self._attempt.started + timeout - time.monotonic()

    def raise_if_cancelled(self) -> None:
        """End the attempt here if it is asked to stop.

        Raises:
            TaskCancelled: which the worker settles as what is behind it: cancelled, timed out, or handed back because
                this worker stops or has lost touch with the server.
        """
        if self.cancelled:
            raise TaskCancelled("cancelled while it ran")

    def progress(self, value: Any, message: str | None = None) -> bool:
        """Show how far the task has come.

        Args:
            value: anything JSON can say, a number from 0 to 1 by custom.
            message: words beside it.

        Returns:
            False if this attempt is no longer the one that counts.

        Raises:
            InvalidTask: if ``value`` is not JSON, or larger than 64 KB.
        """
        shown = value if message is None else {"value": value, "message": message}
        claim = self._attempt.claim
        text = encode(shown, "progress")
        if len(text.encode()) > MAX_PROGRESS_BYTES:
            raise InvalidTask(
                f"the progress is {len(text.encode()):,} bytes, more than the {MAX_PROGRESS_BYTES:,} allowed: it is "
                "kept with the state of the task; store the data elsewhere and send a reference"
            )
        seal = self._queue.namespace.seal
        if seal is not None and seal.encrypts:
            text = encode(seal.encrypt(text, "progress", claim.task_id), "progress")
        operation = self._queue.namespace.protocol.progress(claim.task_id, claim.fence, text)
        code = self._queue.transport.run(operation)
        if code == 0:
            self._attempt.lost = True
        elif code == -1:
            self._attempt.cancel_requested = True
        return code != 0

    def submit(self, child: Task) -> str:
        """Submit another task; return its id. As ``TaskQueue.submit_task``."""
        return self._queue.submit_task(child)
