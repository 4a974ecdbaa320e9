"""What each verb of a queue does, written once for threads and event loops.

A flow is a generator: it yields the operations it needs and is sent their replies. ``TaskQueue`` drives it with the
blocking transport, ``AsyncTaskQueue`` with the concurrent one; neither adds anything of its own.
"""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from operator import itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from taskq.errors import InvalidTask, ResultTimeout, TaskNotFound
from taskq.middleware import Middleware
from taskq.model.crypto import Seal
from taskq.model.envelope import from_envelope, outline
from taskq.model.moment import seconds_to_ms, to_epoch_ms
from taskq.model.names import check_name
from taskq.model.result import parse_result, result_json
from taskq.model.schema import Shape
from taskq.model.task import DEFAULT_QUEUE, Task
from taskq.model.views import ListStats, PassedTasks, QueueStats, WorkerInfo, status_dict
from taskq.protocol.durability import Durable
from taskq.protocol.keys import list_name, lists_of, split_list_name
from taskq.protocol.operation import Operation
from taskq.protocol.operations import Protocol
from taskq.protocol.replies import Inspection
from taskq.protocol.walks import all_cards, all_sizes, every_page
from taskq.settings import Settings
from taskq.states import TaskPriority, TaskStatus

T = TypeVar("T")

PAGE = 100
_PURGED_AT_ONCE = 250
# of a UUID, as the dashboard and the monitor shorten them
_BEGINNING = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f-]{0,26})?")
# how many tasks one look at a page reads before it says how to go on, and how many it may have
MOST_LOOKED_AT, MOST_ON_A_PAGE = 1000, 500
# A registration outlives the silence between two of them, and a lost notice is made good at the next one.
_MAIL_SECONDS = 10.0
_MAIL_TTL_MS = 30_000


@dataclass(frozen=True, slots=True)
class Mail:
    """Wait until a result arrives in a reply list.

    Attributes:
        address: of the reply list.
        task_id: whose result is awaited.
        seconds: how long to wait.
    """

    address: str
    task_id: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Room:
    """Wait until there may be room in a queue, or the time is over.

    Attributes:
        root: of the namespace.
        key: of the bell that is rung then.
        seconds: how long to wait.
    """

    root: str
    key: str
    seconds: float


Step = Operation[Any] | Durable | Mail | Room
Flow = Generator[Step, Any, T]


_NO_SHAPES: Mapping[str, Shape] = MappingProxyType({})


class Context(NamedTuple):
    """What every flow needs: operations, settings, what signs and encrypts, the partition, what observes submits."""

    protocol: Protocol
    settings: Settings
    seal: Seal | None
    partition: int = 0
    middleware: Sequence[Middleware] = ()
    shapes: Mapping[str, Shape] = _NO_SHAPES


def due_in(delay_seconds: float) -> str:
    """Return the due time of a task that is to start after a delay, counted by the server's clock."""
    return f"+{seconds_to_ms(delay_seconds, 'delay_seconds')}"


def due_at(when: datetime) -> str:
    """Return the due time of a task that is to start at a moment; a naive datetime is local time."""
    return str(to_epoch_ms(when))


def ttl_ms(context: Context) -> int:
    """Return for how long results are kept, unless a task says otherwise."""
    return seconds_to_ms(context.settings.result_ttl_seconds, "result_ttl_seconds")


def cancel(context: Context, task_id: str) -> Flow[str]:
    """Cancel a task; return what became of it."""
    result = result_json(
        task_id,
        TaskStatus.CANCELLED,
        error="cancelled while it waited",
        completed_at_ms=time.time_ns() // 1_000_000,
    )
    found: str = yield context.protocol.cancel(task_id, result, ttl_ms(context))
    if found == "missing":
        raise not_found(task_id)
    return found


def not_found(task_id: str) -> TaskNotFound:
    """Return the error for an id that is not known."""
    if _BEGINNING.fullmatch(task_id):
        return TaskNotFound(
            f"there is no task {task_id}: it looks like the beginning of an id, and ids must be complete. "
            "`taskq task ls` shows whole ones, and so does the page of the task in the dashboard"
        )
    return TaskNotFound(
        f"there is no task {task_id}: it never existed under this prefix, or it ended and its retention is over "
        "(TASKQ_RESULT_TTL)"
    )


def get_task(context: Context, task_id: str) -> Flow[Task]:
    """Return a task as it was submitted."""
    found: list[Inspection] = yield context.protocol.inspect([task_id])
    envelope = found[0].envelope
    if envelope is None:
        raise not_found(task_id)
    return from_envelope(envelope, verify=False, seal=context.seal)


def get_status(context: Context, task_id: str) -> Flow[dict[str, Any]]:
    """Return the status dict of a task."""
    found = yield from statuses(context, [task_id])
    if not found:
        raise not_found(task_id)
    return found[0]


def statuses(context: Context, task_ids: Sequence[str]) -> Flow[list[dict[str, Any]]]:
    """Return the status dicts of those tasks that exist."""
    dicts = []
    for start in range(0, len(task_ids), PAGE):
        page = task_ids[start : start + PAGE]
        found: list[Inspection] = yield context.protocol.inspect(page)
        dicts += [
            status_dict(outline(item.envelope, task_id), item.state, item.result, context.seal)
            for task_id, item in zip(page, found, strict=True)
            if item.envelope is not None
        ]
    return dicts


