"""A worker process that is killed in the middle of a batch: what was done is not done again."""

from __future__ import annotations

from pathlib import Path

from taskq import Task, TaskQueue
from tests.e2e.test_readme import Start, environment, queue, start  # noqa: F401 - fixtures

HANDLERS = """
import os, signal
from pathlib import Path
from taskq import batch_handler

def note(number):
    with open("done.txt", "a") as file:
        file.write(f"{number}\\n")
    if number == 5 and not Path("killed").exists():
        Path("killed").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number * 10

def register(worker):
    worker.register_handler("batch_query", batch_handler(note, every=1))
"""


def test_a_killed_worker_repeats_one_item_at_most(queue: TaskQueue, start: Start, tmp_path: Path) -> None:  # noqa: F811 - the fixtures
    (tmp_path / "numbers.py").write_text(HANDLERS)
    task_id = queue.submit_task(Task(task_type="batch_query", payload={"queries": list(range(8))}))
    start("taskq worker --handlers numbers", tmp_path)
    result = queue.wait_for_result(task_id, 30)
    assert [outcome["result"] for outcome in result["result"]["results"]] == [0, 10, 20, 30, 40, 50, 60, 70]
    assert result["attempts"] == 2
    assert (tmp_path / "done.txt").read_text().split() == ["0", "1", "2", "3", "4", "5", "5", "6", "7"]
