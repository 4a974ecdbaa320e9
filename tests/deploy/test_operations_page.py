"""The page for operators: each command of its troubleshooting runs, and shows something."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from taskq import Task, TaskQueue, TaskWorker
from taskq.cli import main
from taskq.scheduler import TaskScheduler
from tests.test_docs import ROOT, read, table

ROWS = table(read("docs/operations.md"), "Troubleshooting")


@pytest.fixture
def environment(
    redis_url: str, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """A namespace with a task in each place that the page speaks of."""
    monkeypatch.chdir(tmp_path)
    with TaskQueue(redis_url, prefix=prefix) as queue:
        queue.submit_batch(
            [
                Task(task_type="nobody"),
                Task(task_type="bad", max_retries=0),
                Task(task_type="bad", max_retries=3),
                Task(priority="low"),
            ]
        )
        queue.pause(priority="low")
        worker = TaskWorker(queue)
        worker.register_handler("bad", lambda task: 1 / 0)
        worker.run_until_empty()
        TaskScheduler(queue).schedule_every("pulse", 3600, Task())
        yield {
            "TASKQ_REDIS_URL": redis_url,
            "TASKQ_PREFIX": prefix,
            "ID": queue.list_dead()[0].task_id,
        }


def run(command: str, environment: dict[str, str]) -> str:
    words = [environment["ID"] if word == "ID" else word for word in shlex.split(command)[1:]]
    done = CliRunner().invoke(main, words, env=environment)
    assert done.exit_code in (0, 1), f"{command}: {done.output}"
    assert done.exception is None or isinstance(done.exception, SystemExit), f"{command}: {done.exception!r}"
    return done.output


def test_every_symptom_has_a_command_that_runs(environment: dict[str, str]) -> None:
    commands = {re.findall(r"`(taskq [^`]+)`", row[1])[0] for row in ROWS}
    shown = {command: run(command, environment) for command in commands if "verify" not in command}
    assert len(ROWS) > 14
    for command, output in shown.items():
        assert output.strip(), command
    assert "ZeroDivisionError" in shown["taskq dlq ls"]
    assert "nobody" in shown["taskq stats"]
    assert re.search(r"low +1 .* yes", shown["taskq queue ls"])
    assert "ZeroDivisionError" in shown["taskq task ls --status retry"]
    assert "pulse" in shown["taskq schedule ls"]
    assert "● failed" in shown["taskq task show ID"]
    assert "clean" in shown["taskq fsck"]


def test_every_symptom_says_what_it_is() -> None:
    for symptom, look, meaning in ROWS:
        assert symptom
        assert look.startswith("`taskq ")
        assert len(meaning) > 30


def test_what_the_page_says_of_memory_is_in_the_budget() -> None:
    """The figures per task are those that the benchmark of memory holds."""
    text = read("docs/operations.md")
    assert "500 bytes" in text
    assert "900 until it expires" in text
    budget = (ROOT / "bench" / "__main__.py").read_text(encoding="utf-8")
    assert "500" in budget
    assert "900" in budget
