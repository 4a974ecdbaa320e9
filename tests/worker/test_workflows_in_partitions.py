"""A family, a chain and a checkpoint stay in one partition of a queue that has several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from taskq import InvalidTask, Settings, Task, TaskContext, TaskQueue, TaskWorker
from taskq.model.partition import home_of
from tests.worker.background import findings

PARTITIONS = 3


@pytest.fixture
def spread(settings: Settings) -> Iterator[TaskQueue]:
    with TaskQueue(settings=replace(settings, partitions=PARTITIONS)) as queue:
        yield queue
        for index in range(PARTITIONS):
            assert findings(queue.partition(index)) == []


def worker(queue: TaskQueue) -> TaskWorker:
    def parent(task: Task, ctx: TaskContext) -> Any:
        ctx.checkpoint(task.payload)
        return [r["result"] for r in ctx.fanout([Task(task_type="child", payload=n) for n in range(120)])]

    def join(task: Task, ctx: TaskContext) -> Any:
        return [r["result"] for r in ctx.results()]

    made = TaskWorker(queue, concurrency=4)
    made.register_handler("parent", parent)
    made.register_handler("join", join)
    made.register_handler("child", lambda task: task.payload)
    return made


def test_children_run_where_their_parent_is(spread: TaskQueue) -> None:
    parents = [spread.submit_task(Task(task_type="parent", payload=n)) for n in range(6)]
    assert len({home_of(task_id, PARTITIONS) for task_id in parents}) > 1
    worker(spread).run_until_empty()
    for task_id in parents:
        assert spread.wait_for_result(task_id, 10)["result"] == list(range(120))


def test_chains_and_chords_are_in_one_partition(spread: TaskQueue) -> None:
    graphs = [spread.chord([Task(task_type="child", payload=n) for n in range(3)], Task(task_type="join"))]
    graphs.append(spread.chain(Task(task_type="child", payload=7), Task(task_type="join")))
    graphs.append([graphs[0][0], spread.submit_task(Task(task_type="join", depends_on=[graphs[0][0]]))])
    for ids in graphs:
        assert len({home_of(task_id, PARTITIONS) for task_id in ids}) == 1
    worker(spread).run_until_empty()
    assert [spread.wait_for_result(ids[-1], 10)["result"] for ids in graphs] == [[0, 1, 2], [7], [0]]
    for n in range(2, 50):
        other = spread.submit_task(Task(task_type="child", task_id=f"own-{n}"))
        if home_of(other, PARTITIONS) != home_of(graphs[0][0], PARTITIONS):
            break
    with pytest.raises(InvalidTask, match="belong to the partitions"):
        spread.submit_task(Task(task_type="join", depends_on=[other, graphs[0][0]]))


def test_by_hand(spread: TaskQueue) -> None:
    ids = spread.fanout("by-hand", [Task(task_type="child", payload=n) for n in range(3)])
    assert {home_of(task_id, PARTITIONS) for task_id in ids} == {home_of("by-hand", PARTITIONS)}
    spread.checkpoint(ids[0], "note")
    assert spread.get_checkpoint(ids[0]) == "note"
    assert [spread.fanout_complete("by-hand", task_id, 1) is None for task_id in ids] == [True, True, False]
