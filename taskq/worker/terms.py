"""What the envelope of a task says of how it is run and ended, as it was when it was claimed."""

from __future__ import annotations

from typing import NamedTuple

from taskq.model.task import MAX_RETRIES, RETRY_DELAY_SECONDS, Task


class Terms(NamedTuple):
    """The fields of a ``Task`` that the worker goes by after its handler has had it."""

    max_retries: int = MAX_RETRIES
    retry_delay: float = RETRY_DELAY_SECONDS
    timeout: float | None = None
    result_ttl: float | None = None
    idempotency: float | None = None


PLAIN = Terms()


def terms_of(task: Task) -> Terms:
    """Return the terms of a task; most have none of their own."""
    if (
        task.max_retries == MAX_RETRIES
        and task.retry_delay == RETRY_DELAY_SECONDS
        and task.timeout is task.result_ttl is task.idempotency is None
    ):
        return PLAIN
    return Terms(task.max_retries, task.retry_delay, task.timeout, task.result_ttl, task.idempotency)
