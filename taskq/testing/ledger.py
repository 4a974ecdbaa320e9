"""What happened, noted outside of Redis: the witness against which the queue is checked.

Handlers append one line for each start and each end of an attempt to a file, whatever process they run in; whoever
submits notes what was sent and what was accepted, and a listener the ends that the server announces.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskq.model.task import Task
from taskq.queue import TaskQueue
from taskq.transport.subscription import Message, Subscription

SENT, SUBMIT, START, END, ACCEPTED, AGAIN = "sent", "submit", "start", "end", "accepted", "again"
FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Note:
    """One line: what happened to which attempt, where and when (monotonic seconds, the same for all processes).

    Attributes:
        what: ``sent`` (a submit is about to be made), ``submit`` (it was accepted), ``start`` and ``end`` of an
            attempt, ``accepted`` (the server has accepted a completion), ``again`` (it asked to be snoozed),
            ``fault`` (one is about to strike; ``task_id`` is its kind), or a word of a handler of yours.
        fence: number of the attempt; 0 where there is none.
        attempt: 1 for the first run; 0 where nobody has said.
    """

    what: str
    task_id: str
    fence: int
    pid: int
    at: float
    attempt: int = 0


class Ledger:
    """A file that any number of processes append to.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def note(self, what: str, task_id: str, fence: int = 0) -> None:
        """Append one line; ``O_APPEND`` keeps the lines of several processes apart."""
        append(self.path, what, task_id, fence)

    def submit(self, queue: TaskQueue, tasks: Iterable[Task]) -> list[str]:
        """Submit tasks in one call and note their ids."""
        batch: Sequence[Task] = list(tasks)
        for task in batch:  # before the submit: it may be accepted although its reply is lost
            self.note(SENT, task.task_id)
        ids = queue.submit_batch(batch)
        for task_id in ids:
            self.note(SUBMIT, task_id)
        return ids

    def listen(self, queue: TaskQueue) -> Subscription:
        """Note every completion that the server accepts, until the subscription is stopped."""

        def hear(message: Message) -> None:
            event = json.loads(message["data"])
            if event["type"] == "task.completed":
                self.note(ACCEPTED, event["data"]["task_id"])

        return queue.subscribe_to_events(hear)

    def notes(self, what: str = "") -> list[Note]:
        """Return what was noted, in order; not a line that is being written at this moment."""
        lines = self.path.read_text().split("\n")[:-1]
        return [note for note in (Note(**json.loads(line)) for line in lines) if what in ("", note.what)]

    def of(self, task_id: str, what: str = "") -> list[Note]:
        """Return what was noted of one task."""
        return [note for note in self.notes(what) if note.task_id == task_id]

    def count(self, what: str) -> int:
        """Return how often something was noted."""
        return len(self.notes(what))


def append(path: Path | str, what: str, task_id: str, fence: int, attempt: int = 0) -> None:
    """Append one line to a ledger."""
    note: dict[str, Any] = {
        "what": what,
        "task_id": task_id,
        "fence": fence,
        "pid": os.getpid(),
        "at": time.monotonic(),
    }
    if attempt:
        note["attempt"] = attempt
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, json.dumps(note).encode() + b"\n")
    finally:
        os.close(descriptor)
