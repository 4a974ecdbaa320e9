"""``taskq dlq``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from taskq import Task, TaskWorker
from taskq.queue import TaskQueue
from tests.cli.conftest import Run


def _fail(task: Task) -> None:
    raise ValueError(f"cannot do {task.payload}")


@pytest.fixture
def dead(queue: TaskQueue) -> list[str]:
    """Three dead letters."""
    ids = queue.submit_batch([Task(task_type="fail", payload=number, max_retries=0) for number in range(3)])
    worker = TaskWorker(queue)
    worker.register_handler("fail", _fail)
    worker.run_until_empty()
    return ids


def test_ls(run: Run, run_json: Callable[..., Any], dead: list[str]) -> None:
    shown = run("dlq", "ls").stdout
    assert all(task_id in shown for task_id in dead)
    assert "ValueError: cannot do 2" in shown
    assert {item["task_id"] for item in run_json("dlq", "ls")} == set(dead)
    cut = run("dlq", "ls", "--limit", "2")
    assert len(cut.stdout.splitlines()) == 3
    assert "the latest 2 are shown" in cut.stderr


def test_ls_of_none(run: Run, run_json: Callable[..., Any]) -> None:
    assert run_json("dlq", "ls") == []
    assert "no dead letters" in run("dlq", "ls").stderr


def test_show(run: Run, run_json: Callable[..., Any], dead: list[str], queue: TaskQueue) -> None:
    assert "ValueError: cannot do 0" in run("dlq", "show", dead[0]).stdout
    assert run_json("dlq", "show", dead[0])["status"]["status"] == "failed"
    waiting = queue.submit_task(Task())
    result = run("dlq", "show", waiting)
    assert result.exit_code == 1
    assert f"task {waiting} is pending, no dead letter" in result.stderr


def test_replay_some_and_all(run: Run, run_json: Callable[..., Any], dead: list[str], queue: TaskQueue) -> None:
    partly = run("dlq", "replay", dead[0], "nope")
    assert partly.exit_code == 1
    assert partly.stdout == "1 dead letter run again\n"
    assert "1 of the 2 ids named is no dead letter" in partly.stderr
    refused = run("dlq", "replay", "--all")
    assert refused.exit_code == 2
    assert "Run all 2 dead letters again?" in refused.stderr
    assert run_json("dlq", "replay", "--all", "--yes") == {"replayed": 2}
    assert queue.get_queue_stats().pending_tasks == 3


def test_purge_some_and_all(run: Run, run_json: Callable[..., Any], dead: list[str], queue: TaskQueue) -> None:
    asked = run("dlq", "purge", dead[0], "nope")
    assert asked.exit_code == 2
    assert "Forget 1 dead letter?" in asked.stderr
    assert run("dlq", "purge", dead[0], "--yes").stdout == "1 dead letter forgotten\n"
    assert run_json("dlq", "purge", "--all", "--yes") == {"purged": 2}
    assert queue.get_queue_stats().dead_letters == 0


@pytest.mark.parametrize("command", ["replay", "purge"])
@pytest.mark.parametrize("args", [[], ["some-id", "--all"]])
def test_which_ones_must_be_said(run: Run, command: str, args: list[str]) -> None:
    result = run("dlq", command, *args)
    assert result.exit_code == 2
    assert "or say --all" in result.stderr
