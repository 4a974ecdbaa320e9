"""How a task ended, as it is stored and as users see it."""

from __future__ import annotations

import math
from typing import Any

from taskq.errors import CannotDecrypt, CorruptTask
from taskq.model.codec import decode, encode, encode_string
from taskq.model.crypto import Seal, reveal
from taskq.model.moment import iso_utc
from taskq.states import TaskStatus

MAX_ERROR_CHARS = 8_000


def result_json(  # noqa: PLR0913 - one for each field of a result
    task_id: str,
    status: TaskStatus,
    *,
    result: Any = None,
    error: str | None = None,
    duration: float | None = None,
    worker_id: str | None = None,
    attempts: int = 0,
    completed_at_ms: int,
    reason: str | None = None,
    seal: Seal | None = None,
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
        reason: one word for programs, such as ``bad_signature``; None: none.
        seal: encrypts ``result`` and ``error``, if there are keys for it.

    Raises:
        InvalidTask: if ``result`` is not JSON.
    """
    shown = "null" if result is None else encode(result, "result")
    why = "null" if error is None else encode_string(shorten(error).encode("utf-8", "replace").decode())
    took = "null" if duration is None or not math.isfinite(duration) else f"{duration:.6f}"
    worker = "null" if worker_id is None else encode_string(worker_id)
    if seal is not None and seal.encrypts:
        outcome = f'"sealed":"{seal.encrypt(f"[{shown},{why}]", "result", task_id)}"'
    else:
        outcome = f'"result":{shown},"error":{why}'
    cause = "" if reason is None else f',"reason":"{reason}"'
    return (
        f'{{"task_id":{encode_string(task_id)},"status":"{status}",{outcome},"duration":{took},'
        f'"worker_id":{worker},"attempts":{attempts},"completed_at":"{iso_utc(completed_at_ms)}"{cause}}}'
    )


def completed_json(
    task_id: str,
    result: Any,
    duration: float,
    worker_id: str,
    attempts: int,
    completed_at_ms: int,
    seal: Seal | None,
) -> str:
    """Return what ``result_json`` returns for a completed task, at two thirds of the price if there are no keys.

    Raises:
        InvalidTask: if ``result`` is not JSON.
    """
    if seal is not None:
        return result_json(
            task_id,
            TaskStatus.COMPLETED,
            result=result,
            duration=duration,
            worker_id=worker_id,
            attempts=attempts,
            completed_at_ms=completed_at_ms,
            seal=seal,
        )
    shown = "null" if result is None else encode(result, "result")
    return (
        f'{{"task_id":{encode_string(task_id)},"status":"completed","result":{shown},"error":null,'
        f'"duration":{duration:.6f},"worker_id":{encode_string(worker_id)},"attempts":{attempts},'
        f'"completed_at":"{iso_utc(completed_at_ms)}"}}'
    )


def shorten(error: str) -> str:
    """Return an error text without the middle of a very long one."""
    if len(error) <= MAX_ERROR_CHARS:
        return error
    half = MAX_ERROR_CHARS // 2
    return f"{error[:half]}\n... {len(error) - MAX_ERROR_CHARS} characters left out ...\n{error[-half:]}"


def headline(error: str | None) -> str:
    """Return the line of an error that names it: of a traceback the one below the last frame, else the first."""
    lines = (error or "").strip().splitlines() or [""]
    frames = [index for index, line in enumerate(lines) if line.startswith('  File "')]
    below = lines[frames[-1] :] if frames else []
    return next((line for line in below if not line.startswith(" ")), lines[0])


def parse_result(stored: bytes | str, seal: Seal | None = None) -> dict[str, Any]:
    """Return the result dict that a stored result holds.

    Args:
        stored: the JSON.
        seal: decrypts, if there are keys for it.

    Raises:
        CannotDecrypt: if it is encrypted, and not with a key of this process.
        CorruptTask: if it is not JSON.
    """
    result = decode(stored, "result")
    if not isinstance(result, dict):
        raise CorruptTask(f"the stored result is a {type(result).__name__}, not a JSON object")
    sealed = result.pop("sealed", None)
    if sealed is not None:
        pair = decode(reveal(seal, str(sealed), "result", str(result.get("task_id"))), "result")
        result["result"], result["error"] = pair
    return result


def result_outline(stored: bytes | str, seal: Seal | None = None) -> dict[str, Any]:
    """As ``parse_result``, but never raises: what cannot be read is left out, and the error says so."""
    try:
        return parse_result(stored, seal)
    except CannotDecrypt as error:
        found: dict[str, Any] = decode(stored, "result")
        return {**found, "result": None, "error": str(error)}
    except (CorruptTask, ValueError, TypeError) as error:
        return {"result": None, "error": str(error)}
