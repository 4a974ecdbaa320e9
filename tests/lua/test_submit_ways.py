"""submit has short ways, for new tasks that may start now, and a long one, which can do everything: they end alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from taskq.errors import ServerError
from taskq.protocol.operation import Operation
from taskq.protocol.operations import Submission, SubmitReply
from tests.lua.cut import LONG_WAY, ways_of
from tests.lua.scenarios.bounding import bound
from tests.state import Bench, State, task
from tests.waiting import eventually

NewBench = Callable[[], Bench]
ONLY_SHORT, ONLY_LONG = ways_of("submit")
LARGE = "x" * 5000
ONE = task("a")
TWO = (task("a"), task("b"))
BATCH = (*TWO, task("m", queue="mail"), task("u", "urgent"), task("n", "low", queue="mail"))


def submit(bench: Bench, *tasks: Submission, most: int = 0, reused: bool = False) -> Operation[SubmitReply]:
    return bench.protocol.submit(tasks, most, reused=reused)


def large_ones_are_known(bench: Bench) -> None:
    bench.submit(task("large", "low", body=LARGE))


def two_wait(bench: Bench) -> None:
    bench.submit(task("x"), task("y"))


def two_of_a_group_wait(bench: Bench) -> None:
    bench.submit(task("x", group="A"), task("y", group="A"))


def many_hints(bench: Bench) -> None:
    bench.all_hints_kept = False
    for name in ("normal", "mail:normal"):
        bench.client.delete(bench.key("bell", name))
        bench.client.rpush(bench.key("bell", name), *range(8))


def a_foreign_bell(bench: Bench) -> None:
    bench.audited = False
    for name in ("normal", "mail:normal"):
        bench.client.delete(bench.key("bell", name))
        bench.client.set(bench.key("bell", name), "foreign")


def nothing(_: Bench) -> None:
    pass


SHORT: dict[str, tuple[Callable[[Bench], object], tuple[Submission, ...], int]] = {
    "one": (nothing, (ONE,), 0),
    "one of a queue": (nothing, (task("a", queue="mail"),), 0),
    "one into a list with room": (two_wait, (ONE,), 3),
    "one into a list of groups with room": (two_of_a_group_wait, (ONE,), 3),
    "one that is large": (large_ones_are_known, (task("a", body=LARGE),), 0),
    "one, and many hints": (many_hints, (ONE,), 0),
    "one, and a foreign bell": (a_foreign_bell, (ONE,), 0),
    "two": (nothing, TWO, 0),
    "two of a queue": (nothing, (task("a", queue="mail"), task("b", queue="mail")), 0),
    "a batch": (nothing, BATCH, 0),
    "a batch into lists with room": (two_wait, TWO, 4),
    "a batch into lists of groups with room": (two_of_a_group_wait, TWO, 4),
    "a batch with a large one": (large_ones_are_known, (ONE, task("b", body=LARGE)), 0),
    "a batch, and many hints": (many_hints, BATCH, 0),
    "a batch, and a foreign bell": (a_foreign_bell, BATCH, 0),
}
UNUSUAL: dict[str, tuple[Callable[[Bench], object], tuple[Submission, ...], int]] = {
    "one into a full list": (two_wait, (ONE,), 2),
    "one into a list that is full of a group": (two_of_a_group_wait, (ONE,), 2),
    "one that is stored already": (lambda bench: bench.submit(ONE), (ONE,), 0),
    "one with another body": (lambda bench: bench.submit(ONE), (task("a", body="other"),), 0),
    "the first that is large": (nothing, (task("a", body=LARGE),), 0),
    "one of a queue that has a limit": (lambda bench: bound(bench, 1), (ONE,), 0),
    "one that is delayed": (nothing, (task("a", due="+60000"),), 0),
    "one that is unique": (nothing, (task("a", unique="k"),), 0),
    "a batch into a list that becomes full": (two_wait, TWO, 3),
    "a batch into a list that becomes full of a group": (two_of_a_group_wait, TWO, 3),
    "a batch of which one is stored": (lambda bench: bench.submit(task("b")), TWO, 0),
    "a batch with the first that is large": (nothing, (ONE, task("b", body=LARGE)), 0),
    "a batch of queues of which one has a limit": (lambda bench: bound(bench, 2), BATCH, 0),
    "a batch with a delayed one": (nothing, (ONE, task("b", due="+60000")), 0),
}


def end_of(bench: Bench, operation: Operation[Any]) -> tuple[Any, State]:
    reply = bench.run(operation)
    return reply, bench.state()


@pytest.mark.parametrize(("before", "tasks", "most"), SHORT.values(), ids=SHORT)
def test_the_short_way_ends_where_the_long_one_does(
    new_bench: NewBench, before: Callable[[Bench], object], tasks: tuple[Submission, ...], most: int
) -> None:
    ends = []
    for script in (ONLY_SHORT, ONLY_LONG):
        bench = new_bench()
        before(bench)
        ends.append(end_of(bench, submit(bench, *tasks, most=most)._replace(script=script)))
    assert ends[0] == ends[1]


@pytest.mark.parametrize(("before", "tasks", "most"), UNUSUAL.values(), ids=UNUSUAL)
def test_what_is_unusual_is_left_to_the_long_way_as_it_is(
    new_bench: NewBench, before: Callable[[Bench], object], tasks: tuple[Submission, ...], most: int
) -> None:
    bench, other = new_bench(), new_bench()
    before(bench)
    before(other)
    state = bench.state()
    with pytest.raises(ServerError, match=LONG_WAY):
        bench.transport.run(submit(bench, *tasks, most=most)._replace(script=ONLY_SHORT))
    assert bench.state() == state
    assert end_of(bench, submit(bench, *tasks, most=most)) == end_of(
        other, submit(other, *tasks, most=most)._replace(script=ONLY_LONG)
    )


@pytest.mark.parametrize("tasks", [(ONE,), TWO], ids=["one", "two"])
def test_an_id_that_may_have_been_used_before_takes_the_long_way(bench: Bench, tasks: tuple[Submission, ...]) -> None:
    with pytest.raises(ServerError, match=LONG_WAY):
        bench.transport.run(submit(bench, *tasks, reused=True)._replace(script=ONLY_SHORT))


def test_more_than_one_command_can_carry_takes_the_long_way(bench: Bench) -> None:
    tasks = [task(f"t{n}") for n in range(2001)]
    with pytest.raises(ServerError, match=LONG_WAY):
        bench.transport.run(submit(bench, *tasks)._replace(script=ONLY_SHORT))


@pytest.mark.parametrize("tasks", [(ONE,), BATCH], ids=["one", "batch"])
def test_both_ways_tell_the_same(new_bench: NewBench, tasks: tuple[Submission, ...]) -> None:
    told = []
    for script in (ONLY_SHORT, ONLY_LONG):
        bench = new_bench()
        with closing(bench.client.pubsub(ignore_subscribe_messages=True)) as pubsub:
            pubsub.subscribe(bench.protocol.events_channel)
            eventually(lambda: pubsub.subscribed and pubsub.get_message(timeout=1) is None, what="the subscription")
            bench.run(submit(bench, *tasks)._replace(script=script))
            bench.client.publish(bench.protocol.events_channel, "end")
            messages = iter(lambda: eventually(lambda: pubsub.get_message(timeout=1), what="a message")["data"], "end")
            told.append({event["data"]["task_id"]: event["data"] for event in map(json.loads, messages)})
    assert told[0] == told[1]
    assert told[0].keys() == {each.task_id for each in tasks}


@pytest.mark.parametrize("family", ["queue:mail:low", "status:pending", "counters", "queues"])
def test_a_key_of_another_type_changes_nothing_for_a_batch(bench: Bench, family: str) -> None:
    bench.audited = False
    bench.client.set(f"{bench.protocol.keys.root}{family}", "foreign")
    before = bench.state()
    with pytest.raises(ServerError, match="another type"):
        bench.transport.run(submit(bench, *BATCH))
    assert bench.state() == before
