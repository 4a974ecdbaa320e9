"""A queue over several namespaces is one queue to whoever submits, waits, looks and operates."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import redis

from taskq import Task, TaskNotFound, TaskWorker
from taskq.errors import InvalidTask, QueueFull
from taskq.model.partition import home_of
from taskq.queue import TaskQueue
from taskq.settings import Settings
from tests.conformance.clients import Client, NewClient
from tests.waiting import eventually
from tests.worker.background import Background, findings

COUNT = 3


@pytest.fixture
def settings(redis_url: str, prefix: str) -> Settings:
    return Settings(redis_url=redis_url, prefix=prefix, partitions=COUNT, embedded=False)


@pytest.fixture
def client(new_client: NewClient, settings: Settings) -> Client:
    return new_client(partitions=COUNT)


@pytest.fixture
def queue(settings: Settings):  # type: ignore[no-untyped-def]  # pytest knows
    """The same queue for the worker; every partition is in order in the end."""
    with TaskQueue(settings=settings) as queue:
        yield queue
        assert [finding for index in range(COUNT) for finding in findings(queue.partition(index))] == []


def work_off(queue: TaskQueue) -> int:
    worker = TaskWorker(queue, concurrency=2)
    worker.register_handler("echo", lambda task: task.payload)
    worker.register_handler("fail", fail)
    return worker.run_until_empty()


def fail(task: Task) -> None:
    raise ValueError("no")


def homes(client: Client, ids: list[str]) -> Counter[int]:
    return Counter(home_of(task_id, COUNT) for task_id in ids)


def test_tasks_go_round_and_are_found_by_their_ids(
    client: Client, queue: TaskQueue, redis_client: redis.Redis, prefix: str
) -> None:
    tasks = [Task(task_type="echo", payload=number) for number in range(9)]
    ids = [client.submit_task(task) for task in tasks]

    assert [task.task_id for task in tasks] == ids
    assert homes(client, ids) == {0: 3, 1: 3, 2: 3}
    assert [redis_client.llen(f"{prefix}:{index}:queue:normal") for index in range(COUNT)] == [3, 3, 3]
    assert client.get_queue_stats().pending_tasks == 9
    assert {client.get_task_status(task_id)["status"] for task_id in ids} == {"pending"}
    assert client.get_task(ids[4]).payload == 4
    assert {row["task_id"] for row in client.list_tasks("pending")} == set(ids)
    assert len(client.list_tasks("pending", limit=4)) == 4
    assert work_off(queue) == 9
    assert [client.wait_for_result(task_id, 5)["result"] for task_id in ids] == list(range(9))
    stats = client.get_queue_stats()
    assert (stats.completed_tasks, stats.counters["completed"], stats.success_rate) == (9, 9, 1.0)


def test_a_batch_stays_together_unless_its_tasks_say_otherwise(client: Client) -> None:
    first = client.submit_batch([Task() for _ in range(5)])
    second = client.submit_batch([Task() for _ in range(5)])
    assert len(homes(client, first)) == len(homes(client, second)) == 1
    assert homes(client, first) != homes(client, second)
    keyed = [Task(partition_key=f"customer-{number % 4}", payload=number) for number in range(40)]
    ids = client.submit_batch(keyed)
    assert ids == [task.task_id for task in keyed]
    by_key = {(task.partition_key, home_of(task_id, COUNT)) for task, task_id in zip(keyed, ids, strict=True)}
    assert len(by_key) == 4, "one partition a key"
    assert [client.get_task(task_id).payload for task_id in ids] == list(range(40))


def test_ids_and_unique_keys_of_the_user_hold_over_all_partitions(client: Client, new_client: NewClient) -> None:
    other = new_client(partitions=COUNT)
    for number in range(6):
        task = Task(task_id=f"order-{number}", created_at="2026-01-01T00:00:00Z")
        assert client.submit_task(task) == other.submit_task(task) == f"order-{number}"
    held = client.submit_task(Task(unique_key="nightly"))
    assert other.submit_task(Task(unique_key="nightly")) == held
    assert client.get_queue_stats().pending_tasks == 7
    keys = [f"key-{number}" for number in range(20)]
    elsewhere = next(key for key in keys if home_of(key, COUNT) != home_of("order-0", COUNT))
    with pytest.raises(InvalidTask, match="leave task_id out"):
        client.submit_task(Task(task_id="order-0", unique_key=elsewhere))


def test_what_is_unknown_or_full_is_told_as_ever(client: Client, new_client: NewClient) -> None:
    for call in (client.get_task, client.get_task_status, client.get_task_result, client.cancel_task):
        with pytest.raises(TaskNotFound):
            call("nobody")
    full = new_client(partitions=COUNT, max_queue_length=1)
    full.submit_batch([Task(task_id=f"t{number}.p{number}") for number in range(COUNT)])
    with pytest.raises(QueueFull):
        full.submit_task(Task())


def test_operations_reach_every_partition(client: Client, queue: TaskQueue) -> None:
    assert client.pause() == 4
    ids = [client.submit_task(Task(task_type="fail", max_retries=0)) for _ in range(6)]
    assert work_off(queue) == 0
    assert client.resume() == 4
    assert client.cancel_task(ids[0]) == "cancelled"
    assert work_off(queue) == 5
    dead = client.list_dead()
    assert {letter.task_id for letter in dead} == set(ids[1:])
    assert [letter.died_at for letter in dead] == sorted((letter.died_at for letter in dead), reverse=True)
    assert len(client.list_dead(limit=2)) == 2
    client.retry_task(ids[0])
    assert client.replay_dead(ids[1:3]) == 2
    assert client.purge() == 3
    assert client.purge_dead() == 3
    assert client.get_queue_stats().failed_tasks == 0


def test_events_and_waits_for_any_partition(client: Client, queue: TaskQueue) -> None:
    heard: list[str] = []
    listening = client.subscribe_to_events(lambda message: heard.append(json.loads(message["data"])["data"]["task_id"]))
    ids = [client.submit_task(Task(task_type="echo", payload=number)) for number in range(COUNT)]
    eventually(lambda: set(heard) == set(ids), what="events of all partitions")
    listening.stop()
    waits = [Background(lambda task_id=task_id: client.wait_for_result(task_id, 20)) for task_id in ids]
    assert work_off(queue) == COUNT
    assert [wait.join()["result"] for wait in waits] == list(range(COUNT))  # type: ignore[index]  # it is a result


def test_partitions_may_be_added(client: Client, new_client: NewClient) -> None:
    ids = [client.submit_task(Task()) for _ in range(6)]
    more = new_client(partitions=COUNT + 2)
    assert {more.get_task_status(task_id)["status"] for task_id in ids} == {"pending"}
    assert more.get_queue_stats().pending_tasks == 6
