"""Tasks that wait for others: ``depends_on``, chain, group, chord and callbacks, written once for both clients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any

from taskq import partitions, submitting
from taskq.errors import InvalidTask, TaskConflict, TaskNotFound
from taskq.flows import Context, Flow
from taskq.model.partition import at_home, home_of
from taskq.model.task import Task
from taskq.partitions import Spread
from taskq.protocol.refusals import buried, so_far
from taskq.protocol.workflow import Node
from taskq.submitting import queue_full
from taskq.workflow.families import FAIL_FAST, WAIT_ALL

# The script works for some milliseconds on so many tasks, and nobody else is served meanwhile. To note that one waits
# for another costs as much as three tasks.
MOST_PER_CALL = 1000
_PER_DEPENDENCY = 3


def submit_one(spread: Spread[Any], task: Task, durability: str | None = None) -> Flow[str]:
    """Store one task, which may depend on others, and return its id."""
    if not isinstance(task, Task) or not task.depends_on:
        return partitions.submit_one(spread, task, durability=durability)
    return _first(_submit(spread, [task], durability))


def _first(flow: Flow[list[str]]) -> Flow[str]:
    return (yield from flow)[0]


def submit(spread: Spread[Any], tasks: Sequence[Task], durability: str | None = None) -> Flow[list[str]]:
    """Store tasks of which some may depend on others, and return their ids; many of them in several calls."""
    for task in tasks:
        if isinstance(task, Task) and task.depends_on:
            return _submit(spread, tasks, durability)
    return partitions.submit(spread, tasks, durability=durability)


def _submit(spread: Spread[Any], tasks: Sequence[Task], durability: str | None) -> Flow[list[str]]:
    if durability not in (None, "memory"):
        raise InvalidTask(
            f"durability={durability!r} cannot be had for tasks with depends_on yet: submit them with 'memory', after "
            "the tasks that they depend on"
        )
    _check(tasks)
    context = _bring_home(spread, tasks)
    nodes = [_node(context, task) for task in _in_order(tasks)]
    stored = 0
    for portion in _portions(nodes):
        code, detail = yield context.protocol.graph(portion, context.settings.max_queue_length)
        if code == -1:
            raise TaskConflict(f"the id {detail.decode()} belongs to a different task: {so_far(stored)} stored")
        if code == -4:
            raise buried(detail.decode(), stored)
        if code == -2:
            raise queue_full(context, detail[0].decode(), detail[1], stored)
        if code == -3:
            raise TaskNotFound(
                f"a task depends on {detail.decode()}, and there is no such task: it never existed under this prefix, "
                f"or it ended and its retention is over (TASKQ_RESULT_TTL): {so_far(stored)} stored"
            )
        stored += len(portion)
    for task in tasks:
        task.fresh_id = False
    return [task.task_id for task in tasks]


def _portions(nodes: Sequence[Node]) -> Iterator[Sequence[Node]]:
    """Cut tasks into what one call carries each; nobody waits for one in a later portion."""
    begin = cost = 0
    for at, node in enumerate(nodes):
        price = 1 + _PER_DEPENDENCY * len(node.needs)
        if at > begin and cost + price > MOST_PER_CALL:
            yield nodes[begin:at]
            begin, cost = at, 0
        cost += price
    yield nodes[begin:]


def _check(tasks: Sequence[Task]) -> None:
    known: set[str] = set()
    for task in tasks:
        if not isinstance(task, Task):
            raise InvalidTask(f"a Task is submitted, not a {type(task).__name__}: Task(payload=...)")
        if task.task_id in known:
            raise InvalidTask(f"the id {task.task_id} stands there twice: make a Task for each")
        known.add(task.task_id)
        if task.unique_key is not None:
            raise InvalidTask("a task among others that depend on each other has a unique_key: leave it out")
        if task.ordering_key is not None:
            raise InvalidTask(
                "a task among others that depend on each other has an ordering_key, and might wait for one that waits "
                "for it: let the last of them submit it"
            )


def _bring_home(spread: Spread[Any], tasks: Sequence[Task]) -> Context:
    """Choose the partition of tasks that depend on each other, and give new ids its mark; return its context."""
    if spread.count == 1:
        context: Context = spread.of("")
        return context
    old = [task.task_id for task in tasks]
    needs = {need for task in tasks for need in task.depends_on} - set(old)
    homes = {home_of(i, spread.count) for i in [*needs, *(task.task_id for task in tasks if not task.fresh_id)]}
    if len(homes) > 1:
        raise InvalidTask(
            f"tasks that depend on each other belong to the partitions {', '.join(map(str, sorted(homes)))}: submit "
            "them with the same partition_key, or in one call without ids of your own"
        )
    (index,) = homes or spread.place(tasks[:1])
    for task in tasks:
        task.task_id, task.fresh_id = at_home(task.task_id, index, spread.count), False
    now = dict(zip(old, (task.task_id for task in tasks), strict=True))
    for task in tasks:
        task.depends_on = tuple(now.get(need, need) for need in task.depends_on)
    return spread.context(index)


def _in_order(tasks: Sequence[Task]) -> list[Task]:
    """Return tasks in an order in which each comes after those that it depends on."""
    known = {task.task_id: task for task in tasks}
    sorter = TopologicalSorter({i: [d for d in task.depends_on if d in known] for i, task in known.items()})
    try:
        return [known[i] for i in sorter.static_order()]
    except CycleError as error:
        raise InvalidTask(
            f"tasks depend on each other in a circle: {' -> '.join(reversed(error.args[1]))}: none of them could "
            "ever run"
        ) from None


def _node(context: Context, task: Task) -> Node:
    task_id, envelope, list_name = submitting.submission(context, task)[:3]
    policy = FAIL_FAST if task.run_when == "completed" else WAIT_ALL
    return Node(task_id, envelope, list_name, policy, tuple(task.depends_on))


def chain(spread: Spread[Any], tasks: Sequence[Task]) -> Flow[list[str]]:
    """Store tasks of which each waits for the one before it."""
    for before, task in pairwise(tasks):
        _let_wait(task, [before])
    return (yield from submit(spread, tasks))


def group(spread: Spread[Any], tasks: Sequence[Task]) -> Flow[list[str]]:
    """Store tasks that run side by side."""
    return (yield from _submit(spread, tasks, None)) if tasks else []


def chord(spread: Spread[Any], tasks: Sequence[Task], callback: Task) -> Flow[list[str]]:
    """Store tasks, and one that waits for all of them."""
    if not tasks:
        raise InvalidTask("there are no tasks to wait for")
    _let_wait(callback, tasks)
    return (yield from submit(spread, [*tasks, callback]))


def with_callbacks(spread: Spread[Any], task: Task, on_success: Task | None, on_failure: Task | None) -> Flow[str]:
    """Store a task, and those that run when it has completed, or has not."""
    tasks = [task]
    for callback, run_when in ((on_success, "completed"), (on_failure, "failed")):
        if callback is not None:
            callback.run_when = run_when
            _let_wait(callback, [task])
            tasks.append(callback)
    return (yield from submit(spread, tasks))[0]


def _let_wait(task: Task, others: Sequence[Task]) -> None:
    """Add to what a task depends on; the same call again adds nothing."""
    task.depends_on = tuple(dict.fromkeys([*task.depends_on, *(other.task_id for other in others)]))
    task.check_dependencies()
