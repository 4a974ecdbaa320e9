"""Run commands as users do: in this process for what they print, in another one for signals and pipes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from taskq.cli import main
from taskq.queue import TaskQueue
from tests.waiting import eventually

HANDLERS = """
import time

def register(worker):
    worker.register_handler("boom", boom)
    worker.register_handler("slow", slow)

def boom(task):
    raise ValueError(f"cannot do {task.payload}")

def slow(task, ctx):
    ctx.progress({"half": True})
    while not ctx.cancelled:
        time.sleep(0.01)
"""

Run = Callable[..., Result]


@pytest.fixture
def environment(redis_url: str, prefix: str, tmp_path: Path) -> dict[str, str]:
    """Variables that lead a command to the namespace of this test, and keep it out of the developer's folders."""
    return {"TASKQ_REDIS_URL": redis_url, "TASKQ_PREFIX": prefix, "TASKQ_DATA_DIR": str(tmp_path / "data")}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Function that runs a command in this process; ``env`` adds variables."""
    monkeypatch.chdir(tmp_path)  # no .env of the developer

    def call(*args: str, stdin: str | None = None, env: dict[str, str] | None = None) -> Result:
        result = CliRunner().invoke(main, args, input=stdin, env={**environment, **(env or {})}, prog_name="taskq")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return call


@pytest.fixture
def run_json(run: Run) -> Callable[..., Any]:
    """Function that runs a command with ``--json``, checks that it succeeds, and returns what it printed."""

    def call(*args: str, **options: Any) -> Any:
        result = run(*args, "--json", **options)
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return call


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    """The queue that the commands of this test work on."""
    with TaskQueue(redis_url, prefix=prefix) as opened:
        yield opened


Spawn = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def spawn(environment: dict[str, str], tmp_path: Path) -> Iterator[Spawn]:
    """Function that starts ``python -m taskq`` in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(*args: str, **options: Any) -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = options.pop("command", [sys.executable, "-m", "taskq"])
        started.append(
            subprocess.Popen(
                [*command, *args],
                cwd=options.pop("cwd", tmp_path),
                env={**os.environ, **environment, **options.pop("env", {})},
                text=True,
                **{**pipes, **options},
            )
        )
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
        process.communicate()


@pytest.fixture
def worker(spawn: Spawn, tmp_path: Path, queue: TaskQueue) -> subprocess.Popen[str]:
    """A running worker that knows ``echo``, ``boom`` (always fails) and ``slow`` (until it is cancelled)."""
    (tmp_path / "handlers.py").write_text(HANDLERS)
    with (tmp_path / "worker.log").open("w") as log:
        flags = ("--concurrency", "2", "--grace", "100ms")
        process = spawn("worker", *flags, stdout=log, stderr=log, env={"TASKQ_HEARTBEAT_INTERVAL": "100ms"})
    eventually(queue.list_workers, what="a registered worker")
    return process
