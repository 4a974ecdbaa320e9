"""The verbs of a queue that is spread over several namespaces: to the one that a task belongs to, or to all of them.

With one partition each of these is the flow of ``taskq.flows`` itself.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle
from typing import Any, Generic, Protocol, TypeVar

from taskq import dead, flows, submitting
from taskq.errors import InvalidTask, NotDurable
from taskq.flows import Context, Flow, Mail, Room, Step
from taskq.model.bound import QueueLimit
from taskq.model.partition import home_of, home_of_key, marked
from taskq.model.task import Task
from taskq.model.views import DeadLetter, ListStats, PassedTasks, QueueStats, WorkerInfo
from taskq.protocol.operation import Operation
from taskq.settings import Settings
from taskq.states import TaskPriority

# A producer goes round this many partitions, chosen at random, so that it does not connect to a thousand of them.
_MOST_IN_TURN = 16

_Priority = TaskPriority | str | int | None


class Client(Protocol):
    """A queue, blocking or not."""

    settings: Settings

    def __init__(self, *, settings: Settings | None = None) -> None: ...

    @property
    def context(self) -> Context: ...


Q = TypeVar("Q", bound=Client)


class Spread(Generic[Q]):
    """The partitions of a queue, as one client sees them.

    Args:
        count: how many the queue has.
        whole: the client.
        only: the partition to which this client is confined itself; None: it is not.
    """

    def __init__(self, count: int, whole: Q, only: int | None = None) -> None:
        self.count = count
        self._whole = whole
        self.only = 0 if count == 1 else only
        self._lock = threading.Lock()
        self.clients: dict[int, Q] = {}
        self._by_root: dict[str, Q] = {}
        self._turns: Iterator[int] | None = None

    def client(self, index: int) -> Q:
        """Return the client that is confined to a partition."""
        if self.only is not None:
            return self._whole
        found = self.clients.get(index)
        if found is None:
            with self._lock:
                found = self.clients.get(index) or confine(self._whole, index)
                self.clients[index] = self._by_root[found.context.protocol.keys.root] = found
        return found

    def at(self, step: Step) -> Q:
        """Return the client that is to take a step of a flow."""
        if self.only is not None:
            return self._whole
        if isinstance(step, Mail):
            return self.client(home_of(step.task_id, self.count))
        root = step.root if isinstance(step, Operation | Room) else step.operation.root
        return self._by_root.get(root, self._whole)

    def context(self, index: int) -> Context:
        """Return what the flows need in one partition."""
        return self.client(index).context

    @property
    def indices(self) -> range:
        """The partitions that this client sees."""
        return range(self.count) if self.only is None else range(self.only, self.only + 1)

    @property
    def contexts(self) -> list[Context]:
        """One context for each partition that this client sees."""
        return [self.context(index) for index in self.indices]

    def of(self, task_id: str) -> Context:
        """Return the context of the partition that a task belongs to."""
        if self.count == 1:
            return self._whole.context
        return self.context(home_of(task_id, self.count) if self.only is None else self.only)

    def of_key(self, key: str) -> Context:
        """Return the context of the partition in which all tasks with a key are."""
        return self.context(home_of_key(key, self.count) if self.only is None else self.only)

    def by_partition(self, task_ids: Iterable[str]) -> list[tuple[Context, list[str]]]:
        """Sort ids by the partition that they belong to."""
        groups: dict[int, list[str]] = {}
        for task_id in task_ids:
            groups.setdefault(home_of(task_id, self.count) if self.only is None else self.only, []).append(task_id)
        return [(self.context(index), ids) for index, ids in groups.items()]

    def place(self, tasks: Sequence[Task]) -> dict[int, list[int]]:
        """Choose a partition for each task, and give new ids their mark.

        Tasks that nothing else is said of stay together: a batch of them is stored in one atomic call.

        Returns:
            The positions of the tasks, by partition.

        Raises:
            InvalidTask: if a task has an id and a key that belong to different partitions.
        """
        turn: int | None = None
        groups: dict[int, list[int]] = {}
        for position, task in enumerate(tasks):
            if not isinstance(task, Task):
                raise InvalidTask(f"a Task is submitted, not a {type(task).__name__}: Task(payload=...)")
            key = task.partition_key or task.ordering_key or task.unique_key or (task.limit_keys or (None,))[0]
            if self.only is not None:
                index = self.only
            elif not task.fresh_id:
                index = self._where_the_id_says(task, key)
            elif key:
                index = home_of_key(key, self.count)
            else:
                index = turn = self._next() if turn is None else turn
            if task.fresh_id:
                task.task_id = marked(task.task_id, index)
            groups.setdefault(index, []).append(position)
        return groups

    def _where_the_id_says(self, task: Task, key: str | None) -> int:
        index = home_of(task.task_id, self.count)
        if key and home_of_key(key, self.count) != index:
            raise InvalidTask(
                f"the id {task.task_id} belongs to partition {index} and the key {key!r} to partition "
                f"{home_of_key(key, self.count)}: leave task_id out, so that an id is made up that fits the key"
            )
        return index

    def _next(self) -> int:
        if self._turns is None:
            chosen = random.sample(range(self.count), min(self.count, _MOST_IN_TURN))
            self._turns = cycle(chosen)
        return next(self._turns)


def confine(whole: Q, index: int) -> Q:
    """Return a new client like another one that sees one partition only; connections are shared where they can be."""
    part = type(whole)(settings=whole.settings)
    new: Any = part
    old: Any = whole
    new.namespace = old.namespace.sibling(index) if index else old.namespace
    new.registry, new._whole = old.registry, old
    new.spread = Spread(old.settings.partitions, new, only=index)
    if not index or not new.namespace.endpoint.clustered:
        new._transport = old.transport
    return part


def submit(
    spread: Spread[Any], tasks: Sequence[Task], due: str = "0", durability: str | None = None
) -> Flow[list[str]]:
    """Store tasks, in one atomic call for each partition that they belong to; return their ids."""
    if spread.count == 1:
        return submitting.submit(spread.of(""), tasks, due, durability)
    return _submit_each(spread, tasks, due, durability)


def _submit_each(spread: Spread[Any], tasks: Sequence[Task], due: str, durability: str | None) -> Flow[list[str]]:
    ids = [""] * len(tasks)
    doubt: NotDurable | None = None
    for index, positions in spread.place(tasks).items():
        try:
            stored = yield from submitting.submit(
                spread.context(index), [tasks[position] for position in positions], due, durability
            )
        except NotDurable as error:  # which means that they are stored; the others are to be, too
            doubt = doubt or error
            continue
        for position, task_id in zip(positions, stored, strict=True):
            ids[position] = task_id
    if doubt is not None:
        raise doubt
    return ids


def submit_one(spread: Spread[Any], task: Task, due: str = "0", durability: str | None = None) -> Flow[str]:
    """Store one task and return its id."""
    if spread.count == 1:
        return submitting.submit_one(spread.of(""), task, due, durability)
    return _first(_submit_each(spread, [task], due, durability))


def _first(flow: Flow[list[str]]) -> Flow[str]:
    return (yield from flow)[0]


def list_tasks(spread: Spread[Any], status: str, limit: int) -> Flow[list[dict[str, Any]]]:
    """Return the status dicts of up to ``limit`` tasks that have a status."""
    found: list[dict[str, Any]] = []
    for context in spread.contexts:
        found += yield from flows.list_tasks(context, status, limit - len(found))
        if len(found) >= limit:
            break
    return found


def stats(spread: Spread[Any]) -> Flow[QueueStats]:
    """Return the sum of the numbers of all partitions, each as of an instant of its own."""
    parts = []
    for context in spread.contexts:
        parts.append((yield from flows.stats(context)))
    return parts[0] if len(parts) == 1 else _sum(parts)


def _sum(parts: Sequence[QueueStats]) -> QueueStats:
    counters: dict[str, int] = {}
    lists: dict[tuple[str, str], ListStats] = {}
    for part in parts:
        for name, value in part.counters.items():
            counters[name] = counters.get(name, 0) + value
        for item in part.lists:
            key = item.queue, item.priority
            lists[key] = _joined(lists[key], item) if key in lists else item
    ended = counters.get("completed", 0) + counters.get("failed", 0)
    summed = ("pending", "running", "scheduled", "retry", "waiting", "completed", "failed", "cancelled")
    return QueueStats(
        **{f"{name}_tasks": sum(getattr(part, f"{name}_tasks") for part in parts) for name in summed},
        dead_letters=sum(part.dead_letters for part in parts),
        active_workers=sum(part.active_workers for part in parts),
        success_rate=counters.get("completed", 0) / ended if ended else None,
        lists=tuple(lists.values()),
        counters=counters,
        passed=_passed([item for part in parts for item in part.passed]),
        all_paused=any(part.all_paused for part in parts),
        limits=limits_together(limit for part in parts for limit in part.limits),
    )


def limits_together(limits: Iterable[QueueLimit]) -> tuple[QueueLimit, ...]:
    """Return the limits of queues, which hold in each partition by itself, with what all partitions hold."""
    found: dict[str, QueueLimit] = {}
    for limit in limits:
        other = found.get(limit.queue)
        found[limit.queue] = limit if other is None else other.beside(limit)
    return tuple(found[queue] for queue in sorted(found))


def _passed(items: Sequence[PassedTasks]) -> tuple[PassedTasks, ...]:
    found: dict[tuple[str, str, str, int], PassedTasks] = {}
    for item in items:
        key = item.queue, item.priority, item.task_type, item.version
        before = found.get(key)
        tasks, runnable = (before.tasks, before.runnable) if before else (0, True)
        found[key] = PassedTasks(*key, item.tasks + tasks, item.runnable and runnable)
    return tuple(found.values())


def _joined(one: ListStats, other: ListStats) -> ListStats:
    ages = [item.oldest_seconds for item in (one, other) if item.oldest_seconds is not None]
    depth, paused = one.depth + other.depth, one.paused or other.paused
    return ListStats(one.queue, one.priority, depth, max(ages, default=None), paused, one.known or other.known)


def workers(spread: Spread[Any]) -> Flow[list[WorkerInfo]]:
    """Return the registered workers; one that serves several partitions is registered in each of them."""
    found: list[WorkerInfo] = []
    for context in spread.contexts:
        found += yield from flows.workers(context)
    return found


def purge(spread: Spread[Any], queue: str | None, priority: _Priority) -> Flow[int]:
    """Delete waiting tasks; return how many."""
    purged = 0
    for context in spread.contexts:
        purged += yield from flows.purge(context, queue, priority)
    return purged


def list_dead(spread: Spread[Any], limit: int) -> Flow[list[DeadLetter]]:
    """Return the latest dead letters."""
    letters: list[DeadLetter] = []
    for context in spread.contexts:
        letters += yield from dead.list_dead(context, limit)
    if len(spread.indices) > 1:
        letters.sort(key=lambda letter: letter.died_at, reverse=True)
    return letters[:limit]


def replay(spread: Spread[Any], task_ids: Iterable[str] | None) -> Flow[int]:
    """Put dead letters back into their lists; return how many."""
    return _each(spread, task_ids, dead.replay)


def purge_dead(spread: Spread[Any], task_ids: Iterable[str] | None) -> Flow[int]:
    """Forget dead letters; return how many."""
    return _each(spread, task_ids, dead.purge_dead)


def in_any(spread: Spread[Any], ask: Callable[[Context], Operation[bool]]) -> Flow[bool]:
    """Do the same in every partition; return whether it was so in one of them."""
    found = False
    for context in spread.contexts:
        answer: bool = yield ask(context)
        found = found or answer
    return found


def _each(
    spread: Spread[Any], task_ids: Iterable[str] | None, flow: Callable[[Context, Iterable[str] | None], Flow[int]]
) -> Flow[int]:
    if task_ids is None:
        groups: list[tuple[Context, list[str] | None]] = [(context, None) for context in spread.contexts]
    else:
        groups = [*spread.by_partition(task_ids)]
    count = 0
    for context, ids in groups:
        count += yield from flow(context, ids)
    return count
