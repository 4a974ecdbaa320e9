"""What users have for tests of their own: fixtures, a clock, inline runs, assertions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from taskq import Settings, SettingsError, Task, TaskContext, TaskNotFound, TaskQueue, TaskScheduler
from taskq.testing import FakeClock, assert_submitted, attached, drain, inline, submitted
from taskq.testing.namespace import audit_keys


@pytest.fixture
def queue(redis_url: str, prefix: str) -> TaskQueue:
    return TaskQueue(redis_url, prefix=prefix)


# -- the clock --


def test_a_delay_is_over_when_the_clock_has_gone_on(queue: TaskQueue) -> None:
    clock = FakeClock(queue)
    task_id = TaskScheduler(queue).schedule_task_in(Task(task_type="echo"), 3600)
    clock.advance(3599)
    assert drain(queue, {"echo": lambda task: None}) == 0
    clock.advance(2)
    assert drain(queue, {"echo": lambda task: None}) == 1
    assert queue.get_task_status(task_id)["status"] == "completed"
    assert clock.seconds == 3601


def test_retries_come_without_waiting_and_a_result_expires(queue: TaskQueue) -> None:
    clock = FakeClock(queue)
    attempts: list[int] = []

    def flaky(task: Task, ctx: TaskContext) -> None:
        attempts.append(ctx.attempt)
        if ctx.attempt < 3:
            raise OSError("not yet")

    task_id = queue.submit_task(Task(task_type="flaky", max_retries=5, retry_delay=60, result_ttl=600))
    while queue.get_task_status(task_id)["status"] != "completed":
        drain(queue, {"flaky": flaky})
        clock.advance(300)
    assert attempts == [1, 2, 3]
    assert audit_keys(queue) == []
    clock.advance(601)
    with pytest.raises(TaskNotFound):
        queue.get_task_status(task_id)


def test_a_task_expires(queue: TaskQueue) -> None:
    clock = FakeClock(queue)
    task_id = queue.submit_task(Task(task_type="echo", expires_in=60))
    clock.advance(61)
    drain(queue, {"echo": lambda task: None})
    assert queue.get_task_status(task_id)["status"] == "cancelled"


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_time_goes_on(queue: TaskQueue, seconds: float) -> None:
    with pytest.raises(ValueError, match="time goes on"):
        FakeClock(queue).advance(seconds)


def test_a_clock_is_for_one_namespace(redis_url: str, prefix: str) -> None:
    with pytest.raises(SettingsError, match="one partition"):
        FakeClock(TaskQueue(settings=Settings(redis_url=redis_url, prefix=prefix, partitions=2)))


# -- inline --


def test_a_submit_comes_back_with_the_work_done(queue: TaskQueue) -> None:
    @queue.task
    def add(a: int, b: int) -> int:
        return a + b

    with inline(queue):
        handle = add.delay(1, 2)
        assert handle.status() == "completed"
        assert handle.result(timeout=0.1) == 3
        ids = queue.submit_batch([add.task([1, 1], {}), add.task([2, 2], {})])
        assert [queue.get_task_status(task_id)["status"] for task_id in ids] == ["completed", "completed"]
    assert add.delay(1, 2).status() == "pending", "inline is over"


def test_what_a_handler_submits_is_run_too(queue: TaskQueue) -> None:
    done: list[str] = []

    def parent(task: Task, ctx: TaskContext) -> None:
        ctx.submit(Task(task_type="child"))
        done.append("parent")

    with inline(queue, {"parent": parent, "child": lambda task: done.append("child")}):
        queue.submit_task(Task(task_type="parent"))
    assert done == ["parent", "child"]


def test_a_task_that_raises_does_not_raise_here(queue: TaskQueue) -> None:
    with inline(queue, {"broken": lambda task: 1 / 0}, queues=["mail"]):
        task_id = queue.submit_task(Task(task_type="broken", queue="mail", max_retries=0))
    assert queue.list_dead()[0].task_id == task_id


# -- assertions --


def test_what_was_submitted_is_found_by_its_fields(queue: TaskQueue) -> None:
    queue.submit_task(Task(task_type="mail", payload={"to": "ada"}, priority="high"))
    drain(queue, {"mail": lambda task: None})
    queue.submit_task(Task(task_type="mail", payload={"to": "bob"}))
    queue.submit_task(Task(task_type="other"))
    assert [task.payload for task in submitted(queue, "mail")] == [{"to": "ada"}, {"to": "bob"}]
    (found,) = assert_submitted(queue, "mail", payload={"to": "ada"}, priority="high")
    assert found.priority.label == "high"
    assert_submitted(queue, "mail", count=2)
    assert_submitted(queue, "mail", count=0, queue="elsewhere")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"payload": 2}, r"at least one of type 'mail' with payload=2, found 0; submitted were:\n  mail payload=1"),
        ({"count": 2}, r"expected 2 of type 'mail', found 1"),
        ({"count": 0}, r"expected 0 of type 'mail', found 1"),
    ],
)
def test_a_failed_assertion_shows_what_there_is(queue: TaskQueue, options: dict[str, int], message: str) -> None:
    queue.submit_task(Task(task_type="mail", payload=1))
    with pytest.raises(AssertionError, match=message):
        assert_submitted(queue, "mail", **options)


def test_an_assertion_on_an_empty_queue(queue: TaskQueue) -> None:
    with pytest.raises(AssertionError, match="nothing was submitted"):
        assert_submitted(queue, "mail")


# -- the queue of an application --


def test_the_queue_of_an_application_works_elsewhere_for_a_while(redis_url: str, prefix: str) -> None:
    app = TaskQueue("redis://127.0.0.1:1/0", prefix="production")

    @app.task
    def add(a: int, b: int) -> int:
        return a + b

    with attached(app, redis_url, prefix) as queue:
        handle = add.delay(1, 2)
        drain(queue)
        assert handle.result(timeout=5) == 3
    assert app.settings.prefix == "production"
    assert [spec.function(1, 2) for spec in app.registry] == [3]


# -- the plugin --

USER_TEST = """
from taskq import Task, TaskQueue
from taskq.testing import assert_submitted, drain

app = TaskQueue("redis://127.0.0.1:1/0")


@app.task
def add(a, b):
    return a + b


def test_a_queue(taskq_queue):
    taskq_queue.submit_task(Task(task_type="echo"))
    assert_submitted(taskq_queue, "echo")


def test_another_queue_is_empty(taskq_queue, taskq_attach):
    taskq_attach(app)
    assert_submitted(taskq_queue, "echo", count=0)
    handle = add.delay(1, 2)
    assert drain(app) == 1
    assert handle.result(timeout=5) == 3


def test_the_application_is_as_before():
    assert app.settings.prefix == "agent_queue"
"""


@pytest.mark.parametrize("given", [True, False], ids=["a server is given", "a server is started"])
def test_the_fixtures_are_there_without_a_word(tmp_path: Path, redis_url: str, given: bool) -> None:
    (tmp_path / "test_shop.py").write_text(USER_TEST)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TASKQ_TEST")}
    if given:
        environment["TASKQ_TEST_REDIS_URL"] = redis_url
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shop.py"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_the_plugin_costs_nothing_before_it_is_used() -> None:
    code = "import sys; import taskq.testing.plugin; print([m for m in sys.modules if m.startswith('taskq.queue')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"
