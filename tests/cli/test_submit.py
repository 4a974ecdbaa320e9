"""``taskq submit``: what is stored, what is printed, and every way to get it wrong."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from taskq import TaskScheduler
from taskq.queue import TaskQueue
from taskq.states import TaskPriority
from tests.cli.conftest import Run, Spawn
from tests.servers import ServerProcess


def test_prints_the_id_alone(run: Run, queue: TaskQueue) -> None:
    result = run("submit", "resize", '{"file": "a.png"}')
    task = queue.get_task(result.stdout.strip())
    assert result.stdout == f"{task.task_id}\n"
    assert result.stderr == ""
    assert (task.task_type, task.payload, task.priority) == ("resize", {"file": "a.png"}, TaskPriority.NORMAL)


def test_every_option_reaches_the_task(run_json: Callable[..., Any], queue: TaskQueue) -> None:
    options = (
        "--priority 15 --queue mail --max-retries 7 --retry-delay 2m --timeout 30s --expires-in 1d "
        '--unique-key order-1 --ordering-key customer-7 --metadata {"by":"me"} --id my-task'
    )
    assert run_json("submit", "order", "[1,2]", *options.split()) == {"task_id": "my-task"}
    task = queue.get_task("my-task")
    assert task.priority is TaskPriority.URGENT
    assert (task.queue, task.max_retries, task.retry_delay) == ("mail", 7, 120.0)
    assert (task.timeout, task.expires_in, task.unique_key) == (30.0, 86400.0, "order-1")
    assert task.ordering_key == "customer-7"
    assert (task.metadata, task.payload) == ({"by": "me"}, [1, 2])


APP = """
from taskq import TaskQueue

app = TaskQueue()

@app.task(priority="high", queue="mail", max_retries=7, retry_delay=5, timeout=30, limit_keys=["smtp"], version=2,
          unique_key="one", unique_policy="reject", metadata={"team": "post"}, group_key="g")
def send(to, copies=1):
    return to

@app.task(queue="letters", priority="urgent")
def report(kind):
    return kind

def register(worker):
    worker.register_handler("plain", lambda task: None, schema={"type": "integer"})
"""


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module with an app."""
    (tmp_path / "postoffice.py").write_text(APP)
    yield "postoffice"
    sys.modules.pop("postoffice", None)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("submit echo 1 --timeout 0", "timeout is 0: use a number of seconds above 0, or leave it out"),
        ("submit echo 1 --unique-key k --unique-ttl 0", "--unique-ttl is 0: use a number of seconds above 0, or"),
        ("submit echo 1 --unique-key k --unique-policy debounce", "--unique-window is not given and --unique-policy"),
        ("circuit set smtp --open-for 0", "--open-for is 0: use a number of seconds above 0"),
        ("submit echo 1 --unique-ttl 1m", "belong to a --unique-key: give one"),
        ("submit echo 1 --id 'unique_ttl'", "\"'unique_ttl'\" cannot be used as a task id"),
        ("worker --hung-after 0", "--hung-after is 0: an idle claim loop"),
        ("schedule add often --every 0 echo", "an interval is at least 0.1 s, got 0"),
    ],
)
def test_values_are_told_in_plain_words(run: Run, command: str, message: str) -> None:
    result = run(*command.split())
    assert result.exit_code == 2
    assert message in result.stderr
    assert not re.search(r"\bNone\b|\b0\.0\b|\bTrue\b|\bFalse\b", result.stderr)


def test_what_a_type_declares_holds_but_for_what_is_said(
    run: Run, run_json: Callable[..., Any], queue: TaskQueue, declared: str
) -> None:
    said = ("--handlers", f"{declared}:app", "--priority", "normal", "--max-retries", "3", "--id", "my-task")
    run_json("submit", "postoffice.send", '{"to": "ann"}', *said)
    task = queue.get_task("my-task")
    assert (task.priority, task.max_retries) == (TaskPriority.NORMAL, 3), "defaults of the command, but said"
    assert (task.queue, task.retry_delay, task.timeout, task.version) == ("mail", 5, 30, 2)
    assert (task.unique_key, task.unique_policy, task.group_key) == ("one", "reject", "g")
    assert (task.metadata, list(task.limit_keys)) == ({"team": "post"}, ["smtp"])
    assert task.payload == {"args": [], "kwargs": {"to": "ann"}}, "as .delay sends it"
    result = run("submit", "postoffice.send", '"ann"', "--handlers", declared)
    assert result.exit_code == 1
    assert "unique key" in result.stderr, "the policy that was declared"
    run_json("submit", "postoffice.send", '"bob"', "--handlers", declared, "--unique-key", "two", "--id", "other")
    assert (queue.get_task("other").priority, queue.get_task("other").unique_key) == (TaskPriority.HIGH, "two")
    run_json("submit", "plain", "7", "--handlers", declared, "--id", "third")
    assert (queue.get_task("third").payload, queue.get_task("third").queue) == (7, None)
    assert "is not of type 'integer'" in run("submit", "plain", '"x"', "--handlers", declared).stderr


