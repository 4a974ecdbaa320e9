"""Until when the holder of a unique key keeps it, as explanations say it. No I/O."""

from __future__ import annotations

from typing import Any, NamedTuple

from taskq.model.moment import iso_utc, parse_iso, seconds_to_ms
from taskq.model.task import Task
from taskq.model.uniqueness import UniquePolicy
from taskq.protocol.replies import HeldKey
from taskq.states import TERMINAL, TaskStatus


class Keeping(NamedTuple):
    """How long a task keeps its unique key: in words, and the one moment that is known of it, or None."""

    words: str
    until: str | None


def keeping(task: Task, status: dict[str, Any], held: HeldKey, now_ms: int) -> Keeping | None:
    """Return for how long a task keeps its unique key; None if it has none, or if its end is all that can be said.

    Args:
        task: whose key it is, known to hold it or not.
        status: its status.
        held: what the server says of the key.
        now_ms: the time of the server.
    """
    if held.holder != task.task_id:
        return None
    at = iso_utc(now_ms + held.left_ms) if held.left_ms >= 0 else None
    if status["status"] in TERMINAL:
        return Keeping(f"until {at}", at) if at else None
    words, until = "until it has ended", None
    if at:
        words, until = f"{words}, and no longer than until {at}", at
    if task.unique_policy == UniquePolicy.THROTTLE and task.unique_window is not None:
        if status["status"] == TaskStatus.RUNNING:
            since = iso_utc(parse_iso(status["started_at"]) + seconds_to_ms(task.unique_window, "unique_window"))
            words, until = f"{words}, but at least until {since}", until or since
        else:
            words += f", but at least until {task.unique_window:g} s after its start"
    if task.idempotency is not None:
        words += f", and for {task.idempotency:g} s after it has completed"
    return Keeping(words, until) if words != "until it has ended" else None
