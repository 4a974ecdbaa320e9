"""What an exporter reads of a namespace: sizes, lifetime counters, its server, and how many workers it calls for."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from taskq.errors import TaskqError
from taskq.metrics.hint import Hint, Load
from taskq.model.bound import QueueLimit
from taskq.model.circuit import CircuitInfo
from taskq.model.threshold import SlaReading
from taskq.model.views import ListStats, PassedTasks, QueueStats, WorkerInfo, whole
from taskq.queue import TaskQueue
from taskq.states import TaskStatus
from taskq.transport.server_info import ServerLoad, read_load

log = logging.getLogger("taskq.metrics")

# of tasks, by the name of the counter in the namespace; others are exported under their own name
_OF_TASKS = {
    "submitted": "Tasks submitted.",
    "completed": "Tasks completed.",
    "failed": "Tasks that have failed for good.",
    "cancelled": "Tasks cancelled or expired before they started.",
    "retried": "Runs that have failed and were to be repeated.",
    "recovered": "Tasks brought back from dead workers.",
    "replayed": "Dead letters that were run again.",
    "purged": "Waiting tasks that were deleted.",
    "expired": "Ended tasks that were forgotten after their retention.",
    "lost_bodies": "Tasks whose envelope somebody has deleted.",
}
_OTHERS = {
    "sla_breaches": "Times that tasks began to wait longer than they may.",
    "strays": "Ids in lists that did not belong there.",
    "violations": "Broken invariants that samples have found; taskq fsck shows which.",
    "circuits_opened": "Times that a circuit has opened.",
    "rollbacks": "Times that the server was found to have lost writes it had answered.",
}

Figure = tuple[str, str, float]

# of each queue with a limit: name, what it means, its value, or None where that is not limited
OF_LIMITS: tuple[tuple[str, str, Callable[[QueueLimit], int | None]], ...] = (
    (
        "queue_tasks",
        "Tasks in the lists of a queue whose tasks are limited.",
        lambda limit: limit.max_tasks and (limit.tasks or 0),
    ),
    ("queue_tasks_limit", "How many tasks the lists of a queue may hold.", lambda limit: limit.max_tasks),
    (
        "queue_bytes",
        "Bytes of the tasks in the lists of a queue whose bytes are limited.",
        lambda limit: limit.max_bytes and (limit.bytes or 0),
    ),
    ("queue_bytes_limit", "How many bytes those may have.", lambda limit: limit.max_bytes),
    (
        "queue_awaited",
        "Whether a submit waits for room in a queue, or did so just now.",
        lambda limit: int(bool(limit.awaited)),
    ),
)


@dataclass(frozen=True, slots=True)
class NamespaceReading:
    """A namespace at one moment.

    Attributes:
        up: whether it could be read; if not, all below is empty.
        seconds: how long it took.
        gauges, counters: name without the ``taskq_``, what it means, value.
        statuses: status -> tasks.
        lists: the priority lists.
        sla: what was measured beside each threshold.
        passed: what waits for a worker that knows it.
        limits: of queues, with what each holds.
    """

    prefix: str
    up: bool
    seconds: float
    gauges: Sequence[Figure] = ()
    counters: Sequence[Figure] = ()
    statuses: dict[str, int] = field(default_factory=dict)
    lists: Sequence[ListStats] = ()
    sla: Sequence[SlaReading] = ()
    passed: Sequence[PassedTasks] = ()
    limits: Sequence[QueueLimit] = ()


class NamespaceReader:
    """Reads a namespace again and again.

    Args:
        queue: of the namespace.
    """

    def __init__(self, queue: TaskQueue) -> None:
        self._queue = queue
        self._hint = Hint()
        self._lock = threading.Lock()

    def read(self) -> NamespaceReading:
        """Return the numbers of now; that the server does not answer is one of them. For any thread."""
        with self._lock:
            return self._read()

    def _read(self) -> NamespaceReading:
        prefix, began = self._queue.settings.prefix, time.monotonic()
        try:
            stats, workers = self._queue.get_queue_stats(), self._queue.list_workers()
            sla = self._queue.check_sla()
            load = read_load(self._queue.transport)
            circuits = self._queue.list_circuits()
        except TaskqError as error:
            log.warning("metrics: %s", error)
            return NamespaceReading(prefix, False, time.monotonic() - began)
        desired = self._hint.look(_load(stats, workers, began))
        return NamespaceReading(
            prefix,
            True,
            time.monotonic() - began,
            gauges=[*_workers(stats, workers, desired), *_server(load), _open_circuits(circuits)],
            counters=[*_counters(stats.counters), _evicted(load)],
            statuses={status.value: getattr(stats, f"{status.value}_tasks") for status in TaskStatus},
            lists=stats.lists,
            sla=sla,
            passed=stats.passed,
            limits=stats.limits,
        )


def known_figures() -> tuple[list[Figure], list[Figure]]:
    """Return the gauges and the counters of a reading as of an empty namespace: names, and what they mean."""
    nothing = QueueStats(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, None)
    gauges = [*_workers(nothing, (), 0), *_server(ServerLoad()), _open_circuits(())]
    return gauges, [*_counters({}), _evicted(ServerLoad())]


def alive(workers: Sequence[WorkerInfo]) -> list[WorkerInfo]:
    """Return the workers whose lease is not over."""
    return [worker for worker in workers if worker.lease_seconds > 0]


def _slots(workers: Sequence[WorkerInfo]) -> int:
    return sum(whole(worker.card.get("slots")) for worker in workers)


def _load(stats: QueueStats, workers: Sequence[WorkerInfo], now: float) -> Load:
    counters = stats.counters
    ended = sum(counters.get(name, 0) for name in ("completed", "failed", "retried"))
    pending = sum(item.depth for item in stats.lists if not item.paused)
    living = alive(workers)
    return Load(
        now, counters.get("submitted", 0), ended, pending, stats.running_tasks, len(living), max(1, _slots(living))
    )


def _workers(stats: QueueStats, workers: Sequence[WorkerInfo], desired: int) -> list[Figure]:
    living = alive(workers)
    return [
        ("workers", "Workers that are alive.", len(living)),
        ("workers_silent", "Workers whose lease is over, before they are cleared away.", len(workers) - len(living)),
        ("slots", "Tasks that all workers together may run at a time.", _slots(living)),
        ("desired_workers", "How many workers the work at hand calls for: a hint for autoscalers.", desired),
        ("dead_letters", "Tasks that have failed for good and are kept.", stats.dead_letters),
    ]


def _server(load: ServerLoad) -> list[Figure]:
    return [
        ("server_memory_bytes", "Memory in use by the server.", load.memory_bytes),
        ("server_memory_limit_bytes", "Its maxmemory; 0 if it has none.", load.limit_bytes),
        ("server_memory_ratio", "Memory in use as a share of maxmemory; 0 if there is none.", load.memory_share),
        ("server_clients", "Connections to the server.", load.clients),
        ("server_replicas", "Replicas that are connected.", load.replicas),
        ("server_aof_enabled", "Whether the server keeps an append-only file: 1 or 0.", int(load.aof)),
        ("server_persistence_ok", "Whether its last saving and writing worked: 1 or 0.", int(load.persistence_ok)),
    ]


def _open_circuits(circuits: Sequence[CircuitInfo]) -> Figure:
    number = sum(state.state != "closed" for info in circuits for state in info.keys.values())
    return "circuits_open", "Keys whose circuit is open or half-open.", number


def _evicted(load: ServerLoad) -> Figure:
    return "server_evicted_keys", "Keys that the server has thrown away for want of memory.", load.evicted_keys


def _counters(counters: dict[str, int]) -> list[Figure]:
    known = [(f"tasks_{name}", text, counters.get(name, 0)) for name, text in _OF_TASKS.items()]
    return [*known, *((name, text, counters.get(name, 0)) for name, text in _OTHERS.items())]
