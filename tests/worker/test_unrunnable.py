"""Tasks that cannot be run: damaged, foreign, of an unknown type, expired. Each is reported, none is lost."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
import redis

from taskq import CorruptTask, Task, TaskQueue, TaskWorker
from taskq.model.codec import checksum, encode
from taskq.model.envelope import to_envelope
from tests.worker.background import Background


def tamper(client: redis.Redis, prefix: str, task_id: str, envelope: bytes | str) -> None:
    client.set(f"{prefix}:task:{task_id}", envelope)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda text: text.replace('"payload":"right"', '"payload":"wrong"'), "does not match its SHA-256 checksum"),
        (lambda text: text[:-3], "cannot be read as JSON"),
        (lambda text: "not json at all", "the stored envelope has no payload"),
        (lambda text: text.encode() + b"\xff", "not UTF-8"),
        (lambda text: "", "the stored envelope has no payload"),
    ],
    ids=["changed", "cut", "text", "bytes", "empty"],
)
def test_a_corrupt_envelope_is_a_dead_letter_and_stays_as_it_was(
    queue: TaskQueue, redis_client: redis.Redis, prefix: str, damage: Callable[[str], Any], says: str
) -> None:
    ran: list[Task] = []
    worker = TaskWorker(queue)
    worker.register_handler("one", ran.append)
    task = Task(task_type="one", payload="right")
    queue.submit_task(task)
    damaged = damage(to_envelope(task, 10_000))
    tamper(redis_client, prefix, task.task_id, damaged)

    worker.run_until_empty()

    assert ran == []
    result = queue.get_task_result(task.task_id)
    assert result is not None
    assert result["status"] == "failed"
    assert re.search(says, result["error"]), result["error"]
    stored = redis.Redis.from_url(queue.settings.redis_url or "").get(f"{prefix}:task:{task.task_id}")
    assert stored == (damaged if isinstance(damaged, bytes) else damaged.encode())


def fail(task: Task) -> None:
    raise ValueError("no")


def foreign_envelope(task_id: str, **fields: Any) -> str:
    """Return an envelope as another program could write it: the checksum is right, a field is not."""
    head = {"id": task_id, "type": "one", "priority": "normal", "created_at": "2026-01-01T00:00:00Z", **fields}
    return f'{json.dumps(head)[:-1]},"checksum":"{checksum(encode(1, "payload"))}","payload":1}}'


@pytest.mark.parametrize(
    "fields",
    [
        {"timeout": "soon"},
        {"timeout": [1]},
        {"expires_in": "5"},
        {"expires_in": 5, "created_at": "yesterday"},
        {"max_retries": "3"},
        {"retry_delay": "60"},
        {"result_ttl": {}},
        {"priority": "medium"},
        {"type": None},
        {"metadata": 7},
    ],
    ids=str,
)
@pytest.mark.parametrize("fails", [False, True], ids=["completes", "fails"])
@pytest.mark.parametrize("concurrency", [1, 2])
def test_no_envelope_can_end_the_worker(
    queue: TaskQueue, redis_client: redis.Redis, prefix: str, fields: dict[str, Any], fails: bool, concurrency: int
) -> None:
    task = Task(task_type="one")
    queue.submit_task(task)
    tamper(redis_client, prefix, task.task_id, foreign_envelope(task.task_id, **fields))
    worker = TaskWorker(queue, concurrency=concurrency)
    worker.register_handler("one", fail if fails else lambda task: None)
    worker.register_handler("echo", lambda task: task.payload)
    after = queue.submit_task(Task(task_type="echo", payload=2))

    Background(worker.run_until_empty).join()

    assert queue.get_task_status(after)["status"] == "completed"
    raw = redis_client.get(f"{prefix}:result:{task.task_id}")
    if fields.keys() - {"metadata", "type"}:
        assert raw is not None
        assert json.loads(raw)["status"] == "failed", "a field that cannot be used is reported, not guessed"


def test_get_task_on_a_corrupt_envelope_says_so(queue: TaskQueue, redis_client: redis.Redis, prefix: str) -> None:
    task_id = queue.submit_task(Task())
    body = redis_client.get(f"{prefix}:task:{task_id}")
    tamper(redis_client, prefix, task_id, "{}")
    with pytest.raises(CorruptTask, match="the stored envelope has no payload"):
        queue.get_task(task_id)
    tamper(redis_client, prefix, task_id, body)


def test_an_unknown_type_waits_until_a_worker_knows_it(queue: TaskQueue) -> None:
    old, new = TaskWorker(queue), TaskWorker(queue)
    old.register_handler("known", lambda task: None)
    new.register_handler("novel", lambda task: "read")
    task_id = queue.submit_task(Task(task_type="novel", max_retries=0))

    assert old.run_until_empty() == 0

    assert queue.get_task_status(task_id)["status"] == "waiting"
    assert (
        queue.explain(task_id).message == "no live worker of the list normal knows the type novel: start one that does"
    )
    assert queue.list_dead() == []
    assert new.run_until_empty() == 1
    result = queue.get_task_result(task_id)
    assert result is not None
    assert (result["result"], result["attempts"]) == ("read", 1), (
        "it was not charged for the worker that did not know it"
    )


def test_a_worker_that_knows_nothing_says_so(queue: TaskQueue) -> None:
    task_id = queue.submit_task(Task(task_type="novel"))
    TaskWorker(queue).run_until_empty()
    assert queue.explain(task_id).reason == "unknown_type"
    (passed,) = queue.get_queue_stats().passed
    assert (passed.task_type, passed.tasks, passed.runnable) == ("novel", 1, False)


def test_a_task_that_waited_longer_than_it_may_does_not_run(queue: TaskQueue) -> None:
    ran: list[str] = []
    worker = TaskWorker(queue)
    worker.register_handler("one", lambda task: ran.append(task.task_id))
    late = queue.submit_task(Task(task_type="one", expires_in=60, created_at="2026-01-01T00:00:00Z"))
    fresh = queue.submit_task(Task(task_type="one", expires_in=60))

    worker.run_until_empty()

    assert ran == [fresh]
    result = queue.get_task_result(late)
    assert result is not None
    assert (result["status"], result["error"]) == ("cancelled", "expired: it was to start within 60 s")


def test_a_body_that_was_deleted_is_counted_and_does_not_stop_the_others(
    queue: TaskQueue, redis_client: redis.Redis, prefix: str
) -> None:
    ran = threading.Event()
    worker = TaskWorker(queue)
    worker.register_handler("one", lambda task: ran.set())
    lost = queue.submit_task(Task(task_type="one"))
    queue.submit_task(Task(task_type="one"))
    redis_client.delete(f"{prefix}:task:{lost}")

    assert worker.run_until_empty() == 1

    assert ran.is_set()
    assert queue.get_queue_stats().counters["lost_bodies"] == 1
