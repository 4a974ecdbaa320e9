"""Situations in which a worker takes a turn that is too unusual for the short way of the script."""

from __future__ import annotations

from taskq.model.circuit import Circuit
from taskq.protocol.operation import Operation
from taskq.protocol.replies import TurnReply
from tests.lua.plain_ways import Situation, claims_of
from tests.lua.ways import limit, typed
from tests.state import LISTS, TTL_MS, Bench, settle, task


def a_worker_that_nobody_knows(bench: Bench) -> Operation[TurnReply]:
    bench.submit_ids("a")
    return bench.turn_op("nobody", 1)


def a_wrong_token(bench: Bench) -> Operation[TurnReply]:
    claim = bench.claim_one("a")
    return bench.protocol.turn("w1", "another", 2, 1, LISTS, [settle(claim)])


def a_repetition(bench: Bench) -> Operation[TurnReply]:
    claim = bench.claim_one("a")
    bench.submit_ids("b", "c")
    operation = bench.turn_op("w1", 1, [settle(claim)])
    bench.run(operation)
    return operation


def an_older_turn(bench: Bench) -> Operation[TurnReply]:
    operation = bench.turn_op("w1", 0, [settle(bench.claim_one("a"))])
    bench.claim("w1", 0)
    return operation


def several_times_to_keep(bench: Bench) -> Operation[TurnReply]:
    a, b, c = claims_of(bench, "a", "b", "c")
    return bench.turn_op("w1", 0, [settle(a), settle(b, number=2 * TTL_MS), settle(c)])


def one_is_refused(bench: Bench) -> Operation[TurnReply]:
    a, b = claims_of(bench, "a", "b")
    bench.run(bench.protocol.settle([settle(b)]))
    return bench.turn_op("w1", 0, [settle(a), settle(b)])


def all_are_refused(bench: Bench) -> Operation[TurnReply]:
    a, b = claims_of(bench, "a", "b")
    bench.submit_ids("c")
    return bench.turn_op("w1", 1, [settle(claim._replace(fence="1.tok-w1.1")) for claim in (a, b)])


def one_stands_there_twice(bench: Bench) -> Operation[TurnReply]:
    a, b = claims_of(bench, "a", "b")
    return bench.turn_op("w1", 0, [settle(a), settle(b), settle(a, body="another")])


def the_task_of_another_worker(bench: Bench) -> Operation[TurnReply]:
    claim = bench.claim_one("a", "w2")
    return bench.turn_op("w1", 0, [settle(bench.claim_one("b")), settle(claim)])


def other_outcomes(bench: Bench) -> Operation[TurnReply]:
    outcomes = ("complete", "fail", "cancel", "retry", "snooze", "release")
    return bench.turn_op("w1", 1, [settle(claim, claim.task_id) for claim in claims_of(bench, *outcomes)])


def one_that_is_asked_to_stop(bench: Bench) -> Operation[TurnReply]:
    a, b = claims_of(bench, "a", "b")
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    return bench.turn_op("w1", 0, [settle(a), settle(b)])


def one_that_told_of_its_progress(bench: Bench) -> Operation[TurnReply]:
    a, b = claims_of(bench, "a", "b")
    bench.run(bench.protocol.progress("b", b.fence, "1"))
    return bench.turn_op("w1", 0, [settle(a), settle(b)])


