"""Worker processes that are told from elsewhere to stop, or what to do: which of them are replaced, and by what."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from taskq import Settings, Task, TaskQueue
from taskq.testing.check import check
from taskq.testing.ledger import Ledger
from tests.faults.commands import HANDLERS, WorkerCommand, children
from tests.faults.conftest import HEARTBEAT_SECONDS, LEASE_SECONDS, Spawn
from tests.waiting import eventually

SECONDS = 30


def ids(queue: TaskQueue) -> set[str]:
    return {info.worker_id for info in queue.list_workers()}


def test_the_process_that_is_stopped_is_not_replaced_and_the_last_one_ends_the_worker(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger, gate: Path
) -> None:
    worker = spawn("--concurrency", "2", "--processes", "2", "--name", "w").ready()
    eventually(lambda: len(ids(queue)) == 2)
    tasks = ledger.submit(queue, [Task(task_type="gated") for _ in range(4)])
    eventually(lambda: ledger.count("start") == 4)
    first, second = sorted(ids(queue))
    queue.stop_worker(first)
    eventually(lambda: any(info.card.get("state") == "stopping" for info in queue.list_workers()))
    gate.touch()
    eventually(lambda: ids(queue) == {second})
    later = ledger.submit(queue, [Task(task_type="work")])
    queue.wait_for_result(later[0], SECONDS)
    assert ids(queue) == {second}
    queue.stop_worker("w")
    assert worker.wait() == 0
    assert ids(queue) == set()
    assert [queue.get_task_status(task_id)["status"] for task_id in tasks] == ["completed"] * 4
    assert check(ledger, queue).violations == ()


def test_a_stopped_process_that_hangs_is_handed_back_and_ends(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger, gate: Path
) -> None:
    worker = spawn("--concurrency", "1", "--grace", "0.3", "--name", "w").ready()
    (task_id,) = ledger.submit(queue, [Task(task_type="gated")])
    eventually(lambda: ledger.count("start") == 1)
    queue.stop_worker("w")
    assert worker.wait() == 0
    assert queue.get_task_status(task_id)["status"] == "pending"
    assert children(worker.pid) == []
    gate.touch()


def test_whoever_replaces_a_killed_process_does_what_was_wished_of_it(queue: TaskQueue, spawn: Spawn) -> None:
    worker = spawn("--concurrency", "2", "--name", "w").ready()
    queue.drain_worker("w")
    queue.set_worker("w", concurrency=5)
    eventually(lambda: [w.card.get("granted") for w in queue.list_workers()] == ["drain 5 -"])
    before = queue.list_workers()[0]
    os.kill(int(before.card["pid"]), signal.SIGKILL)
    eventually(lambda: ids(queue) and before.worker_id not in ids(queue), SECONDS, "another process")
    eventually(lambda: [w.card.get("granted") for w in queue.list_workers()] == ["drain 5 -"])
    worker.sees("it claims nothing, as was wished of the one before it")
    card = queue.list_workers()[0].card
    assert (card["state"], card["slots"]) == ("draining", "5")
    task_id = queue.submit_task(Task(task_type="work"))
    queue.resume_worker("w")
    assert queue.wait_for_result(task_id, SECONDS)["status"] == "completed"


def test_a_pool_keeps_to_its_bounds(queue: TaskQueue, settings: Settings) -> None:
    environment = {
        "REDIS_URL": settings.redis_url or "",
        "TASKQ_PREFIX": settings.prefix,
        "TASKQ_HEARTBEAT_INTERVAL": str(HEARTBEAT_SECONDS),
        "TASKQ_LEASE": str(LEASE_SECONDS),
    }
    command = WorkerCommand(["-m", "taskq", "pool", *HANDLERS, "--min", "1", "--max", "2", "--name", "p"], environment)
    try:
        command.ready()
        (before,) = ids(queue)
        queue.stop_worker("p")
        eventually(lambda: ids(queue) and before not in ids(queue), SECONDS, "another process")
        assert command.stop(signal.SIGTERM) == 0
    finally:
        command.destroy()
