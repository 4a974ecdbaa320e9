"""What the scripts publish, and that they publish nothing where nobody listens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from tests.state import LIMITS, TIMES, TTL_MS, Bench, settle, task
from tests.waiting import eventually

Event = tuple[str, dict[str, Any]]


@pytest.fixture
def published(bench: Bench) -> Iterator[Callable[[], list[Event]]]:
    """Returns what was published since the last call."""
    pubsub = bench.client.pubsub()
    pubsub.subscribe(bench.protocol.events_channel)
    eventually(lambda: pubsub.get_message(timeout=1), what="the subscription")
    marker = '{"type":"marker"}'

    def read() -> list[Event]:
        bench.client.publish(bench.protocol.events_channel, marker)
        events: list[Event] = []
        while True:
            message = eventually(lambda: pubsub.get_message(timeout=1), what="a message")
            if message["data"] == marker:
                return events
            event = json.loads(message["data"])
            assert event.keys() == {"type", "data", "timestamp"}
            assert abs(datetime.fromisoformat(event["timestamp"]).timestamp() * 1000 - bench.now_ms()) < 5_000
            events.append((event["type"], event["data"]))

    yield read
    pubsub.close()


def status(task_id: str, now: str, before: str) -> Event:
    return ("task.status_changed", {"task_id": task_id, "status": now, "previous_status": before})


Published = Callable[[], list[Event]]


def test_submit(bench: Bench, published: Published) -> None:
    bench.submit(task("a", "high"), task("b", due="+60000", queue="mail"))
    assert published() == [
        ("task.submitted", {"task_id": "a", "status": "pending", "list": "high"}),
        ("task.submitted", {"task_id": "b", "status": "scheduled", "list": "mail:normal"}),
    ]
    bench.submit(task("a", "high"))
    assert published() == []


@pytest.mark.parametrize(
    ("outcome", "now", "end"),
    [
        ("complete", "completed", {"task_id": "a", "status": "completed", "worker_id": "w1"}),
        ("fail", "failed", {"task_id": "a", "status": "failed"}),
        ("cancel", "cancelled", {"task_id": "a", "status": "cancelled"}),
        ("retry", "retry", None),
        ("snooze", "scheduled", None),
        ("release", "pending", None),
    ],
)
def test_an_attempt(bench: Bench, published: Published, outcome: str, now: str, end: dict[str, Any] | None) -> None:
    claim = bench.claim_one("a")
    assert published()[1:] == [
        ("task.submitted", {"task_id": "a", "status": "pending", "list": "normal"}),
        status("a", "running", "pending"),
    ]
    bench.end("w1", settle(claim, outcome))
    assert published() == [status("a", now, "running"), *([(f"task.{now}", end)] if end else [])]


def test_workers_come_and_go(bench: Bench, published: Published) -> None:
    bench.register("w1")
    bench.register("w1")
    assert published() == [("worker.started", {"worker_id": "w1"})]
    bench.evict("w1")
    assert published() == [("worker.stopped", {"worker_id": "w1"})]


def test_a_worker_is_lost(bench: Bench, published: Published) -> None:
    bench.claim_one("a")
    published()
    bench.run(bench.protocol.evict("w1", True, 10, LIMITS))
    assert published() == [status("a", "pending", "running"), ("worker.lost", {"worker_id": "w1"})]


def test_a_poisoned_task(bench: Bench, published: Published) -> None:
    bench.make_suspect("a")
    bench.register("w1")
    bench.claim("w1")
    published()
    bench.evict("w1", charge=True)
    assert published() == [
        status("a", "failed", "running"),
        ("task.failed", {"task_id": "a", "status": "failed"}),
        ("worker.lost", {"worker_id": "w1"}),
    ]


def test_promote(bench: Bench, published: Published) -> None:
    bench.submit(task("a", due=bench.at(60)))
    assert len(published()) == 1
    bench.move_clock(60)
    bench.run(bench.protocol.promote())
    assert published() == [status("a", "pending", "scheduled")]


def test_cancel_replay_and_purge(bench: Bench, published: Published) -> None:
    bench.submit_ids("a")
    published()
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    assert published() == [
        status("a", "cancelled", "pending"),
        ("task.cancelled", {"task_id": "a", "status": "cancelled"}),
    ]
    bench.run(bench.protocol.replay([("a", "normal")]))
    assert published() == [status("a", "pending", "cancelled")]
    bench.run(bench.protocol.purge("normal", 10))
    assert published() == [("task.purged", {"task_id": "a", "list": "normal"})]


def test_a_running_task(bench: Bench, published: Published) -> None:
    claim = bench.claim_one("a")
    published()
    bench.run(bench.protocol.progress("a", claim.fence, "1"))
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    assert published() == [
        ("task.progress", {"task_id": "a"}),
        ("task.cancel_requested", {"task_id": "a", "status": "running", "worker_id": "w1"}),
    ]
    bench.run(bench.protocol.repair("w1", "tok-w1", TIMES, []))
    assert published() == [status("a", "pending", "running")]


def test_a_slot_of_a_schedule(bench: Bench, published: Published) -> None:
    bench.run(bench.protocol.add_schedule("s", "{}"))
    bench.run(bench.protocol.fire("s", "{}", 1000, task("a")))
    assert published() == [("task.submitted", {"task_id": "a", "status": "pending", "list": "normal"})]


@pytest.mark.parametrize(
    "when",
    [
        "1970-01-01T00:00:30",
        "1999-12-31T23:59:29",
        "2000-02-29T12:00:00",
        "2024-03-01T00:00:00",
        "2028-02-28T23:59:58",
        "2100-03-01T06:07:08",
        "2400-02-29T00:00:00",
    ],
)
def test_the_calendar(bench: Bench, published: Published, when: str) -> None:
    """Timestamps are made by arithmetic in Lua; ``published`` compares them with the clock as Python reads it."""
    moment = datetime.fromisoformat(f"{when}+00:00")
    bench.move_clock(moment.timestamp() - bench.now_ms() / 1000)
    bench.submit_ids("a")
    assert len(published()) == 1


def test_listeners_by_pattern_hear_it_too(bench: Bench) -> None:
    pubsub = bench.client.pubsub()
    pubsub.psubscribe(f"{bench.prefix}:*")
    eventually(lambda: pubsub.get_message(timeout=1), what="the subscription")
    bench.submit_ids("a")
    message = eventually(lambda: pubsub.get_message(timeout=1), what="the event")
    assert json.loads(message["data"])["data"]["task_id"] == "a"
    pubsub.close()
