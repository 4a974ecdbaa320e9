"""What the pages show, read through the public verbs of the queue; one reading serves all visitors of a moment."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import Any

from taskq.aio import AsyncTaskQueue
from taskq.errors import CorruptTask, InvalidTask, TaskNotFound
from taskq.model.circuit import CircuitInfo
from taskq.model.history import Minute
from taskq.model.moment import iso_utc
from taskq.model.threshold import SlaReading
from taskq.model.views import PassedTasks, QueueStats, WorkerInfo
from taskq.observe.details import TaskDetails
from taskq.observe.pages import TaskFilter, TaskPage
from taskq.queue import TaskQueue
from taskq.scheduler import ScheduleInfo, TaskScheduler
from taskq.states import TaskStatus
from taskq.web.charts import overview_charts
from taskq.web.letters import MOST_GROUPED, Group, read_groups
from taskq.web.lists import ROWS, Wanted
from taskq.web.options import DashboardOptions
from taskq.web.redaction import Redaction
from taskq.workflow.sagas import SagaInfo, SagaPage
from taskq.workflow.trees import TaskTree

WAITS = frozenset({TaskStatus.PENDING, TaskStatus.SCHEDULED, TaskStatus.RETRY, TaskStatus.WAITING})
SPANS = {60: "1 h", 360: "6 h", 1440: "24 h"}
_HISTORY_SECONDS = 10.0
_RATE_SECONDS = 10.0
_LONGEST_RUNNING, _LATEST_DEAD = 8, 6
_MOST_WORKERS, _MOST_HELD = 200, 8
_MOST_IN_TREE = 100
_MOST_KEYS = 20


class Board:
    """Reads for the pages and for what is live on them.

    Args:
        queue: what is shown.
        options: of the dashboard.
    """

    def __init__(self, queue: AsyncTaskQueue, options: DashboardOptions) -> None:
        self.queue = queue
        self.options = options
        self.redaction = Redaction(options.hidden_fields, hide_all=options.hide_payloads)
        self._fresh_seconds = min(1.0, options.interval_seconds / 2)
        self._kept: dict[str, tuple[float, asyncio.Task[Any]]] = {}
        self._counted: deque[tuple[float, dict[str, int]]] = deque(maxlen=60)

    @cached_property
    def scheduler(self) -> TaskScheduler:
        """For the schedules; blocking, so it is called on a thread."""
        return TaskScheduler(TaskQueue(settings=self.queue.settings))

    async def _shared(self, name: str, seconds: float, read: Callable[[], Awaitable[Any]]) -> Any:
        """Return what was read a moment ago, or read it; who asks at the same time gets the same reading."""
        now = time.monotonic()
        kept = self._kept.get(name)
        if kept is None or now - kept[0] > seconds or (kept[1].done() and kept[1].exception() is not None):
            kept = self._kept[name] = now, asyncio.ensure_future(_awaited(read))
        return await asyncio.shield(kept[1])

    def forget(self) -> None:
        """Read anew from now on: something was changed, and whoever did it wants to see it."""
        self._kept.clear()

    async def stats(self) -> QueueStats:
        """Return the numbers of the namespace, at most a second old."""
        found: QueueStats = await self._shared("stats", self._fresh_seconds, self.queue.get_queue_stats)
        now = time.monotonic()
        if not self._counted or now - self._counted[-1][0] > self._fresh_seconds:
            self._counted.append((now, found.counters))
        return found

    async def history(self, span: int) -> list[Minute]:
        """Return the last minutes, at most ten seconds old."""
        found: list[Minute] = await self._shared(
            f"history {span}", _HISTORY_SECONDS, lambda: self.queue.get_history(span)
        )
        return found

    def rate(self, name: str, minutes: list[Minute]) -> float | None:
        """Return how fast a counter grows, per second: over the last moments, else over the last minute."""
        last = self._counted[-1] if self._counted else None
        first = next((item for item in self._counted if last and last[0] - item[0] <= _RATE_SECONDS), None)
        if first and last and last[0] - first[0] >= 1:
            return max(0, last[1].get(name, 0) - first[1].get(name, 0)) / (last[0] - first[0])
        return minutes[-1].rates.get(name) if minutes else None

    async def navigation(self) -> dict[str, Any]:
        """Return what stands in the navigation of each page."""
        return {"stats": await self.stats()}

    async def overview(self, span: int) -> dict[str, Any]:
        """Return what the overview shows."""
        stats, readings, minutes, workers, running, dead = await asyncio.gather(
            self.stats(),
            self._readings(),
            self.history(span),
            self._workers(),
            self.queue.find_tasks(TaskFilter("running"), limit=100),
            self.queue.find_tasks(TaskFilter("failed"), limit=_LATEST_DEAD),
        )
        oldest = [item.oldest_seconds for item in stats.lists if item.oldest_seconds is not None]
        return {
            "stats": stats,
            "span": span,
            "spans": SPANS,
            "charts": overview_charts(minutes, span),
            "rates": {name: self.rate(name, minutes) for name in ("submitted", "completed", "failed", "retried")},
            "oldest": max(oldest, default=None),
            "slots": sum(_whole(worker.card.get("slots")) for worker in workers),
            "alive": sum(worker.lease_seconds > 0 for worker in workers),
            "queues": self._by_queue(stats),
            "broken": sorted(filter(None, (item.broken_since for item in readings))),
            "unknown": self._unknown(stats),
            "running": sorted(running.tasks, key=lambda row: row["started_at"] or "")[:_LONGEST_RUNNING],
            "dead": dead.tasks[:_LATEST_DEAD],
        }

    async def queues(self) -> dict[str, Any]:
        """Return what the page of the queues shows."""
        stats, types, readings = await asyncio.gather(self.stats(), self._paused_types(), self._readings())
        return {
            "stats": stats,
            "queues": self._by_queue(stats),
            "paused_types": types,
            "readings": sorted(readings, key=lambda item: item.broken_since or "~"),
            "passed": self._passed(stats),
            "unknown": self._unknown(stats),
        }

    @staticmethod
    def _unknown(stats: QueueStats) -> list[tuple[str, int]]:
        """Return what no live worker can run, and how many of it wait in whatever lists, the most first."""
        found: dict[str, int] = {}
        for item in stats.passed:
            if item.tasks and not item.runnable:
                name = f"{item.task_type}, version {item.version}"
                found[name] = found.get(name, 0) + item.tasks
        return sorted(found.items(), key=lambda pair: -pair[1])

    async def _readings(self) -> list[SlaReading]:
        found: list[SlaReading] = await self._shared("readings", self._fresh_seconds, self.queue.check_sla)
        return found

    @staticmethod
    def _passed(stats: QueueStats) -> list[PassedTasks]:
        """Return what workers have passed over and waits: first what no live worker can run."""
        return sorted((item for item in stats.passed if item.tasks), key=lambda item: (item.runnable, -item.tasks))

    async def _paused_types(self) -> list[str]:
        found: list[str] = await self._shared("paused types", self._fresh_seconds, self.queue.paused_types)
        return found

    @staticmethod
    def _by_queue(stats: QueueStats) -> list[dict[str, Any]]:
        found: dict[str, list[Any]] = {}
        limits = {limit.queue: limit for limit in stats.limits}
        for item in stats.lists:
            found.setdefault(item.queue, []).append(item)
        return [
            {
                "name": name,
                "lists": lists,
                "depth": sum(item.depth for item in lists),
                "oldest": max((i.oldest_seconds for i in lists if i.oldest_seconds is not None), default=None),
                "paused": sum(item.paused for item in lists),
                "known": any(item.known for item in lists),
                "limit": limits.get(name),
            }
            for name, lists in found.items()
        ]

    async def _workers(self) -> list[WorkerInfo]:
        found: list[WorkerInfo] = await self._shared("workers", self._fresh_seconds, self.queue.list_workers)
        return found

    async def workers(self) -> dict[str, Any]:
        """Return what the page of the workers shows."""
        workers = await self._workers()
        held = [task_id for worker in workers[:_MOST_WORKERS] for task_id in worker.held[:_MOST_HELD]]
        rows = {row["task_id"]: row for row in await self.queue.list_statuses(held)}
        return {
            "workers": [self._worker(worker, rows) for worker in workers[:_MOST_WORKERS]],
            "total": len(workers),
            "busy": sum(len(worker.held) for worker in workers),
            "slots": sum(_whole(worker.card.get("slots")) for worker in workers),
        }

    @staticmethod
    def _worker(worker: WorkerInfo, rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
        started = worker.card.get("started", "")
        return {
            "id": worker.worker_id,
            "card": worker.card,
            "alive": worker.lease_seconds > 0,
            "state": worker.card.get("state", ""),
            "held": len(worker.held),
            "slots": _whole(worker.card.get("slots")),
            "started": iso_utc(int(started)) if started.isdecimal() else None,
            "tasks": [rows[i] for i in worker.held[:_MOST_HELD] if i in rows],
        }

    async def schedules(self) -> dict[str, Any]:
        """Return what the page of the schedules shows."""
        found: list[ScheduleInfo] = await asyncio.to_thread(self.scheduler.list_schedules)
        return {"schedules": sorted(found, key=lambda item: (item.next_run or "", item.name))}

    async def task(self, task_id: str) -> dict[str, Any]:
        """Return what the page of a task shows.

        Raises:
            TaskNotFound: if there is no such task.
        """
        details = await self.queue.get_task_details(task_id)
        why = await self._why(details)
        expires = iso_utc(details.task.deadline_ms) if details.task.deadline_ms else None
        below: dict[str, TaskTree] = {}
        if any(child.get("type") for family in details.relatives for child in family.tasks):
            tree = await self.queue.get_tree(task_id, _MOST_IN_TREE)
            below = {node.task_id: node for family in tree.families for node in family.tasks if node.families}
        return {
            "details": details,
            "status": details.status,
            "task": details.task,
            "expires": expires,
            "why": why,
            "below": below,
            "saga": await self.saga(task_id),
        }

    async def _why(self, details: TaskDetails) -> str | None:
        """Return why a task waits, or until when it keeps its unique key, if that is known."""
        waits = details.status["status"] in WAITS
        if not waits and details.task.unique_key is None:
            return None
        found = await self.queue.explain(details.task.task_id)
        return found.message if waits or "key_until" in found.details else None

    async def tasks(self, wanted: Wanted, cursor: str = "") -> TaskPage:
        """Return a page of a list of tasks.

        Raises:
            InvalidTask: if it asks for what there cannot be.
        """
        return await self.queue.find_tasks(wanted.filter(), cursor=cursor, limit=ROWS)

    async def limits(self) -> dict[str, Any]:
        """Return what the page of the limits shows."""
        found = sorted(await self.queue.list_limits(), key=lambda info: (-info.waiting, info.limit.name))
        return {"limits": found}

    async def circuits(self) -> dict[str, Any]:
        """Return what the page of the limits shows of the circuits: those that hold something back first."""
        found: list[CircuitInfo] = await self._shared("circuits", self._fresh_seconds, self.queue.list_circuits)
        rows = [self._circuit(info) for info in found]
        return {"circuits": sorted(rows, key=lambda row: (row["state"] == "closed", -row["waiting"], row["name"]))}

    @staticmethod
    def _circuit(info: CircuitInfo) -> dict[str, Any]:
        name = info.circuit.name
        keys = [
            {
                "key": key,
                "state": item.state,
                "until": _moment(item.until_ms),
                "probe": item.probe,
                "waiting": item.waiting,
            }
            for key, item in sorted(info.keys.items(), key=lambda pair: (pair[1].state == "closed", -pair[1].waiting))
        ]
        return {
            "name": name,
            "rule": info.circuit,
            "state": info.state,
            "failed": info.failed,
            "attempts": info.attempts,
            "waiting": info.waiting,
            "keys": keys[:_MOST_KEYS],
            "more": max(0, len(keys) - _MOST_KEYS),
            # a key that is the name itself is shown in the line of the circuit
            "own": next((item for item in keys if item["key"] == name), None),
        }

    async def sagas(self, state: str, cursor: str = "") -> SagaPage:
        """Return a page of sagas.

        Raises:
            InvalidTask: if the cursor is none.
        """
        return await self.queue.find_sagas(state or None, cursor=cursor, limit=ROWS)

    async def saga(self, task_id: str) -> SagaInfo | None:
        """Return the saga that a task is; None if it is none."""
        try:
            return await self.queue.get_saga(task_id)
        except (InvalidTask, CorruptTask, TaskNotFound):
            return None

    async def groups(self, key: str = "") -> dict[str, Any]:
        """Return the latest dead letters by error, as the page shows them.

        Args:
            key: of the group that is chosen.
        """
        found: list[Group] = await self._shared("groups", self._fresh_seconds, lambda: read_groups(self.queue))
        chosen = next((group for group in found if group.key == key), None)
        return {"groups": found, "chosen": chosen, "key": key, "most": MOST_GROUPED, "stats": await self.stats()}

    async def letters(self, key: str = "", cursor: str = "") -> dict[str, Any]:
        """Return some dead letters: of one group, of all if there is no such group."""
        if not key:
            page = await self.queue.find_tasks(TaskFilter("failed"), cursor=cursor, limit=ROWS)
            return {"rows": page.tasks, "more": page.cursor, "key": key}
        chosen: Group | None = (await self.groups(key))["chosen"]
        start = int(cursor) if cursor.isdecimal() and len(cursor) < 9 else 0
        ids = chosen.ids[start : start + ROWS] if chosen is not None else ()
        rows = [row for row in await self.queue.list_statuses(ids) if row["status"] == "failed"]
        more = str(start + ROWS) if chosen is not None and start + ROWS < len(chosen.ids) else ""
        return {"rows": rows, "more": more, "key": key}

    async def close(self) -> None:
        """Close the connections of the schedules; those of the queue belong to its owner."""
        if "scheduler" in self.__dict__:
            await asyncio.to_thread(self.scheduler.queue.close)


async def _awaited(read: Callable[[], Awaitable[Any]]) -> Any:
    return await read()


def _moment(ms: int) -> str | None:
    return iso_utc(ms) if ms else None


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
