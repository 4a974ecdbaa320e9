"""ChannelWorker: a handler per channel, batches with partial failure, one run for cron."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from taskq import (
    Channel,
    ChannelWorker,
    Discard,
    InvalidTask,
    Message,
    PartialFailure,
    Publisher,
    Retry,
    RetryPolicy,
    TaskQueue,
)
from taskq.settings import Settings
from tests.waiting import eventually
from tests.worker.background import Background, findings


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    with TaskQueue(settings=Settings(redis_url=redis_url, prefix=prefix)) as queue:
        yield queue
        assert findings(queue) == []
        assert queue.list_workers() == [], "every consumer has signed off"


@pytest.fixture
def publisher(queue: TaskQueue) -> Publisher:
    return Publisher(queue)


def test_each_channel_has_its_handler(queue: TaskQueue, publisher: Publisher) -> None:
    orders: list[Any] = []
    mails: list[Any] = []
    worker = ChannelWorker(queue)
    worker.register_handler("orders", lambda message: orders.append(message.data))
    worker.register_handler(Channel("mail"), lambda message: mails.append(message.channel))
    publisher.publish_batch("orders", [1, 2])
    publisher.publish("mail", 3)
    assert worker.run_until_empty() == 3
    assert (orders, mails) == ([1, 2], ["mail"])
    assert queue.get_queue_stats().counters == {"submitted": 3, "completed": 3}


def test_run_once_takes_what_fits_and_ends(queue: TaskQueue, publisher: Publisher) -> None:
    seen: list[int] = []
    worker = ChannelWorker(queue)
    worker.register_handler("orders", lambda batch: seen.append(len(batch)), batch_size=3)
    assert worker.run_once() == 0
    publisher.publish_batch("orders", list(range(7)))
    assert [worker.run_once() for _ in range(4)] == [3, 3, 1, 0]
    assert seen == [3, 3, 1]


def test_a_handler_that_raises_rejects_its_message_alone(queue: TaskQueue, publisher: Publisher) -> None:
    def handle(message: Message) -> None:
        if message.data == 2:
            raise ValueError("no such shop")

    worker = ChannelWorker(queue)
    worker.register_handler("orders", handle)
    ids = publisher.publish_batch("orders", [1, 2, 3])
    assert worker.run_until_empty() == 3
    assert [queue.get_task_status(i)["status"] for i in ids] == ["completed", "retry", "completed"]
    assert "ValueError: no such shop" in queue.get_task_status(ids[1])["error"]


def test_a_batch_fails_as_a_whole_or_in_part(queue: TaskQueue, publisher: Publisher) -> None:
    def handle(batch: list[Message]) -> None:
        if any(message.data == "all" for message in batch):
            raise RuntimeError("the database is away")
        errors = {"text": "no number", "retry": Retry(after=60), "dead": Discard("hopeless")}
        raise PartialFailure({m: errors[m.data] for m in batch if m.data in errors})

    worker = ChannelWorker(queue)
    worker.register_handler("orders", handle, batch_size=10)
    ids = publisher.publish_batch("orders", ["fine", "text", "retry", "dead"])
    assert worker.run_once() == 4
    assert [queue.get_task_status(i)["status"] for i in ids] == ["completed", "retry", "retry", "failed"]
    assert "no number" in queue.get_task_status(ids[1])["error"]
    more = publisher.publish_batch("orders", ["fine", "all"])
    worker.run_once()
    assert [queue.get_task_status(i)["status"] for i in more] == ["retry", "retry"]


def test_a_batch_handler_that_names_strangers_has_done_nothing(queue: TaskQueue, publisher: Publisher) -> None:
    def handle(batch: list[Message]) -> None:
        raise PartialFailure({"stranger": "who is it"})

    worker = ChannelWorker(queue)
    worker.register_handler("orders", handle, batch_size=10, policy=RetryPolicy(max_retries=0))
    message_id = publisher.publish("orders", 1)
    worker.run_once()
    assert "not in its batch" in queue.get_task_status(message_id)["error"]


def test_async_handlers_run_side_by_side(queue: TaskQueue, publisher: Publisher) -> None:
    together: list[int] = []
    running = 0

    async def handle(message: Message) -> None:
        nonlocal running
        running += 1
        together.append(running)
        await asyncio.sleep(0)
        running -= 1
        if message.data == 3:
            raise ValueError("three")

    worker = ChannelWorker(queue, concurrency=4)
    worker.register_handler("orders", handle)
    ids = publisher.publish_batch("orders", [1, 2, 3, 4])
    assert worker.run_once() == 4
    assert max(together) == 4
    assert queue.get_task_status(ids[2])["status"] == "retry"


def test_plain_handlers_run_on_threads(queue: TaskQueue, publisher: Publisher) -> None:
    meeting = threading.Barrier(3, timeout=20)
    worker = ChannelWorker(queue, concurrency=3)
    worker.register_handler("orders", lambda message: meeting.wait())
    publisher.publish_batch("orders", [1, 2, 3])
    assert worker.run_once() == 3
    assert queue.get_queue_stats().counters["completed"] == 3


def test_it_serves_until_it_is_stopped(queue: TaskQueue, publisher: Publisher) -> None:
    seen: list[Any] = []
    worker = ChannelWorker(queue, name="till")
    worker.register_handler("orders", lambda message: seen.append(message.data))
    worker.register_handler("mail", lambda message: seen.append(message.data))
    serving = Background(worker.start)
    eventually(lambda: len(queue.list_workers()) == 2, what="two consumers")
    assert all(info.worker_id.startswith("till-") for info in queue.list_workers())
    publisher.publish("orders", 1)
    publisher.publish("mail", 2)
    eventually(lambda: len(seen) == 2, what="both messages")
    eventually(lambda: queue.get_queue_stats().counters.get("completed") == 2, what="both acknowledgements")
    worker.stop()
    assert serving.join() == {"acknowledged": 2, "failed": 0, "refused": 0}


def test_after_the_grace_messages_are_handed_back(queue: TaskQueue, publisher: Publisher) -> None:
    begun, gate = threading.Event(), threading.Event()
    worker = ChannelWorker(queue)
    worker.register_handler("orders", lambda message: [begun.set(), gate.wait(20)])
    message_id = publisher.publish("orders", 1)
    serving = Background(worker.start)
    assert begun.wait(20)
    worker.stop(grace_seconds=0)
    assert serving.join() == {"acknowledged": 0, "failed": 0, "refused": 0}
    assert queue.get_task_status(message_id)["status"] == "pending"
    gate.set()  # its late word is refused
    worker.register_handler("orders", lambda message: None)
    assert worker.run_once() == 1


def test_a_stop_before_the_start_counts(queue: TaskQueue) -> None:
    worker = ChannelWorker(queue)
    worker.register_handler("orders", lambda message: None)
    worker.stop()
    assert worker.start() == {"acknowledged": 0, "failed": 0, "refused": 0}


def test_what_cannot_be_registered(queue: TaskQueue) -> None:
    worker = ChannelWorker(queue)
    with pytest.raises(InvalidTask, match="has no handler"):
        worker.run_once()
    with pytest.raises(InvalidTask, match="a function"):
        worker.register_handler("orders", "handle")  # type: ignore[arg-type]
    with pytest.raises(InvalidTask, match="count is 0"):
        worker.register_handler("orders", print, batch_size=0)
