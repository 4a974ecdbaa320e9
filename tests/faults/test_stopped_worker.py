"""Workers that are frozen past their lease: others go on, and what they say when they wake up is refused."""

from __future__ import annotations

import os
import re
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from taskq import Settings, Task, TaskQueue
from taskq.testing.check import check
from taskq.testing.ledger import Ledger
from tests.faults.conftest import Spawn
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A shorter lease than usual: most of these tests wait for the end of one."""
    return replace(settings, heartbeat_interval_seconds=0.3, lease_seconds=2.0)


def freeze(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)


def thaw(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def test_a_frozen_worker_wakes_up_to_find_its_results_refused(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger, gate: Path
) -> None:
    frozen = spawn("--concurrency", "2").ready()
    old_id = frozen.worker_ids[0]
    ids = ledger.submit(queue, [Task(task_type="gated") for _ in range(2)])
    eventually(lambda: ledger.count("start") == 2, what="both tasks to run")
    other = spawn("--concurrency", "2").ready()
    pids = (frozen.pid, *frozen.child_pids)
    freeze(*pids)
    eventually(lambda: ledger.count("start") == 4, queue.settings.lease_seconds + 6, "the tasks to start elsewhere")
    gate.touch()
    results = [queue.wait_for_result(task_id, timeout=40) for task_id in ids]
    assert {result["worker_id"] for result in results} == set(other.worker_ids)

    thaw(*pids)

    for task_id in ids:
        frozen.sees(rf"the outcome of task {task_id} was refused: its lease was lost")
    frozen.sees(rf"worker {old_id} lost its lease and is back as \S+")
    assert check(ledger, queue).violations == ()
    assert [queue.get_task_result(task_id) for task_id in ids] == results, "a stale attempt must not overwrite"
    assert queue.get_queue_stats().counters["completed"] == 2
    other.stop()
    (after,) = ledger.submit(queue, [Task(task_type="work")])
    # on a busy machine it may have to come back more than once
    assert queue.wait_for_result(after, timeout=40)["worker_id"] in re.findall(r"is back as (\S+)", frozen.output)
    assert frozen.stop() == 0
    assert frozen.total("refused") == 2


def test_what_a_frozen_child_says_does_not_touch_the_attempt_that_runs_now(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger, gate: Path
) -> None:
    # its supervisor is alive, but beats for it no longer
    frozen = spawn("--concurrency", "1").ready()
    (task_id,) = ledger.submit(queue, [Task(task_type="slow_then_gated", payload=1.0)])
    eventually(lambda: ledger.count("start") == 1)
    (child,) = frozen.child_pids
    freeze(child)
    other = spawn().ready()
    eventually(lambda: ledger.count("start") == 2, queue.settings.lease_seconds + 6, "the task to start elsewhere")

    thaw(child)

    frozen.sees(rf"the outcome of task {task_id} was refused")
    frozen.sees(rf"worker {frozen.worker_ids[0]} lost its lease and is back as")
    status = queue.get_task_status(task_id)
    assert (status["status"], status["worker_id"]) == ("running", other.worker_ids[0])
    assert queue.get_task_result(task_id) is None
    gate.touch()
    result = queue.wait_for_result(task_id, timeout=40)
    assert result["result"] == ledger.of(task_id, "start")[1].fence
    assert check(ledger, queue).violations == ()


def test_children_claim_nothing_while_their_supervisor_is_frozen(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger, gate: Path
) -> None:
    # Ctrl+Z stops the supervisor alone: its children are in sessions of their own, and nobody beats for them
    worker = spawn("--concurrency", "2").ready()
    (running,) = ledger.submit(queue, [Task(task_type="gated")])
    eventually(lambda: ledger.count("start") == 1)
    freeze(worker.pid)
    worker.sees("the supervisor is stopped: no task is started until it goes on")
    (waiting,) = ledger.submit(queue, [Task(task_type="work")])
    gate.touch()
    assert queue.wait_for_result(running, timeout=40)["status"] == "completed", (
        "what runs may end while the lease lasts"
    )
    assert queue.get_task_status(waiting)["status"] == "pending"

    thaw(worker.pid)

    assert queue.wait_for_result(waiting, timeout=40)["status"] == "completed"
    assert queue.get_queue_stats().counters.get("recovered", 0) == 0
    assert check(ledger, queue).violations == ()
