"""What an operator without the keys still sees and does: everything but the secrets."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from taskq import Settings, Task, TaskQueue, TaskWorker
from tests.cli.conftest import Run
from tests.model.test_crypto import NEW, text_of

SECRET = "the-card-is-4711"


@pytest.fixture
def failed(redis_url: str, prefix: str) -> Iterator[str]:
    """The id of a dead letter whose payload and error are encrypted."""
    keys = {"signing_keys": text_of(NEW), "encryption_keys": text_of(NEW)}
    with TaskQueue(settings=Settings(redis_url=redis_url, prefix=prefix, **keys)) as queue:  # type: ignore[arg-type]
        worker = TaskWorker(queue)
        worker.register_handler("pay", lambda task: int(task.payload))
        task_id = queue.submit_task(Task(task_type="pay", payload=SECRET, max_retries=0, priority="high"))
        worker.run_until_empty()
        yield task_id


def test_the_card_is_shown_without_the_payload(failed: str, run: Run) -> None:
    done = run("task", "show", failed)
    assert done.exit_code == 0
    assert "high" in done.stdout
    assert "add that key at the end of the list" in done.stdout
    assert SECRET not in done.output
    card = json.loads(run("task", "show", failed, "--json").stdout)
    assert (card["task"]["task_type"], card["task"]["payload"]) == ("pay", None)
    assert "TASKQ_ENCRYPTION_KEYS" in card["damage"]


def test_lists_replay_and_purge_go_on(failed: str, run: Run) -> None:
    assert failed in run("dlq", "ls").stdout
    assert failed in run("task", "ls", "--status", "failed").stdout
    assert "1 dead letter run again" in run("dlq", "replay", failed).stdout
    listed = json.loads(run("task", "ls", "--json").stdout)
    assert [(item["status"], item["priority"]) for item in listed] == [("pending", "high")]
    assert run("queue", "purge", "default", "--yes").exit_code == 0


def test_with_the_keys_all_is_shown(failed: str, run: Run) -> None:
    keys = {"TASKQ_SIGNING_KEYS": text_of(NEW), "TASKQ_ENCRYPTION_KEYS": text_of(NEW)}
    assert SECRET in run("dlq", "show", failed, env=keys).stdout
