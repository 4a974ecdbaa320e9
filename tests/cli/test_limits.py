"""``taskq limit``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taskq import Limit, Task
from taskq.queue import TaskQueue
from tests.cli.conftest import Run


def test_set_ls_rm(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    assert run("limit", "set", "smtp", "--concurrency", "2", "--rate", "100/m", "--burst", "5").exit_code == 0
    assert run("limit", "set", "api", "--rate", "10/s", "--sliding").exit_code == 0
    assert [info.limit for info in queue.list_limits()] == [
        Limit("api", rate="10/s", sliding=True),
        Limit("smtp", 2, "100/m", 5),
    ]
    shown = run("limit", "ls").stdout
    assert "smtp" in shown
    assert "burst 5" in shown
    assert [item["name"] for item in run_json("limit", "ls")] == ["api", "smtp"]
    assert run("limit", "rm", "smtp").exit_code == 0
    gone = run("limit", "rm", "smtp")
    assert gone.exit_code == 1
    assert "there is no limit smtp" in gone.stderr


def test_what_is_no_limit(run: Run) -> None:
    result = run("limit", "set", "k")
    assert result.exit_code == 2
    assert "limits nothing" in result.stderr
    assert "there is no limit" in run("limit", "ls").stderr


def test_submit_takes_keys(run: Run, queue: TaskQueue) -> None:
    result = run("submit", "echo", "1", "--limit-key", "smtp", "--limit-key", "customer:7", "--group-key", "ada")
    task: Task = queue.get_task(result.stdout.strip())
    assert task.limit_keys == ["smtp", "customer:7"]
    assert task.group_key == "ada"
