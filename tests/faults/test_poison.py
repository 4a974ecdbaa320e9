"""A task that kills its worker ends as a dead letter after a few times, and takes nobody along."""

from __future__ import annotations

import pytest

from taskq import Task, TaskQueue
from taskq.testing.check import check
from taskq.testing.ledger import Ledger
from tests.faults.conftest import Spawn
from tests.waiting import eventually


def test_a_task_that_kills_its_worker_each_time_is_a_dead_letter(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger
) -> None:
    workers = [spawn("--concurrency", "1").ready() for _ in range(2)]
    (task_id,) = ledger.submit(queue, [Task(task_type="pill", max_retries=50)])

    result = queue.wait_for_result(task_id, timeout=40)

    assert result["status"] == "failed"
    assert result["error"] == "poison: 3 workers died while they ran this task"
    (letter,) = queue.list_dead()
    assert (letter.task_id, letter.reason, letter.attempts) == (task_id, "poison", 3)
    assert len(ledger.of(task_id, "start")) == 3, "as often as TASKQ_MAX_CRASHES allows, whatever max_retries says"
    (after,) = ledger.submit(queue, [Task(task_type="work")])
    assert queue.wait_for_result(after, timeout=40)["status"] == "completed"
    assert sum(worker.output.count("was killed by SIGKILL") for worker in workers) == 3
    eventually(lambda: all(len(worker.child_pids) == 1 for worker in workers), 40, "the processes to be replaced")
    assert check(ledger, queue).violations == ()


@pytest.mark.slow
def test_the_innocent_neighbours_of_a_pill_all_live(queue: TaskQueue, spawn: Spawn, ledger: Ledger) -> None:
    worker = spawn("--concurrency", "16").ready()
    tasks = [Task(task_type="work", payload=0.25, max_retries=0) for _ in range(15)]
    tasks.insert(7, Task(task_type="pill", max_retries=0))
    ids = ledger.submit(queue, tasks)
    pill = ids.pop(7)
    worker.sees("was killed by SIGKILL", 2)
    spawn("--concurrency", "16")  # while the first one pauses

    assert queue.wait_for_result(pill, timeout=40)["error"].startswith("poison: 3 workers died")
    results = [queue.wait_for_result(task_id, timeout=40) for task_id in ids]

    assert [result["status"] for result in results] == ["completed"] * 15
    assert [letter.task_id for letter in queue.list_dead()] == [pill]
    beside = [note.task_id for note in ledger.notes("start")].count(ids[0])
    assert beside >= 2, "an innocent one has died with the pill, or this test shows nothing"
    assert check(ledger, queue).violations == ()
