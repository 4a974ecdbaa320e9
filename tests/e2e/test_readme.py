"""The lines of the README, run as they stand there."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from taskq.model.task import Task
from taskq.queue import TaskQueue
from tests.servers import free_port
from tests.waiting import eventually

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
START_SECONDS = 30
INSTALL = "pip install ."


def blocks(heading: str, language: str) -> list[str]:
    """Return the blocks of code in a section."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


def lines(heading: str) -> list[str]:
    """Return the lines of the only block of shell in a section."""
    (block,) = blocks(heading, "sh")
    return block.splitlines()


@pytest.fixture
def environment(redis_url: str, prefix: str) -> dict[str, str]:
    """The shell of a user who has installed the package and has a server."""
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": programs, "REDIS_URL": redis_url, "TASKQ_PREFIX": prefix}


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    with TaskQueue(redis_url, prefix=prefix) as opened:
        yield opened


class Program:
    """A line of the README that runs."""

    def __init__(self, line: str, folder: Path, environment: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("w") as output, log.with_suffix(".err").open("w") as errors:
            self._process = subprocess.Popen(
                shlex.split(line, comments=True),
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
            )

    def printed(self) -> str:
        return self._log.read_text()

    def output(self) -> str:
        """Return what it has printed, after it has succeeded."""
        code = self._process.wait(2 * START_SECONDS)
        assert code == 0, self._log.with_suffix(".err").read_text()
        return self.printed()

    def wait_until_ready(self) -> None:
        eventually(
            lambda: re.search(r" ready$", self.printed(), re.MULTILINE), START_SECONDS, "the line that says ready"
        )

    def stop(self) -> str:
        """End it as Ctrl+C does; return what it has printed."""
        self._process.send_signal(signal.SIGINT)
        return self.output()

    def close(self) -> None:
        """End it however it takes."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(START_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


Start = Callable[[str, Path], Program]


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Function that starts a line of the README in a folder; what still runs at the end is stopped."""
    started: list[Program] = []

    def run(line: str, folder: Path) -> Program:
        started.append(Program(line, folder, environment, tmp_path / f"program-{len(started)}.out"))
        return started[-1]

    yield run
    for program in started:
        program.close()


def test_first_try(start: Start) -> None:
    install, worker_line, submit_line = lines("First try")
    assert install == INSTALL, "what is tested is installed already"
    worker = start(worker_line, ROOT)
    assert json.loads(start(submit_line, ROOT).output()) == {"hello": "world"}
    printed = worker.stop()
    assert re.search(r"^Worker worker-[0-9a-f]{8} ready$", printed, re.MULTILINE)
    assert "1 completed" in printed


def test_the_python_example(start: Start, tmp_path: Path) -> None:
    files = blocks("In Python", "python")
    for content in files:
        name = re.match(r"# (\w+\.py)\n", content)
        assert name is not None
        (tmp_path / name[1]).write_text(content)
    assert sum(len(content.splitlines()) for content in files) <= 22
    worker_line, program_line = lines("In Python")
    start(worker_line, tmp_path)
    expected = re.findall(r"^print\(.*  # (.*)$", "".join(files), re.MULTILINE)
    assert len(expected) == 2
    assert start(program_line, tmp_path).output().splitlines() == expected


def test_a_task_of_ones_own_is_in_the_dashboard(start: Start, tmp_path: Path) -> None:
    heading = "Your own task in the dashboard"
    (content,) = blocks(heading, "python")
    (tmp_path / "greet.py").write_text(content)
    setup, shell = blocks(heading, "sh")
    assert setup.splitlines() == ["python3 -m venv venv", ". venv/bin/activate", "pip install '.[web]'"]
    worker_line, dashboard_line, submit_line = shell.splitlines()
    start(worker_line, tmp_path)
    port = free_port()
    start(f"{dashboard_line} --port {port}", tmp_path)
    assert start(submit_line, tmp_path).output() == "Hello, Ada!\n"
    (link,) = re.findall(r"<(http://127.0.0.1:8080/\S+)>", README)

    def page() -> str:
        try:
            return httpx.get(link.replace("8080", str(port))).text
        except httpx.TransportError:
            return ""

    eventually(lambda: "greet.greet" in page(), START_SECONDS, "the task in the dashboard")


def test_three_workers_and_a_scheduler(start: Start, queue: TaskQueue) -> None:
    programs = [start(line, ROOT) for line in lines("Three workers and a scheduler")]
    for program in programs:
        program.wait_until_ready()
    eventually(lambda: len(queue.list_workers()) == 4, START_SECONDS, "four worker processes")
    four = "urgent high normal low"
    both = " ".join(f"mail:{priority} {priority}" for priority in four.split())
    assert sorted(worker.card["lists"] for worker in queue.list_workers()) == sorted([four, "urgent high", both, both])
    ids = queue.submit_batch([Task(task_type="echo", queue=name) for name in ("mail", "default")])
    assert [queue.wait_for_result(task_id, START_SECONDS)["status"] for task_id in ids] == ["completed", "completed"]
    ready = [re.findall(r"^(Worker|Scheduler) \S+ ready$", program.stop(), re.MULTILINE) for program in programs]
    assert ready == [["Worker"], ["Worker"], ["Worker", "Worker"], ["Scheduler"]]
    assert queue.list_workers() == []
