"""turn has a way of its own for one task alone, as on an idle system: it ends where the others do."""

from __future__ import annotations

import json
from contextlib import closing
from functools import wraps

import pytest

from taskq.errors import ServerError
from taskq.protocol.operation import Operation
from taskq.protocol.replies import TurnReply
from tests.lua import plain_ways as plain
from tests.lua import unusual
from tests.lua.cut import LONG_WAY, turns_of_one, ways_of
from tests.lua.plain_ways import Situation
from tests.lua.scenarios.bounding import bound
from tests.lua.test_turn_ways import NewBench, end_of, leaves_as_it_is
from tests.lua.ways import limit
from tests.state import TTL_MS, Bench, settle, task
from tests.waiting import eventually

ALONE, WITHOUT = turns_of_one()
_, LONG = ways_of("turn")


def wants_one(situation: Situation) -> Situation:
    """Return a situation of the other ways in which the worker wants no more than one task."""

    @wraps(situation)
    def narrowed(bench: Bench) -> Operation[TurnReply]:
        operation = situation(bench)
        worker, token, seq, _, *rest = operation.args
        return operation._replace(args=(worker, token, seq, 1, *rest))

    return narrowed


def one_of_the_last_list(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit(task("a", "low"))
    plain.take_hints(bench)
    return bench.turn_op("w1", 1)


def one_of_several_lists(bench: Bench) -> Operation[TurnReply]:
    """Two lists are left with work, and one has lost its hint."""
    bench.register("w1")
    bench.submit(task("a", "high"), task("b", "high"), task("c", "low"), task("d", "low"))
    bench.all_hints_kept = False
    bench.client.delete(bench.key("bell", "high"))
    return bench.turn_op("w1", 1)


def one_of_several_lists_silent(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit(task("a"), task("b"))
    plain.take_hints(bench)
    return plain.silent(bench.turn_op("w1", 1))


def a_large_one(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit(task("a", body="a" * 600_000), task("b", body="b" * 600_000))
    return bench.turn_op("w1", 1)


def a_completion_and_nothing_to_claim(bench: Bench) -> Operation[TurnReply]:
    return bench.turn_op("w1", 25, [settle(bench.claim_one("a"))])


def a_completion_of_one_that_serves_no_lists(bench: Bench) -> Operation[TurnReply]:
    claim = bench.claim_one("a")
    bench.submit_ids("b")
    return bench.turn_op("w1", 1, [settle(claim)], [])


def a_completion_beside_work_for_others(bench: Bench) -> Operation[TurnReply]:
    claim = bench.claim_one("a")
    bench.submit(task("b"), task("c", "low"))
    plain.take_hints(bench)
    return bench.turn_op("w1", 0, [settle(claim)])


def a_completion_that_two_wait_for(bench: Bench) -> Operation[TurnReply]:
    claim = bench.claim_one("a")
    for waiter in ("me", "you"):
        bench.run(bench.protocol.await_result("a", waiter, plain.WAIT_MS))
    return bench.turn_op("w1", 25, [settle(claim)])


def a_completion_that_a_foreign_key_waits_for(bench: Bench) -> Operation[TurnReply]:
    operation = a_completion_that_two_wait_for(bench)
    bench.audited = False
    bench.client.set(bench.key("reply", "me"), "foreign")
    return operation


SITUATIONS: tuple[Situation, ...] = (
    wants_one(plain.empty_lists),
    wants_one(plain.empty_lists_silent),
    one_of_the_last_list,
    one_of_several_lists,
    one_of_several_lists_silent,
    a_large_one,
    wants_one(plain.the_clock_has_gone_back),
    a_completion_and_nothing_to_claim,
    a_completion_of_one_that_serves_no_lists,
    a_completion_beside_work_for_others,
    a_completion_that_two_wait_for,
    a_completion_that_a_foreign_key_waits_for,
    wants_one(plain.something_is_due_later),
    plain.one_new_task,
    plain.numbers_are_left_out,
    plain.one_completion,
    plain.completion_and_claim,
    plain.a_completion_from_the_tail,
    plain.somebody_waits_for_another,
    plain.the_slot_is_there_already,
    plain.a_slot_that_is_not_due,
    plain.a_body_that_was_deleted_while_it_ran,
    plain.others_run_as_well,
)


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda s: s.__name__)
def test_it_ends_where_the_others_do(new_bench: NewBench, situation: Situation) -> None:
    ends = []
    for script in (ALONE, WITHOUT, LONG):
        bench = new_bench()
        ends.append(end_of(bench, situation(bench)._replace(script=script)))
    assert ends[0] == ends[1] == ends[2]


@pytest.mark.parametrize(
    "situation", [plain.one_new_task, plain.one_completion, plain.completion_and_claim], ids=lambda s: s.__name__
)
def test_it_tells_the_same(new_bench: NewBench, situation: Situation) -> None:
    told = []
    for script in (ALONE, WITHOUT):
        bench = new_bench()
        operation = situation(bench)._replace(script=script)
        with closing(bench.client.pubsub(ignore_subscribe_messages=True)) as pubsub:
            pubsub.psubscribe(f"{bench.protocol.events_channel[:-1]}*")
            eventually(lambda: pubsub.subscribed and pubsub.get_message(timeout=1) is None, what="the subscription")
            bench.run(operation)
            bench.client.publish(bench.protocol.events_channel, "end")
            messages = iter(lambda: eventually(lambda: pubsub.get_message(timeout=1), what="a message")["data"], "end")
            told.append([(event["type"], event["data"]) for event in map(json.loads, messages)])
    assert told[0] == told[1] != []


def more_than_one_is_wanted(bench: Bench) -> Operation[TurnReply]:
    claim = bench.claim_one("a")
    bench.submit(task("b", "low"))
    return bench.turn_op("w1", 2, [settle(claim)])


def a_limit(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "k", concurrency=1)
    bench.register("w1")
    bench.submit_ids("a")
    return bench.turn_op("w1", 1)


def one_that_holds_a_permit(bench: Bench) -> Operation[TurnReply]:
    limit(bench, "k", concurrency=2)
    bench.register("w1")
    bench.submit(task("a", limits="k"))
    (claim,) = bench.claim("w1", 1)
    assert bench.run(bench.protocol.remove_limit("k"))
    return bench.turn_op("w1", 0, [settle(claim)])


def a_limit_in_bytes(bench: Bench) -> Operation[TurnReply]:
    bound(bench, None, max_bytes=10_000)
    bench.register("w1")
    bench.submit_ids("a")
    return bench.turn_op("w1", 1)


def somebody_waits_for_room(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit_ids("a")
    bench.audited = False
    bench.client.sadd(bench.key("crowd"), "default")
    bench.client.set(bench.key("awaited"), "1")
    return bench.turn_op("w1", 1)


def a_group(bench: Bench) -> Operation[TurnReply]:
    bench.register("w1")
    bench.submit(task("a", group="g"))
    return bench.turn_op("w1", 1)


def a_stray(bench: Bench) -> Operation[TurnReply]:
    bench.claim_one("a", "w2")
    bench.register("w1")
    unusual.pushed(bench, "a")
    return bench.turn_op("w1", 1)


def the_task_that_ends_is_the_stray(bench: Bench) -> Operation[TurnReply]:
    claim = bench.claim_one("a")
    unusual.pushed(bench, "a")
    return bench.turn_op("w1", 1, [settle(claim)])


def the_fence_of_another_turn(bench: Bench) -> Operation[TurnReply]:
    claim = bench.claim_one("a")
    return bench.turn_op("w1", 0, [settle(claim._replace(fence=claim.fence[1:]))])


def one_that_told_of_its_progress(bench: Bench) -> Operation[TurnReply]:
    claim = bench.claim_one("a")
    bench.run(bench.protocol.progress("a", claim.fence, "1"))
    return bench.turn_op("w1", 1, [settle(claim)])


LEFT: tuple[Situation, ...] = (
    more_than_one_is_wanted,
    a_limit,
    one_that_holds_a_permit,
    a_limit_in_bytes,
    somebody_waits_for_room,
    wants_one(unusual.a_list_is_paused),
    wants_one(unusual.a_tombstone),
    wants_one(unusual.one_that_has_run_before_waits),
    wants_one(unusual.something_is_due),
    wants_one(unusual.a_suspect_waits),
    a_group,
    a_stray,
    the_task_that_ends_is_the_stray,
    wants_one(plain.something_is_to_be_forgotten),
    the_fence_of_another_turn,
    one_that_told_of_its_progress,
    unusual.a_worker_that_nobody_knows,
    unusual.a_wrong_token,
    unusual.a_repetition,
    unusual.a_lost_body,
)


@pytest.mark.parametrize("situation", LEFT, ids=lambda s: s.__name__)
def test_what_is_unusual_is_left_to_the_others_as_it_is(new_bench: NewBench, situation: Situation) -> None:
    leaves_as_it_is(new_bench, situation, ALONE, LONG)


FOREIGN = ["status:pending", "status:running", "status:completed", "counters", "processing:w1", "retention"]


@pytest.mark.parametrize("family", [*FOREIGN, "retained:{slot}", "waiters:a", "task:b", "state:b", "queue:urgent"])
@pytest.mark.parametrize("script", [ALONE, None], ids=["alone", "whole"])
def test_a_key_of_another_type_changes_nothing(bench: Bench, family: str, script: object) -> None:
    """Half of a transition is worse than none; where the whole script can go on all the same, it does all of it."""
    claim = bench.claim_one("a")
    bench.submit_ids("b")
    bench.audited = False
    slot = (bench.now_ms() + TTL_MS) // 10_000 * 10_000 + 10_000
    key = f"{bench.protocol.keys.root}{family.format(slot=slot)}"
    bench.client.delete(key)
    bench.client.hset(key, "field", "foreign") if family == "task:b" else bench.client.set(key, "foreign")
    operation = bench.turn_op("w1", 1, [settle(claim)])
    before = bench.state()
    try:
        bench.transport.run(operation._replace(script=ALONE) if script else operation)
    except ServerError:
        assert bench.state() == before
    else:
        assert script is None
        assert bench.state()["status:completed"] == {"a"}


def test_a_count_that_is_no_number_changes_nothing(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.audited = False
    bench.client.hset(bench.key("counters"), "completed", "many")
    with pytest.raises(ServerError, match="not an integer"):
        bench.transport.run(bench.turn_op("w1", 0, [settle(claim)]))
    assert bench.client.keys(f"{bench.protocol.keys.root}*:completed") == []
    assert bench.client.smembers(bench.key("status", "running")) == {"a"}


@pytest.mark.parametrize("others", ["", "b"])
def test_one_that_is_in_no_status_set_ends_all_the_same(bench: Bench, others: str) -> None:
    """The other ways do not ask; what was claimed before that was found out is given back to them."""
    claim = bench.claim_one("a")
    bench.submit_ids(*others)
    bench.audited = False
    bench.client.srem(bench.key("status", "running"), "a")
    turn = bench.turn_op("w1", 1, [settle(claim)])
    with pytest.raises(ServerError, match=LONG_WAY):
        bench.transport.run(turn._replace(script=ALONE))
    assert [claim.task_id for claim in bench.run(turn).claims] == list(others)
    assert bench.state()["status:completed"] == {"a"}


@pytest.mark.parametrize("family", ["running", "processing:w1", "status:running"])
@pytest.mark.parametrize("script", [ALONE, None], ids=["alone", "whole"])
def test_a_key_of_another_type_changes_nothing_for_a_claim(bench: Bench, family: str, script: object) -> None:
    operation = plain.one_new_task(bench)
    bench.audited = False
    bench.client.set(f"{bench.protocol.keys.root}{family}", "foreign")
    before = bench.state()
    with pytest.raises(ServerError):
        bench.transport.run(operation._replace(script=ALONE) if script else operation)
    assert bench.state() == before
