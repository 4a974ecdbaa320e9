"""One task in full: what `task show` and `dlq show` print."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from taskq.cli.output import duration_text, fields, indented
from taskq.cli.timeline import Moment, timeline
from taskq.errors import CorruptTask, TaskNotFound
from taskq.model.moment import iso_utc
from taskq.model.partition import home_of
from taskq.model.task import DEFAULT_QUEUE, Task
from taskq.model.views import out_of, whole
from taskq.protocol.keys import Keys, list_name
from taskq.queue import TaskQueue
from taskq.states import TaskStatus
from taskq.transport.server_info import read_due_ms

_LONGEST_SHOWN = 2_000


@dataclass(frozen=True, slots=True)
class TaskCard:
    """Everything that is known of a task.

    Attributes:
        place: where it is, in words.
        key: where it is in Redis.
        due: when it starts, ISO 8601; None if it is not delayed.
        damage: why the payload cannot be shown; None if it can.
        attempts: how many have begun.
        crashes: how many of these ended with their worker; of a completed task that is not kept.
    """

    task: Task
    status: dict[str, Any]
    result: dict[str, Any] | None
    place: str
    key: str
    due: str | None
    damage: str | None = None
    attempts: int = 0
    crashes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the card as a dict that JSON can say."""
        submitted = asdict(self.task)
        submitted["priority"] = self.task.priority.label
        submitted["queue"] = self.task.queue or DEFAULT_QUEUE
        return {
            "task": submitted,
            "status": self.status,
            "result": self.result,
            "due": self.due,
            "place": self.place,
            "key": self.key,
            "damage": self.damage,
            "attempts": self.attempts,
            "crashes": self.crashes,
        }


def read_card(queue: TaskQueue, task_id: str) -> TaskCard:
    """Read everything about a task.

    Raises:
        TaskNotFound: if there is no such task.
    """
    status = queue.get_task_status(task_id)
    damage: str | None = None
    try:
        task = queue.get_task(task_id)
    except CorruptTask as error:  # what is readable without the payload is shown all the same
        damage = str(error)
        task = Task(task_type=status["type"], task_id=task_id, priority=status["priority"], queue=status["queue"])
        task.created_at = status["created_at"]
    try:
        result = queue.get_task_result(task_id)
    except (TaskNotFound, CorruptTask):  # its retention has ended since the line above, or it is for other eyes
        result = None
    part = queue.partition(home_of(task_id, queue.settings.partitions))
    keys = part.namespace.protocol.keys
    due = None
    if status["status"] in (TaskStatus.SCHEDULED, TaskStatus.RETRY, TaskStatus.WAITING):
        due_ms = read_due_ms(part.transport, keys, task_id)
        due = iso_utc(due_ms) if due_ms is not None else None
    place, key = _place(task, status, keys)
    (item,) = part.transport.run(part.namespace.protocol.inspect([task_id]))
    if status["status"] == TaskStatus.WAITING:
        signal = item.state.get("waits", "").partition(" ")[2]
        place = f"in no list: it waits for the signal {signal}" if signal else place
    attempts = whole((result or {}).get("attempts") or item.state.get("attempts"))
    return TaskCard(task, status, result, place, key, due, damage, attempts, whole(item.state.get("crashes")))


def _place(task: Task, status: dict[str, Any], keys: Keys) -> tuple[str, str]:
    """Return where a task is, in words and as a key."""
    word = TaskStatus(status["status"])
    queue = task.queue or DEFAULT_QUEUE
    if word is TaskStatus.PENDING:
        name = list_name(task.queue, task.priority)
        words = f"in queue {queue}, priority {task.priority.label}"
        if task.group_key:
            return f"{words}, group {task.group_key}", keys.key("group", f"{name}/{task.group_key}")
        return words, keys.key("queue", name)
    if word is TaskStatus.RUNNING:
        worker = status["worker_id"] or ""
        return f"on {worker or 'a worker'}", keys.key("processing", worker)
    if word in (TaskStatus.SCHEDULED, TaskStatus.RETRY):
        return "in the schedule", keys.key("scheduled")
    if word is TaskStatus.WAITING:
        return "in no list: it waits for other tasks", keys.key("status", word.value)
    if word is TaskStatus.FAILED:
        return f"in the dead letters; `taskq dlq replay {task.task_id}` runs it again", keys.key("dead")
    return "nowhere any more: it has ended", keys.key("status", word.value)


def card_text(card: TaskCard) -> str:
    """Return the card for people."""
    task, status, result = card.task, card.status, card.result or {}
    head = fields(
        [
            ("task", task.task_id),
            ("type", task.task_type),
            ("status", status["status"]),
            ("where", f"{card.place}  ({card.key})"),
            ("queue", status["queue"]),
            ("priority", status["priority"]),
            ("worker", status["worker_id"]),
            ("attempts", _attempts(card)),
            ("retry delay", duration_text(task.retry_delay) if status["retry_count"] else None),
            ("timeout", duration_text(task.timeout) if task.timeout else None),
            ("unique key", task.unique_key),
            ("if it is held", _about_the_key(task)),
            ("ordering key", task.ordering_key),
            ("group key", task.group_key),
            ("limit keys", ", ".join(task.limit_keys)),
            ("reason", status["reason"]),
        ]
    )
    worker = f"on {status['worker_id']}" if status["worker_id"] else ""
    attempts = f"attempt {card.attempts}" if card.attempts else ""
    took = f"it ran for {duration_text(result['duration'])}" if result.get("duration") is not None else ""
    history = timeline(
        [
            Moment("submitted", task.created_at),
            Moment("expires", iso_utc(task.deadline_ms) if task.deadline_ms and not result else None),
            Moment("due", card.due),
            Moment("started", status["started_at"], ", ".join(filter(None, (worker, attempts)))),
            Moment(status["status"], result.get("completed_at"), took),
        ]
    )
    sections = [("timeline", history), ("payload", card.damage or _pretty(task.payload))]
    if task.metadata:
        sections.append(("metadata", _pretty(task.metadata)))
    if status["progress"] is not None:
        sections.append(("progress", _pretty(status["progress"])))
    if status["error"]:
        sections.append(("error", str(status["error"]).rstrip()))
    if status["status"] == TaskStatus.COMPLETED:
        sections.append(("result", _pretty(result.get("result"))))
    return "\n".join([head, *(f"\n{title}\n{indented(body)}" for title, body in sections)])


def _attempts(card: TaskCard) -> str:
    """Return how often it has begun, and why more than once: a crash of its worker is no retry."""
    retries = f"retries {out_of(card.status['retry_count'], card.task.max_retries)}"
    crashes = f"crashes {card.crashes}" if card.crashes else ""
    # what a completed one has been through is not kept, but for the number of its attempts
    kept = card.status["status"] != TaskStatus.COMPLETED
    return ", ".join(filter(None, (str(card.attempts or "none yet"), crashes, retries if kept else "")))


def _about_the_key(task: Task) -> str | None:
    said = task.uniqueness
    times = {"ttl": said.ttl, "window": said.window, "idempotency": said.idempotency}
    words = [f"{name} {duration_text(seconds)}" for name, seconds in times.items() if seconds is not None]
    return ", ".join([said.policy, *words]) if task.unique_key is not None else None


def _pretty(value: Any) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if len(text) <= _LONGEST_SHOWN:
        return text
    return f"{text[:_LONGEST_SHOWN]}\n... cut: {len(text):,} characters in all; --json shows the whole"
