"""What is written down of an attempt that raised: in Redis with its task, and in the log of the worker."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

from taskq.model.crypto import Seal
from taskq.model.result import headline
from taskq.model.retry import Discard
from taskq.protocol.replies import Settlement
from taskq.states import Outcome

if TYPE_CHECKING:
    from taskq.worker.attempt import Attempt

log = logging.getLogger("taskq.worker")

_MAX_LINE_CHARS = 300


def describe(error: BaseException, timed_out: bool, timeout: float | None) -> str:
    """Return an error as text: the traceback without the frames of taskq itself."""
    if timed_out or isinstance(error, Discard):
        return _named(error, timed_out, timeout)
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame for frame in frames if "/taskq/worker/" not in frame.filename and "/taskq/registry" not in frame.filename
    ]
    head = f"Traceback (most recent call last):\n{''.join(traceback.format_list(own))}" if own else ""
    return head + _named(error, timed_out, timeout)


def _named(error: BaseException, timed_out: bool, timeout: float | None) -> str:
    """Return what an error is called and says, without where it was raised."""
    if timed_out:
        return f"TaskTimeout: it did not end within its timeout of {timeout:g} s"
    if isinstance(error, Discard):
        return f"discarded: {error.reason}" if error.reason else "discarded by the handler"
    return "".join(traceback.format_exception_only(error)).strip()


def tell(attempt: Attempt, settlement: Settlement, error: BaseException, seal: Seal | None) -> None:
    """Log in one line that a handler has raised, and what comes of it; the traceback stands with the task.

    Where errors are encrypted in Redis, the line has no more of one than its type: what it says may be secret.

    Args:
        attempt: that raised.
        settlement: what comes of it.
        error: that was raised.
        seal: encrypts errors, if there are keys for it.
    """
    claim, task_type = attempt.claim, attempt.spec.task_type
    said = storable(headline(_named(error, attempt.timed_out, attempt.terms.timeout))[:_MAX_LINE_CHARS])
    if seal is not None and seal.encrypts:
        said = type(error).__name__
    if settlement.outcome == Outcome.RETRY.value:
        log.warning(
            "task %s (%s) raised %s: retry %d of %d in %.1f s",
            *(claim.task_id, task_type, said, claim.retries + 1, attempt.policy.max_retries, settlement.number / 1000),
        )
    elif settlement.outcome == Outcome.FAIL.value:
        log.error(
            "task %s (%s) has failed, it is among the dead letters: %s; `taskq task show %s` has the traceback",
            *(claim.task_id, task_type, said, claim.task_id),
        )


def storable(text: str) -> str:
    """Return a text without halves of surrogate pairs, which no command can carry."""
    return text.encode("utf-8", "replace").decode()


def too_large(size_bytes: int, limit_bytes: int) -> str:
    """Return why an envelope is not even read."""
    return (
        f"PayloadTooLarge: the stored envelope is {size_bytes:,} bytes, more than the {limit_bytes:,} that this worker "
        "reads: raise TASKQ_MAX_MESSAGE_SIZE on every client and worker, then replay it"
    )
