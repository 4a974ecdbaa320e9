"""Consumers that die, freeze, or lose a reply: every message is delivered again or was settled once, and none twice."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from taskq import Channel, Consumer, NotHeld, Publisher, ServerUnavailable, TaskQueue
from taskq.settings import Settings
from taskq.testing.faults.proxy import Proxy
from taskq.transport.upkeep import crash_limits
from tests.channels.conftest import NewFace
from tests.channels.faces import Face
from tests.waiting import eventually
from tests.worker.background import findings

ROOT = Path(__file__).parents[2]
LEASE = {"heartbeat_interval_seconds": 0.2, "lease_seconds": 1.5}


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    with TaskQueue(settings=Settings(redis_url=redis_url, prefix=prefix, **LEASE)) as queue:  # type: ignore[arg-type]  # all of one kind
        yield queue
        assert findings(queue) == []


@pytest.fixture
def process(queue: TaskQueue) -> Iterator[subprocess.Popen[str]]:
    """A consumer that a test may kill."""
    words = [sys.executable, "-m", "tests.channels.program", queue.settings.redis_url or "", queue.settings.prefix]
    process = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.send_signal(signal.SIGCONT)
    process.kill()
    process.communicate()


def said(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    return process.stdout.readline().split()


def ask(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("acknowledge\n")
    process.stdin.flush()


def test_what_a_killed_consumer_held_is_delivered_again(queue: TaskQueue, process: subprocess.Popen[str]) -> None:
    ids = Publisher(queue).publish_batch("orders", [1, 2, 3])
    assert said(process) == ids
    with Consumer("orders", queue) as other:
        assert other.consume(10) == []
        process.kill()  # between consume and acknowledge
        messages = []
        while len(messages) < 3:
            messages += other.consume(10, block_ms=20_000)
        assert [(message.id, message.data, message.attempt) for message in messages] == [
            (message_id, n, 2) for n, message_id in enumerate(ids, 1)
        ]
        assert other.acknowledge(messages) == 3
    assert queue.get_queue_stats().counters == {"submitted": 3, "completed": 3, "recovered": 3}


def test_a_frozen_consumer_is_refused_when_it_wakes_up(queue: TaskQueue, process: subprocess.Popen[str]) -> None:
    ids = Publisher(queue).publish_batch("orders", [1, 2])
    assert said(process) == ids
    process.send_signal(signal.SIGSTOP)
    with Consumer("orders", queue) as other:
        messages = []
        while len(messages) < 2:
            messages += other.consume(10, block_ms=20_000)
        process.send_signal(signal.SIGCONT)
        ask(process)
        assert said(process) == ["refused", *ids]
        assert queue.get_task_status(ids[0])["worker_id"] == other.consumer_id
        assert other.acknowledge(messages) == 2
    assert queue.get_queue_stats().counters["completed"] == 2


def test_the_lease_is_renewed_while_a_consumer_does_nothing(queue: TaskQueue, process: subprocess.Popen[str]) -> None:
    Publisher(queue).publish("orders", 1)
    assert len(said(process)) == 1
    (worker,) = queue.list_workers()
    beat = worker.card.get("beat", "0")
    late = int(worker.card["started"]) + 2 * 1500
    eventually(lambda: int(queue.list_workers()[0].card.get("beat", beat)) > late, what="beats for two leases")
    ask(process)
    assert said(process) == ["acknowledged", "1"]


@pytest.fixture
def proxied(new_face: NewFace, redis_url: str) -> Iterator[tuple[Face, Proxy]]:
    with Proxy(redis_url) as proxy:
        face = new_face(redis_url=proxy.url, socket_timeout_seconds=2.0)
        yield face, proxy
        assert findings(face.queue) == []
        face.close()  # while there is a way to the server


@pytest.mark.parametrize("action", ["lose", "cut"])
def test_a_lost_reply_neither_loses_nor_doubles(proxied: tuple[Face, Proxy], action: str) -> None:
    face, proxy = proxied
    publisher, consumer, other = face.publisher(), face.consumer("orders"), face.consumer("orders")
    publisher.publish_batch("orders", [0, 0])
    consumer.acknowledge(consumer.consume(1)), other.acknowledge(other.consume(1))
    struck = []

    def lose(script: str) -> None:
        struck.append(proxy.strike(action, script))

    lose("submit")
    ids = publisher.publish_batch("orders", [1, 2, 3, 4])
    lose("turn")
    messages = consumer.consume(4)
    assert [message.id for message in messages] == ids
    lose("turn")
    assert consumer.acknowledge(messages[:1]) == 1
    lose("turn")
    assert consumer.reject(messages[1], requeue=False) == 1
    lose("takeover")
    taken = other.claim_pending_messages(0)
    assert [(message.id, message.attempt) for message in taken] == [(ids[2], 2), (ids[3], 2)]
    assert other.acknowledge(taken) == 2
    lose("evict")
    consumer.close()
    assert all(event.is_set() for event in struck)
    counters = face.queue.get_queue_stats().counters
    assert counters == {"submitted": 6, "completed": 5, "failed": 1}


def test_after_an_outage_the_same_call_again_gets_the_same_answer(new_face: NewFace, redis_url: str) -> None:
    """The call gives up before its reply is here; what the server has done stands, and the next call learns of it."""
    with Proxy(redis_url) as proxy:
        face = new_face(redis_url=proxy.url, socket_timeout_seconds=0.3, call_timeout_seconds=0.3)
        publisher, consumer = face.publisher(), face.consumer("orders")
        ids = publisher.publish_batch("orders", [1, 2, 3])
        first = consumer.consume(1)

        def give_up(call: Callable[[], object]) -> None:
            struck = proxy.strike("hang", "turn", times=50)
            with pytest.raises(ServerUnavailable):
                call()
            assert struck.is_set()
            proxy.clear()

        give_up(lambda: consumer.acknowledge(first))
        assert consumer.acknowledge(first) == 1, "the first call has done it"
        with pytest.raises(NotHeld):
            consumer.acknowledge(first)
        give_up(lambda: consumer.consume(2))
        messages = consumer.consume(2)
        assert [message.id for message in messages] == ids[1:]
        give_up(lambda: consumer.reject(messages[0], requeue=False))
        with pytest.raises(NotHeld):
            consumer.acknowledge(messages[0])  # it was rejected
        assert consumer.acknowledge(messages[1]) == 1
        assert face.queue.get_queue_stats().counters == {"submitted": 3, "completed": 2, "failed": 1}
        assert findings(face.queue) == []


def test_a_message_that_kills_its_consumers_is_a_dead_letter(redis_url: str, prefix: str) -> None:
    settings = Settings(redis_url=redis_url, prefix=prefix, max_crashes=2)
    with TaskQueue(settings=settings) as queue, closing(Publisher(queue)) as publisher:
        publisher.publish(Channel("orders"), "poison")
        for _ in range(2):
            victim = Consumer("orders", queue)
            assert len(victim.consume(1, block_ms=5_000)) == 1
            protocol = queue.namespace.protocol
            # what the reaper does when the lease of a dead process is over
            queue.transport.run(protocol.evict(victim.consumer_id, True, 100, crash_limits(settings)))
            victim.close()
        (letter,) = queue.list_dead()
        assert (letter.queue, letter.reason, letter.attempts) == ("orders", "poison", 2)
        assert findings(queue) == []
