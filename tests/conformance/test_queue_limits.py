"""Limits of queues, by the clients."""

from __future__ import annotations

import threading
import time

import pytest

from taskq import InvalidTask, QueueFull, QueueLimit, Task
from tests.conformance.clients import Client, Hands, NewClient
from tests.waiting import eventually


def test_set_list_and_remove(client: Client) -> None:
    client.set_queue_limit("mail", max_tasks=5, on_full="block", timeout=7)
    client.set_queue_limit(max_tasks=1)
    assert client.list_queue_limits() == [QueueLimit("default", 1), QueueLimit("mail", 5, "block", 7.0)]
    assert client.remove_queue_limit("mail")
    assert not client.remove_queue_limit("mail")


def test_reject(client: Client) -> None:
    client.set_queue_limit(max_tasks=2)
    client.submit_batch([Task(), Task(priority="low")])
    with pytest.raises(QueueFull, match=r"the queue 'default' holds 2 tasks and may hold 2: nothing was stored"):
        client.submit_task(Task(priority="urgent"))


def test_block_waits_for_room_and_goes_on_when_a_task_is_claimed(new_client: NewClient, hands: Hands) -> None:
    client, other = new_client(), new_client()
    client.set_queue_limit(max_tasks=1, on_full="block", timeout=30)
    first = client.submit_task(Task())
    waiting = [Task() for _ in range(3)]
    threads = [threading.Thread(target=other.submit_task, args=(task,)) for task in waiting]
    for thread in threads:
        thread.start()
    seen = [first]
    began = time.monotonic()
    while len(seen) < 4:
        eventually(lambda: client.get_queue_stats().pending_tasks == 1, 10, "one to come in")
        ids = hands.claim()
        assert len(ids) == 1, "never more than there may be"
        seen += [i for i in ids if i not in seen]
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert set(seen) == {first, *(task.task_id for task in waiting)}
    assert time.monotonic() - began < 15


def test_block_gives_up_in_time(client: Client) -> None:
    client.set_queue_limit(max_tasks=1, on_full="block", timeout=0.1)
    client.submit_task(Task())
    with pytest.raises(QueueFull, match=r"may hold 1 and there was no room within 0.1 s: nothing was stored"):
        client.submit_task(Task())


def test_a_batch_that_never_fits_does_not_wait(client: Client) -> None:
    client.set_queue_limit(max_tasks=1, on_full="block", timeout=60)
    with pytest.raises(QueueFull):
        client.submit_batch([Task(), Task()])


def test_shed_low(client: Client) -> None:
    client.set_queue_limit(max_tasks=2, on_full="shed_low")
    low, other = client.submit_batch([Task(priority="low"), Task(priority="low")])
    urgent = client.submit_task(Task(priority="urgent"))
    assert [client.get_task_status(i)["status"] for i in (low, other, urgent)] == ["pending", "cancelled", "pending"]
    assert client.get_task_status(other)["reason"] == "shed"
    assert client.get_queue_stats().counters["shed"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tasks": 0}, "from 1 to"),
        ({"max_tasks": 1, "on_full": "never"}, "use one of reject, block, shed_low"),
        ({"max_tasks": 1, "queue": "a b"}, "queue name"),
    ],
)
def test_what_is_no_limit(client: Client, options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidTask, match=message):
        client.set_queue_limit(**options)
