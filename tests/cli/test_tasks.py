"""``taskq task``."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import redis

from taskq import Task, TaskWorker
from taskq.flows import due_in
from taskq.protocol.operations import CrashLimits
from taskq.queue import TaskQueue
from taskq.scheduler import TaskScheduler
from tests.cli.conftest import Run
from tests.conformance.clients import Hands
from tests.waiting import eventually


def _fail(task: Task) -> None:
    raise ValueError(f"cannot do {task.payload}")


def _run_all(queue: TaskQueue) -> None:
    """Run what waits: ``echo`` completes, ``fail`` fails."""
    worker = TaskWorker(queue)
    worker.register_handler("fail", _fail)
    worker.register_handler("echo", lambda task: task.payload)
    worker.run_until_empty()


def test_ls_shows_live_tasks_first_and_says_what_is_left_out(run: Run, queue: TaskQueue) -> None:
    done = queue.submit_task(Task(task_type="echo"))
    _run_all(queue)
    waiting = queue.submit_batch([Task(task_type="a.very.long.type.that.is.not.cut", queue="mail") for _ in range(2)])
    lines = run("task", "ls").stdout.splitlines()
    assert lines[0].split() == ["ID", "STATUS", "TYPE", "QUEUE", "PRIORITY", "AGE", "RETRIES", "WORKER", "ERROR"]
    assert {line.split()[0] for line in lines[1:3]} == set(waiting)
    assert lines[3].split()[:3] == [done, "completed", "echo"]
    cut = run("task", "ls", "--limit", "2")
    assert len(cut.stdout.splitlines()) == 3
    assert "the first 2 are shown" in cut.stderr


def test_ls_by_status(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    failed = queue.submit_task(Task(task_type="fail", payload="x", max_retries=0))
    _run_all(queue)
    queue.submit_task(Task(task_type="echo"))
    assert [item["task_id"] for item in run_json("task", "ls", "--status", "failed")] == [failed]
    assert "ValueError: cannot do x" in run("task", "ls", "--status", "FAILED").stdout
    assert len(run_json("task", "ls", "--status", "failed", "--status", "pending")) == 2
    assert run_json("task", "ls", "--status", "running") == []
    empty = run("task", "ls", "--status", "running")
    assert empty.stdout == ""
    assert "there is no task that is running" in empty.stderr


def test_show_of_a_group_names_the_list_that_has_the_task(
    run: Run, run_json: Callable[..., Any], queue: TaskQueue, redis_client: redis.Redis
) -> None:
    task_id = queue.submit_task(Task(task_type="report", group_key="ada", queue="mail"))
    card = run_json("task", "show", task_id)
    assert redis_client.lrange(card["key"], 0, -1) == [task_id]
    assert "in queue mail, priority normal, group ada  (" in run("task", "show", task_id).stdout


def test_show_pending(run: Run, queue: TaskQueue, prefix: str) -> None:
    task_id = queue.submit_task(
        Task(task_type="report", payload={"ä": [1]}, queue="mail", priority="high", metadata={"by": "me"})
    )
    shown = run("task", "show", task_id).stdout
    assert f"where     in queue mail, priority high  ({prefix}:queue:mail:high)" in shown
    assert '"ä": [' in shown
    assert '"by": "me"' in shown
    assert "● submitted  20" in shown


def test_what_is_to_come_is_hollow(run: Run, queue: TaskQueue) -> None:
    task_id = queue.submit_later(Task(expires_in=7200), due_in(3600))
    shown = run("task", "show", task_id).stdout
    assert re.findall(r"^  ([●○]) (\w+) ", shown, re.MULTILINE) == [("●", "submitted"), ("○", "due"), ("○", "expires")]
    assert re.search(r"○ due .* in (59m|1h)", shown)


def test_show_failed(run: Run, queue: TaskQueue, prefix: str) -> None:
    task_id = queue.submit_task(Task(task_type="fail", payload="\x1b[2J", max_retries=0))
    _run_all(queue)
    shown = run("task", "show", task_id).stdout
    assert f"taskq dlq replay {task_id}` runs it again  ({prefix}:dead)" in shown
    assert "  Traceback (most recent call last):" in shown
    order = re.findall(r"^  ● (\w+) +20\S+  (ago|after|\d)", shown, re.MULTILINE)
    assert [word for word, _ in order] == ["submitted", "started", "failed"]
    assert [pause for _, pause in order][1:] == ["after", "after"]
    assert re.search(r"● started .*, on worker-\w+, attempt 1$", shown, re.MULTILINE)
    assert "ValueError: cannot do \\x1b[2J" in shown
    assert "\x1b" not in shown


def test_show_completed_and_long_payload(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    payload = "y" * 5_000
    task_id = queue.submit_task(Task(task_type="echo", payload=payload))
    _run_all(queue)
    shown = run("task", "show", task_id).stdout
    assert shown.count("y") < 4_100
    assert "... cut: 5,002 characters in all; --json shows the whole" in shown
    card = run_json("task", "show", task_id)
    assert card["task"]["payload"] == payload
    assert card["result"]["result"] == payload
    assert card["status"]["status"] == "completed"
    assert card["task"]["queue"] == "default"


def test_show_says_when_a_delayed_task_starts(run: Run, run_json: Callable[..., Any], queue: TaskQueue) -> None:
    task_id = TaskScheduler(queue).schedule_task_in(Task(task_type="echo"), 3600)
    assert re.search(r"○ due .*  in (59m 5|1h)", run("task", "show", task_id).stdout)
    card = run_json("task", "show", task_id)
    assert card["due"] > card["status"]["created_at"]


def test_show_running(run: Run, queue: TaskQueue, worker: object) -> None:
    task_id = queue.submit_task(Task(task_type="slow"))
    eventually(lambda: queue.get_task_status(task_id)["progress"], what="progress")
    shown = run("task", "show", task_id).stdout
    assert "where     on worker-" in shown
    assert '"half": true' in shown


def test_show_tells_a_crash_from_a_retry(
    run: Run, run_json: Callable[..., Any], queue: TaskQueue, redis_url: str, prefix: str
) -> None:
    task_id = queue.submit_task(Task())
    dying, hands = Hands(redis_url, prefix, "dying"), Hands(redis_url, prefix)

    def shown() -> str:
        (line,) = [line for line in run("task", "show", task_id).stdout.splitlines() if line.startswith("attempts ")]
        return line.removeprefix("attempts ").strip()

    assert shown() == "none yet, retries 0 of 3"
    dying.claim()
    assert shown() == "1, retries 0 of 3"
    hands.run(hands.protocol.evict(dying.name, True, 1, CrashLimits(9, 60_000)))
    assert shown() == "1, crashes 1, retries 0 of 3"
    hands.claim()
    assert shown() == "2, crashes 1, retries 0 of 3"
    assert "attempt 2" in run("task", "show", task_id).stdout
    assert run_json("task", "show", task_id).items() >= {"attempts": 2, "crashes": 1}.items()
    hands.end(task_id, "retry", error="ValueError: no")
    assert shown() == "2, crashes 1, retries 1 of 3"
    eventually(hands.claim, what="the retry")
    hands.end(task_id)
    assert shown() == "3", "of a completed one the number of its attempts alone is kept"
    for worker in (dying, hands):
        worker.close()


def test_unknown_task(run: Run) -> None:
    for command in ("show", "cancel", "retry"):
        result = run("task", command, "nope")
        assert result.exit_code == 1
        assert "there is no task nope" in result.stderr
        assert result.stdout == ""


def test_cancel_waiting_running_and_ended(run: Run, queue: TaskQueue, worker: object) -> None:
    ended = queue.submit_task(Task(task_type="boom", max_retries=0))
    running = queue.submit_task(Task(task_type="slow"))
    eventually(lambda: queue.get_task_status(running)["status"] == "running", what="a running task")
    waiting = TaskScheduler(queue).schedule_task_in(Task(task_type="echo"), 3600)
    queue.wait_for_result(ended, 10)
    result = run("task", "cancel", waiting, running, ended)
    assert result.exit_code == 0
    assert [line.split("  ") for line in result.stdout.splitlines()] == [
        [waiting, "cancelled"],
        [running, "is running; its handler has been asked to stop"],
        [ended, "had ended before: failed"],
    ]
    assert queue.wait_for_result(running, 10)["status"] in ("cancelled", "completed")


def test_retry(run: Run, queue: TaskQueue) -> None:
    failed = queue.submit_task(Task(task_type="fail", max_retries=0))
    done = queue.submit_task(Task(task_type="echo"))
    _run_all(queue)
    result = run("task", "retry", failed, done, "--json")
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)
    assert first == {"task_id": failed, "outcome": "pending"}
    assert second["outcome"] == "refused"
    assert "only failed and cancelled tasks can be run again" in second["error"]
    assert queue.get_task_status(failed)["status"] == "pending"
    assert run("task", "retry", failed).exit_code == 1


def test_control_characters_in_an_error_stay_out_of_the_table(run: Run, queue: TaskQueue) -> None:
    queue.submit_task(Task(task_type="fail", payload="\x1b[2J\nfoo", max_retries=0))
    _run_all(queue)
    assert "\x1b" not in run("task", "ls").stdout


def test_show_does_not_say_how_many_retries_there_may_be_if_a_policy_allows_more(
    run: Run, queue: TaskQueue, redis_url: str, prefix: str
) -> None:
    task_id = queue.submit_task(Task(max_retries=0))
    hands = Hands(redis_url, prefix)
    hands.claim()
    hands.end(task_id, "retry", error="ValueError: no")
    assert re.search(r"^attempts +1, retries 1$", run("task", "show", task_id).stdout, re.MULTILINE)
