"""What somebody else writes into Redis, and what a handler returns or raises, cannot end or block a worker."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskq import Settings, Snooze, Task, TaskQueue, TaskWorker
from taskq.dead import dead_letter
from taskq.model.envelope import outline, to_envelope
from taskq.model.views import status_dict
from taskq.protocol.replies import Claim, Inspection, Settlement
from taskq.registry import Registry
from taskq.worker.attempt import Attempt, Judge
from taskq.worker.context import MAX_PROGRESS_BYTES, TaskContext
from tests.model.test_codec import JSON, encodable

ID = "victim"
ENVELOPE = to_envelope(Task(task_type="one", task_id=ID, payload=5), 10_000)


def plant(client: redis.Redis, prefix: str, task_id: str | bytes, envelope: str | bytes) -> None:
    """Put a task into the list as somebody with ``redis-cli`` would."""
    name = task_id if isinstance(task_id, bytes) else task_id.encode()
    root = f"{prefix}:".encode()
    client.set(root + b"task:" + name, envelope)
    client.sadd(root + b"status:pending", name)
    client.rpush(root + b"queue:normal", name)


HOSTILE: dict[str, tuple[str, str]] = {
    "nan": (ENVELOPE.replace('"payload":5', '"payload":NaN'), "corrupt"),
    "infinity": (ENVELOPE.replace('"payload":5', '"payload":[-Infinity]'), "corrupt"),
    "deep list": (ENVELOPE.replace('"payload":5', f'"payload":{"[" * 5000}{"]" * 5000}'), "corrupt"),
    "deep dict": (ENVELOPE.replace('"payload":5', '"payload":' + '{"a":' * 300 + "1" + "}" * 300), "corrupt"),
    "open brackets": (ENVELOPE.replace('"payload":5', '"payload":' + "[" * 100_000), "corrupt"),
    "huge integer": (ENVELOPE.replace('"payload":5', f'"payload":{"9" * 5000}'), "corrupt"),
    "too large": (ENVELOPE.replace('"payload":5', f'"payload":"{"x" * 1_100_000}"'), "too_large"),
    "deep metadata": (ENVELOPE[:-1] + f',"metadata":{{"a":{"[" * 400}{"]" * 400}}}}}', "corrupt"),
    "list as type": (ENVELOPE.replace('"type":"one"', '"type":["one"]'), "corrupt"),
    "dict as id": (ENVELOPE.replace(f'"id":"{ID}"', '"id":{}'), "corrupt"),
    "other id": (ENVELOPE.replace(ID, "other"), "corrupt"),
    "list as priority": (ENVELOPE.replace('"checksum"', '"priority":[],"checksum"'), "corrupt"),
    "endless timeout": (ENVELOPE.replace('"checksum"', '"timeout":1e999,"checksum"'), "corrupt"),
    "no object": ('["payload":5]', "corrupt"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_envelope_is_a_dead_letter_with_a_reason(
    queue: TaskQueue, redis_client: redis.Redis, prefix: str, name: str
) -> None:
    envelope, reason = HOSTILE[name]
    ran: list[Task] = []
    worker = TaskWorker(queue, concurrency=2)
    worker.register_handler("one", ran.append)
    worker.register_handler("echo", lambda task: task.payload)
    queue.submit_task(Task(task_type="echo"))  # the counters of the audit begin with a submit
    plant(redis_client, prefix, ID, envelope)
    redis_client.hincrby(f"{prefix}:counters", "submitted", 1)
    after = queue.submit_task(Task(task_type="echo", payload=2))

    worker.run_until_empty()

    assert ran == []
    assert queue.get_task_status(after)["status"] == "completed"
    letter = queue.list_dead()[0]
    assert (letter.task_id, letter.reason) == (ID, reason)
    assert len(letter.error) < 1000
    assert queue.list_tasks("failed")[0]["task_id"] == ID
    assert redis_client.get(f"{prefix}:task:{ID}") == envelope
    assert queue.replay_dead() == 1
    assert queue.purge() == 1


@pytest.mark.parametrize("task_id", [b"\xff\xfe", b'a"b', b"a\nb", b"\x1b[31m", b"a|b c", b"x" * 5000], ids=repr)
def test_a_hostile_id_does_not_stop_the_others(
    redis_url: str, redis_client: redis.Redis, prefix: str, task_id: bytes
) -> None:
    envelope = ENVELOPE.replace(ID, json.dumps(task_id.decode("utf-8", "replace"))[1:-1])
    with TaskQueue(redis_url, prefix=prefix) as queue:
        worker = TaskWorker(queue, concurrency=2)
        worker.register_handler("one", lambda task: "ran")
        plant(redis_client, prefix, task_id, envelope)
        after = queue.submit_task(Task(task_type="one"))
        worker.run_until_empty()
        assert queue.get_task_status(after)["status"] == "completed"
        for status in ("completed", "running", "pending"):
            queue.list_tasks(status)
        queue.list_workers()
        queue.list_dead()
    with redis.Redis.from_url(redis_url) as raw:  # the client that cleans up reads keys as text
        raw.delete(*raw.keys(f"{prefix}*"))


JUDGE_REGISTRY = Registry()
JUDGE_REGISTRY.register("one", lambda task: None)
JUDGE = Judge(Settings(), JUDGE_REGISTRY, lambda: "worker-1", lambda: 0)

pieces = st.sampled_from(
    ['"id":"victim"', '"type":"one"', '"payload":', '"payload":5', '"sealed":"', '"sealed":1', '"checksum":"x"', "{",
     "}", ",", "[", "]", '"timeout":-1', '"created_at":"2026-01-01T00:00:00Z"', '"created_at":0', '"queue":[1]',
     "\\ud800", '"expires_in":1e308', '"max_retries":true', '"metadata":[]', '"priority":"low"', '"sig":"',
     "\x00", "null"]
)  # fmt: skip
fields = st.dictionaries(
    st.sampled_from(["id", "type", "created_at", "priority", "queue", "timeout", "expires_in", "max_retries",
                     "metadata", "retry_delay", "result_ttl", "unique_key", "checksum", "payload", "sealed", "sig"]),
    JSON.filter(encodable) | st.just(ID) | st.just("one"),
)  # fmt: skip
bodies = (
    st.binary(max_size=200)
    | st.lists(pieces, max_size=15).map("".join).map(str.encode)
    | fields.map(lambda value: json.dumps(value, separators=(",", ":")).encode())
    | st.integers(0, len(ENVELOPE)).map(lambda at: ENVELOPE[:at].encode())
)


@given(bodies)
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_nothing_that_is_stored_raises_in_the_engine(body: bytes) -> None:
    outcome = JUDGE.admit(Claim(ID, body, 1, 0, "1.t.1", 1))
    assert isinstance(outcome, Attempt | Settlement)
    if isinstance(outcome, Settlement):
        outcome.body.encode()  # can be sent


def raising(error: Exception) -> Any:
    def handler(task: Task) -> None:
        raise error

    return handler


@pytest.mark.parametrize(
    "handler",
    [
        raising(ValueError("\ud800 half a pair")),
        raising(Snooze(60, "\udfff half a pair")),
        lambda task: "\ud800",
        lambda task: [[]] * 3 and json.loads("[" * 900 + "]" * 900),
        lambda task: 10**5000,
        lambda task: "ä" * 600_000,
    ],
    ids=["error", "snooze", "result", "deep", "integer", "large"],
)
def test_what_a_handler_says_does_not_end_the_worker(queue: TaskQueue, handler: Any) -> None:
    worker = TaskWorker(queue, concurrency=2)
    worker.register_handler("odd", handler)
    worker.register_handler("echo", lambda task: task.payload)
    odd = queue.submit_task(Task(task_type="odd", max_retries=1))
    after = queue.submit_task(Task(task_type="echo", payload=1))
    worker.run_until_empty()
    assert queue.get_task_status(after)["status"] == "completed"
    assert queue.get_task_status(odd)["status"] in ("retry", "scheduled", "failed")


def test_the_error_of_a_task_is_bounded(queue: TaskQueue, redis_client: redis.Redis, prefix: str) -> None:
    worker = TaskWorker(queue)
    worker.register_handler("loud", raising(ValueError("x" * 5_000_000)))
    retried = queue.submit_task(Task(task_type="loud", max_retries=1))
    failed = queue.submit_task(Task(task_type="loud", max_retries=0))
    worker.run_until_empty()
    assert len(redis_client.hget(f"{prefix}:state:{retried}", "error") or "") <= 2_000
    assert len(redis_client.get(f"{prefix}:result:{failed}") or "") < 9_000


def test_progress_is_bounded(queue: TaskQueue) -> None:
    said: list[str] = []

    def talk(task: Task, ctx: TaskContext) -> None:
        assert ctx.progress("x" * (MAX_PROGRESS_BYTES - 2))
        with pytest.raises(ValueError, match=r"the progress is 65,537 bytes, more than the 65,536 allowed") as raised:
            ctx.progress("x" * (MAX_PROGRESS_BYTES - 1))
        said.append(str(raised.value))

    worker = TaskWorker(queue)
    worker.register_handler("talk", talk)
    queue.submit_task(Task(task_type="talk"))
    worker.run_until_empty()
    assert said


names = st.sampled_from(["status", "started", "retries", "worker", "error", "reason", "progress", "attempts"])
stored_results = st.binary(max_size=60) | JSON.filter(encodable).map(lambda value: json.dumps(value).encode()) | (
    st.dictionaries(
        st.sampled_from(["status", "error", "attempts", "duration", "completed_at", "worker_id", "sealed", "task_id"]),
        JSON.filter(encodable),
    ).map(lambda value: json.dumps(value).encode())
)  # fmt: skip


@given(st.dictionaries(names, st.text(max_size=20)), stored_results, bodies)
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_no_state_and_no_result_hides_a_list(state: dict[str, str], stored: bytes, body: bytes) -> None:
    shown = status_dict(outline(body, ID), state, stored)
    json.dumps(shown)
    assert shown["task_id"] == ID
    letter = dead_letter(ID, Inspection(body, state, stored, False), None)
    json.dumps(letter.to_dict())
