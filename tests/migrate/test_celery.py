"""Messages of Celery, as the real library has left them, become tasks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from redis import Redis

from taskq import TaskQueue
from taskq.errors import ServerUnavailable, SettingsError
from taskq.migrate import CeleryJobs, Plan, move
from taskq.observe.pages import TaskFilter
from taskq.settings import Settings
from taskq.states import TaskPriority
from taskq.transport.foreign import OldServer
from tests.migrate.conftest import recordings

every_version = pytest.mark.parametrize("version", recordings("celery"))


@every_version
def test_plain_messages_move_and_the_others_stay(
    version: str, play: Callable[[str], None], old: Redis, server: OldServer, queue: TaskQueue
) -> None:
    play(version)
    report = move(queue, CeleryJobs(server, Plan(["celery", "mail"])))
    assert report.moved == 7  # plain, later, limited, low, mail, pickle, zlib
    found = {one.job_id: one.reason for one in report.refused}
    datetimes = {"date"} & found.keys()  # older versions send it as text
    assert found.keys() == {"pickled-date", "linked", "chained", "in-chord"} | datetimes
    assert "datetime.date" in found["pickled-date"]
    assert "link" in found["linked"]
    assert "chain" in found["chained"]
    assert "chord" in found["in-chord"]
    staying = [json.loads(message)["headers"]["id"] for message in old.lrange("celery", 0, -1)]
    assert set(staying) == found.keys()
    assert old.llen("mail") == old.llen("celery\x06\x169") == 0


def test_tasks_are_what_the_messages_were(play: Callable[[str], None], server: OldServer, queue: TaskQueue) -> None:
    play("celery-5.7.0")
    report = move(queue, CeleryJobs(server, Plan(["celery", "mail"])))
    assert "datetime" in next(one.reason for one in report.refused if one.job_id == "date")
    plain = queue.get_task("plain")
    assert (plain.task_type, plain.payload) == ("shop.add", {"args": [1], "kwargs": {"b": {"x": [1, None]}}})
    assert plain.metadata == {"moved_from": "celery"}
    assert queue.get_task_status("later")["status"] == "scheduled"
    limited = queue.get_task("limited")
    assert limited.timeout == 20
    assert limited.expires_in is not None
    assert limited.expires_in > 70 * 365 * 86400
    assert queue.get_task("low").priority is TaskPriority.LOW
    assert queue.get_task("mail").queue == "mail"
    assert queue.get_task("pickle").payload["args"] == [6]
    assert queue.get_task("zlib").payload["args"] == [7]
    pending = [
        task["task_id"] for task in queue.find_tasks(TaskFilter("pending", queue="default", priority="normal")).tasks
    ]
    assert pending == ["plain", "limited", "pickle", "zlib"]


def test_where_jobs_go_can_be_said(play: Callable[[str], None], server: OldServer, queue: TaskQueue) -> None:
    play("celery-5.7.0")
    into = {"celery": ("work", TaskPriority.URGENT), "celery:9": ("work", TaskPriority.NORMAL)}
    move(queue, CeleryJobs(server, Plan(into=into, max_retries=0)))
    assert (queue.get_task("plain").queue, queue.get_task("plain").priority) == ("work", TaskPriority.URGENT)
    assert (queue.get_task("low").queue, queue.get_task("low").priority) == ("work", TaskPriority.NORMAL)
    assert queue.get_task("low").max_retries == 0


def test_an_interrupted_run_makes_the_same_tasks_again(
    play: Callable[[str], None], old: Redis, server: OldServer, queue: TaskQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    play("celery-5.7.0")

    def lost(*_: object) -> None:
        raise ServerUnavailable("away")

    with monkeypatch.context() as broken:
        broken.setattr(server, "forget", lost)
        with pytest.raises(ServerUnavailable):
            move(queue, CeleryJobs(server, Plan()))
    before = queue.get_task("limited")
    assert move(queue, CeleryJobs(server, Plan())).finished == 5
    assert queue.get_task("limited") == before
    assert queue.get_queue_stats().pending_tasks == 5  # four, and the one of low priority
    assert old.keys("taskq:moving:*") == []


def message(body: str = "[[],{},{}]", task: str = "a", kind: str = "application/json", **headers: str) -> bytes:
    """A message as Celery writes it, its body not in base64."""
    headers = {"task": task, "id": "x", **headers}
    return json.dumps({"headers": headers, "properties": {}, "content-type": kind, "body": body}).encode()


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (b"\xff", "no JSON"),
        (b"[]", "protocol 2"),
        (b'{"headers": {"task": "a"}}', "no id"),
        (b'{"headers": {"task": "a", "id": "x"}, "properties": {"body_encoding": "base64"}, "body": "*"}', "damaged"),
        (message(task="a b"), "--rename"),
        (message("[1]"), "unpack"),
        (message(kind="text/yaml"), "text/yaml"),
        (message(compression="application/zstd"), "zstd"),
        (message(compression="application/x-gzip"), "unpacked"),
        (message(expires="2020-01-01T00:00:00"), "expired"),
    ],
)
def test_what_cannot_be_read_stays(stored: bytes, reason: str, old: Redis, server: OldServer, queue: TaskQueue) -> None:
    old.lpush("celery", stored)
    (refusal,) = move(queue, CeleryJobs(server, Plan())).refused
    assert reason in refusal.reason
    assert old.lrange("celery", 0, -1) == [stored]


def test_a_task_that_the_queue_would_not_take_stays(old: Redis, server: OldServer, redis_url: str, prefix: str) -> None:
    settings = replace(Settings.load(redis_url=redis_url, prefix=prefix), max_message_bytes=1024)
    with TaskQueue(settings=settings) as queue:
        old.lpush("mail", message(json.dumps([["x" * 2000], {}, {}])))
        (refusal,) = move(queue, CeleryJobs(server, Plan(["mail"]))).refused
        assert "1,024" in refusal.reason
        assert old.llen("mail") == 1


def test_a_name_that_cannot_be_a_queue(
    old: Redis, play: Callable[[str], None], server: OldServer, queue: TaskQueue
) -> None:
    old.lpush("a b", b"{}")
    with pytest.raises(SettingsError, match="--into"):
        move(queue, CeleryJobs(server, Plan(["a b"])))


def test_messages_held_by_workers_are_told(old: Redis, server: OldServer) -> None:
    old.hset("x:unacked", "tag", "[]")
    (remark,) = CeleryJobs(server, Plan(), key_prefix="x:").remarks()
    assert remark.startswith("1 are held by workers")
