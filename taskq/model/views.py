"""What users are shown of tasks, queues and workers, built from what Redis holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from taskq.errors import CorruptTask
from taskq.model.bound import QueueLimit
from taskq.model.codec import decode
from taskq.model.crypto import Seal, is_sealed, reveal
from taskq.model.moment import iso_utc
from taskq.model.result import result_outline
from taskq.model.task import DEFAULT_QUEUE, Task
from taskq.states import TaskStatus


@dataclass(frozen=True, slots=True)
class ListStats:
    """One priority list.

    Attributes:
        queue: name of the queue.
        priority: name of the priority.
        depth: number of ids in the list, cancelled ones that the next claim will skip included.
        oldest_seconds: how long the first of it has waited there; None if it is empty.
        paused: whether claims are stopped.
        known: whether a task has been submitted to its queue; if not, it is there because it is paused.
    """

    queue: str
    priority: str
    depth: int
    oldest_seconds: float | None
    paused: bool
    known: bool = True


@dataclass(frozen=True, slots=True)
class PassedTasks:
    """Tasks that workers have passed over because they do not know the type, or this version of its payloads.

    Attributes:
        queue: name of the queue.
        priority: name of the priority.
        task_type: the type.
        version: of the payloads.
        tasks: how many wait for a worker that knows them.
        runnable: whether any live worker does; if not, nothing will start them.
    """

    queue: str
    priority: str
    task_type: str
    version: int
    tasks: int
    runnable: bool


@dataclass(frozen=True, slots=True)
class QueueStats:
    """Numbers of a namespace, as of one instant.

    Attributes:
        success_rate: completed tasks as a share of all that ran to an end since the namespace began; None before.
        counters: lifetime counters: submitted, completed, failed, cancelled, retried, recovered, replayed, purged,
            expired, ...
        passed: what waits for a worker that knows it.
        all_paused: whether everything is paused, in any partition; ``resume(everything=True)`` ends that.
        limits: of the queues that have one, with what each holds.
    """

    pending_tasks: int
    running_tasks: int
    scheduled_tasks: int
    retry_tasks: int
    waiting_tasks: int
    completed_tasks: int
    failed_tasks: int
    cancelled_tasks: int
    dead_letters: int
    active_workers: int
    success_rate: float | None
    lists: tuple[ListStats, ...] = ()
    counters: dict[str, int] = field(default_factory=dict)
    passed: tuple[PassedTasks, ...] = ()
    all_paused: bool = False
    limits: tuple[QueueLimit, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as a dict that JSON can say."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """One registered worker: its card, the ids it holds, and how long its lease lasts."""

    worker_id: str
    held: tuple[str, ...]
    lease_seconds: float
    card: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return the worker as a dict that JSON can say."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A task that failed for good."""

    task_id: str
    task_type: str
    queue: str
    priority: str
    error: str
    reason: str
    attempts: int
    died_at: str

    def to_dict(self) -> dict[str, Any]:
        """Return the dead letter as a dict that JSON can say."""
        return asdict(self)


def status_dict(task: Task, state: dict[str, str], result: bytes | None, seal: Seal | None = None) -> dict[str, Any]:
    """Return the status dict of a task. What cannot be read or decrypted is said, and hides nothing else.

    Args:
        task: from its envelope.
        state: what has changed since the submit; empty for one that is pending or completed.
        result: the stored result, if there is one.
        seal: decrypts, if there are keys for it.
    """
    ended = result_outline(result, seal) if result is not None else {}
    status = state.get("status") or _text(ended.get("status")) or TaskStatus.PENDING.value
    completed_at = _text(ended.get("completed_at"))
    started_at = _started_at(state.get("started"), completed_at, ended.get("duration"))
    if status not in (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED):
        completed_at = None
    return {
        "task_id": task.task_id,
        "status": status,
        "created_at": task.created_at,
        "started_at": started_at,
        "completed_at": completed_at,
        "worker_id": state.get("worker") or _text(ended.get("worker_id")),
        # of a completed one nothing else is kept; of any other, attempts that ended with their worker are no retries
        "retry_count": whole(state.get("retries")) if state else max(0, whole(ended.get("attempts")) - 1),
        "priority": task.priority.label,
        "queue": task.queue or DEFAULT_QUEUE,
        "progress": _progress(state.get("progress"), task.task_id, seal),
        "type": task.task_type,
        "error": _text(ended.get("error")) or _shown(state.get("error"), "error", task.task_id, seal),
        "reason": state.get("reason") or _text(ended.get("reason")),
    }


def whole(value: Any) -> int:
    """Return a number of what is stored; 0 for what is none, which something else than taskq has written."""
    try:
        return int(value or 0)
    except (TypeError, ValueError, OverflowError):
        return 0


def out_of(retries: int, most: int) -> str:
    """Return ``2 of 3``; the number alone if it is past what the task says: then a policy of its type says how many."""
    return f"{retries} of {most}" if retries <= most else f"{retries}"


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _started_at(started_ms: str | None, completed_at: str | None, duration: Any) -> str | None:
    """Return when the last attempt began: as noted, or its end minus its duration; None if neither can be read."""
    try:
        if started_ms is not None:
            return iso_utc(int(started_ms))
        if completed_at and duration is not None:
            begun = datetime.fromisoformat(completed_at) - timedelta(seconds=duration)
            return iso_utc(int(begun.timestamp() * 1000))
    except (TypeError, ValueError, OverflowError, OSError):
        pass
    return None


def _shown(text: str | None, *context_and_seal: Any) -> str | None:
    *context, seal = context_and_seal
    try:
        return None if text is None else reveal(seal, text, *context)
    except CorruptTask as error:
        return str(error)


def _progress(stored: str | None, task_id: str, seal: Seal | None) -> Any:
    if not stored:
        return None
    try:
        value = decode(stored, "progress")
        return decode(reveal(seal, value, "progress", task_id), "progress") if is_sealed(value) else value
    except CorruptTask as error:
        return str(error)
