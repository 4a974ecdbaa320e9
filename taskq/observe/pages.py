"""Pages of tasks: what a filter lets through, in an order that means something, never more than a bounded look."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from taskq.errors import InvalidTask
from taskq.flows import MOST_LOOKED_AT, MOST_ON_A_PAGE, PAGE, Context, Flow
from taskq.model.envelope import outline
from taskq.model.moment import iso_utc, seconds_to_ms, to_epoch_ms
from taskq.model.result import result_outline
from taskq.model.task import DEFAULT_QUEUE
from taskq.model.views import status_dict, whole
from taskq.partitions import Spread
from taskq.protocol.keys import split_list_name
from taskq.protocol.replies import Inspection
from taskq.protocol.walks import all_sizes
from taskq.states import TaskPriority, TaskStatus

_MOST_IN_ONE_CALL = 50


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks are wanted.

    Attributes:
        status: a ``TaskStatus`` or its word.
        task_type: only of this type; a ``*`` at its end stands for any rest.
        queue: only of this queue.
        priority: only of this priority.
        since: only those that were submitted, or have ended if they have, at this moment or later.
        until: only those before this moment.
    """

    status: str = TaskStatus.RUNNING.value
    task_type: str | None = None
    queue: str | None = None
    priority: TaskPriority | str | int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class TaskPage:
    """A page of tasks.

    Attributes:
        tasks: status dicts, with ``due_at`` (ISO 8601, UTC; of a delayed task), ``attempts`` and ``duration`` (seconds,
            of an ended one) besides.
        cursor: for the next page; empty: this was the last one.
        looked_at: how many tasks were read for it.
    """

    tasks: tuple[dict[str, Any], ...]
    cursor: str
    looked_at: int

    def to_dict(self) -> dict[str, Any]:
        """Return the page as a dict that JSON can say."""
        return asdict(self)


class _Wanted:
    """A filter, checked and made ready."""

    def __init__(self, wanted: TaskFilter) -> None:
        try:
            self.status = TaskStatus(wanted.status)
        except ValueError:
            raise InvalidTask(f"unknown status {wanted.status!r}: use one of {', '.join(TaskStatus)}") from None
        self.type, self.any_rest = (wanted.task_type or "").removesuffix("*"), (wanted.task_type or "").endswith("*")
        self.queue = wanted.queue or None
        self.priority = None if wanted.priority is None else TaskPriority.parse(wanted.priority)
        self.since = iso_utc(to_epoch_ms(wanted.since)) if wanted.since else ""
        self.until = iso_utc(to_epoch_ms(wanted.until)) if wanted.until else ""

    def lets_through(self, row: dict[str, Any]) -> bool:
        moment = row["completed_at"] or row["created_at"]
        return (
            row["status"] == self.status
            and (not self.type or row["type"] == self.type or (self.any_rest and row["type"].startswith(self.type)))
            and self.queue in (None, row["queue"])
            and (self.priority is None or row["priority"] == self.priority.label)
            and (not self.since or moment >= self.since)
            and (not self.until or moment < self.until)
        )


def rows(context: Context, task_ids: Sequence[str]) -> Flow[list[dict[str, Any]]]:
    """Return what a list shows of those tasks that exist."""
    found = []
    for start in range(0, len(task_ids), _MOST_IN_ONE_CALL):
        page = task_ids[start : start + _MOST_IN_ONE_CALL]
        reply: list[tuple[Inspection, int | None]] = yield context.protocol.rows(page)
        found += [
            row(context, task_id, item, due_ms)
            for task_id, (item, due_ms) in zip(page, reply, strict=True)
            if item.envelope is not None
        ]
    return found


def row(context: Context, task_id: str, item: Inspection, due_ms: int | None) -> dict[str, Any]:
    """Return what a list shows of a task."""
    task = outline(item.envelope or b"", task_id)
    result = _readable(item.result)
    ended = result_outline(result, context.seal) if result else {}
    return {
        **status_dict(task, item.state, result, context.seal),
        "due_at": None if due_ms is None else iso_utc(due_ms),
        "attempts": whole(ended.get("attempts") or item.state.get("attempts")),
        "duration": ended.get("duration"),
    }


def _readable(stored: bytes | None) -> bytes | None:
    """Return a result; of one whose beginning was left out because it is long, the part that tells how it ended."""
    if stored is None or stored.startswith(b"{"):
        return stored
    at = stored.rfind(b',"duration":')
    return b'{"status":"completed","result":null,"error":null' + stored[at:] if at >= 0 else None


def _sources(context: Context, wanted: _Wanted) -> Flow[list[str]]:
    """Return where tasks of a status stand, in an order that means something to whoever looks."""
    if wanted.status in (TaskStatus.RUNNING, TaskStatus.WAITING):
        return [wanted.status.value]
    if wanted.status in (TaskStatus.SCHEDULED, TaskStatus.RETRY):
        return ["due"]
    if wanted.status is TaskStatus.FAILED:
        return ["dead"]
    if wanted.status.terminal:
        return [f"ended {seconds_to_ms(context.settings.result_ttl_seconds, 'result_ttl_seconds')}"]
    sizes = yield from all_sizes(context.protocol)
    lists = [(*split_list_name(depth.name), depth) for depth in sizes.lists]
    return [
        f"list {depth.name}"
        for queue, priority, depth in lists
        if depth.length and wanted.queue in (None, queue or DEFAULT_QUEUE) and wanted.priority in (None, priority)
    ]


_CURSOR = re.compile(r"(\d{1,6})~([^~]{1,300})~([\d ]{1,60})\Z")


def find(spread: Spread[Any], wanted: TaskFilter, cursor: str, limit: int) -> Flow[TaskPage]:
    """Return a page of tasks, after a look at ``MOST_LOOKED_AT`` of them or a few more."""
    ready, most = _Wanted(wanted), max(1, min(limit, MOST_ON_A_PAGE))
    at = _CURSOR.match(cursor)
    if cursor and not at:
        raise InvalidTask(f"{cursor!r:.80} is no cursor: use the one that came with the page before, or none")
    partition, source, inner = (int(at[1]), at[2], at[3]) if at else (spread.indices.start, "", "0")
    found: dict[str, dict[str, Any]] = {}
    looked_at = 0
    for index in spread.indices:
        if index < partition:
            continue
        context = spread.context(index)
        sources = yield from _sources(context, ready)
        # a list that has become empty since the page before counts as read to its end
        for name in sources[sources.index(source) :] if source in sources else sources:
            inner = inner if name == source else "0"
            more = True
            while more:
                if len(found) >= most or looked_at >= MOST_LOOKED_AT:
                    return TaskPage(tuple(found.values()), f"{index}~{name}~{inner}", looked_at)
                inner, ids = yield context.protocol.ids(name, inner, min(PAGE, most - len(found)))
                looked_at += len(ids)
                page = yield from rows(context, ids)
                found |= {item["task_id"]: item for item in page if ready.lets_through(item)}
                more = inner != "0"
        source, inner = "", "0"
    return TaskPage(tuple(found.values()), "", looked_at)
