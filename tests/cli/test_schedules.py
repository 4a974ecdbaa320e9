"""``taskq schedule``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from taskq.queue import TaskQueue
from taskq.scheduler import TaskScheduler
from tests.cli.conftest import Run


def test_add_ls_rm(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    added = run("schedule", "add", "pulse", "--every", "30s", "echo", '{"n": 1}', "--priority", "high")
    assert added.exit_code == 0, added.stderr
    assert added.stdout.startswith("pulse is due every 30 s, next 20")
    assert "a running `taskq scheduler` submits its tasks" in added.stderr
    daily = run_json("schedule", "add", "nightly", "--cron", "0 3 * * *", "--tz", "Europe/Berlin", "report")
    assert (daily["name"], daily["task_type"], daily["last_run"]) == ("nightly", "report", None)
    assert [item.name for item in TaskScheduler(queue).list_schedules()] == ["nightly", "pulse"]
    lines = run("schedule", "ls").stdout.splitlines()
    assert lines[0].split()[:2] == ["NAME", "WHEN"]
    assert "high" in next(line for line in lines if line.startswith("pulse"))
    assert [item["name"] for item in run_json("schedule", "ls")] == ["nightly", "pulse"]
    assert run("schedule", "rm", "pulse").stdout == "pulse removed\n"
    gone = run("schedule", "rm", "pulse")
    assert gone.exit_code == 1
    assert "there is no schedule 'pulse'" in gone.stderr


def test_pause_resume_run(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    run("schedule", "add", "nightly", "--cron", "0 3 * * *", "report")
    assert run("schedule", "pause", "nightly").stdout == "nightly is paused\n"
    assert "paused" in run("schedule", "ls").stdout
    task_id = run("schedule", "run", "nightly").stdout.strip()
    assert queue.get_task(task_id).metadata == {"schedule": "nightly"}
    assert run("schedule", "resume", "nightly").stdout.startswith("nightly is due next 20")
    assert run_json("schedule", "pause", "nightly")["paused"] is True
    assert run_json("schedule", "run", "nightly")["name"] == "nightly"
    gone = run("schedule", "pause", "pulse")
    assert gone.exit_code == 1
    assert "there is no schedule 'pulse'" in gone.stderr


def test_ls_of_none(run: Run, run_json: Callable[..., Any]) -> None:
    assert run_json("schedule", "ls") == []
    assert "add one with" in run("schedule", "ls").stderr


def test_a_schedule_that_cannot_be_read_is_shown_with_its_problem(run: Run, queue: TaskQueue) -> None:
    queue.transport.run(queue.namespace.protocol.add_schedule("odd", "no JSON"))
    result = run("schedule", "ls")
    assert "odd" in result.stdout
    assert "warning: odd is not run:" in result.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["x", "echo"], 'either --cron "0 9 * * *" or --every 30s'),
        (["x", "echo", "--cron", "* * * * *", "--every", "3s"], "either --cron"),
        (["x", "echo", "--every", "3s", "--tz", "UTC"], "--tz is the time zone of --cron"),
        (["x", "--every", "3s"], "Nothing to submit"),
        (["x", "echo", "oops", "--every", "3s"], "is not JSON"),
        (["x", "echo", "--cron", "61 * * * *"], "bad cron expression"),
        (["x", "echo", "--cron", "@daily", "--tz", "Europe/Berln"], "did you mean Europe/Berlin"),
        (["a b", "echo", "--every", "3s"], "cannot be used as a schedule name"),
        (["x", "echo", "--every", "0"], "0"),
    ],
)
def test_wrong_arguments_are_usage_errors(run: Run, queue: TaskQueue, args: list[str], message: str) -> None:
    result = run("schedule", "add", *args)
    assert result.exit_code == 2
    assert message in result.stderr
    assert TaskScheduler(queue).list_schedules() == []
