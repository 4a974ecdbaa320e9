"""The guardian beats on time whatever else it has to do, and the link to it never loses a line."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import redis

from taskq import Settings, Task, TaskQueue
from taskq.protocol.replies import Settlement
from taskq.transport.upkeep import lease_times
from taskq.worker.guardian import Guardian, Ward, guardian_of
from taskq.worker.link import SocketLink
from tests.waiting import eventually


@pytest.fixture
def hasty(settings: Settings) -> Iterator[TaskQueue]:
    with TaskQueue(settings=replace(settings, heartbeat_interval_seconds=0.25, lease_seconds=1.5)) as queue:
        yield queue


@pytest.fixture
def guardian(hasty: TaskQueue) -> Iterator[Guardian]:
    guardian = guardian_of(hasty)
    guardian.start()
    yield guardian
    guardian.stop()


def register(queue: TaskQueue, worker: str) -> None:
    known, _, _ = queue.transport.run(
        queue.namespace.protocol.register(worker, f"token-{worker}", lease_times(queue.settings), "uuid", {})
    )
    assert known


def lease_seconds(queue: TaskQueue, worker: str) -> float:
    (info,) = [info for info in queue.list_workers() if info.worker_id == worker]
    return info.lease_seconds


def test_a_long_list_of_jobs_does_not_keep_the_beats_waiting(hasty: TaskQueue, guardian: Guardian) -> None:
    heard: list[dict[str, Any]] = []
    register(hasty, "ward")
    guardian.adopt(Ward("ward", "token-ward", heard.append, lambda: False))
    left: list[float] = []
    until = time.monotonic() + 1.4 * hasty.settings.lease_seconds
    marks: list[threading.Event] = []
    while time.monotonic() < until:
        for _ in range(1_000):  # each is one call to the server
            guardian.bury("nobody", charge=False)
        marks.append(threading.Event())
        guardian.settle(Settlement("nobody", "1.x.1", "release", "", 0), then=marks[-1].set)
        left.append(lease_seconds(hasty, "ward"))
        if len(marks) > 2:  # there is always a next one, but no end of them would take too long
            assert marks[-3].wait(40)

    assert min(left) > 0.2, "the lease of a live worker ran down while its guardian was busy"
    assert heard == []


def test_nobody_beats_for_a_ward_that_is_stopped(hasty: TaskQueue, guardian: Guardian) -> None:
    heard: list[dict[str, Any]] = []
    stopped = threading.Event()
    register(hasty, "ward")
    register(hasty, "frozen")
    guardian.adopt(Ward("ward", "token-ward", heard.append, lambda: False))
    guardian.adopt(Ward("frozen", "token-frozen", heard.append, stopped.is_set))
    for worker in ("ward", "frozen"):
        guardian.confirm(worker)
    stopped.set()

    eventually(lambda: [info.worker_id for info in hasty.list_workers()] == ["ward"], what="the end of its lease")
    stopped.clear()

    eventually(lambda: {"lost": "frozen"} in heard, what="the message that its lease was lost")
    assert {"lost": "ward"} not in heard


def test_a_ward_that_has_not_registered_yet_is_not_told_that_it_is_lost(hasty: TaskQueue, guardian: Guardian) -> None:
    heard: list[dict[str, Any]] = []
    register(hasty, "other")
    guardian.adopt(Ward("slow", "token-slow", heard.append, lambda: False))
    guardian.adopt(Ward("other", "token-other", heard.append, lambda: False))
    beats: set[str | None] = set()

    def see_beats() -> bool:
        beats.update(info.card.get("beat") for info in hasty.list_workers())
        return len(beats) > 4

    eventually(see_beats, what="a few beats")

    assert heard == [], "its registration may be on its way"
    register(hasty, "slow")
    eventually(lambda: all("beat" in info.card for info in hasty.list_workers()), what="beats for both")
    assert heard == []


def test_a_ward_whose_beats_do_not_get_through_is_warned_before_its_lease_is_over(
    settings: Settings, start_server: Any
) -> None:
    server = start_server()
    hasty = TaskQueue(
        settings=replace(settings, redis_url=server.url, heartbeat_interval_seconds=0.25, lease_seconds=1.5)
    )
    guardian = guardian_of(hasty)
    guardian.start()
    heard: list[dict[str, Any]] = []
    register(hasty, "ward")
    guardian.adopt(Ward("ward", "token-ward", heard.append, lambda: False))
    guardian.confirm("ward")
    try:
        server.pause()
        eventually(lambda: {"shaky": True} in heard, 5, "the warning")
    finally:
        server.resume()
        guardian.stop()
        hasty.close()


def test_a_message_to_a_partner_that_does_not_read_is_never_cut() -> None:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    sender, receiver = SocketLink(ours), SocketLink(theirs)
    for n in range(3_000):
        sender.tell({"number": n, "filler": "x" * 200})
    got: list[int] = []

    def read() -> None:
        while (messages := receiver.receive()) is not None:
            got.extend(message["number"] for message in messages if "number" in message)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    eventually(lambda: sender.tell({"flush": 1}) or (got and got[-1] == 2_999), what="the last message")  # type: ignore[func-returns-value]

    assert got == list(range(3_000))
    sender.close()
    reader.join(5)


def test_a_message_larger_than_one_read_is_put_together() -> None:
    ours, theirs = socket.socketpair()
    sender, receiver = SocketLink(ours), SocketLink(theirs)
    threading.Thread(target=sender.tell, args=({"long": "y" * 300_000},), daemon=True).start()

    messages = receiver.receive()

    assert messages is not None
    assert messages[0]["long"] == "y" * 300_000
    receiver.unblock()
    assert receiver.receive() == [], "nothing now"
    sender.close()
    assert receiver.receive() is None, "nothing any more"


def test_a_partner_that_is_gone_is_no_error() -> None:
    ours, theirs = socket.socketpair()
    theirs.close()
    SocketLink(ours).tell({"a": 1})
    assert SocketLink(ours).receive() is None


def test_hundreds_of_tasks_of_a_dead_worker_come_back_in_order(hasty: TaskQueue, guardian: Guardian) -> None:
    protocol, run = hasty.namespace.protocol, hasty.transport.run
    ids = hasty.submit_batch([Task(payload=n) for n in range(250)])
    for worker, ended in (("killed", True), ("vanished", False)):  # one is buried, the other one is missed by its beats
        register(hasty, worker)
        assert len(run(protocol.turn(worker, f"token-{worker}", 1, 250, ["normal"])).claims) == 250
        if ended:
            guardian.bury(worker, charge=False)
        eventually(lambda: hasty.get_queue_stats().pending_tasks == 250, what="all tasks to be back")
        with redis.Redis.from_url(hasty.settings.redis_url or "", decode_responses=True) as client:
            assert client.lrange(f"{hasty.settings.prefix}:queue:normal", 0, -1) == ids
    assert guardian.recovered == 500
    eventually(lambda: not hasty.list_workers())
