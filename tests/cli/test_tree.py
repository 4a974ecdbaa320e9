"""``taskq task show --tree``, and cancel and retry of a whole tree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taskq import Task, TaskContext, TaskWorker
from taskq.queue import TaskQueue
from tests.cli.conftest import Run

ids = [f"leaf{n:02}" for n in range(23)]


def worker_of(queue: TaskQueue, broken: list[bool]) -> TaskWorker:
    def root(task: Task, ctx: TaskContext) -> int:
        leaves = [Task(task_type="leaf", task_id=i, max_retries=0) for i in ids]
        return len(ctx.fanout(leaves))

    def leaf(task: Task) -> None:
        if broken[0] and task.task_id == "leaf01":
            raise ValueError("broken")

    worker = TaskWorker(queue, concurrency=1)
    worker.register_handler("root", root)
    worker.register_handler("leaf", leaf)
    return worker


def test_a_tree_is_shown_and_run_again(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    broken = [True]
    worker = worker_of(queue, broken)
    queue.submit_batch([Task(task_type="root", task_id="top", max_retries=0), Task(task_type="leaf", task_id="other")])
    queue.submit_batch([Task(task_type="leaf", task_id="last", depends_on=["top", "other"], run_when="ended")])
    worker.run_until_empty()
    lines = run("task", "show", "last", "--tree").stdout.splitlines()
    assert lines[:2] == ["last  completed  leaf", "  2 dependencies, wait_all: 1 completed, 1 failed"]
    assert lines[2].startswith("    top  failed  root  ")
    assert lines[3] == "      23 children, fail_fast: 1 completed, 22 failed"
    assert lines[4] == "        leaf00  completed  leaf"
    assert lines[5] == "        leaf01  failed  leaf  ValueError: broken"
    assert lines[24] == "        ... 3 more"
    assert lines[25] == "    other  completed  leaf"
    broken[0] = False
    assert run("task", "retry", "top", "--tree").stdout == "top  23 tasks pending again\n"
    for _ in range(3):
        worker.run_until_empty()
    tree = run_json("task", "show", "top", "--tree")
    assert tree["status"] == "completed"
    (family,) = tree["families"]
    assert (family["total"], family["completed"], family["failed"], family["done"]) == (23, 23, 0, "completed")
    refused = run("task", "retry", "top", "--tree")
    assert refused.exit_code == 1
    assert "is completed, and with it its tree" in refused.stderr


def test_a_tree_is_cancelled(run: Run, queue: TaskQueue) -> None:
    worker = worker_of(queue, [False])
    queue.submit_task(Task(task_type="root", task_id="top"))
    worker.run_once()
    assert run("task", "cancel", "top", "--tree").stdout == "top  24 tasks cancelled or asked\n"
    assert run("task", "cancel", "missing", "--tree").exit_code == 1
