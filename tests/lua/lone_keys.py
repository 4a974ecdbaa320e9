"""Situations in which a worker takes a turn, and some of the tasks hold the key of a limit that nobody else holds."""

from __future__ import annotations

from taskq.model.circuit import Circuit
from taskq.model.limit import Limit
from taskq.protocol.operation import Operation
from taskq.protocol.replies import Claim, TurnReply
from tests.lua.plain_ways import Situation
from tests.state import Bench, envelope, settle, task


def set_limit(bench: Bench, name: str, most: int) -> None:
    assert bench.run(bench.protocol.set_limit(Limit(name, concurrency=most)))


def lone(bench: Bench, count: int = 3, most: int = 2) -> tuple[Claim, ...]:
    """Let a worker claim tasks with the keys ``k:0``, ``k:1`` ... that nobody else holds."""
    set_limit(bench, "k", most)
    bench.register("w1")
    bench.submit(*(task(f"old{n}", limits=f"k:{n}") for n in range(count)))
    claims = bench.claim("w1", count)
    assert len(claims) == count
    assert bench.client.smembers(bench.key("sole")) > {f"k:{n}" for n in range(count)}
    return claims


def some_go_and_others_come(bench: Bench) -> Operation[TurnReply]:
    """Beside a jam of another key, in the order of another turn."""
    claims = lone(bench)
    set_limit(bench, "full", 1)
    bench.submit(*(task(f"full{n}", limits="full") for n in range(2)))
    bench.claim("w1", 2)
    bench.submit(*(task(f"new{n}", limits=f"k:{n}.-_") for n in range(3, 6)))
    return bench.turn_op("w1", 3, [settle(claims[n]) for n in (2, 0)])


def nobody_comes(bench: Bench) -> Operation[TurnReply]:
    return bench.turn_op("w1", 3, [settle(claim) for claim in lone(bench)])


def those_who_come_have_no_key(bench: Bench) -> Operation[TurnReply]:
    claims = lone(bench)
    bench.submit(task("a"), task("b", limits="k:7"))
    return bench.turn_op("w1", 3, [settle(claim) for claim in claims])


def one_comes_whose_key_another_one_holds(bench: Bench) -> Operation[TurnReply]:
    claims = lone(bench)
    bench.submit(task("new", limits="k:5"), task("second", limits="k:1"))
    return bench.turn_op("w1", 3, [settle(claims[0])])


def two_come_with_the_same_key(bench: Bench) -> Operation[TurnReply]:
    claims = lone(bench)
    bench.submit(task("new", limits="k:5"), task("second", limits="k:5"), task("third", limits="k:6"))
    return bench.turn_op("w1", 3, [settle(claims[0])])


def one_comes_whose_key_others_hold(bench: Bench) -> Operation[TurnReply]:
    """Numbers of permits and keys that are held alone at the same time; those with numbers end first."""
    two_come = two_come_with_the_same_key(bench)
    first, second, _ = bench.run(two_come).claims
    bench.submit(task("a", limits="k:5"), task("b", limits="k:8"))
    return bench.turn_op("w1", 2, [settle(second), settle(first)])


def those_with_numbers_go_and_others_come(bench: Bench) -> Operation[TurnReply]:
    claims = bench.run(two_come_with_the_same_key(bench)).claims
    bench.submit(task("a", limits="k:8"), task("b", limits="k:9"))
    return bench.turn_op("w1", 2, [settle(claim) for claim in claims])


def one_of_another_name_comes(bench: Bench) -> Operation[TurnReply]:
    """Which has no limit."""
    claims = lone(bench)
    bench.submit(task("a", limits="k:8"), task("b", limits="l:9"), task("c", limits="k:9"))
    return bench.turn_op("w1", 3, [settle(claim) for claim in claims[:2]])


def one_of_another_type_or_with_two_keys_comes(bench: Bench) -> Operation[TurnReply]:
    claims = lone(bench)
    bench.submit(
        task("a", limits="k:8"), task("b", body=envelope("b", "another", "k:9")), task("c", limits="k:10 k:11")
    )
    return bench.turn_op("w1", 3, [settle(claim) for claim in claims[:2]])


