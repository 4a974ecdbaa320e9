"""Three terminals with a worker, one with a scheduler, one with Python, one with ``redis-cli``: as the pages say."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from taskq import Task, TaskQueue
from taskq.scheduler import TaskScheduler
from tests.faults.commands import ROOT, Command, WorkerCommand
from tests.servers import ServerProcess
from tests.waiting import eventually

HANDLERS = """
import time
from pathlib import Path

def gated(task):
    while not Path("gate").exists():
        time.sleep(0.005)
    return "through"

def fail(task):
    raise ValueError("it is raining")

def register(worker):
    worker.register_handler("gated", gated)
    worker.register_handler("fail", fail)
"""


@dataclass
class Terminals:
    """Everything that a user has open."""

    server: ServerProcess
    folder: Path
    workers: list[WorkerCommand]
    scheduler: Command
    queue: TaskQueue

    def redis_cli(self, *words: str) -> list[str]:
        """Return the lines that ``redis-cli`` shows for a command."""
        done = subprocess.run(
            ["redis-cli", "-p", str(self.server.port), *words], capture_output=True, text=True, check=True, timeout=10
        )
        return done.stdout.splitlines()


@pytest.fixture
def terminals(server: ServerProcess, tmp_path: Path) -> Iterator[Terminals]:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "handlers.py").write_text(HANDLERS)
    environment = {"REDIS_URL": server.url}
    workers = [
        WorkerCommand([str(ROOT / "queue_worker.py"), "--concurrency", "2"], environment, folder) for _ in range(3)
    ]
    scheduler = Command([str(ROOT / "schedule_worker.py")], environment, folder)
    try:
        for worker in workers:
            worker.ready()
        scheduler.sees("Scheduler .* ready")
        with TaskQueue(server.url) as queue:
            yield Terminals(server, folder, workers, scheduler, queue)
    finally:
        (folder / "gate").touch()
        for command in (*workers, scheduler):
            command.destroy()


def scene(terminals: Terminals) -> dict[str, str]:
    """Submit one task of each fate; return their ids by fate."""
    queue = terminals.queue
    ids = {
        "completed": queue.submit_task(Task(task_type="echo", payload={"hello": "world"})),
        "failed": queue.submit_task(Task(task_type="fail", max_retries=0)),
        "retry": queue.submit_task(Task(task_type="fail", retry_delay=100)),
        "scheduled": TaskScheduler(queue).schedule_task_in(Task(task_type="echo"), 100),
        "soon": TaskScheduler(queue).schedule_task_in(Task(task_type="echo", payload="soon"), 0.3),
    }
    assert queue.wait_for_result(ids["completed"], timeout=10)["result"] == {"hello": "world"}
    assert queue.wait_for_result(ids["failed"], timeout=10)["status"] == "failed"
    assert queue.wait_for_result(ids["soon"], timeout=10)["result"] == "soon"
    eventually(lambda: queue.get_task_status(ids["retry"])["status"] == "retry")
    running = queue.submit_batch([Task(task_type="gated", priority="high") for _ in range(6)])
    eventually(lambda: queue.get_queue_stats().running_tasks == 6, what="every slot to be taken")
    waiting = queue.submit_batch([Task(task_type="echo", payload=n) for n in range(3)])
    return {**ids, "running": running[0], "pending": waiting[0]}


def test_three_workers_a_scheduler_and_a_python_shell_work_together(terminals: Terminals) -> None:
    ids = scene(terminals)
    queue = terminals.queue
    assert {worker.worker_id for worker in queue.list_workers()} == {w.worker_ids[0] for w in terminals.workers}
    for worker in terminals.workers:
        assert re.search(r"types +echo, fail, gated", worker.output), "handlers.py was found, and echo is always there"
    assert queue.get_task_status(ids["running"])["worker_id"] in {w.worker_ids[0] for w in terminals.workers}
    (terminals.folder / "gate").touch()

    assert queue.wait_for_result(ids["running"], timeout=10)["result"] == "through"
    assert queue.wait_for_result(ids["pending"], timeout=10)["result"] == 0
    eventually(lambda: queue.get_queue_stats().running_tasks == 0)

    for worker in terminals.workers:
        worker.send(signal.SIGINT)
    terminals.scheduler.send(signal.SIGINT)
    assert [worker.wait() for worker in terminals.workers] == [0, 0, 0]
    assert terminals.scheduler.wait() == 0
    assert sum(worker.total("completed") for worker in terminals.workers) == 1 + 1 + 6 + 3
    assert sum(worker.total("failed") for worker in terminals.workers) == 1
    assert sum(worker.total("retried") for worker in terminals.workers) == 1
    assert queue.get_queue_stats().success_rate == pytest.approx(11 / 12)


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="redis-cli is not installed")
def test_redis_cli_shows_what_the_page_says(terminals: Terminals) -> None:
    ids = scene(terminals)
    show = terminals.redis_cli
    workers = {worker.worker_ids[0] for worker in terminals.workers}

    assert show("LLEN", "agent_queue:queue:normal") == ["3"]
    for status, count in (
        ("pending", 3),
        ("running", 6),
        ("scheduled", 1),
        ("retry", 1),
        ("completed", 2),
        ("failed", 1),
    ):
        members = show("SMEMBERS", f"agent_queue:status:{status}")
        assert ids[status] in members
        assert len(members) == count, status
    (envelope,) = (json.loads(line) for line in show("GET", f"agent_queue:task:{ids['completed']}"))
    assert (envelope["id"], envelope["type"], envelope["payload"]) == (ids["completed"], "echo", {"hello": "world"})
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", envelope["created_at"])
    (result,) = (json.loads(line) for line in show("GET", f"agent_queue:result:{ids['completed']}"))
    assert (result["status"], result["result"], result["worker_id"] in workers) == (
        "completed",
        {"hello": "world"},
        True,
    )
    (failure,) = (json.loads(line) for line in show("GET", f"agent_queue:result:{ids['failed']}"))
    assert "ValueError: it is raining" in failure["error"]
    assert set(show("SMEMBERS", "agent_queue:workers")) == workers
    held = [show("LRANGE", f"agent_queue:processing:{worker}", "0", "-1") for worker in workers]
    assert [len(one) for one in held] == [2, 2, 2]
    assert ids["running"] in [task_id for one in held for task_id in one]
    due = show("ZRANGE", "agent_queue:scheduled", "0", "-1", "WITHSCORES")
    assert sorted(due[::2]) == sorted([ids["scheduled"], ids["retry"]])
    assert all(80 < float(score) / 1000 - time.time() < 120 for score in due[1::2])


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="redis-cli is not installed")
def test_redis_cli_hears_the_events(terminals: Terminals) -> None:
    listener = subprocess.Popen(
        ["redis-cli", "-p", str(terminals.server.port), "SUBSCRIBE", "agent_queue:events"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    assert listener.stdout is not None
    try:
        with terminals.server.client() as client:
            eventually(lambda: client.pubsub_numsub("agent_queue:events")[0][1] == 1, what="the subscription")
        task_id = terminals.queue.submit_task(Task(task_type="echo"))
        events = []
        while not events or events[-1]["type"] != "task.completed":
            line = listener.stdout.readline()
            if line.startswith("{"):
                events.append(json.loads(line))
    finally:
        listener.kill()
        listener.wait()

    assert all(event["data"]["task_id"] == task_id for event in events)
    assert [(event["type"], event["data"].get("status")) for event in events] == [
        ("task.submitted", "pending"),
        ("task.status_changed", "running"),
        ("task.status_changed", "completed"),
        ("task.completed", "completed"),
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["timestamp"]) for event in events)