@pytest.mark.parametrize("name", ["postofice.send", "send"])
def test_a_type_that_is_declared_nowhere(run: Run, declared: str, name: str) -> None:
    result = run("submit", name, "--handlers", declared)
    assert result.exit_code == 2
    assert f"has no type {name}" in result.stderr
    assert "did you mean postoffice.send?" in result.stderr


def test_a_schedule_takes_what_is_declared(run_json: Callable[..., Any], queue: TaskQueue, declared: str) -> None:
    flags = ("--every", "1h", "--handlers", declared, "--priority", "low")
    run_json("schedule", "add", "hourly", *flags, "postoffice.report", '"daily"')
    (added,) = TaskScheduler(queue).list_schedules()
    assert (added.queue, added.priority) == ("letters", "low")


@pytest.mark.parametrize(
    ("args", "stdin", "expected"),
    [
        (["echo"], None, ("echo", None)),
        (['{"query": "x"}'], None, ("agent_query", {"query": "x"})),
        (["-"], '"from stdin"', ("agent_query", "from stdin")),
        (["echo", "-"], "[1]", ("echo", [1])),
        (["5"], None, ("5", None)),
    ],
)
def test_type_and_payload(
    run: Run, queue: TaskQueue, args: list[str], stdin: str | None, expected: tuple[str, Any]
) -> None:
    result = run("submit", *args, stdin=stdin)
    assert result.exit_code == 0, result.stderr
    task = queue.get_task(result.stdout.strip())
    assert (task.task_type, task.payload) == expected


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "Nothing to submit"),
        (["echo", "hello"], "a text is quoted twice: '\"hello\"'"),
        (["echo", "{a: 1}"], "put single quotes around the whole and double quotes around names and texts"),
        (["echo", "[" * 100_000], "is not JSON"),
        (["echo", "1", "2"], "Too many arguments: '2'"),
        (["a/b"], "'a/b' cannot be used as a task type"),
        (["echo", "--priority", "hihg"], "use one of urgent (15), high (10), normal (5), low (0)"),
        (["echo", "--delay", "5x"], "'5x' is not a duration"),
        (["echo", "--at", "tomorrow"], "write it like 2026-11-21T09:00"),
        (["echo", "--at", "2030-01-01", "--delay", "1"], "leave one of them out"),
        (["echo", "--metadata", "[1]"], "is JSON, but no object"),
        (["echo", "--count", "2", "--id", "x"], "leave one of them out"),
        (["echo", "--wait", "{}"], "put --wait at the end of the line"),
        (["echo", "--timeout", "0"], "use a number of seconds above 0"),
        (["echo", "--max-retries", "-1"], "not in the range"),
        (["echo", "--max-retries", "x"], "'x' is not a whole number: use one from 0 to 1,000,000"),
        (["echo", "--id", ""], "'' cannot be used as a task id"),
        (["echo", "--ordering-key", ""], "'' cannot be used as an ordering key"),
        (["echo", "--unique-key", ""], "'' cannot be used as a unique key"),
        (["echo", "--group-key", ""], "'' cannot be used as a group key"),
        (["echo", "--limit-key", ""], "cannot be used as a limit key"),
        (["echo", "--at", "9000-01-01"], "9000-01-01T00:00:00 is more than 100 years away"),
        (["echo", "--at", "9999-12-31T23:59Z"], "is more than 100 years away"),
    ],
)
def test_wrong_arguments_are_usage_errors(run: Run, queue: TaskQueue, args: list[str], message: str) -> None:
    result = run("submit", *args)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
    assert "submitted" not in queue.get_queue_stats().counters


def test_too_large_a_payload_is_refused(run: Run) -> None:
    result = run("submit", "echo", json.dumps("x" * 2000), env={"TASKQ_MAX_MESSAGE_SIZE": "1KB"})
    assert result.exit_code == 2
    assert "more than the 1,024 allowed" in result.stderr


def test_an_id_that_is_taken_fails(run: Run) -> None:
    assert run("submit", "echo", "--id", "mine").stdout == "mine\n"
    result = run("submit", "echo", "2", "--id", "mine")
    assert result.exit_code == 1
    assert "mine" in result.stderr
    assert "Leave --id out to have one made up" in result.stderr


def test_a_full_queue_fails(run: Run) -> None:
    limit = {"TASKQ_MAX_QUEUE_LENGTH": "1"}
    assert run("submit", "echo", env=limit).exit_code == 0
    result = run("submit", "echo", env=limit)
    assert result.exit_code == 1
    assert "may hold 1" in result.stderr


def test_delay_and_at(run: Run, queue: TaskQueue) -> None:
    when = datetime.now(UTC) + timedelta(hours=1)
    delayed = run("submit", "echo", "--delay", "1h").stdout.strip()
    planned = run("submit", "echo", "--at", when.isoformat()).stdout.strip()
    over = run("submit", "echo", "--at", "2020-01-01T00:00Z")
    assert "2020-01-01T00:00:00+00:00 is over: the task starts at once" in over.stderr
    past = over.stdout.strip()
    assert [queue.get_task_status(task_id)["status"] for task_id in (delayed, planned, past)] == [
        "scheduled",
        "scheduled",
        "pending",
    ]


