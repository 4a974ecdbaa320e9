"""Workers that are killed while a family runs: each child is counted once, and the parent ends with all of them."""

from __future__ import annotations

import signal

from taskq import Task, TaskQueue
from tests.faults.conftest import Spawn
from tests.waiting import eventually

CHILDREN = 300


def test_killed_again_and_again(queue: TaskQueue, spawn: Spawn) -> None:
    workers = [spawn("--concurrency", "2"), spawn("--concurrency", "2")]
    parent = queue.submit_task(Task(task_type="family", payload=CHILDREN))

    def ended() -> int:
        return queue.get_queue_stats().counters.get("completed", 0)

    for step, worker in enumerate(workers, start=1):
        eventually(lambda step=step: ended() >= step * 60, 30, "some children")
        worker.send(signal.SIGKILL)  # the supervisor, and with it its processes
        spawn("--concurrency", "2")
    result = queue.wait_for_result(parent, 60)
    assert (result["status"], result["result"]) == ("completed", list(range(CHILDREN)))
    counters = queue.get_queue_stats().counters
    assert (counters["submitted"], counters["completed"]) == (CHILDREN + 1, CHILDREN + 1)
