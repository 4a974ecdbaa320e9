"""Bars of long commands: on a terminal, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from taskq import Task, TaskQueue, TaskWorker
from tests.cli.conftest import Run
from tests.cli.terminal import Terminal

COMMANDS = {
    "dlq replay": (["dlq", "replay", "--all", "--yes"], "250/250", "250 dead letters run again"),
    "dlq purge": (["dlq", "purge", "--all", "--yes"], "250/250", "250 dead letters forgotten"),
    "queue purge": (["queue", "purge", "--yes"], "700/700", "700 tasks deleted"),
    "fsck": (["fsck"], "/", "clean: no violation"),
}


@pytest.fixture
def full(queue: TaskQueue) -> None:
    """A namespace with 250 dead letters and 700 waiting tasks."""
    queue.submit_batch([Task(task_type="bad", max_retries=0) for _ in range(250)])
    worker = TaskWorker(queue)
    worker.register_handler("bad", lambda task: 1 / 0)
    worker.run_until_empty()
    queue.submit_batch([Task() for _ in range(700)])


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_terminal_sees_a_bar(environment: dict[str, str], tmp_path: Path, name: str) -> None:
    arguments, counted, result = COMMANDS[name]
    terminal = Terminal(arguments, environment, tmp_path)
    terminal.sees(result)
    assert counted in terminal.text
    assert "━" in terminal.text
    assert terminal.end() == 0


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_script_sees_none(run: Run, name: str) -> None:
    arguments, _, result = COMMANDS[name]
    shown = run(*arguments)
    assert shown.stderr == ""
    assert result in shown.stdout
    assert "━" not in shown.stdout


def test_bench_says_how_far_it_is(environment: dict[str, str], tmp_path: Path) -> None:
    terminal = Terminal(["bench", "--tasks", "1000"], environment, tmp_path)
    terminal.sees("submit to result, p99")
    assert "6/6" in terminal.text
    assert "━" in terminal.text
    assert terminal.end() == 0
