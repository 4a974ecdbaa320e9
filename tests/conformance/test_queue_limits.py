"""Limits of queues, by the clients."""

from __future__ import annotations

import threading
import time

import pytest

from taskq import InvalidTask, QueueFull, QueueLimit, Task
from taskq.model.envelope import to_envelope
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


@pytest.mark.parametrize("verb", ["cancel", "purge"])
def test_block_goes_on_at_once_when_a_cancel_or_a_purge_makes_room(new_client: NewClient, verb: str) -> None:
    client, other = new_client(), new_client()
    client.set_queue_limit(max_tasks=1, on_full="block", timeout=30)
    first = client.submit_task(Task())
    thread = threading.Thread(target=other.submit_task, args=(Task(),))
    thread.start()
    eventually(lambda: client.list_queue_limits()[0].awaited, 10, "somebody to wait")
    began = time.monotonic()
    if verb == "cancel":
        client.cancel_task(first)
    else:
        client.purge()
    thread.join(10)
    assert not thread.is_alive()
    assert time.monotonic() - began < 1, "by the hint, not by the look every two seconds"
    assert client.get_queue_stats().pending_tasks == 1


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


def size_of(task: Task) -> int:
    return len(to_envelope(task, 10**6).encode())


class TestBytes:
    """A limit that counts the bytes of envelopes as they are stored."""

    def test_set_list_and_remove(self, client: Client) -> None:
        client.set_queue_limit("mail", max_bytes=5_000)
        client.set_queue_limit(max_tasks=3, max_bytes=9, on_full="shed_low")
        assert client.list_queue_limits() == [
            QueueLimit("default", 3, "shed_low", max_bytes=9),
            QueueLimit("mail", max_bytes=5_000),
        ]
        assert client.remove_queue_limit("mail")

    def test_reject(self, client: Client) -> None:
        first, second = Task(payload="x" * 100), Task(payload="ä" * 50, priority="urgent")
        most = size_of(first) + size_of(second) - 1
        client.set_queue_limit(max_bytes=most)
        client.submit_task(first)
        held = rf"holds {size_of(first)} bytes and may hold {most}, and this submit brings {size_of(second)}: nothing"
        with pytest.raises(QueueFull, match=held):
            client.submit_task(second)
        client.set_queue_limit(max_bytes=most + 1)
        client.submit_task(second)

    @pytest.mark.parametrize("on_full", ["reject", "block", "shed_low"])
    def test_one_that_never_fits_is_refused_at_once(self, client: Client, on_full: str) -> None:
        client.set_queue_limit(max_bytes=1_000, on_full=on_full, timeout=60)
        client.submit_task(Task(priority="low"))
        with pytest.raises(QueueFull, match=r"may hold 1,000 bytes .* brings 5,\d+, more than an empty queue takes"):
            client.submit_task(Task(payload="x" * 5_000, priority="urgent"))
        with pytest.raises(QueueFull, match=r"more than an empty queue takes: nothing was stored"):
            client.submit_batch([Task(payload="x" * 400) for _ in range(3)])

    def test_block_waits_until_enough_has_left(self, new_client: NewClient, hands: Hands) -> None:
        client, other = new_client(), new_client()
        small, large = [Task(payload="x" * 100) for _ in range(2)], Task(payload="x" * 350)
        client.set_queue_limit(max_bytes=2 * size_of(small[0]), on_full="block", timeout=30)
        client.submit_batch(small)
        thread = threading.Thread(target=other.submit_task, args=(large,))
        thread.start()
        assert hands.claim(1) == [small[0].task_id]
        assert client.get_queue_stats().pending_tasks == 1, "there is not room enough"
        assert hands.claim(1) == [small[1].task_id]
        thread.join(10)
        assert not thread.is_alive()
        assert client.get_task_status(large.task_id)["status"] == "pending"

    def test_shed_low(self, client: Client) -> None:
        low = [Task(payload="x" * 100, priority="low") for _ in range(4)]
        large = Task(payload="x" * (2 * size_of(low[0])))
        client.set_queue_limit(max_bytes=sum(map(size_of, low)), on_full="shed_low")
        ids = client.submit_batch(low)
        client.submit_task(large)
        assert [client.get_task_status(i)["status"] for i in ids] == ["pending", *["cancelled"] * 3]
        with pytest.raises(QueueFull):
            client.submit_task(Task(priority="low", payload="x" * 500))

    def test_what_waited_before_counts(self, client: Client) -> None:
        tasks = [Task(payload=n, queue="mail") for n in range(1200)]
        client.submit_batch(tasks)
        held = sum(map(size_of, tasks))
        client.set_queue_limit("mail", max_bytes=held + 10)
        with pytest.raises(QueueFull, match=f"holds {held:,} bytes"):
            client.submit_task(Task(queue="mail"))
        client.purge("mail")
        client.submit_task(Task(queue="mail"))

    @pytest.mark.parametrize(("options", "message"), [({"max_bytes": 0}, "max_bytes is 0"), ({}, "neither max_tasks")])
    def test_what_is_no_limit(self, client: Client, options: dict[str, int], message: str) -> None:
        with pytest.raises(InvalidTask, match=message):
            client.set_queue_limit(**options)
