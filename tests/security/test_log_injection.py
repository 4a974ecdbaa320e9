"""Names, errors and payloads cannot write lines of their own into a log, nor steer the terminal of who reads it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import redis

from taskq import Settings, Task, TaskQueue, TaskWorker
from taskq.logs import printable, set_up_logging
from tests.cli.conftest import Run
from tests.worker.test_hostile import ENVELOPE, plant

FORGED = "12:00:00 INFO    all is well"
CLEAR, TITLE, CSI, OVERRIDE, BELL = "\x1b[2J", "\x1b]0;owned\x07", "\x9b2J", "\u202e", "\x07"
NASTY = f"x\n{FORGED}\r{CLEAR}{TITLE}{CSI}{OVERRIDE}{BELL}\x00\x7f\u2028y"
STEERING = [CLEAR, "\x1b", "\x07", "\x9b", "\u202e", "\x00", "\r", "\x7f"]


def harmless(text: str) -> bool:
    return not any(sign in text for sign in STEERING) and not any(line.startswith(FORGED) for line in text.split("\n"))


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[io.StringIO]:
    """What a worker process with these settings writes."""
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    before = logging.getLogger().handlers[:], logging.getLogger().level
    set_up_logging(Settings(log_format=request.param))
    yield stream
    logging.getLogger().handlers[:], level = before
    logging.getLogger().setLevel(level)


@pytest.mark.parametrize("log", ["console"], indirect=True)
def test_a_line_of_the_console_stays_one_line(log: io.StringIO) -> None:
    logging.getLogger("taskq.worker").warning("task %s is %s", NASTY, "gone")
    assert harmless(log.getvalue())
    assert log.getvalue().count("\n") == 1
    assert "x\\n12:00:00" in log.getvalue()


@pytest.mark.parametrize("log", ["console"], indirect=True)
def test_a_traceback_cannot_pass_for_a_message(log: io.StringIO) -> None:
    try:
        raise ValueError(NASTY)
    except ValueError:
        logging.getLogger("taskq.worker").exception("it failed")
    first, *rest = log.getvalue().splitlines()
    assert first.endswith("it failed")
    assert harmless(log.getvalue())
    assert all(line.startswith("  ") for line in rest)


@pytest.mark.parametrize("log", ["json"], indirect=True)
def test_a_line_of_json_stays_one_line(log: io.StringIO) -> None:
    logging.getLogger("taskq.worker").warning("task %s", NASTY)
    assert log.getvalue().count("\n") == 1
    assert harmless(log.getvalue())
    assert json.loads(log.getvalue())["message"] == f"task {NASTY}"


def test_what_stays_readable() -> None:
    assert printable("Grüße, 你好\n\tdone") == "Grüße, 你好\n\tdone"
    assert printable("a\nb", keep="") == "a\\nb"


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    with TaskQueue(redis_url, prefix=prefix) as opened:
        yield opened


def fail(task: Task) -> None:
    raise ValueError(task.payload)


def test_no_command_prints_what_steers(queue: TaskQueue, run: Run, redis_client: redis.Redis, prefix: str) -> None:
    failed = queue.submit_task(Task(task_type="fail", payload=NASTY, metadata={NASTY: NASTY}, max_retries=0))
    retried = queue.submit_task(Task(task_type="fail", payload=NASTY, max_retries=1))
    waiting = queue.submit_task(Task(task_type="none", payload=[NASTY]))
    worker = TaskWorker(queue)
    worker.register_handler("fail", fail)
    worker.run_until_empty()
    plant(redis_client, prefix, "forged", ENVELOPE.replace("victim", json.dumps(NASTY)[1:-1]))
    redis_client.hset(f"{prefix}:worker:w", mapping={"host": NASTY, "pid": NASTY, "lists": NASTY, "types": NASTY})
    redis_client.sadd(f"{prefix}:workers", "w")
    redis_client.hset(f"{prefix}:schedules", NASTY, NASTY)
    commands = [
        ("task", "ls"), ("task", "show", failed), ("task", "show", retried), ("task", "show", waiting),
        ("task", "show", "forged"), ("task", "show", NASTY), ("dlq", "ls"), ("dlq", "show", failed), ("worker", "ls"),
        ("schedule", "ls"), ("stats",), ("queue", "ls"), ("doctor",), ("task", "cancel", NASTY),
        ("submit", "none", "--wait", "1ms"), ("submit", "echo", "--queue", NASTY), ("--prefix", NASTY, "stats"),
    ]  # fmt: skip
    for command in commands:
        for form in ([], ["--json"]):
            done = run(*command, *form)
            assert harmless(done.stdout), (command, form)
            assert harmless(done.stderr), (command, form)


def test_a_program_that_reads_json_gets_the_value(queue: TaskQueue, run: Run) -> None:
    task_id = queue.submit_task(Task(payload=NASTY))
    assert json.loads(run("task", "show", task_id, "--json").stdout)["task"]["payload"] == NASTY
