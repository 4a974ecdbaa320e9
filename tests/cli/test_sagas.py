"""``taskq saga``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from taskq import Discard, RetryPolicy, Saga, TaskContext, TaskWorker
from taskq.queue import TaskQueue
from tests.cli.conftest import Run

NEVER = RetryPolicy(max_retries=0)


class Shop:
    """A saga whose compensation fails while the desk is closed."""

    def __init__(self, queue: TaskQueue) -> None:
        self.closed = True
        saga = Saga("order", policy=NEVER, undo_policy=NEVER)
        saga.step("reserve", lambda ctx, data: data["payload"], self.release)
        saga.step("approve", lambda ctx, data: ctx.wait_for("approved"))
        saga.step("charge", self.charge)
        self.worker = TaskWorker(queue)
        saga.register(self.worker)
        self.task_id = queue.submit_task(saga.task(7))
        self.work()

    def work(self) -> None:
        self.worker.run_until_empty()

    def release(self, ctx: TaskContext, data: dict[str, Any]) -> None:
        if self.closed:
            raise OSError("the desk is closed")

    def charge(self, ctx: TaskContext, data: dict[str, Any]) -> None:
        if data["approve"] != "yes":
            raise Discard("not approved")


def test_an_operator_sees_and_drives_it(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    assert "no saga in" in run("saga", "ls").stderr
    shop = Shop(queue)
    assert run("saga", "ls").stdout.splitlines()[1].split()[:5] == [
        shop.task_id, "order", "running", "approve", "waiting"
    ]  # fmt: skip
    assert run("task", "signal", shop.task_id, "approved", '"no"').stdout == f"{shop.task_id}  told\n"
    shop.work()
    assert [info["task_id"] for info in run_json("saga", "ls", "--state", "stuck")] == [shop.task_id]
    assert run_json("saga", "ls", "--state", "completed") == []
    shown = run("saga", "show", shop.task_id)
    assert "state  stuck" in shown.stdout
    assert re.search(r"^  reserve +stuck +7$", shown.stdout, re.MULTILINE)
    assert "the desk is closed" in shown.stdout
    assert f"taskq saga resume {shop.task_id}` tries it again" in shown.stderr
    refused = run("saga", "abort", shop.task_id)
    assert refused.exit_code == 2
    assert "is stuck on its way back" in refused.stderr
    shop.closed = False
    assert "state  compensating" in run("saga", "resume", shop.task_id).stdout
    shop.work()
    shown = run_json("saga", "show", shop.task_id)
    assert shown["state"] == "compensated"
    assert shown["steps"] == [["reserve", "undone"], ["approve", "undone"], ["charge", "open"]]


def test_abort_and_skip(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    shop = Shop(queue)
    assert run("saga", "abort", shop.task_id).exit_code == 0
    shop.work()
    assert run_json("saga", "show", shop.task_id)["state"] == "stuck"
    run("saga", "resume", shop.task_id, "--skip")
    shop.work()
    info = run_json("saga", "show", shop.task_id)
    assert (info["state"], info["error"]) == ("compensated", "aborted by an operator")
    late = run("task", "signal", shop.task_id, "approved")
    assert (late.exit_code, late.stdout) == (1, f"{shop.task_id}  had ended before: cancelled\n")
