"""A ``TaskWorker`` in a program of the user's own, with the process that beats for it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from taskq import Settings, Task, TaskQueue
from taskq.testing.check import check
from taskq.testing.ledger import Ledger
from tests.faults.commands import Command, alive, children
from tests.faults.conftest import LEASE_SECONDS, Spawn
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


class Program(Command):
    @property
    def sidecar(self) -> int:
        (pid,) = children(self.pid)
        return pid

    @property
    def counts(self) -> Any:
        return json.loads(self.output.rpartition("counts ")[2])


@pytest.fixture
def program(settings: Settings, ledger: Ledger, gate: Path) -> Iterator[Callable[[str], Program]]:
    programs: list[Program] = []

    def run(verb: str = "start") -> Program:
        environment = {
            "REDIS_URL": settings.redis_url or "",
            "TASKQ_PREFIX": settings.prefix,
            "TASKQ_HEARTBEAT_INTERVAL": str(settings.heartbeat_interval_seconds),
            "TASKQ_LEASE": str(settings.lease_seconds),
            "TASKQ_TEST_LEDGER": str(ledger.path),
            "TASKQ_TEST_GATE": str(gate),
        }
        programs.append(Program(["-m", "tests.faults.program", verb], environment))
        return programs[-1]

    yield run
    for one in programs:
        one.destroy()


Run = Callable[..., Program]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_lets_running_tasks_end_and_start_returns(
    queue: TaskQueue, program: Run, ledger: Ledger, gate: Path, number: int
) -> None:
    one = program()
    ledger.submit(queue, [Task(task_type="gated") for _ in range(3)])
    eventually(lambda: ledger.count("start") == 2)
    sidecar = one.sidecar
    one.send(number)
    one.sees("stopping after the running tasks; once more to stop at once")
    gate.touch()

    assert one.wait() == 0

    assert one.counts["completed"] == 2
    assert queue.get_queue_stats().pending_tasks == 1
    assert not alive(sidecar)
    assert check(ledger, queue).violations == ()


def test_ctrl_c_in_the_terminal_does_not_take_the_sidecar_along(
    queue: TaskQueue, program: Run, ledger: Ledger, gate: Path
) -> None:
    one = program()
    ledger.submit(queue, [Task(task_type="gated")])
    eventually(lambda: ledger.count("start") == 1)
    os.killpg(one.pid, signal.SIGINT)  # as a terminal does
    os.kill(one.sidecar, signal.SIGTERM)  # as systemd does
    one.sees("stopping after the running tasks")
    gate.touch()

    assert one.wait() == 0
    assert one.counts["completed"] == 1


def test_a_sidecar_that_is_still_being_loaded_is_deaf_already(
    queue: TaskQueue, program: Run, ledger: Ledger, gate: Path
) -> None:
    one = program()
    sidecar = eventually(lambda: next(iter(children(one.pid)), 0), what="the sidecar")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(sidecar, number)
    gate.touch()
    (task_id,) = ledger.submit(queue, [Task(task_type="gated")])
    assert queue.wait_for_result(task_id, timeout=60)["status"] == "completed"
    one.send(signal.SIGTERM)

    assert one.wait() == 0
    assert "the process that beats for this worker has ended" not in one.output
    assert one.counts["completed"] == 1


def test_the_second_signal_hands_back_what_runs(queue: TaskQueue, program: Run, ledger: Ledger) -> None:
    one = program()
    (task_id,) = ledger.submit(queue, [Task(task_type="gated")])
    eventually(lambda: ledger.count("start") == 1)
    one.send(signal.SIGINT)
    one.sees("stopping after")
    one.send(signal.SIGINT)

    assert one.wait() == 0

    assert one.counts["released"] == 1
    assert queue.get_task_status(task_id)["status"] == "pending"
    assert queue.get_queue_stats().counters.get("recovered", 0) == 0


class TestLongLease:
    """Here the lease is so long that a busy machine cannot be taken for its end."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return replace(settings, lease_seconds=18.0)

    def test_ctrl_c_in_a_run_that_ends_by_itself_hands_back_what_runs(
        self, settings: Settings, queue: TaskQueue, program: Run, ledger: Ledger
    ) -> None:
        (task_id,) = ledger.submit(queue, [Task(task_type="gated")])
        one = program("run_until_empty")
        eventually(lambda: ledger.count("start") == 1)
        one.send(signal.SIGINT)
        one.sees("interrupted")

        eventually(
            lambda: queue.get_task_status(task_id)["status"] == "pending", settings.lease_seconds - 3, "it to be back"
        )
        assert queue.get_task_status(task_id)["retry_count"] == 0
        one.wait()

    def test_a_program_that_is_killed_has_its_tasks_back_at_once(
        self, settings: Settings, queue: TaskQueue, program: Run, ledger: Ledger, spawn: Spawn, gate: Path
    ) -> None:
        spawn().ready()
        one = program()
        eventually(lambda: len(queue.list_workers()) == 2)
        ledger.submit(queue, [Task(task_type="gated") for _ in range(12)])
        eventually(lambda: ledger.count("start") == 12)
        held = [note.task_id for note in ledger.notes("start") if note.pid == one.pid]
        assert len(held) == 2
        sidecar = one.sidecar
        os.kill(one.pid, signal.SIGKILL)
        killed_at = time.monotonic()
        gate.touch()

        eventually(lambda: queue.get_queue_stats().counters.get("completed") == 12)

        back = max(note.at for task_id in held for note in ledger.of(task_id, "start")) - killed_at
        print(f"back within {back * 1000:.0f} ms")
        assert back < settings.lease_seconds - 3, "it is the sidecar that brings them back, not the lease"
        assert check(ledger, queue).violations == ()
        assert queue.get_queue_stats().counters["recovered"] == 2
        eventually(lambda: not alive(sidecar), what="the end of the sidecar")


def test_a_program_without_its_sidecar_stops_before_its_lease_is_over(
    queue: TaskQueue, program: Run, ledger: Ledger
) -> None:
    one = program()
    ledger.submit(queue, [Task(task_type="listening"), Task(task_type="work")])
    eventually(lambda: ledger.count("end") == 1 and ledger.count("start") == 2)
    os.kill(one.sidecar, signal.SIGKILL)
    killed_at = time.monotonic()

    assert one.wait(8) == 0

    assert time.monotonic() - killed_at < LEASE_SECONDS
    assert ledger.count("asked") == 1, "the handler was told to end"
    assert "ERROR the process that beats for this worker has ended" in one.output
    assert one.counts["completed"] == 2, "and what it did in time counts"
    assert check(ledger, queue).violations == ()
    assert queue.get_queue_stats().counters.get("recovered", 0) == 0
