"""What the monitor looks at: everything about a namespace at one moment, and the rates between two of them."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from taskq.errors import TaskqError
from taskq.flows import Flow
from taskq.model.history import Minute
from taskq.model.views import QueueStats, WorkerInfo
from taskq.observe.pages import TaskFilter
from taskq.queue import TaskQueue
from taskq.scheduler import ScheduleInfo, TaskScheduler
from taskq.states import TaskStatus
from taskq.transport.server_info import ServerLoad, read_load

# What fits on the largest screen; a monitor must cost the same whatever the namespace holds.
_MOST_RUNNING = 60
_MOST_OF_A_KIND = 40
_KEPT = 120

# counters of tasks that came, and of runs that have ended
_IN = ("submitted", "replayed")
_OUT = ("completed", "failed", "cancelled")


@dataclass(frozen=True, slots=True)
class Reading:
    """A namespace at one moment.

    Attributes:
        at: monotonic seconds.
        now: the time of this machine.
        prefix, address: of the namespace.
        stats: as ``get_queue_stats`` returns them.
        workers: as ``list_workers`` returns them.
        running, retries, letters: status dicts of running tasks, of those that wait for a retry, of the latest dead
            letters; some of each at most.
        schedules: the recurring ones.
        minutes: the history of the last hour.
        server: how the server is doing.
    """

    at: float
    now: datetime
    prefix: str
    address: str
    stats: QueueStats
    workers: list[WorkerInfo]
    running: list[dict[str, Any]]
    retries: list[dict[str, Any]]
    letters: list[dict[str, Any]]
    schedules: list[ScheduleInfo]
    minutes: list[Minute]
    server: ServerLoad

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict that JSON can say."""
        return {
            "at": self.now.isoformat(timespec="milliseconds"),
            "prefix": self.prefix,
            "server": {"address": self.address, "memory_share": self.server.memory_share, **asdict(self.server)},
            "stats": self.stats.to_dict(),
            "workers": [worker.to_dict() for worker in self.workers],
            "running": self.running,
            "retries": self.retries,
            "dead_letters": self.letters,
            "schedules": [schedule.to_dict() for schedule in self.schedules],
            "history": [minute.to_dict() for minute in self.minutes],
        }


def read(queue: TaskQueue) -> Reading:
    """Return what the namespace looks like now.

    Raises:
        TaskqError: if it cannot be read.
    """
    workers = queue.list_workers()
    held = [task_id for worker in workers for task_id in worker.held][:_MOST_RUNNING]
    return Reading(
        at=time.monotonic(),
        now=datetime.now(UTC),
        prefix=queue.settings.prefix,
        address=queue.namespace.endpoint.shown,
        stats=queue.get_queue_stats(),
        workers=workers,
        running=queue.list_statuses(held) if held else [],
        retries=_retries(queue),
        letters=_letters(queue),
        schedules=TaskScheduler(queue).list_schedules(),
        minutes=queue.get_history(60),
        server=_load(queue),
    )


def _letters(queue: TaskQueue) -> list[dict[str, Any]]:
    return list(queue.find_tasks(TaskFilter(TaskStatus.FAILED), limit=_MOST_OF_A_KIND).tasks)[:_MOST_OF_A_KIND]


def _retries(queue: TaskQueue) -> list[dict[str, Any]]:
    """Return some tasks that wait for a retry, the next one first.

    Not those of the schedule in order: a million others may stand before them there.
    """
    ids = queue.run_flow(_some_ids(queue, TaskStatus.RETRY))[:_MOST_OF_A_KIND]
    return sorted(queue.list_statuses(ids), key=lambda task: task.get("due_at") or "") if ids else []


def _some_ids(queue: TaskQueue, status: TaskStatus) -> Flow[list[str]]:
    found: list[str] = []
    for context in queue.spread.contexts:
        if len(found) < _MOST_OF_A_KIND:
            _, ids = yield context.protocol.ids(status.value, "0", _MOST_OF_A_KIND)
            found += ids
    return found


def _load(queue: TaskQueue) -> ServerLoad:
    try:
        return read_load(queue.transport)
    except TaskqError:
        return ServerLoad()


@dataclass(slots=True)
class Rates:
    """What has changed from one reading to the next.

    Attributes:
        tasks_in, tasks_out: per second, the latest last.
        depths: list -> its lengths, the latest last.
        growth: list -> tasks per second by which it grows.
    """

    tasks_in: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))
    tasks_out: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))
    depths: dict[tuple[str, str], deque[float]] = field(default_factory=dict)
    growth: dict[tuple[str, str], float] = field(default_factory=dict)
    _last: Reading | None = None

    def add(self, reading: Reading) -> None:
        """Take the next reading."""
        last, self._last = self._last, reading
        passed = reading.at - last.at if last is not None else 0.0
        for item in reading.stats.lists:
            name = item.queue, item.priority
            depths = self.depths.setdefault(name, deque(maxlen=_KEPT))
            if depths and passed > 0:
                self.growth[name] = (item.depth - depths[-1]) / passed
            depths.append(float(item.depth))
        if last is None or passed <= 0:
            return
        for names, rates in ((_IN, self.tasks_in), (_OUT, self.tasks_out)):
            grown = sum(reading.stats.counters.get(name, 0) - last.stats.counters.get(name, 0) for name in names)
            rates.append(max(0, grown) / passed)
