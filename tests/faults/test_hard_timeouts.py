"""A task that holds on past its timeout where no exception reaches it: its process is killed, its neighbours are not
charged."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from taskq import Task, TaskQueue
from tests.faults.conftest import Spawn
from tests.faults.ledger import Ledger
from tests.waiting import eventually


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["block", "hold_gil", "block_loop", "stubborn"])
def test_the_process_of_a_task_that_holds_on_is_killed(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger, gate: Path, kind: str
) -> None:
    worker = spawn("--concurrency", "4").ready()
    neighbours = ledger.submit(queue, [Task(task_type=t, max_retries=0) for t in ("gated", "gated", "async_work")])
    eventually(lambda: ledger.count("end") == 1 and ledger.count("start") == 3, what="the neighbours to run")
    (task_id,) = ledger.submit(queue, [Task(task_type=kind, payload=15, timeout=0.3, max_retries=0)])

    result = queue.wait_for_result(task_id, timeout=10)

    assert result["status"] == "failed"
    assert result["error"].startswith("TaskTimeout: it did not end within its timeout of 0.3 s")
    worker.sees(rf"task {task_id} ignores its timeout: its process is killed")
    eventually(lambda: ledger.count("start") == 6, 10, "the neighbours to run again")
    gate.touch()
    results = [queue.wait_for_result(neighbour, timeout=10) for neighbour in neighbours]
    assert [(r["status"], r["attempts"]) for r in results] == [("completed", 1)] * 3, "no attempt was charged"
    stats = queue.get_queue_stats()
    assert stats.counters.get("recovered", 0) == 0, "nobody has crashed"
    assert ledger.violations(queue) == []


def test_a_task_that_is_killed_for_its_timeout_has_retries(queue: TaskQueue, spawn: Spawn, ledger: Ledger) -> None:
    spawn("--concurrency", "1").ready()
    (task_id,) = ledger.submit(queue, [Task(task_type="hold_gil", payload=15, timeout=0.3, retry_delay=0)])

    result = queue.wait_for_result(task_id, timeout=15)

    assert (result["status"], result["attempts"]) == ("completed", 2), "the second attempt does not hold on"
    assert queue.get_queue_stats().counters["retried"] == 1
    assert ledger.violations(queue) == []


def test_the_process_is_killed_even_if_nobody_can_be_told(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger, server: object
) -> None:
    from tests.servers import ServerProcess

    assert isinstance(server, ServerProcess)
    with TaskQueue(settings=spawn.on(server.url).settings) as away:
        worker = spawn.on(server.url)("--concurrency", "1").ready()
        (task_id,) = ledger.submit(away, [Task(task_type="block", payload=60, timeout=1, max_retries=0)])
        eventually(lambda: ledger.count("start") == 1)
        (child,) = worker.child_pids
        server.stop()

        worker.sees("ignores its timeout: its process is killed")
        eventually(lambda: child not in worker.child_pids, 10, "the end of the process")

        server.start()
        assert away.wait_for_result(task_id, timeout=15)["status"] == "failed", "when it ran again"
        os.kill(worker.pid, signal.SIGINT)
        assert worker.wait() == 0
