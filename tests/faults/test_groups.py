"""Groups of tasks whose worker is killed: what it held goes first, and nobody loses a turn."""

from __future__ import annotations

from taskq import Task, TaskQueue
from taskq.testing.ledger import Ledger
from tests.faults.conftest import Spawn
from tests.worker.background import findings


def test_the_turn_of_a_killed_task_is_not_lost_and_not_taken_twice(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger
) -> None:
    tasks = [Task(task_type="work" if n else "die_once", group_key=group) for group in "ab" for n in range(3)]
    a0, a1, a2, b0, b1, b2 = ledger.submit(queue, tasks)
    spawn("--concurrency", "1").ready()
    assert queue.wait_for_result(b2, 40)["status"] == "completed"
    assert [note.task_id for note in ledger.notes("start")] == [a0, a0, b0, b0, a1, b1, a2, b2]
    assert findings(queue) == []
