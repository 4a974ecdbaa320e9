"""How a worker ends: gracefully, at once, by itself; and what it says at its end."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import pytest
import redis

from taskq import Task, TaskQueue
from taskq.testing.check import check
from taskq.testing.ledger import Ledger
from tests.faults.commands import children
from tests.faults.conftest import Spawn
from tests.servers import ServerProcess
from tests.waiting import eventually


def waiting(queue: TaskQueue, prefix: str = "normal") -> list[str]:
    """Return the ids that wait in a list, the head first."""
    with redis.Redis.from_url(queue.settings.redis_url or "", decode_responses=True) as client:
        return list(client.lrange(f"{queue.settings.prefix}:queue:{prefix}", 0, -1))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_stop_lets_running_tasks_end_and_starts_no_more(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger, gate: Path, number: int
) -> None:
    worker = spawn("--concurrency", "2").ready()
    ids = ledger.submit(queue, [Task(task_type="gated") for _ in range(4)])
    eventually(lambda: ledger.count("start") == 2)
    worker.send(number)
    worker.sees("stopping: running tasks have 30 s to end; once more to stop at once")
    gate.touch()

    assert worker.wait() == 0

    assert ledger.count("start") == ledger.count("end") == 2
    assert [queue.get_task_status(i)["status"] for i in ids] == ["completed"] * 2 + ["pending"] * 2
    assert queue.list_workers() == [], "it has signed off"
    assert worker.total("completed") == 2
    assert check(ledger, queue).violations == ()


def test_tasks_that_outlast_the_grace_go_back_to_the_head_uncharged(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger
) -> None:
    worker = spawn("--concurrency", "2", "--grace", "0.5").ready()
    ids = ledger.submit(queue, [Task(task_type="gated") for _ in range(4)])
    eventually(lambda: ledger.count("start") == 2)

    assert worker.stop(signal.SIGTERM) == 0

    assert waiting(queue) == ids, "in the order in which they were submitted, the two that had run at the head"
    statuses = [queue.get_task_status(task_id) for task_id in ids]
    assert [(s["status"], s["retry_count"]) for s in statuses] == [("pending", 0)] * 4
    assert queue.get_queue_stats().counters.get("recovered", 0) == 0
    assert queue.list_workers() == []
    assert "handed back 2 tasks that were still running" in worker.output
    assert worker.total("released") == 2
    assert children(worker.pid) == []


def test_the_second_signal_stops_at_once(queue: TaskQueue, spawn: Spawn, ledger: Ledger) -> None:
    worker = spawn("--concurrency", "2").ready()
    ids = ledger.submit(queue, [Task(task_type="gated") for _ in range(2)])
    eventually(lambda: ledger.count("start") == 2)
    worker.send(signal.SIGINT)
    worker.sees("stopping: running tasks have 30 s to end")
    began = time.monotonic()
    worker.send(signal.SIGINT)

    assert worker.wait() == 0

    assert time.monotonic() - began < 5
    assert "stopping now: running tasks are handed back" in worker.output
    assert waiting(queue) == ids
    assert check(ledger, queue).violations == ()


def test_a_stop_during_the_start_is_heeded(spawn: Spawn, queue: TaskQueue) -> None:
    worker = spawn("--processes", "4")
    eventually(lambda: len(children(worker.pid)) == 4, what="processes that have not loaded their handlers yet")
    worker.send(signal.SIGINT)

    assert worker.wait() == 0

    assert queue.list_workers() == []


def test_a_handler_that_holds_the_gil_cannot_keep_the_worker_from_ending(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger
) -> None:
    worker = spawn("--concurrency", "1", "--grace", "0.2").ready()
    ids = ledger.submit(queue, [Task(task_type="hold_gil", payload=30)])
    eventually(lambda: ledger.count("start") == 1)

    assert worker.stop() == 0

    assert waiting(queue) == ids
    assert queue.get_task_status(ids[0])["retry_count"] == 0
    assert queue.get_queue_stats().counters.get("recovered", 0) == 0, "it was killed by us, it has not crashed"


def test_an_idle_worker_ends_at_once_while_the_server_is_away(spawn: Spawn, server: ServerProcess) -> None:
    worker = spawn.on(server.url)().ready()
    server.stop()
    worker.sees("the server is away, trying until it is back")
    began = time.monotonic()

    assert worker.stop() == 0

    assert time.monotonic() - began < 12, "there is nothing to wait 30 s for"


def test_a_child_that_is_asked_to_end_by_somebody_else_is_replaced(spawn: Spawn, queue: TaskQueue) -> None:
    worker = spawn().ready()
    os.kill(worker.child_pids[0], signal.SIGTERM)
    worker.ready(2)
    eventually(lambda: len(queue.list_workers()) == 1)
    assert worker.stop() == 0


def test_a_burst_ends_when_the_lists_are_empty(queue: TaskQueue, spawn: Spawn, ledger: Ledger) -> None:
    ids = ledger.submit(queue, [Task(task_type="work") for _ in range(150)])
    ledger.submit(queue, [Task(task_type="fail", payload="no", max_retries=0)])
    worker = spawn("--burst", "--processes", "2")

    assert worker.wait() == 0

    assert {queue.get_task_status(task_id)["status"] for task_id in ids} == {"completed"}
    assert re.search(r"Worker stopped after \d+\.\d s: 150 completed, 1 failed \(\d+\.\d tasks/s\)", worker.output)
    assert queue.list_workers() == []


def test_a_process_is_replaced_after_its_share_of_tasks(queue: TaskQueue, spawn: Spawn, ledger: Ledger) -> None:
    worker = spawn("--max-tasks", "10", "--concurrency", "4").ready()
    ledger.submit(queue, [Task(task_type="work") for _ in range(25)])
    eventually(lambda: ledger.count("end") == 25, 40)
    worker.ready(3)

    per_process = sorted(
        sum(note.pid == pid for note in ledger.notes("end")) for pid in {n.pid for n in ledger.notes("end")}
    )
    assert per_process == [5, 10, 10]
    assert worker.stop() == 0
    assert worker.total("completed") == 25, "the totals of all its processes"
    assert "starting another one" not in worker.output, "it has not crashed"
    assert check(ledger, queue).violations == ()


def test_a_process_that_has_grown_too_large_is_replaced(queue: TaskQueue, spawn: Spawn, ledger: Ledger) -> None:
    worker = spawn("--max-memory", "150MB", "--concurrency", "2").ready()
    ledger.submit(queue, [Task(task_type="swell", payload=200 << 20), Task(task_type="work", payload=0.8)])
    worker.sees(r"memory is \d+ MB, above the limit of 150 MB: starting afresh")
    worker.ready(2)
    ledger.submit(queue, [Task(task_type="work")])
    eventually(lambda: ledger.count("end") == 3)

    pids = [note.pid for note in ledger.notes("end")]
    assert pids[0] == pids[1] != pids[2], "what ran was allowed to end"
    assert worker.stop() == 0
    assert worker.total("completed") == 3
    assert check(ledger, queue).violations == ()


@pytest.mark.parametrize(
    ("handlers", "text", "says"),
    [
        ("missing", "", "--handlers missing: there is no module 'missing' in"),
        ("broken", "1 / 0", "the handlers could not be loaded: ZeroDivisionError: division by zero"),
        ("empty", "", "--handlers empty: module 'empty' has no function register(worker)"),
    ],
)
def test_handlers_that_cannot_be_loaded_end_the_worker_with_a_reason(
    spawn: Spawn, tmp_path: Path, handlers: str, text: str, says: str
) -> None:
    if handlers != "missing":
        (tmp_path / f"{handlers}.py").write_text(text)
    worker = spawn("--processes", "2", handlers=("--handlers", handlers), folder=tmp_path)

    assert worker.wait() == 2

    assert says in worker.output
    assert "starting another one" not in worker.output
