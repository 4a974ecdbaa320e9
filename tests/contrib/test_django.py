"""taskq in a Django project: settings, submits on commit, the backend for ``django.tasks``, ``manage.py``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis

from taskq import InvalidTask, QueueStats, Task, TaskQueue, TaskWorker

ROOT = Path(__file__).parents[2]
django = pytest.importorskip("django", reason="Django is not installed: pip install 'taskq[django]'")
# a file, since Django never closes a database in memory
_folder = tempfile.TemporaryDirectory()
os.environ["SITE_DATABASE"] = f"{_folder.name}/db.sqlite3"
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.contrib.site.settings"
django.setup()

from django.core.checks import run_checks  # noqa: E402 - Django has to be set up before
from django.core.exceptions import ImproperlyConfigured  # noqa: E402
from django.core.management import CommandError, call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.utils import timezone  # noqa: E402

from taskq.contrib.django import get_queue, submit_on_commit  # noqa: E402
from taskq.contrib.django.backend import list_of  # noqa: E402
from taskq.contrib.django.handlers import register  # noqa: E402
from taskq.contrib.django.interface import (  # noqa: E402
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_enqueued,
    task_finished,
    task_started,
)


@pytest.fixture(scope="module")
def project(redis_url: str) -> Iterator[TaskQueue]:
    """The queue of the project: there is one for the process, since decorators hold on to it."""
    with override_settings(TASKQ={"REDIS_URL": redis_url, "PREFIX": f"t-{uuid.uuid4().hex[:12]}"}):
        yield get_queue()
        get_queue().close()


@pytest.fixture
def queue(project: TaskQueue, redis_client: redis.Redis) -> Iterator[TaskQueue]:
    """The queue of the project, with nothing in it."""
    yield project
    redis_client.delete(*redis_client.scan_iter(match=f"{project.settings.prefix}*", count=1000), "none")


@pytest.fixture
def shop(queue: TaskQueue) -> Any:
    from tests.contrib.site.shop import tasks

    return tasks


@pytest.fixture
def work(queue: TaskQueue) -> Callable[[], int]:
    def run() -> int:
        worker = TaskWorker(queue, queues=["default", "mail"])
        register(worker)
        return worker.run_until_empty()

    return run


# -- settings --


def test_a_setting_that_does_not_exist_is_named_by_the_check() -> None:
    with override_settings(TASKQ={"PREFFIX": "shop"}):
        (message,) = run_checks(tags=["taskq"])
        assert "did you mean prefix?" in message.msg
        with pytest.raises(ImproperlyConfigured, match="preffix is not a setting"):
            get_queue.__wrapped__()


@pytest.mark.parametrize("wrong", ["redis://host", {"prefix": "small"}])
def test_settings_are_a_dict_with_names_in_capitals(wrong: object) -> None:
    with override_settings(TASKQ=wrong):
        (message,) = run_checks(tags=["taskq"])
        assert 'such as {"REDIS_URL"' in message.msg


def test_a_password_in_the_settings_is_not_shown() -> None:
    with override_settings(TASKQ={"REDIS_URL": "redis://user:hunter2@host:port/0"}):
        (message,) = run_checks(tags=["taskq"])
        assert "hunter2" not in message.msg


# -- on commit --


def pending(queue: TaskQueue) -> int:
    stats: QueueStats = queue.get_queue_stats()
    return stats.pending_tasks


def test_a_task_is_submitted_when_the_transaction_commits(queue: TaskQueue) -> None:
    with transaction.atomic():
        task_id = submit_on_commit(Task(task_type="echo"))
        assert pending(queue) == 0
    assert queue.get_task_status(task_id)["status"] == "pending"


def test_a_task_of_a_transaction_that_is_rolled_back_is_never_submitted(queue: TaskQueue) -> None:
    with transaction.atomic():
        submit_on_commit(Task(task_type="echo"))
        transaction.set_rollback(True)
    assert pending(queue) == 0


def test_outside_of_a_transaction_it_is_submitted_at_once(queue: TaskQueue) -> None:
    submit_on_commit(Task(task_type="echo"))
    assert pending(queue) == 1


def test_a_payload_that_is_no_json_is_refused_before_the_commit(queue: TaskQueue) -> None:
    with transaction.atomic(), pytest.raises(InvalidTask):
        submit_on_commit(Task(payload={"order": object()}))
    assert pending(queue) == 0


# -- django.tasks --


@pytest.mark.parametrize(
    ("priority", "label"), [(-100, "low"), (-1, "low"), (0, "normal"), (1, "high"), (50, "high"), (51, "urgent")]
)
def test_priorities_of_django_have_their_lists(priority: int, label: str) -> None:
    assert list_of(priority).label == label


@pytest.mark.parametrize("name", ["add", "add_async"])
def test_a_task_runs_and_its_result_is_found(shop: Any, work: Callable[[], int], name: str) -> None:
    result = getattr(shop, name).enqueue(2, b=3)
    assert (result.status, result.attempts) == (TaskResultStatus.READY, 0)
    assert work() == 1
    result.refresh()
    assert (result.status, result.return_value, result.attempts) == (TaskResultStatus.SUCCESSFUL, 5, 1)
    assert result.enqueued_at <= result.started_at <= result.finished_at
    assert (result.args, result.kwargs) == ([2], {"b": 3})


def test_a_task_is_given_its_context(shop: Any, work: Callable[[], int]) -> None:
    result = shop.attempt.enqueue("hello")
    work()
    result.refresh()
    assert result.return_value == [1, result.id, "hello"]


def test_a_task_that_raises_has_its_error_and_is_not_run_again(shop: Any, work: Callable[[], int]) -> None:
    result = shop.broken.enqueue()
    work()
    result.refresh()
    assert (result.status, result.attempts) == (TaskResultStatus.FAILED, 1)
    (error,) = result.errors
    assert error.exception_class is LookupError
    assert "tasks.py" in error.traceback


def test_a_task_may_wait_for_its_moment_in_its_list(shop: Any, queue: TaskQueue) -> None:
    result = shop.add.using(run_after=timezone.now() + timedelta(hours=1), priority=80).enqueue(1)
    status = queue.get_task_status(result.id)
    assert (status["status"], status["priority"]) == ("scheduled", "urgent")


def test_a_backend_may_wait_for_the_commit(shop: Any, queue: TaskQueue) -> None:
    with transaction.atomic():
        result = shop.add.using(backend="committed").enqueue(1)
        assert pending(queue) == 0
    assert queue.get_task(result.id).timeout == 30


def test_the_signals_of_django_are_sent(shop: Any, work: Callable[[], int]) -> None:
    seen: list[tuple[str, Any]] = []
    signals = {"enqueued": task_enqueued, "started": task_started, "finished": task_finished}
    receivers = {
        name: (lambda sender, task_result, name=name, **_: seen.append((name, task_result.status))) for name in signals
    }
    for name, signal in signals.items():
        signal.connect(receivers[name])
    try:
        shop.add.enqueue(1)
        shop.broken.enqueue()
        work()
    finally:
        for name, signal in signals.items():
            signal.disconnect(receivers[name])
    assert sorted(seen) == [
        ("enqueued", "READY"),
        ("enqueued", "READY"),
        ("finished", "FAILED"),
        ("finished", "SUCCESSFUL"),
        ("started", "RUNNING"),
        ("started", "RUNNING"),
    ]


def test_a_result_that_is_not_there_is_said_in_djangos_words(shop: Any, queue: TaskQueue) -> None:
    backend = shop.add.get_backend()
    with pytest.raises(TaskResultDoesNotExist):
        backend.get_result("never-seen")
    foreign = queue.submit_task(Task(task_type="somebody.elses"))
    with pytest.raises(TaskResultDoesNotExist, match="is of type 'somebody"):
        backend.get_result(foreign)


def test_decorated_functions_are_known_to_the_workers(shop: Any, work: Callable[[], int]) -> None:
    handle = shop.greet.delay("Ada")
    work()
    assert handle.result(timeout=5) == "Hello, Ada!"


def test_no_task_finds_an_old_connection_of_the_one_before(shop: Any, queue: TaskQueue) -> None:
    worker = TaskWorker(queue, concurrency=1)  # so that both run on one thread
    register(worker)
    first, second = shop.connect.enqueue(), shop.connect.enqueue()
    assert worker.run_until_empty() == 2
    first.refresh()
    second.refresh()
    assert [first.return_value, second.return_value] == ["new", "new"]


# -- manage.py --


def manage(redis_url: str, prefix: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SITE_REDIS_URL": redis_url, "SITE_PREFIX": prefix, "PYTHONPATH": str(ROOT)}
    del environment["DJANGO_SETTINGS_MODULE"]
    return subprocess.run(
        [sys.executable, "-m", "django", *words, "--settings", "tests.contrib.site.settings"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_manage_py_runs_a_worker_in_processes_of_its_own(shop: Any, queue: TaskQueue, redis_url: str) -> None:
    result = shop.add.enqueue(20, 22)
    done = manage(redis_url, queue.settings.prefix, "taskq_worker", "--burst")
    assert done.returncode == 0, done.stderr
    assert "tests.contrib.site.shop.tasks.add" in done.stdout
    result.refresh()
    assert result.return_value == 42


def test_manage_py_has_every_command_of_taskq(queue: TaskQueue, redis_url: str) -> None:
    queue.submit_task(Task(task_type="echo"))
    done = manage(redis_url, queue.settings.prefix, "taskq", "stats", "--json")
    assert done.returncode == 0, done.stderr
    assert '"pending_tasks": 1' in done.stdout


def test_a_command_may_be_called_from_code(queue: TaskQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ})  # the command publishes the settings there
    call_command("taskq", "queue", "pause", "--priority", "low")
    assert [entry.priority for entry in queue.get_queue_stats().lists if entry.paused] == ["low"]


def test_a_command_that_fails_in_code_raises(queue: TaskQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {**os.environ})
    with pytest.raises(CommandError, match="`taskq task show never-seen` has failed") as caught:
        call_command("taskq", "task", "show", "never-seen")
    assert caught.value.returncode > 0
