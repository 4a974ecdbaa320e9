"""A pool of processes that grows and shrinks under load, on real processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from taskq import Settings, Task, TaskQueue
from taskq.testing.check import Limits, check
from taskq.testing.ledger import Ledger
from tests.faults.commands import HANDLERS, WorkerCommand, children
from tests.faults.conftest import HEARTBEAT_SECONDS, LEASE_SECONDS
from tests.waiting import eventually

# patient enough for a busy machine
SECONDS = 30


@pytest.fixture
def pool(settings: Settings, ledger: Ledger) -> Iterator[WorkerCommand]:
    environment = {
        "REDIS_URL": settings.redis_url or "",
        "TASKQ_PREFIX": settings.prefix,
        "TASKQ_HEARTBEAT_INTERVAL": str(HEARTBEAT_SECONDS),
        "TASKQ_LEASE": str(LEASE_SECONDS),
        "TASKQ_TEST_LEDGER": str(ledger.path),
    }
    bounds = ["--min", "1", "--max", "3", "--concurrency", "5", "--calm", "2"]
    command = WorkerCommand(["-m", "taskq", "pool", *HANDLERS, *bounds], environment)
    yield command.ready()
    command.destroy()


def processes(queue: TaskQueue) -> int:
    return len(queue.list_workers())


def test_a_step_of_load_costs_no_task_and_leaves_one_process(
    queue: TaskQueue, pool: WorkerCommand, ledger: Ledger
) -> None:
    assert processes(queue) == 1
    ids: list[str] = []

    def all_three_work() -> bool:
        """Whether the pool has grown and all of it works; the load is there for as long as that takes."""
        if queue.get_queue_stats().pending_tasks < 300:
            ids.extend(ledger.submit(queue, [Task(task_type="work", payload=0.05) for _ in range(300)]))
        return processes(queue) == 3 == len({note.pid for note in ledger.notes("start")})

    eventually(all_three_work, SECONDS, "three processes that work")
    for task_id in ids:
        queue.wait_for_result(task_id, SECONDS)
    eventually(lambda: processes(queue) == 1, SECONDS, "one process again")
    verdict = check(ledger, queue, Limits(second_runs=0, all_ended=True))
    assert (verdict.completed, verdict.lost, verdict.violations) == (len(ids), 0, ())
    assert pool.stop(signal.SIGTERM) == 0
    assert pool.total("completed") == len(ids), "those of processes that have ended are counted"
    assert "not 0" not in pool.output, "one that stops scales no more"


def test_a_process_that_is_killed_is_replaced(queue: TaskQueue, pool: WorkerCommand) -> None:
    (before,) = queue.list_workers()
    os.kill(int(before.card["pid"]), signal.SIGKILL)
    eventually(lambda: [w for w in queue.list_workers() if w.worker_id != before.worker_id], SECONDS, "another process")
    assert pool.stop(signal.SIGTERM) == 0
    assert children(pool.pid) == []


def test_a_process_that_is_no_longer_needed_ends_what_it_runs(
    queue: TaskQueue, pool: WorkerCommand, ledger: Ledger
) -> None:
    ids = ledger.submit(queue, [Task(task_type="work", payload=0.05) for _ in range(400)])
    long = ledger.submit(queue, [Task(task_type="work", payload=6, priority="urgent") for _ in range(8)])
    for task_id in [*ids, *long]:
        assert queue.wait_for_result(task_id, SECONDS)["status"] == "completed"
    assert check(ledger, queue, Limits(second_runs=0, all_ended=True)).violations == ()


def test_bounds_that_contradict_each_other_are_refused(settings: Settings) -> None:
    environment = {"REDIS_URL": settings.redis_url or ""}
    command = WorkerCommand(["-m", "taskq", "pool", "--min", "5", "--max", "2"], environment)
    assert command.wait() == 2
    command.sees("a pool of 5 to 2 processes: use two numbers from 1 to 1,000, the smaller first")
