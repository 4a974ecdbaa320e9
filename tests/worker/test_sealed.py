"""Signed and encrypted tasks on a real worker: what runs, what becomes a dead letter, what anybody can still read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from taskq import AsyncTaskQueue, CorruptTask, Settings, Task, TaskQueue, TaskScheduler, TaskWorker
from taskq.errors import BadSignature, CannotDecrypt
from taskq.model.crypto import key_id
from taskq.worker import TaskContext, WorkerOptions
from taskq.worker.options import dumps, from_wire, to_wire
from tests.model.test_crypto import NEW, OLD, text_of
from tests.waiting import eventually

SECRET = "the-card-is-4711"


@pytest.fixture
def open_queue(settings: Settings) -> Iterator[Callable[..., TaskQueue]]:
    """Function that opens the namespace of this test with some keys."""
    opened: list[TaskQueue] = []

    def open_it(**keys: str) -> TaskQueue:
        opened.append(TaskQueue(settings=replace(settings, **keys)))  # type: ignore[arg-type]  # text is accepted
        return opened[-1]

    yield open_it
    for queue in opened:
        queue.close()


@pytest.fixture
def sealed(open_queue: Callable[..., TaskQueue]) -> TaskQueue:
    return open_queue(signing_keys=text_of(NEW), encryption_keys=text_of(NEW))


def worker_of(queue: TaskQueue, ran: list[Any] | None = None) -> TaskWorker:
    def note(task: Task) -> Any:
        (ran if ran is not None else []).append(task.payload)
        return task.payload

    def fail(task: Task, ctx: TaskContext) -> None:
        ctx.progress(task.payload)
        raise ValueError(f"cannot use {task.payload}")

    worker = TaskWorker(queue, concurrency=2)
    worker.register_handler("note", note)
    worker.register_handler("fail", fail)
    return worker


def everything(client: redis.Redis, prefix: str) -> str:
    """Return all that a reader of the server could see of a namespace."""
    seen = []
    readers = {
        "string": client.get, "hash": client.hgetall, "set": client.smembers,
        "list": lambda key: client.lrange(key, 0, -1), "zset": lambda key: client.zrange(key, 0, -1),
    }  # fmt: skip
    for key in client.scan_iter(match=f"{prefix}*", count=1000):
        seen.append(f"{key} {readers[client.type(key)](key)}")
    return "\n".join(seen)


def test_a_task_runs_and_no_secret_is_in_redis(sealed: TaskQueue, redis_client: redis.Redis, prefix: str) -> None:
    ran: list[Any] = []
    good = sealed.submit_task(Task(task_type="note", payload=SECRET, metadata={"note": SECRET}))
    again = sealed.submit_task(Task(task_type="fail", payload=SECRET, max_retries=1, retry_delay=60))
    dead = sealed.submit_task(Task(task_type="fail", payload=SECRET, max_retries=0))
    TaskScheduler(sealed).schedule_every("hourly", 3600, Task(task_type="note", payload=SECRET, metadata={"a": SECRET}))

    worker_of(sealed, ran).run_until_empty()

    assert ran == [SECRET]
    seen = everything(redis_client, prefix)
    assert good in seen
    assert "hourly" in seen
    assert SECRET not in seen
    result, status, letter = sealed.get_task_result(good), sealed.get_task_status(again), sealed.list_dead()[0]
    assert result is not None
    assert result["result"] == SECRET
    assert (status["status"], status["progress"]) == ("retry", SECRET)
    assert f"cannot use {SECRET}" in status["error"]
    assert (letter.task_id, SECRET in letter.error) == (dead, True)


def test_a_repeated_submit_is_one_task(sealed: TaskQueue) -> None:
    task = Task(task_type="note", payload=SECRET)
    assert sealed.submit_task(task) == sealed.submit_task(task)
    assert sealed.get_queue_stats().pending_tasks == 1


def test_the_other_client_does_the_same(sealed: TaskQueue) -> None:
    async def use() -> tuple[Any, ...]:
        async with AsyncTaskQueue(settings=sealed.settings) as queue:
            task_id = await queue.submit_task(Task(task_type="note", payload=SECRET))
            await asyncio.to_thread(worker_of(sealed).run_until_empty)
            return (await queue.get_task(task_id)).payload, (await queue.wait_for_result(task_id, 5))["result"]

    assert asyncio.run(use()) == (SECRET, SECRET)


def test_the_processes_of_a_worker_have_the_keys(sealed: TaskQueue, tmp_path: Path) -> None:
    """They come to them through a socket, or from the file."""
    (tmp_path / "keys").write_text(text_of(NEW))
    for settings in (
        sealed.settings,
        replace(sealed.settings, encryption_keys=None, encryption_keys_file=tmp_path / "keys"),
    ):
        wire = json.loads(dumps(to_wire(settings, WorkerOptions())))
        assert from_wire(wire)[0] == settings


@pytest.mark.parametrize(
    ("tamper", "reason", "says"),
    [
        (lambda text: text.replace('"type":"note"', '"type":"echo"'), "bad_signature", "does not fit"),
        (lambda text: text[: text.index(',"sig"')] + "}", "bad_signature", "is not signed"),
        (lambda text: text.replace(key_id(NEW), key_id(OLD)), "bad_signature", "not in TASKQ_SIGNING_KEYS"),
    ],
    ids=["changed", "unsigned", "unknown key"],
)
def test_a_bad_signature_is_a_dead_letter_and_the_envelope_stays(
    sealed: TaskQueue, redis_client: redis.Redis, prefix: str, tamper: Callable[[str], str], reason: str, says: str
) -> None:
    ran: list[Any] = []
    task_id = sealed.submit_task(Task(task_type="note", payload=SECRET))
    key = f"{prefix}:task:{task_id}"
    forged = tamper(redis_client.get(key) or "")
    redis_client.set(key, forged)

    worker_of(sealed, ran).run_until_empty()

    assert ran == []
    assert redis_client.get(key) == forged
    letter = sealed.list_dead()[0]
    assert (letter.task_id, letter.reason) == (task_id, reason)
    assert letter.error.startswith("BadSignature: ")
    assert says in letter.error


def test_the_body_of_another_task_under_a_new_id(sealed: TaskQueue, redis_client: redis.Redis, prefix: str) -> None:
    """A good signature does not make a copy a second task."""
    ran: list[Any] = []
    task_id = sealed.submit_task(Task(task_type="note", payload=SECRET))
    redis_client.set(f"{prefix}:task:copy", redis_client.get(f"{prefix}:task:{task_id}") or "")
    redis_client.rpush(f"{prefix}:queue:normal", "copy")
    redis_client.sadd(f"{prefix}:status:pending", "copy")

    worker_of(sealed, ran).run_until_empty()

    assert ran == [SECRET]
    letter = sealed.list_dead()[0]
    assert (letter.task_id, letter.reason) == ("copy", "corrupt")
    assert "put here by hand" in letter.error


def test_wrong_keys_are_a_dead_letter_that_runs_after_a_replay(
    open_queue: Callable[..., TaskQueue], sealed: TaskQueue
) -> None:
    ran: list[Any] = []
    task_id = sealed.submit_task(Task(task_type="note", payload=SECRET))
    for keys in ({}, {"encryption_keys": text_of(OLD)}):
        stranger = open_queue(**keys)
        worker_of(stranger, ran).run_until_empty()
        letter = stranger.list_dead()[0]
        assert (letter.task_id, letter.reason) == (task_id, "cannot_decrypt")
        assert stranger.list_tasks("failed")[0]["type"] == "note", "what is no secret is still shown"
        with pytest.raises(CannotDecrypt):
            stranger.get_task(task_id)
        assert stranger.replay_dead() == 1
    worker_of(sealed, ran).run_until_empty()
    assert ran == [SECRET]


def test_keys_are_replaced_without_a_pause(open_queue: Callable[..., TaskQueue]) -> None:
    ran: list[Any] = []
    both = f"{text_of(NEW)},{text_of(OLD)}"
    old = open_queue(signing_keys=text_of(OLD), encryption_keys=text_of(OLD))
    rotated = open_queue(signing_keys=both, encryption_keys=both)
    before = old.submit_task(Task(task_type="note", payload="before"))
    rotated.submit_task(Task(task_type="note", payload="after"))
    worker_of(rotated, ran).run_until_empty()
    assert ran == ["before", "after"]
    result = rotated.get_task_result(before)
    assert result is not None
    assert result["result"] == "before"


def test_a_forged_schedule_is_not_fired(sealed: TaskQueue, redis_client: redis.Redis, prefix: str) -> None:
    scheduler = TaskScheduler(sealed)
    scheduler.schedule_every("mine", 0.1, Task(task_type="note", payload=SECRET))
    stored = redis_client.hget(f"{prefix}:schedules", "mine") or ""
    forged = json.loads(stored)
    forged["task"] = {"type": "note", "priority": "normal", "payload": "forged"}
    redis_client.hset(
        f"{prefix}:schedules", mapping={"forged": json.dumps(forged, separators=(",", ":")), "copied": stored}
    )

    shown = {info.name: info.problem for info in scheduler.list_schedules()}

    assert shown["mine"] is None
    assert "does not fit" in (shown["forged"] or "")
    assert "under another name" in (shown["copied"] or "")
    eventually(scheduler.run_once, what="a slot of the good one")
    ran: list[Any] = []
    worker_of(sealed, ran).run_until_empty()
    assert set(ran) == {SECRET}


@pytest.mark.parametrize(
    ("former", "present", "last"),
    [
        ((OLD,), (NEW, OLD), (NEW,)),
        ((), (NEW,), (NEW,)),
    ],
    ids=["a key is replaced", "encryption begins"],
)
def test_a_schedule_that_is_added_again_needs_no_older_key(
    open_queue: Callable[..., TaskQueue],
    redis_client: redis.Redis,
    prefix: str,
    former: tuple[bytes, ...],
    present: tuple[bytes, ...],
    last: tuple[bytes, ...],
) -> None:
    """It keeps its beat and its last slot; before, the text under the older key stayed as long as it said the same."""

    def scheduler(keys: tuple[bytes, ...]) -> TaskScheduler:
        ring = ",".join(map(text_of, keys))
        named = {"encryption_keys": ring} | ({"signing_keys": ring} if former else {})
        return TaskScheduler(open_queue(**named if keys else {}))

    task = Task(task_type="note", payload=SECRET)
    scheduler(former).schedule_every("often", 0.1, task)
    eventually(scheduler(former).run_once, what="a slot")
    before = scheduler(former).pause_schedule("often")

    added = scheduler(present).schedule_every("often", 0.1, task)

    (shown,) = scheduler(last).list_schedules()
    assert SECRET not in (redis_client.hget(f"{prefix}:schedules", "often") or "")
    assert (shown.problem, shown.last_run) == (None, before.last_run)
    assert before.last_run is not None
    assert shown == added


def test_errors_are_one_tree() -> None:
    assert issubclass(BadSignature, CorruptTask)
    assert issubclass(CannotDecrypt, CorruptTask)


def test_the_log_has_no_more_of_an_encrypted_error_than_its_type(
    sealed: TaskQueue, caplog: pytest.LogCaptureFixture
) -> None:
    worker = worker_of(sealed)
    task_id = sealed.submit_task(Task(task_type="fail", payload=SECRET, max_retries=0))
    worker.run_until_empty()
    said = [record.getMessage() for record in caplog.records if task_id in record.getMessage()]
    assert len(said) == 1
    assert SECRET not in caplog.text