def test_count_sends_batches(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    ids = run("submit", "echo", "--count", "5", env={"TASKQ_BATCH_SIZE": "2"}).stdout.split()
    assert len(set(ids)) == 5
    assert len(run_json("submit", "echo", "--count", "1")["task_ids"]) == 1
    assert queue.get_queue_stats().pending_tasks == 6


def test_what_is_said_about_a_unique_key(run: Run, queue: TaskQueue) -> None:
    said = "--unique-policy debounce --unique-window 5m --unique-ttl 1h --idempotency 1d"
    result = run("submit", "echo", "--unique-key", "k", *said.split())
    task = queue.get_task(result.stdout.strip())
    assert task.uniqueness == ("debounce", 3600.0, 300.0, 86400.0)
    shown = run("task", "show", task.task_id).stdout
    assert "debounce, ttl 1h, window 5m, idempotency 1d" in " ".join(shown.split())
    refused = run("submit", "echo", "--unique-key", "k", "--unique-policy", "reject")
    assert refused.exit_code != 0
    assert f"task {task.task_id} holds the unique key 'k': nothing was stored" in refused.stderr


def test_a_live_unique_key_shows_the_first_task(run: Run, queue: TaskQueue) -> None:
    first = run("submit", "echo", "--unique-key", "k").stdout
    second = run("submit", "echo", "--unique-key", "k")
    assert second.stdout == first
    assert "a task with the key k is there already" in second.stderr
    assert queue.get_queue_stats().pending_tasks == 1


def test_wait_is_over_with_124_and_says_that_no_worker_runs(run: Run) -> None:
    result = run("submit", "echo", "--wait", "50ms")
    assert result.exit_code == 124
    assert "no worker is running" in result.stderr
    assert "has not ended within 0.05 s" in result.stderr
    assert result.stdout == ""


@pytest.mark.usefixtures("worker")
class TestWithWorker:
    def test_wait_prints_the_value(self, run: Run, run_json: Callable[..., Any]) -> None:
        result = run("submit", "echo", '{"hello": "wörld"}', "--wait")
        assert json.loads(result.stdout) == {"hello": "wörld"}
        assert "wörld" in result.stdout
        assert result.exit_code == 0
        assert run("submit", "echo", '"plain"', "--wait", "10s").stdout == "plain\n"
        as_json = run_json("submit", "echo", "[1]", "--wait")
        assert (as_json["status"], as_json["result"]) == ("completed", [1])

    def test_wait_for_a_failure_ends_with_1(self, run: Run) -> None:
        result = run("submit", "boom", '"\x1b[2J"', "--max-retries", "0", "--wait", "10s")
        assert result.exit_code == 2  # a raw control character is no JSON
        result = run("submit", "boom", '"\\u001b[2J"', "--max-retries", "0", "--wait", "10s")
        assert result.exit_code == 1
        assert "ValueError: cannot do \\x1b[2J" in result.stderr
        assert result.stdout == ""
        as_json = run("submit", "boom", "1", "--max-retries", "0", "--wait", "10s", "--json")
        assert as_json.exit_code == 1
        assert json.loads(as_json.stdout)["status"] == "failed"

    def test_wait_says_why_no_worker_runs_it(self, run: Run) -> None:
        misspelt = run("submit", "ehco", "--wait", "50ms")
        assert misspelt.exit_code == 124
        assert "no running worker knows the type ehco: did you mean echo?" in misspelt.stderr
        elsewhere = run("submit", "echo", "--queue", "mail", "--wait", "50ms")
        assert "no running worker serves the list mail:normal" in elsewhere.stderr

    def test_wait_for_many(self, run_json: Callable[..., Any]) -> None:
        results = run_json("submit", "echo", "7", "--count", "3", "--wait", "10s")
        assert [result["result"] for result in results] == [7, 7, 7]

    def test_ctrl_c_while_waiting_ends_with_130(self, spawn: Spawn) -> None:
        process = spawn("submit", "slow", "--wait")
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "waiting for the result" in line
        process.send_signal(2)
        out, err = process.communicate(timeout=10)
        assert process.returncode == 130
        assert "Traceback" not in err
        assert out == ""


def test_durability(run: Run, server: ServerProcess) -> None:
    refused = run("submit", "echo", "--durability", "replicated", "--redis-url", server.url)
    assert refused.exit_code == 3
    assert "0 replicas online" in refused.stderr
    assert run("submit", "echo", "--durability", "safe").exit_code == 2
    configured = {"TASKQ_DURABILITY": "replicated"}
    assert run("submit", "echo", "--delay", "1m", "--redis-url", server.url, env=configured).exit_code == 3
    done = run("submit", "echo", "--durability", "memory", "--redis-url", server.url, env=configured)
    assert done.exit_code == 0
