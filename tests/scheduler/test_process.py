from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskq import flows, submitting
from taskq.errors import AccessDenied
from taskq.model.recurrence import Every
from taskq.model.task import Task
from taskq.protocol.audit import audit
from taskq.scheduler.process import run_scheduler
from taskq.settings import Settings
from tests.scheduler.conftest import HOUR_MS, Space
from tests.servers import ServerProcess
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
_PROGRAM = """
import sys
from taskq.scheduler.process import run_scheduler
from taskq.settings import Settings
sys.exit(run_scheduler(Settings.load()))
"""
_DEAF_PROGRAM = """
import threading
from taskq.scheduler.process import _ended_by_signals
stop = threading.Event()
with _ended_by_signals(stop):
    print("ready", flush=True)
    stop.wait()
    print("asked to stop", flush=True)
    threading.Event().wait()
"""

Start = Callable[..., "Process"]


class Process:
    """A scheduler in a process of its own."""

    def __init__(self, folder: Path, url: str, prefix: str, *command: str, **environment: str) -> None:
        self.out, self.err = folder / "out", folder / "err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self._popen = subprocess.Popen(
                [sys.executable, *(command or ("-c", _PROGRAM))],
                cwd=folder,
                env={**os.environ, "REDIS_URL": url, "TASKQ_PREFIX": prefix, "PYTHONPATH": str(ROOT), **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def said(self) -> str:
        return self.out.read_text() + self.err.read_text()

    def wait_until(self, text: str) -> None:
        def told() -> bool:
            assert self._popen.poll() is None, self.said()
            return text in self.said()

        eventually(told, 60, f"{text!r} in the output")

    def send(self, number: int) -> None:
        self._popen.send_signal(number)

    def ended(self, seconds: float = 30) -> int:
        """Wait for the end and return the exit code."""
        return self._popen.wait(seconds)

    def kill9(self) -> None:
        self._popen.kill()
        self._popen.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Function that starts a scheduler process; those that still run at the end are killed."""
    processes: list[Process] = []

    def start_one(url: str, prefix: str, *command: str, **environment: str) -> Process:
        folder = tmp_path / f"process-{len(processes)}"
        folder.mkdir()
        processes.append(Process(folder, url, prefix, *command, **environment))
        return processes[-1]

    yield start_one
    for process in processes:
        process.kill9()


def test_the_banner_and_the_totals(space: Space, start: Start, redis_url: str) -> None:
    space.store_overdue("hourly")
    process = start(redis_url, space.prefix)
    process.wait_until("ready")
    delayed = space.scheduler.schedule_task_in(Task(), 0.05)
    eventually(lambda: delayed in space.pending() and space.slots_of("hourly"))
    process.send(signal.SIGTERM)
    assert process.ended() == 0
    lines = process.out.read_text().splitlines()
    assert re.fullmatch(r"taskq scheduler \d+\.\d+\.\d+", lines[0])
    assert [line.split() for line in lines[1:4]] == [
        ["server", redis_url],
        ["prefix", space.prefix],
        ["schedules", "1"],
    ]
    name = re.fullmatch(r"Scheduler (scheduler-[0-9a-f]{8}) ready", lines[4])
    assert name is not None
    assert lines[5:] == [f"Scheduler {name[1]} stopped: 1 promoted, 1 fired, 0 recovered, 0 forgotten"]
    assert process.err.read_text() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_while_the_server_is_silent(server: ServerProcess, start: Start, number: int) -> None:
    server.pause()
    process = start(server.url, "silent", TASKQ_SOCKET_TIMEOUT="60")
    process.wait_until("prefix")
    begun = time.monotonic()
    process.send(number)
    assert process.ended() == 0
    assert time.monotonic() - begun < 20, "the server may be silent for a minute"
    assert "leaving without waiting" in process.err.read_text()
    assert "stopped: 0 promoted" in process.out.read_text()


def test_it_waits_for_a_server_that_comes_later(server: ServerProcess, start: Start) -> None:
    server.stop()
    process = start(server.url, "late")
    process.wait_until("does not answer")
    assert "ready" not in process.said()
    server.start()
    process.wait_until("ready")
    process.send(signal.SIGINT)
    assert process.ended() == 0
    assert process.err.read_text().count("does not answer") == 1
    assert process.err.read_text().count("answers again") == 1


def test_it_ends_before_the_server_was_ever_there(start: Start) -> None:
    process = start("redis://127.0.0.1:1/0", "never")
    process.wait_until("does not answer")
    process.send(signal.SIGTERM)
    assert process.ended() == 0


def test_the_log_can_be_json(start: Start) -> None:
    process = start("redis://user:secret-word@127.0.0.1:1/0", "never", TASKQ_LOG_FORMAT="json")
    process.wait_until("does not answer")
    process.send(signal.SIGTERM)
    assert process.ended() == 0
    entries = [json.loads(line) for line in process.err.read_text().splitlines()]
    assert (entries[0]["level"], entries[0]["logger"]) == ("warning", "taskq.scheduler")
    assert "secret-word" not in process.said()


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_it_at_once(start: Start, second: int) -> None:
    process = start("", "deaf", "-c", _DEAF_PROGRAM)
    process.wait_until("ready")
    process.send(signal.SIGINT)
    process.wait_until("asked to stop")
    process.send(second)
    assert process.ended() == -second


def test_a_scheduler_that_is_killed_loses_nothing_and_doubles_nothing(
    space: Space, start: Start, redis_url: str
) -> None:
    names = [f"job-{number}" for number in range(30)]
    for name in names:
        space.store_overdue(name)
    tasks: list[Task] = []
    for round_number in range(2):
        victim = start(redis_url, space.prefix)
        victim.wait_until("ready")
        space.scheduler.schedule_every("beat", 0.1, Task())
        batch = [Task(payload=[round_number, number]) for number in range(200)]
        for first in range(0, 200, 10):  # in portions: all of them have to be there before the last ones fall due
            due = flows.due_in(0.1 + first * 0.01)
            space.queue.run_flow(submitting.submit(space.queue.context, batch[first : first + 10], due))
        tasks += batch
        eventually(lambda batch=batch: len({task.task_id for task in batch} & set(space.pending())) >= 50, 20)
        victim.kill9()
    left = space.redis.zcard(space.key("scheduled"))
    assert left > 0, "the second scheduler was killed too late to prove anything"
    heir = start(redis_url, space.prefix)
    eventually(lambda: space.redis.zcard(space.key("scheduled")) == 0, 20)
    heir.wait_until("ready")
    fired = len(space.slots_of("beat"))
    eventually(lambda: len(space.slots_of("beat")) >= fired + 2)
    heir.send(signal.SIGTERM)
    assert heir.ended() == 0
    pending, beats = space.pending(), space.slots_of("beat")
    assert len(set(pending)) == len(pending) == 400 + 30 + len(beats) == space.submitted()
    assert {task.task_id for task in tasks} <= set(pending)
    assert len(set(beats)) == len(beats)
    for name in names:
        assert len(space.slots_of(name)) == 1
    assert audit(space.queue.transport.run(space.queue.context.protocol.snapshot())) == []


@pytest.fixture
def kept_logging() -> Iterator[None]:
    """Undo what a scheduler that runs in this process does to the log."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("kept_logging")
def test_it_ends_by_an_event_on_another_thread(redis_url: str, prefix: str, capsys: pytest.CaptureFixture[str]) -> None:
    stop, codes = threading.Event(), []
    settings = Settings(redis_url=redis_url, prefix=prefix)
    thread = threading.Thread(target=lambda: codes.append(run_scheduler(settings, stop)))
    thread.start()
    said = ""

    def told() -> bool:
        nonlocal said
        said += capsys.readouterr().out
        return "ready" in said

    eventually(told)
    stop.set()
    thread.join(10)
    assert codes == [0]


@pytest.mark.usefixtures("kept_logging")
def test_a_refusal_of_the_server_is_raised(server: ServerProcess) -> None:
    server.client().config_set("requirepass", "secret-word")
    with pytest.raises(AccessDenied, match="REDIS_URL"):
        run_scheduler(Settings(redis_url=server.url, prefix="locked"))


def test_the_program_at_the_top_is_the_command(space: Space, start: Start, redis_url: str) -> None:
    space.store_overdue("half-day", Every(43_200, 0), 24 * HOUR_MS)
    process = start(redis_url, "of-nobody", str(ROOT / "schedule_worker.py"), "--prefix", space.prefix)
    process.wait_until("ready")
    eventually(lambda: space.slots_of("half-day"))
    process.send(signal.SIGTERM)
    assert process.ended() == 0
    assert f"prefix     {space.prefix}" in process.said()
