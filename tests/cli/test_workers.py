"""``taskq worker``, ``queue_worker.py`` and ``python -m taskq``, as processes."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from taskq import Task
from taskq.protocol.operations import LeaseTimes
from taskq.queue import TaskQueue
from tests.cli.conftest import HANDLERS, Run, Spawn
from tests.waiting import eventually

ROOT = Path(__file__).parents[2]


def test_ls(run: Run, run_json: Callable[..., Any], worker: subprocess.Popen[str]) -> None:
    shown = run("worker", "ls").stdout.splitlines()
    assert shown[0].split() == ["WORKER", "STATE", "HOST", "PID", "TASKS", "LEASE", "STARTED", "LISTS"]
    assert "alive" in shown[1]
    (info,) = run_json("worker", "ls")
    assert shown[1].startswith(info["worker_id"])
    assert info["lease_seconds"] > 0


def test_a_worker_is_shown_drained_resumed_and_set(
    run: Run, run_json: Callable[..., Any], worker: subprocess.Popen[str], queue: TaskQueue
) -> None:
    (info,) = queue.list_workers()
    told = run("worker", "drain", info.worker_id)
    assert told.stdout == f"{info.worker_id}: finishes what it runs, and claims nothing more, from its next beat on\n"
    eventually(lambda: "draining" in run("worker", "ls").stdout)
    assert run_json("worker", "set", "worker", "--concurrency", "7", "--log-level", "debug") == {
        "told": [info.worker_id]
    }
    eventually(lambda: queue.list_workers()[0].card.get("granted") == "drain 7 DEBUG")
    lines = dict(re.split(" {2,}", line, maxsplit=1) for line in run("worker", "show", "worker").stdout.splitlines())
    assert lines["worker"] == info.worker_id
    assert (lines["state"], lines["slots"], lines["log level"]) == ("draining", "7", "DEBUG")
    assert lines["wished"] == "drain 7 DEBUG"
    assert run("worker", "resume", "worker").exit_code == 0
    eventually(lambda: "alive" in run("worker", "ls").stdout)
    (card,) = run_json("worker", "show", info.worker_id)
    assert card["card"]["state"] == ""


def test_a_wish_that_was_not_followed_yet_says_so(run: Run, queue: TaskQueue) -> None:
    protocol = queue.namespace.protocol
    queue.transport.run(protocol.register("mail-0000000a", "t", LeaseTimes(30_000, 5_000), "uuid", {}))
    run("worker", "stop", "mail")
    assert "stop - -  (not followed yet)" in run("worker", "show", "mail").stdout


def test_a_worker_that_is_stopped_ends(run: Run, worker: subprocess.Popen[str], queue: TaskQueue) -> None:
    task_id = queue.submit_task(Task(task_type="slow"))
    eventually(lambda: queue.get_task_status(task_id)["status"] == "running")
    assert "ends after what it runs" in run("worker", "stop", "worker").stdout
    assert worker.wait(60) == 0
    assert queue.get_task_status(task_id)["status"] == "pending", "handed back when the grace was over"
    assert queue.list_workers() == []


@pytest.mark.parametrize("verb", ["drain", "resume", "stop", "show", "set"])
def test_a_worker_that_is_not_there_is_one_that_may_be_meant(run: Run, queue: TaskQueue, verb: str) -> None:
    protocol = queue.namespace.protocol
    queue.transport.run(protocol.register("mail-0000000a", "t", LeaseTimes(30_000, 5_000), "uuid", {}))
    found = run("worker", verb, "mial", *(["--concurrency", "1"] if verb == "set" else []))
    assert found.exit_code == 1
    assert "there is no worker mial: did you mean mail?" in found.stderr


def test_set_wants_to_know_what(run: Run) -> None:
    assert "say what to change" in run("worker", "set", "any").stderr
    assert "is not in the range" in run("worker", "set", "any", "--concurrency", "0").stderr
    assert "is not one of" in run("worker", "set", "any", "--log-level", "loud").stderr


def test_ls_of_none(run: Run, run_json: Callable[..., Any]) -> None:
    assert run_json("worker", "ls") == []
    assert "no worker is registered" in run("worker", "ls").stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--prority", "high"], "Did you mean '--priorities'?"),
        (["--priorities", "hihg"], "unknown priority 'hihg'"),
        (["--queues", "a b"], "'a b' cannot be used as a queue name"),
        (["--queues", ","], "has no name in it"),
        (["--concurrency", "0"], "is not in the range"),
        (["--processes", "none"], "'none' is not a whole number: use one from 1 to 1,000"),
        (["--max-tasks", "none"], "'none' is not a whole number: use 1 or more"),
        (["--max-memory", "1000000TB"], "the units are KB, MB and GB, and the largest is 1048576GB"),
        (["--max-memory", "1048577GB"], "the largest is 1048576GB"),
        (["--partitions", "3-1"], "3-1 goes from the larger to the smaller: write 1-3"),
        (["--partitions", ""], "has no number in it"),
        (["--weights", "low=x"], "'low=x' has no number: write low=1, or default"),
        (["--reserve", "low=x"], "'low=x' has no number: write low=1\n"),
        (["--reserve", "default"], "'default' has no number"),
        (["--reserve", "urgent=11"], "with whole numbers from 1 to 9"),
        (["--max-memory", "12XB"], "write 512MB, or a number of bytes"),
        (["--max-memory", "10"], "10 is 10 bytes, less than 1MB and of no use here: give the unit, as in 512MB"),
        (["--max-memory", "512KB"], "512KB is 524,288 bytes, less than 1MB"),
        (["--grace", "soon"], "is not a duration"),
        (["--max-tasks", "0"], "is not in the range"),
        (["--name", "a/b"], "cannot be used as a worker name"),
        (["handlers"], "No such command 'handlers'"),
    ],
)
def test_wrong_arguments_are_usage_errors(run: Run, args: list[str], message: str) -> None:
    result = run("worker", *args)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    "command",
    [[sys.executable, "-m", "taskq", "worker"], [sys.executable, str(ROOT / "queue_worker.py")]],
    ids=["taskq worker", "queue_worker.py"],
)
def test_burst_runs_what_waits_and_ends(spawn: Spawn, queue: TaskQueue, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "jobs.py").write_text(HANDLERS)
    ids = queue.submit_batch([Task(task_type="echo", queue="mail", payload=n, priority="urgent") for n in range(3)])
    left = queue.submit_task(Task(task_type="echo", queue="mail", priority="low"))
    flags = (
        "--handlers jobs:register --queues mail,other --priorities urgent,high --concurrency 2 --processes 1 "
        "--burst --grace 5s --max-tasks 100 --max-memory 512MB --name tester --log-format console --log-level INFO"
    )
    process = spawn(*flags.split(), command=command)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "boom, echo, slow" in out
    assert [queue.wait_for_result(task_id, 5)["result"] for task_id in ids] == [0, 1, 2]
    assert queue.get_task_status(left)["status"] == "pending"


@pytest.mark.parametrize("module", ["missing", "broken"])
def test_handlers_that_cannot_be_loaded_are_all_that_is_said(spawn: Spawn, tmp_path: Path, module: str) -> None:
    (tmp_path / "broken.py").write_text("def")
    process = spawn("worker", "--handlers", module)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert "there is no module 'missing'" in err or "the handlers could not be loaded: SyntaxError" in err


def test_ctrl_c_stops_a_worker_in_order(spawn: Spawn, worker: subprocess.Popen[str], queue: TaskQueue) -> None:
    worker.send_signal(signal.SIGINT)
    assert worker.wait(60) == 0
    eventually(lambda: not queue.list_workers(), what="the worker signed off")


def test_queue_worker_without_an_installation_says_what_to_do(tmp_path: Path) -> None:
    shutil.copy(ROOT / "queue_worker.py", tmp_path)
    (tmp_path / "taskq").symlink_to(ROOT / "taskq")
    # -S leaves the installed packages out, as in a fresh Python
    done = subprocess.run(
        [sys.executable, "-S", "queue_worker.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "is missing" in done.stderr
    assert "make install" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_scheduler_submits_what_is_due(spawn: Spawn, queue: TaskQueue, run: Run) -> None:
    assert run("schedule", "add", "pulse", "--every", "100ms", "echo").exit_code == 0
    process = spawn("scheduler", stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    eventually(lambda: queue.get_queue_stats().pending_tasks, timeout_seconds=20, what="a task of the schedule")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0


def test_a_closed_pipe_is_no_traceback(spawn: Spawn, queue: TaskQueue) -> None:
    queue.submit_task(Task())
    process = spawn("task", "ls")
    assert process.stdout is not None
    process.stdout.close()  # as `| head` does when it has seen enough
    process.stdout = None
    _, err = process.communicate(timeout=60)
    assert err == ""
    assert process.returncode == 1


def test_python_dash_m(spawn: Spawn) -> None:
    process = spawn("stats", "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert json.loads(out)["pending_tasks"] == 0
    usage = spawn("submti")
    _, err = usage.communicate(timeout=60)
    assert usage.returncode == 2
    assert "Did you mean 'taskq submit'?" in err
