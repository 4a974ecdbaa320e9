"""How tasks get in."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from taskq.errors import InvalidTask, PayloadTooLarge, QueueFull, TaskConflict, TaskNotFound
from taskq.flows import due_at, due_in
from taskq.model.task import AgentTask, Task
from taskq.protocol.portions import MOST_CHARS, MOST_OTHERS, MOST_TASKS
from taskq.states import TaskPriority
from tests.conformance.clients import Client, Hands, NewClient


def test_the_id_is_a_uuid(client: Client) -> None:
    task_id = client.submit_task(AgentTask(payload={"query": "why?"}))
    assert str(uuid.UUID(task_id)) == task_id
    assert client.get_task(task_id).payload == {"query": "why?"}


def test_what_redis_cli_shows(client: Client, redis_client: redis.Redis, prefix: str) -> None:
    task_id = client.submit_task(Task(payload={"text": "Grüße"}, priority="high", metadata={"from": "me"}))
    envelope = json.loads(redis_client.get(f"{prefix}:task:{task_id}"))
    assert (envelope["id"], envelope["type"], envelope["priority"]) == (task_id, "agent_query", "high")
    assert (envelope["payload"], envelope["metadata"]) == ({"text": "Grüße"}, {"from": "me"})
    assert len(envelope["checksum"]) == 22
    assert redis_client.lrange(f"{prefix}:queue:high", 0, -1) == [task_id]
    assert redis_client.smembers(f"{prefix}:status:pending") == {task_id}


@pytest.mark.parametrize("priority", TaskPriority)
def test_each_priority_has_a_list(
    client: Client, redis_client: redis.Redis, prefix: str, priority: TaskPriority
) -> None:
    client.submit_task(Task(priority=priority.label))
    assert redis_client.llen(f"{prefix}:queue:{priority.label}") == 1


def test_a_batch_keeps_its_order(client: Client, hands: Hands) -> None:
    ids = client.submit_batch([Task(payload=n) for n in range(50)])
    assert hands.claim() == ids


def test_an_empty_batch_is_nothing(client: Client) -> None:
    assert client.submit_batch([]) == []


def _batch(size: int, **options: Any) -> list[Task]:
    return [Task(task_id=f"t{n}", created_at="2026-01-01T00:00:00.000Z", **options) for n in range(size)]


def test_the_largest_portion_is_one_atomic_call(new_client: NewClient) -> None:
    client = new_client(max_queue_length=MOST_TASKS - 1)
    with pytest.raises(QueueFull, match=f"holds 0 tasks and may hold {MOST_TASKS - 1}: nothing was stored"):
        client.submit_batch(_batch(MOST_TASKS))
    assert client.get_queue_stats().pending_tasks == 0


def test_a_larger_batch_goes_in_several_and_keeps_its_order(
    client: Client, redis_client: redis.Redis, prefix: str
) -> None:
    ids = client.submit_batch(_batch(2 * MOST_TASKS + 1))
    assert ids == [f"t{n}" for n in range(2 * MOST_TASKS + 1)]
    assert redis_client.lrange(f"{prefix}:queue:normal", 0, -1) == ids


def test_of_a_larger_batch_the_error_says_what_is_stored_and_the_same_call_adds_the_rest(new_client: NewClient) -> None:
    tasks = _batch(MOST_TASKS + 2)
    with pytest.raises(
        QueueFull, match=f"may hold {MOST_TASKS + 1}: only the first {MOST_TASKS} of the batch were stored"
    ):
        new_client(max_queue_length=MOST_TASKS + 1).submit_batch(tasks)
    client = new_client()
    assert client.get_queue_stats().pending_tasks == MOST_TASKS
    assert client.submit_batch(tasks) == [task.task_id for task in tasks]
    assert client.get_queue_stats().counters["submitted"] == MOST_TASKS + 2


def test_a_conflict_in_a_later_part_leaves_the_earlier_one(client: Client) -> None:
    client.submit_task(Task(task_id=f"t{MOST_TASKS}", payload="another"))
    with pytest.raises(TaskConflict, match=f"1 of 1 tasks .*only the first {MOST_TASKS} of the batch were stored"):
        client.submit_batch(_batch(MOST_TASKS + 1))
    assert client.get_queue_stats().pending_tasks == MOST_TASKS + 1


def test_unique_keys_halve_what_one_call_takes(new_client: NewClient) -> None:
    client = new_client(max_queue_length=MOST_OTHERS)
    tasks = [*_batch(MOST_OTHERS), Task(unique_key="k")]
    with pytest.raises(QueueFull, match=f"only the first {MOST_OTHERS} of"):
        client.submit_batch(tasks)


def test_so_do_large_payloads(new_client: NewClient) -> None:
    client = new_client(max_queue_length=3, max_message_bytes=MOST_CHARS)
    with pytest.raises(QueueFull, match="only the first 3 of"):
        client.submit_batch(_batch(4, payload="x" * (MOST_CHARS // 3 - 1000)))


def test_one_bad_task_stops_a_large_batch_before_anything_is_sent(client: Client) -> None:
    with pytest.raises(InvalidTask):
        client.submit_batch([*_batch(MOST_TASKS), Task(payload=object())])
    assert client.get_queue_stats().pending_tasks == 0


def test_the_same_task_twice_is_stored_once(client: Client) -> None:
    task = Task(payload=1)
    assert client.submit_task(task) == client.submit_task(task) == task.task_id
    assert client.get_queue_stats().counters["submitted"] == 1


def test_another_task_under_the_same_id_is_a_conflict(client: Client) -> None:
    client.submit_task(Task(task_id="mine", payload=1))
    with pytest.raises(TaskConflict, match=r"1 of 2 tasks .*\(mine\): nothing was stored. Leave task_id out"):
        client.submit_batch([Task(payload=2), Task(task_id="mine", payload=2)])
    assert client.get_queue_stats().pending_tasks == 1
    assert client.get_task("mine").payload == 1


def test_a_full_queue_refuses_the_whole_batch(new_client: NewClient) -> None:
    client = new_client(max_queue_length=3)
    client.submit_batch([Task(), Task()])
    with pytest.raises(QueueFull, match=r"'normal' holds 2 tasks and may hold 3: nothing was stored.*more workers"):
        client.submit_batch([Task(), Task()])
    client.submit_task(Task())
    client.submit_task(Task(priority="high"))
    assert client.get_queue_stats().pending_tasks == 4


def test_a_task_larger_than_allowed(new_client: NewClient) -> None:
    client = new_client(max_message_bytes=1000)
    with pytest.raises(PayloadTooLarge, match=r"more than the 1,000 allowed.*send a reference"):
        client.submit_batch([Task(payload="small"), Task(payload="x" * 1000)])
    assert client.get_queue_stats().pending_tasks == 0


@pytest.mark.parametrize("payload", [float("nan"), {1, 2}, datetime(2026, 1, 1, tzinfo=UTC), b"bytes", "\ud800"])
def test_a_payload_that_is_no_json(client: Client, payload: object) -> None:
    with pytest.raises(InvalidTask, match="payload is not JSON"):
        client.submit_task(Task(payload={"deep": [payload]}))


def test_something_that_is_no_task(client: Client) -> None:
    with pytest.raises(InvalidTask, match="a Task is submitted, not a dict"):
        client.submit_task({"payload": 1})


def test_numbers_and_empty_things_come_back_as_they_were(client: Client) -> None:
    payload = {"big": 12345678901234567, "float": 0.1, "list": [], "dict": {}, "none": None, "text": "a\u0000\u20ac"}
    assert client.get_task(client.submit_task(Task(payload=payload))).payload == payload


def test_a_unique_key_gives_the_id_of_its_holder(client: Client, hands: Hands) -> None:
    first = client.submit_task(Task(unique_key="report"))
    assert client.submit_task(Task(unique_key="report")) == first
    hands.work()
    assert client.submit_task(Task(unique_key="report")) != first


def test_the_default_time_to_live_comes_from_the_settings(new_client: NewClient) -> None:
    client = new_client(message_ttl_seconds=60.0)
    assert client.get_task(client.submit_task(Task())).expires_in == 60.0
    assert client.get_task(client.submit_task(Task(expires_in=5))).expires_in == 5


def test_in_the_future(client: Client, hands: Hands) -> None:
    later = client.submit_later(Task(), due_in(3600))
    also = client.submit_later(Task(), due_at(datetime.now(UTC) + timedelta(hours=1)))
    past = client.submit_later(Task(), due_at(datetime(2020, 1, 1, tzinfo=UTC)))
    statuses = [client.get_task_status(task_id)["status"] for task_id in (later, also, past)]
    assert statuses == ["scheduled", "scheduled", "pending"]
    assert hands.claim() == [past]


def test_many_at_once(client: Client) -> None:
    with ThreadPoolExecutor(16) as threads:
        ids = list(threads.map(lambda n: client.submit_task(Task(payload=n)), range(200)))
    assert len(set(ids)) == client.get_queue_stats().pending_tasks == 200
    assert [client.get_task(task_id).payload for task_id in ids[:20]] == list(range(20))


def test_nothing_is_connected_before_the_first_call(new_client: NewClient) -> None:
    client = new_client(redis_url="redis://127.0.0.1:1/0")
    assert client.handle("x").id == "x"


def test_the_queue_can_be_used_again_after_close(client: Client) -> None:
    client.submit_task(Task())
    client.finish(client.queue.close())
    client.submit_task(Task())
    assert client.get_queue_stats().pending_tasks == 2


def test_an_id_that_could_not_be_a_key(client: Client) -> None:
    with pytest.raises(InvalidTask, match="task id"):
        client.submit_task(Task(task_id="a b"))
    with pytest.raises(TaskNotFound):
        client.get_task("nothing")


class TestAnIdThatComesBack:
    """It was cancelled while it waited, and forgotten, while its entry still stands in the list that nobody serves."""

    def leave_a_tombstone(self, client: Client, redis_client: redis.Redis, prefix: str, **options: Any) -> None:
        client.submit_task(Task(task_id="x", **options))
        assert client.cancel_task("x") == "cancelled"
        redis_client.delete(*(f"{prefix}:{family}:x" for family in ("task", "state", "result")))

    def test_in_another_list_of_its_queue_it_runs(
        self, client: Client, hands: Hands, redis_client: redis.Redis, prefix: str
    ) -> None:
        self.leave_a_tombstone(client, redis_client, prefix, priority="low")
        client.pause(priority="low")
        assert client.submit_task(Task(task_id="x", priority="high")) == "x"
        assert hands.claim() == ["x"]

    def test_in_another_queue_it_is_refused_with_what_to_do(
        self, client: Client, hands: Hands, redis_client: redis.Redis, prefix: str
    ) -> None:
        self.leave_a_tombstone(client, redis_client, prefix, queue="old")
        refused = "x was that of a task which was cancelled .* another queue.*: nothing was stored.*start or resume"
        for submit in (client.submit_task, lambda task: client.submit_batch([task, Task(depends_on=["x"])])):
            with pytest.raises(TaskConflict, match=refused):
                submit(Task(task_id="x"))
        assert client.get_queue_stats().pending_tasks == 0
        client.purge("old")
        client.submit_task(Task(task_id="x"))
        assert hands.claim() == ["x"]
