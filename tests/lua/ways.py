"""Situations in which a worker takes a turn that the short way of the script can do: limits, circuits, groups."""

from __future__ import annotations

from typing import Any

from taskq.model.circuit import Circuit
from taskq.model.limit import Limit
from taskq.protocol.operation import Operation
from taskq.protocol.replies import TurnReply
from taskq.protocol.submits import Submission
from tests.lua.plain_ways import PLAIN, Situation, claims_of
from tests.state import Bench, envelope, settle, task


def limit(bench: Bench, name: str, **options: Any) -> None:
    assert bench.run(bench.protocol.set_limit(Limit(name, **options)))


def typed(task_id: str, kind: str, priority: str = "normal", limits: str = "") -> Submission:
    return task(task_id, priority, body=envelope(task_id, kind, limits))


def a_limit_of_their_type_with_room(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "type:send", concurrency=3)
    bench.register("w1")
    bench.submit(typed("a", "send"), typed("b", "other"), typed("c", "send", "low"), typed("d", "send", "low"))
    return bench.turn_op("w1", 5)


def a_pause_of_a_type_beside_keys_that_nobody_counts(bench: Bench) -> Operation[TurnReply]:
    bench.run(bench.protocol.gate(True, "type:send"))
    bench.register("w1")
    bench.submit(typed("a", "other", limits="k"), typed("b", "another", limits="k l"))
    return bench.turn_op("w1", 5)


def a_limit_of_another_type(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "type:send", concurrency=1)
    claim = bench.claim_one("a")
    bench.submit(typed("b", "other"), typed("c", "sender"))
    return bench.turn_op("w1", 5, [settle(claim)])


def each_type_by_itself(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "type", concurrency=2)
    bench.register("w1")
    bench.submit(*(typed(f"{kind}{n}", kind) for n in range(2) for kind in ("send", "resize", "crop")))
    return bench.turn_op("w1", 10)


def the_room_that_it_gives_back(bench: Bench) -> Operation[TurnReply]:
    """As many as may run end, and as many begin."""
    limit(bench, "type:send", concurrency=2)
    bench.register("w1")
    bench.submit(*(typed(name, "send") for name in "abcd"))
    claims = bench.claim("w1", 2)
    return bench.turn_op("w1", 2, [settle(claim) for claim in claims])


def keys_of_limits(bench: Bench) -> Operation[TurnReply]:
    """A key that has a limit, one whose name has, one that nobody counts, and a type; claims of two turns end."""
    for name, most in (("k", 9), ("n", 2), ("n:2", 4), ("type:send", 9)):
        limit(bench, name, concurrency=most)
    bench.register("w1")
    kinds = ["k", "n:1", "n:2 k", "free", "k n:1 free"]
    bench.submit(*(typed(f"old{n}", "send" if n % 2 else "t", limits=keys) for n, keys in enumerate(kinds)))
    claims = [*bench.claim("w1", 2), *bench.claim("w1", 3)]
    assert len(claims) == len(kinds)
    bench.submit(*(typed(f"new{n}", "send" if n % 2 else "t", limits=keys) for n, keys in enumerate(kinds)))
    return bench.turn_op("w1", 5, [settle(claims[n]) for n in (3, 0, 4, 1)])


def a_key_each(bench: Bench) -> Operation[TurnReply]:
    """One name has the limit of all: some keys come, some go, one does both, and one does so twice."""
    limit(bench, "k", concurrency=2)
    bench.register("w1")
    bench.submit(*(task(f"old{n}", limits=f"k:{n % 5}") for n in range(6)))
    claims = bench.claim("w1", 6)
    bench.submit(
        *(task(f"new{n}", limits=f"k:{n}") for n in (1, 5, 6, 3)), task("more", limits="k:6"), task("n", limits="k")
    )
    return bench.turn_op("w1", 6, [settle(claims[n]) for n in (0, 1, 2, 5)])


def a_key_each_and_nothing_else(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "k", concurrency=2)
    bench.register("w1")
    bench.submit(*(task(f"old{n}", limits=f"k:{n}") for n in range(4)))
    claims = bench.claim("w1", 4)
    bench.submit(*(task(f"new{n}", limits=f"k:{n + 4}") for n in range(3)), task("again", limits="k:3"))
    return bench.turn_op("w1", 4, [settle(claim) for claim in claims[:3]])