def list_tasks(context: Context, status: str, limit: int) -> Flow[list[dict[str, Any]]]:
    """Return the status dicts of up to ``limit`` tasks that have a status."""
    wanted = _parse_status(status).value
    dicts: list[dict[str, Any]] = []
    cursor = "0"
    while len(dicts) < limit:
        cursor, ids = yield context.protocol.ids(wanted, cursor, min(PAGE, limit))
        dicts += yield from statuses(context, ids[: limit - len(dicts)])
        if cursor == "0":
            break
    return dicts


def _parse_status(status: str) -> TaskStatus:
    try:
        return TaskStatus(status)
    except ValueError:
        raise InvalidTask(f"unknown status {status!r}: use one of {', '.join(TaskStatus)}") from None


def get_result(context: Context, task_id: str) -> Flow[dict[str, Any] | None]:
    """Return the result dict of a task, None while it has none."""
    stored, known = yield context.protocol.result(task_id)
    if stored is not None:
        return parse_result(stored, context.seal)
    if not known:
        raise not_found(task_id)
    return None


def wait_for_result(context: Context, address: str, task_id: str, timeout: float | None) -> Flow[dict[str, Any]]:
    """Wait until a task has ended and return its result dict."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        code, stored = yield context.protocol.await_result(task_id, address, _MAIL_TTL_MS)
        if code == -1:
            raise not_found(task_id)
        if stored is None:
            left = _MAIL_SECONDS if deadline is None else min(_MAIL_SECONDS, deadline - time.monotonic())
            stored = (yield Mail(address, task_id, left)) if left > 0 else None
        if stored is not None:
            return parse_result(stored, context.seal)
        if deadline is not None and time.monotonic() >= deadline:
            raise ResultTimeout(
                f"task {task_id} has not ended within {timeout:g} s: it is not given up; ask again, or see with "
                f"`taskq task explain {task_id}` what it waits for"
            )


def stats(context: Context) -> Flow[QueueStats]:
    """Return the numbers of the namespace."""
    sizes = yield from all_sizes(context.protocol)
    counters, status = sizes.counters, sizes.statuses
    ended = counters.get("completed", 0) + counters.get("failed", 0)
    lists = []
    for depth in sizes.lists:
        queue, priority = split_list_name(depth.name)
        age = None if depth.since_ms is None else max(0, sizes.now_ms - depth.since_ms) / 1000
        lists.append(ListStats(queue or DEFAULT_QUEUE, priority.label, depth.length, age, depth.paused, depth.known))
    return QueueStats(
        **{f"{name}_tasks": size for name, size in status.items()},
        dead_letters=sizes.dead,
        active_workers=sizes.workers,
        success_rate=counters.get("completed", 0) / ended if ended else None,
        lists=tuple(lists),
        counters=counters,
        passed=tuple(_passed(*siding) for siding in sizes.sidings),
        all_paused=any(depth.all_paused for depth in sizes.lists),
        limits=tuple(sorted(sizes.limits, key=lambda limit: limit.queue)),
    )


def _passed(siding: str, tasks: int, runnable: bool) -> PassedTasks:
    name, word = siding.removeprefix("@").rsplit("/", 1)
    task_type, version = word.rsplit("@", 1)
    queue, priority = split_list_name(name)
    return PassedTasks(queue or DEFAULT_QUEUE, priority.label, task_type, int(version), tasks, runnable)


def workers(context: Context) -> Flow[list[WorkerInfo]]:
    """Return the registered workers."""
    _, cards = yield from all_cards(context.protocol)
    hidden = ("token", "turn0", "turn1", "seq", "cancels")
    return [
        WorkerInfo(
            card.worker_id,
            card.held,
            card.lease_ms / 1000,
            {name: value for name, value in card.card.items() if name not in hidden},
        )
        for card in cards
    ]


def lists_meant(queue: str | None, priority: TaskPriority | str | int | None) -> list[str]:
    name = None if queue in (None, DEFAULT_QUEUE) else check_name(queue, "queue name")
    return lists_of(name) if priority is None else [list_name(name, TaskPriority.parse(priority))]


def purge(context: Context, queue: str | None, priority: TaskPriority | str | int | None) -> Flow[int]:
    """Delete waiting tasks; return how many."""
    names = lists_meant(queue, priority)
    purged = 0
    for name in names:
        purged += yield from _purge_list(context, name)
    ask = partial(context.protocol.purge_waiting, lists=names, limit=_PURGED_AT_ONCE)
    pages = yield from every_page(ask, itemgetter(1))
    waiting = sum(count for count, _ in pages)
    # what waited in no list may have come into one meanwhile
    for name in names if waiting else ():
        purged += yield from _purge_list(context, name)
    return purged + waiting


def _purge_list(context: Context, name: str) -> Flow[int]:
    purged, more = 0, True
    while more:
        count, more = yield context.protocol.purge(name, _PURGED_AT_ONCE)
        purged += count
    return purged