def their_limit_is_gone(bench: Bench) -> Operation[TurnReply]:
    claims = lone(bench)
    assert bench.run(bench.protocol.remove_limit("k"))
    bench.submit(task("new", limits="k:8"))
    return bench.turn_op("w1", 3, [settle(claim) for claim in claims])


def another_limit_is_there_instead(bench: Bench) -> Operation[TurnReply]:
    operation = their_limit_is_gone(bench)
    set_limit(bench, "another", 2)
    return operation


def all_of_them_are_limited_by_their_type_as_well(bench: Bench) -> Operation[TurnReply]:
    claims = lone(bench)
    set_limit(bench, "type", 9)
    bench.submit(task("new", limits="k:8"))
    return bench.turn_op("w1", 3, [settle(claim) for claim in claims])


def somebody_has_taken_them_out(bench: Bench) -> Operation[TurnReply]:
    claims = lone(bench)
    bench.audited = False
    bench.client.delete(bench.key("sole"))
    bench.submit(*(task(f"new{n}", limits=f"k:{n}") for n in range(3)))
    return bench.turn_op("w1", 3, [settle(claim) for claim in claims])


LONE: tuple[Situation, ...] = (
    some_go_and_others_come,
    nobody_comes,
    those_who_come_have_no_key,
    one_comes_whose_key_another_one_holds,
    two_come_with_the_same_key,
    one_comes_whose_key_others_hold,
    those_with_numbers_go_and_others_come,
    one_of_another_name_comes,
    one_of_another_type_or_with_two_keys_comes,
    their_limit_is_gone,
    another_limit_is_there_instead,
    all_of_them_are_limited_by_their_type_as_well,
    somebody_has_taken_them_out,
)


def the_only_one_of_a_key_goes_and_the_next_one_comes(bench: Bench) -> Operation[TurnReply]:
    claims = lone(bench, most=1)
    bench.submit(task("next", limits="k:0"))
    return bench.turn_op("w1", 3, [settle(claim) for claim in claims])


def one_comes_whose_key_two_hold(bench: Bench) -> Operation[TurnReply]:
    """Which is full with them; nobody ends."""
    bench.run(two_come_with_the_same_key(bench))
    bench.submit(task("a", limits="k:5"), task("b", limits="k:8"))
    return bench.turn_op("w1", 2)


def somebody_waits_for_a_key_that_is_held_alone(bench: Bench) -> Operation[TurnReply]:
    claims = lone(bench, most=1)
    bench.submit(task("next", limits="k:0"))
    assert bench.claim("w1", 2) == ()
    return bench.turn_op("w1", 3, [settle(claim) for claim in claims])


def a_circuit_is_set_meanwhile(bench: Bench) -> Operation[TurnReply]:
    claims = lone(bench)
    bench.run(bench.protocol.set_circuit(Circuit("k", share=0.5)))
    bench.submit(task("new", limits="k:8"))
    return bench.turn_op("w1", 3, [settle(claim) for claim in claims])


def one_that_holds_its_key_alone_is_asked_to_stop(bench: Bench) -> Operation[TurnReply]:
    claims = lone(bench)
    bench.run(bench.protocol.cancel("old1", "{}", 1000))
    return bench.turn_op("w1", 3, [settle(claim) for claim in claims])


def a_stray_among_those_who_come(bench: Bench) -> Operation[TurnReply]:
    """It has been noticed by then that the others hold their keys alone."""
    claims = lone(bench)
    bench.submit(task("a", limits="k:8"), task("b", limits="k:9"))
    bench.audited = False
    bench.client.srem(bench.key("status", "pending"), "b")
    bench.client.sadd(bench.key("status", "completed"), "b")
    return bench.turn_op("w1", 3, [settle(claim) for claim in claims])


LONE_AND_UNUSUAL: tuple[Situation, ...] = (
    one_comes_whose_key_two_hold,
    the_only_one_of_a_key_goes_and_the_next_one_comes,
    somebody_waits_for_a_key_that_is_held_alone,
    a_circuit_is_set_meanwhile,
    one_that_holds_its_key_alone_is_asked_to_stop,
    a_stray_among_those_who_come,
)
