"""``ctx``: what a handler may ask and say while it runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from taskq.errors import InvalidTask, TaskqError
from taskq.model.checkpoint import TTL_SECONDS, Checkpoint
from taskq.model.codec import encode
from taskq.model.task import Task
from taskq.protocol.workflow import ASKED_TO_STOP, STALE
from taskq.worker.attempt import Attempt, TaskCancelled
from taskq.worker.commit import Commit, Completion
from taskq.worker.dependents import awaited_results
from taskq.worker.fanout import fan_out
from taskq.worker.pace import Pace
from taskq.worker.waits import wait_for
from taskq.workflow import checkpoints
from taskq.workflow.families import FAIL_FAST, Policy

if TYPE_CHECKING:
    from taskq.queue import TaskQueue

log = logging.getLogger("taskq.worker")

Item = TypeVar("Item")
MAX_PROGRESS_BYTES = 65_536
_AROUND_BYTES = 1_024
# How long the end of an attempt may wait for a server that is away: less than the grace after a timeout.
_LAST_WORD_SECONDS = 1.0


class TaskContext:
    """The context of one attempt.

    Attributes:
        task_id: of the task.
        attempt: 1 for the first run.
        fence: a number that grows with every attempt of any task; store it beside what you write to your own database
            and refuse a write that carries a smaller one.
    """

    def __init__(self, attempt: Attempt, queue: TaskQueue, completion: Completion) -> None:
        self._attempt = attempt
        self._queue = queue
        self._completion = completion
        self.task_id = attempt.claim.task_id
        self.attempt = attempt.claim.attempt
        self.fence = attempt.claim.fence_number
        self._pace = Pace(self._send_progress, self._say_last)
        self._noted: Checkpoint | None = None
        self._resuming = False
        self._fanouts = 0
        self._waits = 0
        self._results: list[dict[str, Any]] | None = None

    @property
    def cancelled(self) -> bool:
        """Whether to stop: somebody cancelled the task, its time is over, or its lease was lost."""
        return self._attempt.cancel_requested or self._attempt.timed_out or self._attempt.lost

    @property
    def deadline(self) -> float | None:
        """Seconds that are left of the timeout; None if there is none."""
        timeout = self._attempt.terms.timeout
        return None if timeout is None else self._attempt.started + timeout - time.monotonic()

    @property
    def max_bytes(self) -> int:
        """The most bytes of JSON that a result or a checkpoint may have, less what is stored around it."""
        most = self._queue.settings.max_message_bytes
        seal = self._queue.namespace.seal
        # what is encrypted is stored in base64
        return (most * 3 // 4 if seal is not None and seal.encrypts else most) - _AROUND_BYTES

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

        It may be called as often as the handler likes: ten values a second are sent. What is said in between is merged
        into the last value, which is sent a tenth of a second later, or when the attempt ends.

        Args:
            value: anything JSON can say, a number from 0 to 1 by custom.
            message: words beside it.

        Returns:
            False if it is known that this attempt is no longer the one that counts.

        Raises:
            InvalidTask: if ``value`` is not JSON, or larger than 64 KB.
        """
        shown = value if message is None else {"value": value, "message": message}
        text = encode(shown, "progress")
        if len(text.encode()) > MAX_PROGRESS_BYTES:
            raise InvalidTask(
                f"the progress is {len(text.encode()):,} bytes, more than the {MAX_PROGRESS_BYTES:,} allowed: it is "
                "kept with the state of the task; store the data elsewhere and send a reference"
            )
        self._pace.say(text)
        return not self._attempt.lost

    def _say_last(self) -> None:
        """Send the progress that was held back: when its time has come, and before the attempt ends."""
        if self._attempt.lost or self._attempt.committed or not self._pace.holds_back:
            return
        try:
            self._pace.flush(_LAST_WORD_SECONDS)
        except TaskqError as error:  # what has become of the task matters more
            log.warning("the last progress of task %s could not be sent: %s", self.task_id, error)

    def _send_progress(self, text: str, patience_seconds: float | None) -> None:
        claim, seal = self._attempt.claim, self._queue.namespace.seal
        if seal is not None and seal.encrypts:
            text = encode(seal.encrypt(text, "progress", claim.task_id), "progress")
        operation = self._queue.namespace.protocol.progress(claim.task_id, claim.fence, text)
        code = self._queue.transport.run(operation, patience_seconds)
        if code == 0:
            self._attempt.lost = True
        elif code == -1:
            self._attempt.cancel_requested = True

    def checkpoint(self, data: Any, ttl_seconds: float | None = TTL_SECONDS) -> bool:
        """Note what the next attempt needs to know if this one does not come to its end.

        It is kept over retries, crashes and hand-overs, also with a dead letter, and deleted when the task completes.

        Args:
            data: anything JSON can say, up to the size that a task may have; it replaces what was noted before.
            ttl_seconds: how long it is kept; None: as long as the task.

        Returns:
            False if this attempt is no longer the one that counts; nothing was noted then.

        Raises:
            InvalidTask: if ``data`` is not JSON, or the time is not above 0.
            PayloadTooLarge: if it is larger than allowed.
        """
        return self._note(self._with_place(data), ttl_seconds)

    def _with_place(self, data: Any) -> Checkpoint:
        known = self._recalled()
        return Checkpoint(data, known.position if self._resuming else 0, known.saga)

    def get_checkpoint(self) -> Any:
        """Return what this attempt, or else an earlier one, has noted last; None if there is nothing.

        Raises:
            CannotDecrypt, CorruptTask: if it cannot be read.
        """
        return self._recalled().data

    def resume(self, items: Iterable[Item], *, every: int = 1) -> Iterator[Item]:
        """Go through items; an attempt after this one goes on behind the last one that was done.

        An item is done when the loop asks for the next one. The loop ends with ``TaskCancelled`` when the task is asked
        to stop. What ``checkpoint`` notes inside the loop is kept beside the place.

        Args:
            items: the same ones, in the same order, in each attempt.
            every: note the place after so many items; up to so many are done again.

        Raises:
            InvalidTask: if ``every`` is not a whole number above 0, or the attempt has another such loop already.
            TaskCancelled: as ``raise_if_cancelled``.
        """
        if type(every) is not int or every < 1:
            raise InvalidTask(f"every is {every!r:.60}: use a whole number above 0")
        if self._resuming:
            raise InvalidTask(
                "ctx.resume was called twice in one attempt: a task has one place to go on from. Chain the iterables "
                "(itertools.chain), or make a task of each loop"
            )
        self._resuming = True
        return self._resume(items, every)

    def _resume(self, items: Iterable[Item], every: int) -> Iterator[Item]:
        done = self._recalled().position
        for position, item in enumerate(items):
            if position < done:
                continue
            self.raise_if_cancelled()
            yield item
            if (position + 1) % every == 0:
                self._note(replace(self._recalled(), position=position + 1), TTL_SECONDS)

    def _recalled(self) -> Checkpoint:
        if self._noted is None:
            self._noted = self._queue.run_flow(checkpoints.read(self._queue.context, self.task_id))
        return self._noted

    def _note(self, checkpoint: Checkpoint, ttl_seconds: float | None) -> bool:
        fence = self._attempt.claim.fence
        if checkpoint.saga is not None:  # which has to last as long as the task
            ttl_seconds = None
        code = self._queue.run_flow(
            checkpoints.save(self._queue.context, self.task_id, checkpoint, ttl_seconds, fence=fence)
        )
        if code == STALE:
            self._attempt.lost = True
        else:
            self._noted = checkpoint
        if code == ASKED_TO_STOP:
            self._attempt.cancel_requested = True
        return code != STALE

    def fanout(self, children: Sequence[Task], policy: Policy = FAIL_FAST) -> list[dict[str, Any]]:
        """Make children, wait until they have ended without holding a slot, and return their results.

        The first time, this call does not return: it ends the attempt, and the task waits. When the children have
        ended, the handler is run again from its start, no attempt charged, and the call returns. So a handler makes the
        same calls in the same order each time; what stands before them happens more than once.

        Args:
            children: what to run. Once they are stored, what is given here again is only counted.
            policy: ``fail_fast``: the first failure decides; ``wait_all``: wait for all, whatever becomes of them;
                ``Quorum(n)``: wait until n have completed, or can no longer. Those still open then are cancelled.

        Returns:
            The result dicts of the children, in order.

        Raises:
            ChildrenFailed: if a child has failed (``fail_fast``), or too many have (``quorum``).
            InvalidTask, PayloadTooLarge, QueueFull, TaskConflict: if they cannot be stored.
            ControlFlow: while they have not ended; let it pass.
        """
        self._fanouts += 1
        return fan_out(self._queue, self._attempt, f"{self.task_id}/{self._fanouts}", children, policy)

    def wait_for(self, name: str, timeout: float | None = None) -> Any:
        """Wait for a signal without holding a slot, and return what was said with it.

        Unless it has been sent already, this call does not return: it ends the attempt, and the task waits. When
        ``queue.signal(task_id, name, data)`` is called, or the time is over, the handler is run again from its start,
        no attempt charged, and the call returns or raises. So a handler makes the same calls in the same order each
        time. Two calls with the same name return the same data.

        Args:
            name: of the signal.
            timeout: seconds from the moment at which the task begins to wait; None: as long as it takes.

        Raises:
            SignalTimeout: if it has not come in time; unless it is caught, the task fails.
            InvalidTask: if the name or the time cannot be used, or the attempt has waited 1,000 times.
            ControlFlow: while it has not come; let it pass.
        """
        self._waits += 1
        return wait_for(self._queue, self._attempt, self._waits, name, timeout)

    def commit(self) -> Commit:
        """Return a block in which things are collected that happen together when it ends, or not at all.

            with ctx.commit() as tx:
                tx.submit(Task(task_type="mail", payload=...))
                tx.checkpoint({"sent": True})
                tx.set_result("done")

        All of it is one atomic step, and only if this attempt still counts. ``tx.submit(child)`` submits a task (up to
        100, of ``memory`` durability); ``tx.checkpoint(data)`` is kept as long as the task; ``tx.set_result(value)``
        completes the task: what the handler returns or raises afterwards changes nothing. Without it the task goes on.
        If the block raises, nothing happens. In an ``async`` handler: ``async with``.

        Raises:
            AttemptLost: at the end of the block, if this attempt no longer counts; nothing was done.
            InvalidTask, PayloadTooLarge: if something cannot be stored, or the task was completed by a block before.
            TaskConflict, QueueFull: at the end of the block, if a child cannot be stored; nothing was done.
        """
        return Commit(self)

    def results(self) -> list[dict[str, Any]]:
        """Return the result dicts of the tasks that this one depends on, in the order of ``depends_on``.

        In a chain, ``ctx.results()[-1]["result"]`` is what the step before has returned.
        """
        if self._results is None:
            self._results = awaited_results(self._queue, self._attempt) if self._attempt.task.depends_on else []
        return self._results

    def submit(self, child: Task) -> str:
        """Submit another task; return its id. As ``TaskQueue.submit_task``."""
        return self._queue.submit_task(child)