def permits_that_somebody_has_deleted(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "k", concurrency=2)
    bench.register("w1")
    bench.submit(*(task(f"old{n}", limits=f"k:{n // 2}") for n in range(8)))
    claims = bench.claim("w1", 8)
    bench.submit(*(task(f"new{n}", limits=f"k:{n + 4}") for n in range(3)), task("again", limits="k:3"))
    bench.audited = False
    bench.client.hdel(bench.key("permits"), "k:0", "k:3")
    bench.client.hset(bench.key("permits"), "k:1", "many")
    return bench.turn_op("w1", 4, [settle(claim) for claim in claims[:6]])


def the_id_of_one_is_the_key_of_another(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "k", concurrency=3)
    bench.register("w1")
    bench.submit(task("a"), task("b", limits="k"))
    claims = bench.claim("w1", 2)
    bench.submit(task("k"), task("x", limits="k"))
    return bench.turn_op("w1", 2, [settle(claim) for claim in claims])


def permits_and_nothing_to_claim(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "k", concurrency=2)
    bench.register("w1")
    bench.submit(task("a", limits="k"), task("b", limits="k"))
    first, _ = bench.claim("w1", 2)
    return bench.turn_op("w1", 2, [settle(first)])


def permits_of_a_limit_that_is_gone(bench: Bench) -> Operation[TurnReply]:
    operation = permits_and_nothing_to_claim(bench)
    assert bench.run(bench.protocol.remove_limit("k"))
    return operation


def rates_with_room(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "type:send", rate="6/m")
    limit(bench, "w", rate="5/m", sliding=True, concurrency=4)
    bench.register("w1")
    bench.submit(typed("old", "send", limits="w"))
    (claim,) = bench.claim("w1", 2)
    bench.move_clock(10)
    bench.submit(*(typed(f"new{n}", "send", limits="w" if n else "") for n in range(4)))
    return bench.turn_op("w1", 4, [settle(claim)])


def groups_that_take_turns(bench: Bench) -> Operation[TurnReply]:
    """In one list more of them than are wanted; the list below is not reached."""
    bench.register("w1")
    bench.submit(*(task(f"{name}{n}", "high", group=name) for name in "abc" for n in range(2)), task("x", "high"))
    bench.submit(task("low", "low"))
    return bench.turn_op("w1", 6)


def groups_that_come_round_again(bench: Bench) -> Operation[TurnReply]:
    """Fewer entries than are wanted, but more tasks; another list after them, and a run that ends."""
    (old,) = claims_of(bench, "old")
    bench.submit(*(task(f"a{n}", group="a") for n in range(4)), task("x"), task("b0", group="b"))
    bench.submit(*(task(f"l{n}", "low", group="a") for n in range(3)))
    return bench.turn_op("w1", 8, [settle(old)])


def groups_with_a_limit(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "w", concurrency=9)
    bench.register("w1")
    bench.submit(*(task(f"a{n}", group="a", limits="w") for n in range(3)), task("b", group="b"))
    return bench.turn_op("w1", 4)


def keys_of_a_circuit_that_is_closed(bench: Bench) -> Operation[TurnReply]:
    bench.run(bench.protocol.set_circuit(Circuit("k")))
    bench.register("w1")
    bench.submit(*(task(name, limits="k") for name in "abcd"))
    claims = bench.claim("w1", 2)
    return bench.turn_op("w1", 2, [settle(claim) for claim in claims])


def keys_of_a_circuit_that_counts_completions(bench: Bench) -> Operation[TurnReply]:
    for circuit in (Circuit("k", share=0.5), Circuit("k:own", within=600, share=0.2), Circuit("other")):
        bench.run(bench.protocol.set_circuit(circuit))
    bench.register("w1")
    bench.submit(
        *(task(name, limits=key) for name, key in (("a", "k:1"), ("b", "k:own"), ("c", "other"), ("d", "k:1")))
    )
    claims = bench.claim("w1", 4)
    bench.submit(*(task(name, limits="k:1") for name in "ef"))
    return bench.turn_op("w1", 2, [settle(claim) for claim in claims])


SHORT: tuple[Situation, ...] = (
    groups_that_take_turns,
    groups_that_come_round_again,
    groups_with_a_limit,
    a_limit_of_their_type_with_room,
    a_pause_of_a_type_beside_keys_that_nobody_counts,
    a_limit_of_another_type,
    each_type_by_itself,
    the_room_that_it_gives_back,
    keys_of_limits,
    a_key_each,
    a_key_each_and_nothing_else,
    permits_that_somebody_has_deleted,
    the_id_of_one_is_the_key_of_another,
    permits_and_nothing_to_claim,
    permits_of_a_limit_that_is_gone,
    rates_with_room,
    keys_of_a_circuit_that_is_closed,
    keys_of_a_circuit_that_counts_completions,
    *PLAIN,
)
