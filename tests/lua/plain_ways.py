"""Situations in which a worker takes a turn that the short way of the script can do, and nothing is limited."""

from __future__ import annotations

from collections.abc import Callable

from taskq.protocol.keys import lists_of
from taskq.protocol.operation import Operation
from taskq.protocol.replies import Claim, TurnReply
from tests.state import LISTS, Bench, settle, task

Situation = Callable[[Bench], Operation[TurnReply]]
WAIT_MS = 30_000
MAIL = lists_of("mail")


def claims_of(bench: Bench, *ids: str) -> tuple[Claim, ...]:
    bench.register("w1")
    bench.submit_ids(*ids)
    claims = bench.claim("w1", len(ids))
    assert [claim.task_id for claim in claims] == list(ids)
    return claims


def take_hints(bench: Bench) -> None:
    bench.all_hints_kept = False
    bench.client.delete(*(bench.key("bell", name) for name in [*LISTS, *MAIL]))


def silent(operation: Operation[TurnReply]) -> Operation[TurnReply]:
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
    return silent(empty_lists(bench))


def bodies_too_large_for_one_turn(bench: Bench) -> Operation[TurnReply]:
    """The second and the fourth stand in other lists than the first."""
    bench.register("w1")
    for name, priority in (("a", "high"), ("b", "normal"), ("c", "normal"), ("d", "low")):
        bench.submit(task(name, priority, body=name * 200_000))
    return bench.turn_op("w1", 10)


def bodies_too_large_silent(bench: Bench) -> Operation[TurnReply]:
    operation = bodies_too_large_for_one_turn(bench)
    take_hints(bench)
    return silent(operation)


def small_bodies_beside_a_large_one(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit(task("big", body="b" * 600_000), task("a", "high"), task("b", "high"), task("c", "low"))
    return bench.turn_op("w1", 10)


def work_is_left_for_others(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit(task("a"), task("b", "low"))
    take_hints(bench)
    return bench.turn_op("w1", 0)


def work_is_left_silent(bench: Bench) -> Operation[TurnReply]:
    return silent(work_is_left_for_others(bench))


def one_new_task(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit_ids("a")
    return bench.turn_op("w1", 1)


def as_many_as_wanted(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit_ids("a", "b", "c")
    take_hints(bench)
    return bench.turn_op("w1", 2)


def fewer_than_wanted(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit_ids("a", "b", "c")
    return bench.turn_op("w1", 10)


def several_lists(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit(*(task(f"{p}{n}", p) for n in range(3) for p in ("low", "urgent", "normal")))
    take_hints(bench)
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


PLAIN: tuple[Situation, ...] = (
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