def one_that_is_unique(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit(task("a", unique="k"))
    (claim,) = bench.claim("w1", 1)
    return bench.turn_op("w1", 0, [settle(claim)])


def a_unique_task_waits(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit_ids("a", "b")
    bench.submit(task("c", unique="k"))
    return bench.turn_op("w1", 3)


def one_that_has_run_before_waits(bench: Bench) -> Operation[TurnReply]:
    bench.end("w1", settle(bench.claim_one("a"), "retry", number=0))
    bench.submit_ids("b")
    return bench.turn_op("w1", 3)


def a_list_is_paused(bench: Bench) -> Operation[TurnReply]:
    claim = bench.claim_one("a")
    bench.submit(task("b", "high"), task("c"))
    bench.run(bench.protocol.pause(True, ["high"]))
    return bench.turn_op("w1", 3, [settle(claim)])


def a_tombstone(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit_ids("a", "b")
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    return bench.turn_op("w1", 3)


def something_is_due(bench: Bench) -> Operation[TurnReply]:
    claim = bench.claim_one("a")
    bench.submit(task("b", due=bench.at(10)))
    bench.move_clock(10)
    return bench.turn_op("w1", 3, [settle(claim)])


def a_suspect_waits(bench: Bench) -> Operation[TurnReply]:
    bench.claim_one("a")
    bench.make_suspect("suspect")
    return bench.turn_op("w1", 3)


def a_suspect_runs(bench: Bench) -> Operation[TurnReply]:
    bench.make_suspect("suspect")
    bench.register("w1")
    (suspect,) = bench.claim("w1", 1)
    bench.submit_ids("a")
    return bench.turn_op("w1", 3, [settle(suspect)])


def a_lost_body(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit_ids("a", "b")
    bench.client.delete(bench.key("task", "a"))
    return bench.turn_op("w1", 1)


def pushed(bench: Bench, *ids: str) -> None:
    bench.client.rpush(bench.key("queue", "normal"), *ids)


def a_stray_that_runs(bench: Bench) -> Operation[TurnReply]:
    bench.claim_one("a", "w2")
    bench.register("w1")
    bench.submit_ids("b")
    pushed(bench, "a")
    return bench.turn_op("w1", 5)


def a_stray_that_is_completed_in_the_same_turn(bench: Bench) -> Operation[TurnReply]:
    claim = bench.claim_one("a")
    bench.submit_ids("b")
    pushed(bench, "a")
    return bench.turn_op("w1", 5, [settle(claim)])


def a_stray_that_has_completed(bench: Bench) -> Operation[TurnReply]:
    a, b = claims_of(bench, "a", "b")
    bench.end("w1", settle(a))
    bench.submit_ids("c")
    pushed(bench, "a")
    return bench.turn_op("w1", 5, [settle(b)])


def a_stray_that_has_failed(bench: Bench) -> Operation[TurnReply]:
    bench.end("w1", settle(bench.claim_one("a"), "fail"))
    bench.submit_ids("b")
    pushed(bench, "a")
    return bench.turn_op("w1", 5)


def a_stray_that_nobody_knows(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit_ids("b")
    pushed(bench, "a")
    return bench.turn_op("w1", 5)


def a_task_twice_in_its_list(bench: Bench) -> Operation[TurnReply]:
    claim = bench.claim_one("a")
    bench.submit_ids("b", "c")
    pushed(bench, "b", "b")
    return bench.turn_op("w1", 5, [settle(claim)])


def a_list_named_twice(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit_ids("a", "b", "c")
    return bench.turn_op("w1", 5, (), ["normal", "normal"])


def a_limit_without_room_for_all(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "type:send", concurrency=2)
    bench.register("w1")
    bench.submit(typed("a", "send"), typed("b", "other"), typed("c", "send"), typed("d", "send"))
    return bench.turn_op("w1", 5)


def a_key_without_room_for_all(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "k", concurrency=2)
    bench.register("w1")
    bench.submit(*(task(f"old{n}", limits=f"k:{n}") for n in range(3)))
    claims = bench.claim("w1", 3)
    bench.submit(*(task(f"new{n}", limits="k:0") for n in range(3)), task("other", limits="k:7"))
    return bench.turn_op("w1", 4, [settle(claims[0])])


def one_that_ends_has_the_id_of_a_key(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "k", concurrency=3)
    bench.register("w1")
    bench.submit(task("k"), task("b", limits="k"))
    claims = bench.claim("w1", 2)
    return bench.turn_op("w1", 2, [settle(claim) for claim in claims])


def one_that_comes_has_the_id_of_one_that_ends(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "k", concurrency=3)
    bench.register("w1")
    bench.submit(task("k"))
    claims = bench.claim("w1", 2)
    bench.submit(task("x", limits="k"))
    return bench.turn_op("w1", 2, [settle(claim) for claim in claims])


def a_rate_without_room_for_all(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "k", rate="2/m")
    bench.register("w1")
    bench.submit(*(task(name, limits="k") for name in "abc"))
    return bench.turn_op("w1", 5)


def somebody_waits_for_its_permit(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "k", concurrency=1)
    bench.register("w1")
    bench.submit(task("a", limits="k"), task("b", limits="k"))
    (claim,) = bench.claim("w1", 5)
    bench.submit_ids("free")
    return bench.turn_op("w1", 5, [settle(claim)])


def one_with_a_permit_that_told_of_its_progress(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "k", concurrency=2)
    bench.register("w1")
    bench.submit(task("a", limits="k"), task("b", limits="k"))
    a, b = bench.claim("w1", 5)
    bench.run(bench.protocol.progress("a", a.fence, "1"))
    return bench.turn_op("w1", 5, [settle(b), settle(a)])


def one_with_a_permit_that_is_asked_to_stop(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "k", concurrency=2)
    bench.register("w1")
    bench.submit(task("a", limits="k"))
    (claim,) = bench.claim("w1", 5)
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    return bench.turn_op("w1", 5, [settle(claim)])


def the_only_one_behind_a_circuit_that_may_be_tried(bench: Bench) -> Operation[TurnReply]:
    """There is room for it, and it becomes the probe."""
    bench.run(bench.protocol.set_circuit(Circuit("k", open_for=30)))
    bench.run(bench.protocol.open_circuit("k", 0))
    bench.move_clock(30)
    bench.register("w1")
    bench.submit(task("a", limits="k"))
    return bench.turn_op("w1", 1)


def limits_that_a_foreign_hand_has_damaged(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "k", concurrency=2)
    bench.register("w1")
    bench.submit(task("a", limits="k"), task("b", limits="k"))
    bench.audited = False
    bench.client.delete(bench.key("limits"))
    bench.client.set(bench.key("limits"), "foreign")
    return bench.turn_op("w1", 5)


UNUSUAL: tuple[Situation, ...] = (
    a_limit_without_room_for_all,
    a_key_without_room_for_all,
    one_that_ends_has_the_id_of_a_key,
    one_that_comes_has_the_id_of_one_that_ends,
    a_rate_without_room_for_all,
    somebody_waits_for_its_permit,
    one_with_a_permit_that_told_of_its_progress,
    one_with_a_permit_that_is_asked_to_stop,
    the_only_one_behind_a_circuit_that_may_be_tried,
    limits_that_a_foreign_hand_has_damaged,
    a_worker_that_nobody_knows,
    a_wrong_token,
    a_repetition,
    an_older_turn,
    several_times_to_keep,
    one_is_refused,
    all_are_refused,
    one_stands_there_twice,
    the_task_of_another_worker,
    other_outcomes,
    one_that_is_asked_to_stop,
    one_that_told_of_its_progress,
    one_that_is_unique,
    a_unique_task_waits,
    one_that_has_run_before_waits,
    a_list_is_paused,
    a_tombstone,
    something_is_due,
    a_suspect_waits,
    a_suspect_runs,
    a_lost_body,
    a_stray_that_runs,
    a_stray_that_is_completed_in_the_same_turn,
    a_stray_that_has_completed,
    a_stray_that_has_failed,
    a_stray_that_nobody_knows,
    a_task_twice_in_its_list,
    a_list_named_twice,
)
