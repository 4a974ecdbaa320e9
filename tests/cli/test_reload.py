"""``taskq worker --reload``: the code of a task is that of the file as it was saved last."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskq import Task, TaskQueue
from taskq.worker.reload import watched_folders
from tests.cli.conftest import Run
from tests.faults.commands import Command, alive, children

Start = Callable[..., Command]

HANDLERS = """
import time
from pathlib import Path

def register(worker):
    worker.register_handler("version", lambda task: "first!")
    worker.register_handler("gated", gated)

def gated(task):
    while not Path(task.payload).exists():
        time.sleep(0.01)
    return "first!"
"""


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Function that starts a worker in the folder of this test."""
    started: list[Command] = []

    def run(*flags: str) -> Command:
        words = ["-m", "taskq", "worker", "--reload", "--concurrency", "2", *flags]
        started.append(Command(words, environment, tmp_path))
        return started[-1]

    yield run
    for command in started:
        command.destroy()


def answer(queue: TaskQueue) -> str:
    return str(queue.wait_for_result(queue.submit_task(Task(task_type="version")), 30)["result"])


@pytest.mark.slow
def test_a_change_an_error_and_the_end(start: Start, queue: TaskQueue, tmp_path: Path) -> None:
    source, gate = tmp_path / "handlers.py", tmp_path / "gate"
    source.write_text(HANDLERS)
    worker = start()
    worker.sees(r"Worker \S+ ready")
    assert answer(queue) == "first!"
    long = queue.submit_task(Task(task_type="gated", payload=str(gate)))
    worker_process = children(worker.pid)[0]

    source.write_text(HANDLERS.replace("first!", "second"))
    worker.sees(r"handlers\.py changed: starting afresh")
    worker.sees(r"Worker \S+ ready", times=2)
    assert answer(queue) == "second"
    assert alive(worker_process), "the old process has a task to end"
    gate.touch()
    assert queue.wait_for_result(long, 30)["result"] == "first!"
    assert queue.get_task_status(long)["retry_count"] == 0

    source.write_text("def register(worker:\n")
    worker.sees(r"SyntaxError: .* \(handlers\.py, line 1\); waiting for the next change of a file")
    waits = queue.submit_task(Task(task_type="version"))
    source.write_text(HANDLERS.replace("first!", "third!"))
    assert queue.wait_for_result(waits, 30)["result"] == "third!"

    assert worker.stop(signal.SIGINT) == 0
    assert "Worker stopped after" in worker.output
    assert not children(worker.pid)


@pytest.mark.slow
def test_ctrl_c_ends_a_worker_that_waits_for_the_error_to_be_mended(start: Start, tmp_path: Path) -> None:
    (tmp_path / "handlers.py").write_text("def")
    worker = start()
    worker.sees("waiting for the next change of a file")
    assert worker.stop(signal.SIGINT) == 0


@pytest.mark.parametrize(
    "flags", [("--burst",), ("--processes", "2"), ("--max-tasks", "5"), ("--max-memory", "1GB"), ("--check",)]
)
def test_flags_that_do_not_go_with_it(run: Run, flags: tuple[str, ...]) -> None:
    result = run("worker", "--reload", *flags)
    assert result.exit_code == 2
    assert f"{flags[0]}" in result.output
    assert "leave one of them out" in result.output


def test_without_the_library_it_says_what_to_install(environment: dict[str, str], tmp_path: Path) -> None:
    code = "import sys; sys.modules['watchfiles'] = None; from taskq.cli import main; main(['worker', '--reload'])"
    words = [sys.executable, "-c", code]
    result = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert "pip install 'taskq[reload]'" in result.stderr


def test_packages_that_are_elsewhere_are_watched_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "near").mkdir(parents=True)
    (there / "far").mkdir(parents=True)
    (there / "far" / "__init__.py").touch()
    monkeypatch.chdir(here)
    monkeypatch.syspath_prepend(str(there))
    assert watched_folders(("near.tasks:register", "far.tasks", "far.more", "nowhere")) == [here, there / "far"]
