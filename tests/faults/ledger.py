"""What happened, noted outside of Redis: the witness against which the queue is checked.

Handlers append one line for each start and each end of an attempt to a file, whatever process they run in; the test
notes what it has submitted, and the completions that the server has announced.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taskq import TaskQueue, TaskStatus
from taskq.transport.subscription import Message, Subscription

LIVE = ("pending", "scheduled", "running", "retry", "waiting")


@dataclass(frozen=True, slots=True)
class Note:
    """One line: what happened to which attempt, where and when (monotonic seconds, the same for all processes)."""

    what: str
    task_id: str
    fence: int
    pid: int
    at: float


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

    def submit(self, queue: TaskQueue, tasks: Iterable[Any]) -> list[str]:
        """Submit tasks in one call and note their ids."""
        ids = queue.submit_batch(list(tasks))
        for task_id in ids:
            self.note("submit", task_id)
        return ids

    def listen(self, queue: TaskQueue) -> Subscription:
        """Note every completion that the server accepts, until the subscription is stopped."""

        def hear(message: Message) -> None:
            event = json.loads(message["data"])
            if event["type"] == "task.completed":
                self.note("accepted", event["data"]["task_id"])

        return queue.subscribe_to_events(hear)

    def notes(self, what: str = "") -> list[Note]:
        """Return what was noted, in order."""
        lines = self.path.read_text().splitlines()
        return [note for note in (Note(**json.loads(line)) for line in lines) if what in ("", note.what)]

    def of(self, task_id: str, what: str = "") -> list[Note]:
        """Return what was noted of one task."""
        return [note for note in self.notes(what) if note.task_id == task_id]

    def count(self, what: str) -> int:
        """Return how often something was noted."""
        return len(self.notes(what))

    def violations(self, queue: TaskQueue) -> list[str]:
        """Return what the queue says that cannot be true, one sentence each."""
        submitted = {note.task_id for note in self.notes("submit")}
        ended = Counter((note.task_id, note.fence) for note in self.notes("end"))
        found: list[str] = []
        places: Counter[str] = Counter()
        stats = queue.get_queue_stats()
        for task_id in sorted(submitted):
            status = queue.get_task_status(task_id)["status"]
            places["live" if status in LIVE else status] += 1
            result = queue.get_task_result(task_id) if status == TaskStatus.COMPLETED else None
            if result is not None and not ended[task_id, result["result"]]:
                found.append(f"{task_id} has completed, but the attempt of its result has never ended")
        found += [f"{key[0]}: attempt {key[1]} ended {n} times" for key, n in ended.items() if n > 1]
        for task_id, n in Counter(note.task_id for note in self.notes("accepted")).items():
            if n > 1:
                found.append(f"{n} completions of {task_id} were accepted")
        found += self._order(submitted)
        counters = Counter(stats.counters)
        for name, status in (("completed", "completed"), ("failed", "failed"), ("cancelled", "cancelled")):
            if counters[name] != places[status]:
                found.append(f"the counter {name} says {counters[name]}, {places[status]} tasks are {status}")
        if counters["submitted"] != len(submitted):
            found.append(f"{len(submitted)} tasks were submitted, the counter says {counters['submitted']}")
        return found

    def _order(self, submitted: set[str]) -> list[str]:
        """Every start belongs to a submitted task, and its fence is larger than the ones before it."""
        found, last = [], dict.fromkeys(submitted, 0)
        for note in self.notes("start"):
            if note.task_id not in last:
                found.append(f"{note.task_id} was started and never submitted")
            elif note.fence <= last[note.task_id]:
                found.append(f"{note.task_id} was started with a fence that is not larger than the one before")
            last[note.task_id] = note.fence
        return found


def append(path: Path | str, what: str, task_id: str, fence: int) -> None:
    """Append one line to a ledger."""
    line = json.dumps({"what": what, "task_id": task_id, "fence": fence, "pid": os.getpid(), "at": time.monotonic()})
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode() + b"\n")
    finally:
        os.close(descriptor)
