"""Ctrl+C: while the code is loaded it ends the command without a word, and a wait says what goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from taskq.queue import TaskQueue
from tests.cli.conftest import Spawn
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]
# stands in for a module that takes long to load
SLOW = "import pathlib, time\npathlib.Path('loading').touch()\ntime.sleep(60)\n"
ENTRIES = {
    "module": [sys.executable, "-m", "taskq", "stats"],
    "script": [sys.executable, "-c", "import sys; from taskq.__main__ import main; sys.exit(main())", "stats"],
    "queue_worker": [sys.executable, str(ROOT / "queue_worker.py")],
    "schedule_worker": [sys.executable, str(ROOT / "schedule_worker.py")],
}


@pytest.mark.parametrize("module", ["click", "redis"])
@pytest.mark.parametrize("entry", ENTRIES)
def test_while_the_code_is_loaded(spawn: Spawn, tmp_path: Path, entry: str, module: str) -> None:
    """``click`` is needed by the program itself, ``redis`` by its command."""
    (tmp_path / f"{module}.py").write_text(SLOW)
    process = spawn(command=ENTRIES[entry], env={"PYTHONPATH": f"{tmp_path}:{ROOT}"})
    eventually((tmp_path / "loading").exists, what="the import")
    process.send_signal(signal.SIGINT)
    try:
        out, err = process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        # Python drops an interrupt that meets it in a callback of its own, as people know who press again
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err.strip()) == (130, "", "")


@pytest.mark.parametrize("count", [1, 3])
def test_a_wait_for_results(spawn: Spawn, queue: TaskQueue, count: int) -> None:
    many = ("--count", str(count)) if count > 1 else ()
    process = spawn("submit", "nobody", "--wait", *many)
    _interrupt(process, queue, count)
    out, err = process.communicate(timeout=20)
    waiting = queue.list_tasks("pending")
    assert (process.returncode, out, "Traceback" in err) == (130, "", False)
    if count == 1:
        (task,) = waiting
        assert f"task {task['task_id']} goes on: `taskq task show {task['task_id']}` shows it" in err
    else:
        assert "3 tasks go on, the first of them is " in err
        assert any(f"`taskq task cancel {task['task_id']}` ends it" in err for task in waiting)


def test_a_wait_for_a_result_as_json(spawn: Spawn, queue: TaskQueue) -> None:
    process = spawn("submit", "nobody", "--json", "--wait")
    _interrupt(process, queue, 1)
    _, err = process.communicate(timeout=20)
    notes = [json.loads(line) for line in err.splitlines() if line.strip()]
    assert "goes on" in notes[-1]["note"]["message"]


def _interrupt(process: subprocess.Popen[str], queue: TaskQueue, count: int) -> None:
    """Send Ctrl+C once the command waits for the first result."""
    eventually(lambda: queue.get_queue_stats().pending_tasks == count, 20, "the submit")
    with redis.Redis.from_url(queue.settings.redis_url) as server:
        eventually(lambda: server.exists(queue.namespace.protocol.keys.key("awaited")), 20, "the wait")
    process.send_signal(signal.SIGINT)


@pytest.mark.parametrize("command", ["stats", "queue ls --json", "worker --burst --processes 2"])
def test_misspelt_variables_are_told_once(spawn: Spawn, command: str) -> None:
    process = spawn(*command.split(), env={"TASKQ_PREFX": "other", "TASKQ_HEARTBEAT_INTERVALL": "1"})
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert (out + err).count("TASKQ_PREFX is not a setting; did you mean TASKQ_PREFIX?") == 1
    assert (out + err).count("did you mean TASKQ_HEARTBEAT_INTERVAL?") == 1
