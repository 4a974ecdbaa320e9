"""A task that holds on past its timeout where no exception reaches it: its process is killed, its neighbours are not
charged."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from taskq import Task, TaskQueue
from taskq.testing.check import check
from taskq.testing.ledger import Ledger
from tests.faults.conftest import Site, Spawn
from tests.waiting import eventually

KINDS = ("block", "hold_gil", "block_loop", "stubborn")


def test_the_process_of_a_task_that_holds_on_is_killed(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger, gate: Path
) -> None:
    # a queue and a worker for each kind, side by side
    workers = {kind: spawn("--concurrency", "4", "--queues", kind).ready() for kind in KINDS}
    neighbours = ledger.submit(
        queue,
        [Task(task_type=t, queue=kind, max_retries=0) for kind in KINDS for t in ("gated", "gated", "async_work")],
    )
    eventually(lambda: (ledger.count("start"), ledger.count("end")) == (12, 4), what="the neighbours to run")
    ids = ledger.submit(queue, [Task(task_type=k, queue=k, payload=60, timeout=0.3, max_retries=0) for k in KINDS])

    for kind, task_id in zip(KINDS, ids, strict=True):
        result = queue.wait_for_result(task_id, timeout=40)
        assert result["status"] == "failed"
        assert result["error"].startswith("TaskTimeout: it did not end within its timeout of 0.3 s")
        workers[kind].sees(rf"task {task_id} ignores its timeout: its process is killed")

    eventually(lambda: ledger.count("start") == 12 + 4 + 8, 40, "the neighbours to run again")
    gate.touch()
    results = [queue.wait_for_result(neighbour, timeout=40) for neighbour in neighbours]
    assert [(r["status"], r["attempts"]) for r in results] == [("completed", 1)] * 12, "no attempt was charged"
    assert queue.get_queue_stats().counters.get("recovered", 0) == 0, "nobody has crashed"
    assert check(ledger, queue).violations == ()


def test_a_task_that_is_killed_for_its_timeout_has_retries(queue: TaskQueue, spawn: Spawn, ledger: Ledger) -> None:
    spawn("--concurrency", "1").ready()
    (task_id,) = ledger.submit(queue, [Task(task_type="hold_gil", payload=60, timeout=0.3, retry_delay=0)])

    result = queue.wait_for_result(task_id, timeout=40)

    assert (result["status"], result["attempts"]) == ("completed", 2), "the second attempt does not hold on"
    assert queue.get_queue_stats().counters["retried"] == 1
    assert check(ledger, queue).violations == ()


def test_the_process_is_killed_even_if_nobody_can_be_told(site: Site, ledger: Ledger) -> None:
    worker = site.spawn("--concurrency", "1").ready()
    (task_id,) = ledger.submit(site.queue, [Task(task_type="block", payload=60, timeout=0.3)])
    eventually(lambda: ledger.count("start") == 1)
    (child,) = worker.child_pids
    site.server.stop()

    worker.sees("ignores its timeout: its process is killed")
    eventually(lambda: child not in worker.child_pids, 40, "the end of the process")

    site.server.start()
    eventually(lambda: len(ledger.of(task_id, "start")) == 2, 40, "the task to run again")
    assert site.queue.get_task_status(task_id)["retry_count"] == 0, (
        "its timeout could not be noted, so it is not charged"
    )
    os.kill(worker.pid, signal.SIGKILL)


def test_the_process_of_a_task_that_goes_on_though_cancelled_is_killed_if_that_is_wanted(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger, gate: Path
) -> None:
    worker = spawn("--concurrency", "3", "--cancel-grace", "0.3").ready()
    neighbour, listening = ledger.submit(queue, [Task(task_type="gated"), Task(task_type="listening")])
    (stubborn,) = ledger.submit(queue, [Task(task_type="block", payload=60)])
    eventually(lambda: ledger.count("start") == 3, what="all of them to run")
    queue.cancel_task(listening)
    assert queue.wait_for_result(listening, timeout=40)["status"] == "completed", "it has listened, and ended by itself"
    queue.cancel_task(stubborn)
    result = queue.wait_for_result(stubborn, timeout=40)
    assert (result["status"], "its process was killed" in result["error"]) == ("cancelled", True)
    worker.sees(rf"task {stubborn} goes on though cancelled: its process is killed")
    gate.touch()
    after = queue.wait_for_result(neighbour, timeout=40)
    assert (after["status"], after["attempts"]) == ("completed", 1), "no attempt was charged"
