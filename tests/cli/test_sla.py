"""``taskq sla``."""

from __future__ import annotations

import json

from taskq import Task
from taskq.queue import TaskQueue
from tests.cli.conftest import Run


def test_the_exit_code_tells(run: Run, queue: TaskQueue) -> None:
    assert "no list of" in run("sla").stderr
    assert run("sla", "set", "urgent", "--age", "5s", "--start", "2s").exit_code == 0
    kept = run("sla")
    assert kept.exit_code == 0
    assert [line.split()[:3] for line in kept.stdout.splitlines()[1:]] == [
        ["default", "urgent", "age"],
        ["default", "urgent", "start"],
    ]
    queue.submit_task(Task(priority="urgent", created_at="2026-01-01T00:00:00.000Z"))
    broken = run("sla", "--json")
    assert broken.exit_code == 1
    age, start = json.loads(broken.stdout)
    assert age["waited_seconds"] > age["allowed_seconds"] == 5
    assert (age["broken_since"] is None, start["broken_since"]) == (False, None)
    assert "ago" in run("sla").stdout


def test_rm(run: Run, queue: TaskQueue) -> None:
    told = run("sla", "set", "low", "--age", "1h", "--queue", "mails")
    assert told.stdout == "mails:low is watched over\n"
    assert "no task has been submitted to a queue mails yet" in told.stderr, "it may be misspelt"
    assert "no task has been" not in run("sla", "set", "high", "--age", "1h").stderr
    assert run("sla", "rm", "high").exit_code == 0
    assert [reading.queue for reading in queue.check_sla()] == ["mails"]
    gone = run("sla", "rm", "low")
    assert gone.exit_code == 1
    assert "has no threshold" in gone.stderr
    assert run("sla", "rm", "low", "--queue", "mails").exit_code == 0
    assert queue.check_sla() == []


def test_what_is_no_threshold(run: Run) -> None:
    result = run("sla", "set", "low")
    assert result.exit_code == 2
    assert "--age TIME, --start TIME or both" in result.stderr
    typo = run("sla", "set", "nromal", "--age", "1s")
    assert typo.exit_code == 2
    assert "use one of urgent" in typo.stderr
