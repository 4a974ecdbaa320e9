"""How a task ended, as it is stored and as users see it."""

from __future__ import annotations

import math
from typing import Any

from taskq.model.codec import decode, encode, encode_string
from taskq.model.moment import iso_utc
from taskq.states import TaskStatus

MAX_ERROR_CHARS = 8_000


def result_json(
    task_id: str,
    status: TaskStatus,
    *,
    result: Any = None,
    error: str | None = None,
    duration: float | None = None,
    worker_id: str | None = None,
    attempts: int = 0,
    completed_at_ms: int,
) -> str:
    """Return the JSON of a result.

    Args:
        task_id: the task.
        status: completed, failed or cancelled.
        result: what the handler returned.
        error: why it failed, as text; the middle of a very long one is cut out.
        duration: seconds that the last attempt took.
        worker_id: the worker that ran it.
        attempts: how many times it was started.
        completed_at_ms: server time, ms since the epoch.

    Raises:
        InvalidTask: if ``result`` is not JSON.
    """
    shown = "null" if result is None else encode(result, "result")
    if error is not None and len(error) > MAX_ERROR_CHARS:
        half = MAX_ERROR_CHARS // 2
        error = f"{error[:half]}\n... {len(error) - MAX_ERROR_CHARS} characters left out ...\n{error[-half:]}"
    why = "null" if error is None else encode_string(error.encode("utf-8", "replace").decode())
    took = "null" if duration is None or not math.isfinite(duration) else f"{duration:.6f}"
    worker = "null" if worker_id is None else f'"{worker_id}"'
    return (
        f'{{"task_id":"{task_id}","status":"{status.value}","result":{shown},"error":{why},"duration":{took},'
        f'"worker_id":{worker},"attempts":{attempts},"completed_at":"{iso_utc(completed_at_ms)}"}}'
    )


def headline(error: str | None) -> str:
    """Return the line of an error that names it: of a traceback the one below the last frame, else the first."""
    lines = (error or "").strip().splitlines() or [""]
    frames = [index for index, line in enumerate(lines) if line.startswith('  File "')]
    below = lines[frames[-1] :] if frames else []
    return next((line for line in below if not line.startswith(" ")), lines[0])


def parse_result(stored: bytes | str) -> dict[str, Any]:
    """Return the result dict that a stored result holds.

    Raises:
        CorruptTask: if it is not JSON.
    """
    result: dict[str, Any] = decode(stored, "result")
    return result
