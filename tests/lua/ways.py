"""Situations in which a worker takes a turn that the short way of the script can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taskq.model.circuit import Circuit
from taskq.model.limit import Limit
from taskq.protocol.keys import lists_of
from taskq.protocol.operation import Operation
from taskq.protocol.replies import Claim, TurnReply
from taskq.protocol.submits import Submission
from tests.state import LISTS, Bench, envelope, settle, task

Situation = Callable[[Bench], Operation[TurnReply]]
WAIT_MS = 30_000
MAIL = lists_of("mail")


def claims_of(bench: Bench, *ids: str) -> tuple[Claim, ...]:
    bench.register("w1")
    bench.submit_ids(*ids)
    claims = bench.claim("w1", len(ids))
    assert [claim.task_id for claim in claims] == list(ids)
    return claims


def _take_hints(bench: Bench) -> None:
    bench.all_hints_kept = False
    bench.client.delete(*(bench.key("bell", name) for name in [*LISTS, *MAIL]))


def _silent(operation: Operation[TurnReply]) -> Operation[TurnReply]:
    """Return the same turn of a worker that has taken no hint."""
    worker, token, seq, want, ring_on, *rest = operation.args
    assert ring_on == 1
    return operation._replace(args=(worker, token, seq, want, 0, *rest))


def nothing_at_all(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    return bench.turn_op("w1", 0)


def no_lists(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit_ids("a")
    return bench.turn_op("w1", 3, (), [])


def empty_lists(bench: Bench) -> Operation[TurnReply]:
    """A hint is left from a task that somebody else has taken."""
    bench.register("w1")
    bench.claim_one("a", "w2")
    return bench.turn_op("w1", 3)


def empty_lists_silent(bench: Bench) -> Operation[TurnReply]:
    return _silent(empty_lists(bench))


def bodies_too_large_for_one_turn(bench: Bench) -> Operation[TurnReply]:
    """The second and the fourth stand in other lists than the first."""
    bench.register("w1")
    for name, priority in (("a", "high"), ("b", "normal"), ("c", "normal"), ("d", "low")):
        bench.submit(task(name, priority, body=name * 200_000))
    return bench.turn_op("w1", 10)


def bodies_too_large_silent(bench: Bench) -> Operation[TurnReply]:
    operation = bodies_too_large_for_one_turn(bench)
    _take_hints(bench)
    return _silent(operation)


def small_bodies_beside_a_large_one(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit(task("big", body="b" * 600_000), task("a", "high"), task("b", "high"), task("c", "low"))
    return bench.turn_op("w1", 10)


def work_is_left_for_others(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit(task("a"), task("b", "low"))
    _take_hints(bench)
    return bench.turn_op("w1", 0)


def work_is_left_silent(bench: Bench) -> Operation[TurnReply]:
    return _silent(work_is_left_for_others(bench))


def one_new_task(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit_ids("a")
    return bench.turn_op("w1", 1)


def as_many_as_wanted(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit_ids("a", "b", "c")
    _take_hints(bench)
    return bench.turn_op("w1", 2)


def fewer_than_wanted(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit_ids("a", "b", "c")
    return bench.turn_op("w1", 10)


def several_lists(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit(*(task(f"{p}{n}", p) for n in range(3) for p in ("low", "urgent", "normal")))
    _take_hints(bench)
    return bench.turn_op("w1", 7)


def several_queues(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit(task("a", "low"), task("b", queue="mail"), task("c", "low", queue="mail"), task("d"))
    return bench.turn_op("w1", 3, (), [*MAIL, *LISTS])


def many_tasks(bench: Bench) -> Operation[TurnReply]:
    claims = claims_of(bench, *(f"old{n}" for n in range(300)))
    bench.submit_ids(*(f"new{n}" for n in range(300)))
    return bench.turn_op("w1", 250, [settle(claim) for claim in claims])


def the_clock_has_gone_back(bench: Bench) -> Operation[TurnReply]:
    claims_of(bench, "a", "b")
    bench.submit_ids("c", "d")
    bench.move_clock(-3600)
    return bench.turn_op("w1", 2)


def numbers_are_left_out(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit_ids("a")
    return bench.protocol.turn("w1", "tok-w1", 7, 1, LISTS)


def one_completion(bench: Bench) -> Operation[TurnReply]:
    return bench.turn_op("w1", 0, [settle(bench.claim_one("a"))])


def completion_and_claim(bench: Bench) -> Operation[TurnReply]:
    claim = bench.claim_one("a")
    bench.submit_ids("b", "c")
    return bench.turn_op("w1", 1, [settle(claim)])


def completions_in_order(bench: Bench) -> Operation[TurnReply]:
    return bench.turn_op("w1", 0, [settle(claim) for claim in claims_of(bench, "a", "b", "c")])


def completions_out_of_order(bench: Bench) -> Operation[TurnReply]:
    a, b, c, _ = claims_of(bench, "a", "b", "c", "d")
    return bench.turn_op("w1", 0, [settle(claim) for claim in (c, a, b)])


def completions_from_the_middle(bench: Bench) -> Operation[TurnReply]:
    _, b, _, d, _ = claims_of(bench, "a", "b", "c", "d", "e")
    bench.submit_ids("f")
    return bench.turn_op("w1", 5, [settle(b), settle(d)])


def a_completion_from_the_tail(bench: Bench) -> Operation[TurnReply]:
    _, _, c = claims_of(bench, "a", "b", "c")
    return bench.turn_op("w1", 0, [settle(c)])


def several_fences(bench: Bench) -> Operation[TurnReply]:
    """Of turn 1 and of turn 12: one looks like the beginning of the other."""
    first = bench.claim_one("a")
    for _ in range(10):
        bench.claim("w1", 0)
    twelfth = bench.claim_one("b")
    assert twelfth.fence.endswith(".12")
    bench.submit_ids("c")
    return bench.turn_op("w1", 2, [settle(twelfth), settle(first)])


def somebody_waits(bench: Bench) -> Operation[TurnReply]:
    a, b, _ = claims_of(bench, "a", "b", "c")
    for waiter in ("me", "you"):
        bench.run(bench.protocol.await_result("b", waiter, WAIT_MS))
    bench.run(bench.protocol.await_result("c", "me", WAIT_MS))
    return bench.turn_op("w1", 0, [settle(a), settle(b)])


def somebody_waits_at_a_foreign_key(bench: Bench) -> Operation[TurnReply]:
    bench.audited = False
    operation = somebody_waits(bench)
    bench.client.set(bench.key("reply", "me"), "foreign")
    return operation


def somebody_waits_for_another(bench: Bench) -> Operation[TurnReply]:
    claim = bench.claim_one("a")
    bench.submit_ids("b")
    bench.run(bench.protocol.await_result("b", "me", WAIT_MS))
    return bench.turn_op("w1", 1, [settle(claim)])


def the_slot_is_there_already(bench: Bench) -> Operation[TurnReply]:
    a, b = claims_of(bench, "a", "b")
    bench.end("w1", settle(a))
    return bench.turn_op("w1", 0, [settle(b)])


def something_is_to_be_forgotten(bench: Bench) -> Operation[TurnReply]:
    bench.end("w1", settle(bench.claim_one("a")))
    bench.expire("a")
    claim = bench.claim_one("b")
    bench.move_clock(120)
    return bench.turn_op("w1", 3, [settle(claim)])


def a_slot_that_is_not_due(bench: Bench) -> Operation[TurnReply]:
    a, b = claims_of(bench, "a", "b")
    bench.end("w1", settle(a))
    bench.move_clock(100)
    return bench.turn_op("w1", 0, [settle(b)])


def something_is_due_later(bench: Bench) -> Operation[TurnReply]:
    claim = bench.claim_one("a")
    bench.submit(task("b", due=bench.at(60)), task("c"))
    return bench.turn_op("w1", 3, [settle(claim)])


def a_body_that_was_deleted_while_it_ran(bench: Bench) -> Operation[TurnReply]:
    bench.audited = False
    claim = bench.claim_one("a")
    bench.client.delete(bench.key("task", "a"))
    return bench.turn_op("w1", 0, [settle(claim)])


def others_run_as_well(bench: Bench) -> Operation[TurnReply]:
    claim = bench.claim_one("a")
    bench.claim_one("b", "w2")
    bench.end("w2", settle(bench.claim_one("c", "w2"), "retry"))
    return bench.turn_op("w1", 1, [settle(claim)])


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
    permits_and_nothing_to_claim,
    permits_of_a_limit_that_is_gone,
    rates_with_room,
    keys_of_a_circuit_that_is_closed,
    keys_of_a_circuit_that_counts_completions,
    nothing_at_all,
    no_lists,
    empty_lists,
    empty_lists_silent,
    bodies_too_large_for_one_turn,
    bodies_too_large_silent,
    small_bodies_beside_a_large_one,
    work_is_left_for_others,
    work_is_left_silent,
    one_new_task,
    as_many_as_wanted,
    fewer_than_wanted,
    several_lists,
    several_queues,
    many_tasks,
    the_clock_has_gone_back,
    numbers_are_left_out,
    one_completion,
    completion_and_claim,
    completions_in_order,
    completions_out_of_order,
    completions_from_the_middle,
    a_completion_from_the_tail,
    several_fences,
    somebody_waits,
    somebody_waits_at_a_foreign_key,
    somebody_waits_for_another,
    the_slot_is_there_already,
    something_is_to_be_forgotten,
    a_slot_that_is_not_due,
    something_is_due_later,
    a_body_that_was_deleted_while_it_ran,
    others_run_as_well,
)
