"""Scenarios of queues with a limit: set, removed, full, and with room that somebody waits for."""

from __future__ import annotations

from typing import Any

from taskq.model.bound import QueueLimit
from taskq.protocol.operation import Operation
from tests.state import TTL_MS, Bench, task

KEEP_MS = 60_000


def bound(
    bench: Bench, most: int | None, on_full: str = "reject", queue: str = "default", max_bytes: int | None = None
) -> None:
    """Set the limit of a queue."""
    limit = QueueLimit(queue, most, on_full, max_bytes=max_bytes)
    bench.run(bench.protocol.set_bound(queue, limit.text(KEEP_MS)))


def weigh_all(bench: Bench) -> Operation[Any]:
    """What waits already, in a queue with a name as well."""
    body = '{"id":"b","type":"t","created_at":"x","limit_keys":["k","l"],"version":2,"queue":"mail","checksum":""}'
    bench.submit(task("a"), task("b", queue="mail", body=body))
    bench.audited = False
    bound(bench, None, max_bytes=1000)
    return bench.protocol.weigh("0")


def compare_weights(bench: Bench) -> Operation[Any]:
    weigh_all(bench)
    return bench.protocol.scales("bytes", "0")


def recount_bytes(bench: Bench) -> Operation[Any]:
    weigh_all(bench)
    bench.run(bench.protocol.weigh("0"))
    return bench.protocol.recount_bytes()


def submit_and_shed_bytes(bench: Bench) -> Operation[Any]:
    """Two of four go for one that is as large as they are."""
    bound(bench, None, "shed_low", max_bytes=100)
    bench.submit(*(task(i, "low", body=25 * "x") for i in "abcd"))
    return bench.protocol.submit([task("large", body=50 * "x")], 0)


def set_bound(bench: Bench) -> Operation[Any]:
    bound(bench, 1, "block", "mail")
    bench.submit(task("a", queue="mail"))
    bench.run(bench.protocol.submit([task("b", queue="mail")], 0))
    return bench.protocol.set_bound("mail", QueueLimit("mail", 2).text(KEEP_MS))


def remove_bound(bench: Bench) -> Operation[Any]:
    bound(bench, 1)
    return bench.protocol.remove_bound("default")


def submit_with_room(bench: Bench) -> Operation[Any]:
    bound(bench, 4, "block")
    bench.submit(*(task(i) for i in "abcd"))
    assert bench.run(bench.protocol.submit([task("e")], 0)).bounded
    bench.register("w1")
    bench.claim("w1", 3)
    return bench.protocol.submit([task("f", "high")], 0)


def submit_and_shed(bench: Bench) -> Operation[Any]:
    """A tombstone, one with a unique key, and one of the next list make room for three."""
    bound(bench, 5, "shed_low")
    bench.submit(
        task("n1"), task("n2", unique="k"), task("l1", "low", unique="k2"), task("l2", "low"), task("u", "urgent")
    )
    bench.run(bench.protocol.cancel("l2", "{}", TTL_MS))
    return bench.protocol.submit([task("a", "high"), task("b", "urgent"), task("c", "high")], 0)


def turn_makes_room_in_a_queue(bench: Bench) -> Operation[Any]:
    bound(bench, 1, "block")
    bench.submit(task("a"))
    assert bench.run(bench.protocol.submit([task("b")], 0)).bounded
    bench.register("w1")
    return bench.turn_op("w1", 1)


def _awaited(bench: Bench) -> None:
    """A queue of two tasks is full, and somebody waits for room in it."""
    bound(bench, 2, "block", "mail")
    bench.submit(task("a", queue="mail"), task("b", "low", queue="mail"))
    assert bench.run(bench.protocol.submit([task("c", queue="mail")], 0)).bounded


def cancel_makes_room(bench: Bench) -> Operation[Any]:
    _awaited(bench)
    return bench.protocol.cancel("b", "{}", TTL_MS)


def purge_makes_room(bench: Bench) -> Operation[Any]:
    _awaited(bench)
    return bench.protocol.purge("mail:low", 10)


SCENARIOS = (
    set_bound,
    remove_bound,
    submit_with_room,
    submit_and_shed,
    submit_and_shed_bytes,
    turn_makes_room_in_a_queue,
    cancel_makes_room,
    purge_makes_room,
    weigh_all,
    compare_weights,
    recount_bytes,
)
