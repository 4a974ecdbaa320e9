"""``taskq queue`` and ``taskq stats``."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from taskq import Task
from taskq.queue import TaskQueue
from tests.cli.conftest import Run, Spawn


def test_ls(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    queue.submit_batch([Task(priority="low", queue="mail") for _ in range(3)])
    lines = [line.split() for line in run("queue", "ls").stdout.splitlines()]
    assert lines[0] == ["QUEUE", "PRIORITY", "DEPTH", "OLDEST", "PAUSED"]
    assert len(lines) == 9
    assert ["low", "3"] in [line[1:3] for line in lines if line[0] == "mail"]
    rows = run_json("queue", "ls")
    assert [row["depth"] for row in rows if row["queue"] == "mail" and row["priority"] == "low"] == [3]


def test_what_limited_queues_hold(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    queue.set_queue_limit("mail", max_tasks=9, max_bytes=64_000, on_full="shed_low")
    queue.submit_batch([Task(queue="mail", group_key="g") for _ in range(3)])
    for command in (("queue", "ls"), ("stats",), ("queue", "limits")):
        text = run(*command).stdout
        (row,) = [line.split() for line in text.splitlines() if "shed_low" in line]
        assert (row[:3], row[4:6]) == (["mail", "3", "9"], ["64,000", "shed_low"])
        assert 300 < int(row[3].replace(",", "")) < 3_000, "bytes of three envelopes"
    of_mail = next(item for item in run_json("queue", "ls") if item["queue"] == "mail")
    assert of_mail["limit"].items() >= {"tasks": 3, "max_tasks": 9, "max_bytes": 64_000, "awaited": False}.items()
    assert run_json("stats")["limits"] == run_json("queue", "limits") == [of_mail["limit"]]
    assert next(item for item in run_json("queue", "ls") if item["queue"] == "default")["limit"] is None


def test_a_queue_that_is_paused_before_its_first_task(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    queue.submit_task(Task(queue="mail"))
    for _ in range(2):
        result = run("queue", "pause", "mial")
        assert "no task has been submitted to a queue mial yet; did you mean mail?" in result.stderr
    result = run("queue", "ls")
    assert [line.split()[2:] for line in result.stdout.splitlines() if line.startswith("mial")] == [
        ["0", "-", "yes"]
    ] * 4
    assert "paused, but never had a task: mial" in result.stderr
    assert {item["known"] for item in run_json("queue", "ls") if item["queue"] == "mial"} == {False}
    queue.submit_task(Task(queue="mial"))
    assert "never had a task" not in run("queue", "ls").stderr
    run("queue", "resume", "mial")
    run("queue", "pause", "letters")
    run("queue", "resume", "letters")
    assert "letters" not in run("queue", "ls").stdout


def test_pause_and_resume(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    assert run("queue", "pause").stdout == "queue default is paused: 4 of 4 lists changed\n"
    assert run("queue", "pause").stdout == "queue default is paused: it was so before\n"
    assert all(item.paused for item in queue.get_queue_stats().lists)
    assert run("queue", "resume", "--priority", "low").stdout == (
        "the low list of queue default is running: 1 of 1 lists changed\n"
    )
    assert run_json("queue", "resume", "default", "--priority", "low") == {
        "queue": "default",
        "priority": "low",
        "paused": False,
        "lists_changed": 0,
    }
    assert [item.priority for item in queue.get_queue_stats().lists if not item.paused] == ["low"]


def test_a_queue_that_nobody_uses_is_worth_a_word(run: Run) -> None:
    result = run("queue", "pause", "mial")
    assert result.exit_code == 0
    assert "no task has been submitted to a queue mial yet" in result.stderr


def test_a_queue_name_that_cannot_be(run: Run) -> None:
    result = run("queue", "pause", "a b")
    assert result.exit_code == 2
    assert "'a b' cannot be used as a queue name" in result.stderr


def test_purge_refuses_where_nobody_can_answer(run: Run, queue: TaskQueue) -> None:
    queue.submit_task(Task())
    result = run("queue", "purge")
    assert result.exit_code == 2
    assert "Delete what waits in queue default: 1 task?" in result.stderr
    assert "add --yes" in result.stderr
    assert queue.get_queue_stats().pending_tasks == 1


def test_purge_with_yes(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    queue.submit_batch([Task(), Task(priority="low"), Task(queue="mail")])
    assert run_json("queue", "purge", "--priority", "low", "--yes")["purged"] == 1
    assert run("queue", "purge", "--yes").stdout == "1 task deleted from queue default\n"
    assert queue.get_queue_stats().pending_tasks == 1


@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, 0), ("n\n", 1, 1), ("\x03", 130, 1)])
def test_purge_asks_on_a_terminal(spawn: Spawn, queue: TaskQueue, answer: str, code: int, left: int) -> None:
    queue.submit_task(Task())
    ours, theirs = pty.openpty()
    # a session of its own, so that the terminal becomes the one whose Ctrl+C reaches the process
    process = spawn("queue", "purge", stdin=theirs, preexec_fn=_take_terminal)
    os.close(theirs)
    assert process.stderr is not None
    question = ""
    while "[y/N]" not in question:
        question += process.stderr.read(1)

    _answer(process, ours, answer)
    os.close(ours)
    err = process.stderr.read()
    assert process.returncode == code
    assert queue.get_queue_stats().pending_tasks == left
    assert ("nothing was changed" in err) == (code == 1)
    assert "Traceback" not in err


def _answer(process: subprocess.Popen[str], terminal: int, answer: str) -> None:
    """Type until the command has ended: a signal just before Python blocks in read() is seen only at the next key."""
    for _ in range(5):
        os.write(terminal, answer.encode())
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
            return
    raise AssertionError("the command did not end")


def _take_terminal() -> None:
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_stats(run: Run, run_json: Callable[..., Any], queue: TaskQueue, prefix: str) -> None:
    queue.submit_batch([Task(), Task(priority="urgent")])
    shown = run("stats").stdout
    assert f"{prefix} on redis://" in shown
    lines = [line.split() for line in shown.splitlines()]
    assert ["pending", "2"] in lines
    assert ["dead", "letters", "0"] in lines
    assert ["submitted", "2"] in lines
    numbers = run_json("stats")
    assert (numbers["pending_tasks"], numbers["success_rate"], numbers["counters"]) == (2, None, {"submitted": 2})
    assert [item["depth"] for item in numbers["lists"]] == [1, 0, 1, 0]


def test_the_limit_of_a_queue(run: Run, run_json: Callable[..., Any]) -> None:
    shown = run("queue", "limit", "mail", "--max-tasks", "1", "--on-full", "block", "--timeout", "100ms")
    assert shown.stdout == "queue mail holds 1 task at most\n"
    assert "no task has been submitted to a queue mail yet" in shown.stderr, "it may be misspelt"
    run("submit", "echo", "--queue", "mail")
    refused = run("submit", "echo", "--queue", "mail")
    assert refused.exit_code != 0
    assert "the queue 'mail' holds 1 tasks and may hold 1 and there was no room within 0.1 s" in refused.stderr
    limit = {"queue": "mail", "max_tasks": 1, "on_full": "block", "timeout": 0.1, "max_bytes": None}
    assert run_json("queue", "limits") == [{**limit, "tasks": 1, "bytes": None, "awaited": True}]
    assert run_json("queue", "unlimit", "mail") == {"queue": "mail", "removed": True}
    gone = run("queue", "unlimit", "mail")
    assert (gone.exit_code, gone.stdout) == (1, "")
    assert "queue mail has no limit" in gone.stderr
    assert run("submit", "echo", "--queue", "mail").exit_code == 0


def test_the_limit_of_a_queue_by_bytes(run: Run, run_json: Callable[..., Any]) -> None:
    run("submit", "echo", "--queue", "mail")
    shown = run("queue", "limit", "mail", "--max-tasks", "9", "--max-bytes", "1KB")
    assert shown.stdout == "queue mail holds 9 tasks and 1,024 bytes at most\n"
    assert run_json("queue", "limit", "mail", "--max-bytes", "1024")["max_bytes"] == 1024
    refused = run("submit", "echo", json.dumps("x" * 2000), "--queue", "mail")
    assert refused.exit_code != 0
    assert "the queue 'mail' may hold 1,024 bytes" in refused.stderr
    assert "`taskq queue limit mail --max-bytes N`" in refused.stderr
    header, row = run("queue", "limits").stdout.splitlines()
    assert header.split() == ["QUEUE", "TASKS", "MOST", "BYTES", "MOST", "BYTES", "ON", "FULL", "TIMEOUT", "WAITING"]
    name, tasks, most, size, *rest = row.split()
    assert (name, tasks, most, rest) == ("mail", "1", "-", ["1,024", "reject", "30.0", "s", "no"])
    assert 100 < int(size) < 300
    assert "--max-tasks, --max-bytes, or both" in run("queue", "limit", "mail").stderr
    absurd = run("queue", "limit", "mail", "--max-bytes", "64").stderr
    assert "64 is 64 bytes, less than 1KB and of no use here: give the unit, as in 64MB" in absurd
    pointless = run("queue", "limit", "mail", "--max-tasks", "9", "--timeout", "10s")
    assert pointless.exit_code == 2
    assert "--timeout is how long --on-full block waits" in pointless.stderr
    assert "is not a size" in run("queue", "limit", "mail", "--max-bytes", "many").stderr
