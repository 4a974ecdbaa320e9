"""Limits with real workers: never exceeded, whoever is killed, and no permit is lost with him."""

from __future__ import annotations

import signal
import threading
import time

from taskq import Task, TaskQueue
from taskq.testing.ledger import Ledger
from tests.faults.conftest import Spawn
from tests.waiting import eventually
from tests.worker.background import findings

MOST, TASKS = 3, 240


def test_workers_are_killed_and_the_limit_holds_at_every_instant(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger
) -> None:
    """First one at a time with each of many keys, held alone, then some with the same; one is killed in each part."""
    queue.set_limit("each", concurrency=1)
    queue.set_limit("few", concurrency=MOST)
    keys = [f"each:{n % 24}" for n in range(TASKS // 2)] + ["few"] * (TASKS // 2)
    workers = [spawn("--processes", "2", "--concurrency", "4") for _ in range(2)]
    ids = ledger.submit(queue, [Task(task_type="work", payload=0.01, limit_keys=[key]) for key in keys])
    wrong: list[str] = []
    done = threading.Event()

    def watch() -> None:
        """What the server says, again and again, is the whole truth as of one instant."""
        while not done.is_set():
            wrong.extend(findings(queue))
            done.wait(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()

    def completed() -> int:
        return queue.get_queue_stats().counters.get("completed", 0)

    for step, worker in enumerate(workers, start=1):
        eventually(lambda step=step: completed() >= 60 + (step - 1) * TASKS // 2, 30, "some to complete")
        worker.send(signal.SIGKILL)  # the supervisor, and with it its processes
        spawn("--processes", "2", "--concurrency", "4")
    eventually(lambda: completed() == TASKS, 60, "all to complete")
    done.set()
    watcher.join()
    assert (wrong, findings(queue)) == ([], [])
    assert {queue.get_task_status(task_id)["status"] for task_id in ids[::40]} == {"completed"}
    assert [(info.running, info.waiting) for info in queue.list_limits()] == [(0, 0)] * 2


def test_a_rate_is_kept_by_several_workers_and_not_missed(queue: TaskQueue, spawn: Spawn, ledger: Ledger) -> None:
    queue.set_limit("slow", rate="20/s", burst=1)
    for _ in range(2):
        spawn("--concurrency", "4").ready()
    began = time.monotonic()
    tasks = [Task(task_type="work", limit_keys=["slow"]) for _ in range(30)]
    ledger.submit(queue, tasks)
    eventually(lambda: ledger.count("start") == 30, 40, "all to start")
    took = time.monotonic() - began
    print(f"30 starts at 20/s took {took:.2f} s")
    assert 1.4 <= took < 4, "29 steps of 50 ms, with room for a busy machine"
