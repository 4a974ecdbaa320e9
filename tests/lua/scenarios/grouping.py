"""Scenarios of tasks with a group key: on their way into a list and out of it."""

from __future__ import annotations

from typing import Any

from taskq.protocol.operation import Operation
from taskq.protocol.workflow import Node
from tests.lua.scenarios.bounding import bound
from tests.state import LISTS, TIMES, TTL_MS, Bench, envelope, settle, task


def grouped(bench: Bench) -> None:
    """Two groups and one task beside them wait in a list."""
    bench.register("w1")
    bench.submit(*(task(f"a{n}", group="A") for n in range(3)), task("b0", group="B"), task("x"))


def submit_to_groups(bench: Bench) -> Operation[Any]:
    grouped(bench)
    delayed = task("later", group="A", due="+60000")
    return bench.protocol.submit([task("a3", group="A"), task("c", group="C"), task("y"), delayed], 0)


def graph_of_groups(bench: Bench) -> Operation[Any]:
    grouped(bench)
    needs: dict[str, tuple[str, ...]] = {"a3": (), "c": ("a3",), "y": ()}
    bodies = {name: envelope(name, "x", group=name[0].upper()) for name in ("a3", "c")}
    nodes = [Node(i, bodies.get(i, "Y"), LISTS[2], "wait_all", before) for i, before in needs.items()]
    return bench.protocol.graph(nodes, 0)


def fire_to_a_group(bench: Bench) -> Operation[Any]:
    grouped(bench)
    bench.run(bench.protocol.add_schedule("s", "{}"))
    return bench.protocol.fire("s", "{}", 5, task("a3", group="A"))


def turn_takes_of_groups(bench: Bench) -> Operation[Any]:
    grouped(bench)
    return bench.turn_op("w1", 4)


def turn_drops_the_cancelled_of_a_group(bench: Bench) -> Operation[Any]:
    grouped(bench)
    for task_id in ("a0", "a2", "b0"):
        bench.run(bench.protocol.cancel(task_id, "{}", TTL_MS))
    return bench.turn_op("w1", 1)


def promote_to_a_group(bench: Bench) -> Operation[Any]:
    grouped(bench)
    (claim,) = bench.claim("w1", 1)
    bench.end("w1", settle(claim, "retry", number=60_000))
    bench.submit(task("c", group="C", due="+60000"))
    bench.move_clock(70)
    return bench.protocol.promote()


def replay_to_a_group(bench: Bench) -> Operation[Any]:
    grouped(bench)
    (claim,) = bench.claim("w1", 1)
    bench.end("w1", settle(claim, "fail"))
    return bench.protocol.replay([("a0", LISTS[2])])


def purge_of_groups(bench: Bench) -> Operation[Any]:
    grouped(bench)
    return bench.protocol.purge("normal", 10)


def submit_and_shed_of_groups(bench: Bench) -> Operation[Any]:
    bound(bench, 5, "shed_low")
    grouped(bench)
    return bench.protocol.submit([task(f"u{n}", "urgent") for n in range(4)], 0)


def lineup(bench: Bench) -> Operation[Any]:
    grouped(bench)
    return bench.protocol.lineup("normal", ["A", "nobody"])


def mend_a_group_without_an_entry(bench: Bench) -> Operation[Any]:
    grouped(bench)
    bench.client.lrem(bench.key("queue", "normal"), 1, "@A")
    return bench.protocol.mend_place("group", "normal/A", "- - a0", TIMES.lease_ms)


def mend_a_group_with_two_entries(bench: Bench) -> Operation[Any]:
    bench.audited = False
    grouped(bench)
    bench.client.rpush(bench.key("queue", "normal"), "@A")
    return bench.protocol.mend_place("group", "normal/A", "0 n a0", TIMES.lease_ms)


def mend_the_number_of_those_behind(bench: Bench) -> Operation[Any]:
    grouped(bench)
    bench.client.hset(bench.key("grouped"), "normal", 7)
    return bench.protocol.mend_place("grouped", "normal", "7 3 @A x 2", TIMES.lease_ms)


def bury_an_entry_of_a_group(bench: Bench) -> Operation[Any]:
    grouped(bench)
    bench.client.rpush(bench.key("group", "normal/A"), "x")
    bench.client.hset(bench.key("grouped"), "normal", 3)
    return bench.protocol.mend_place("bury", "x", "normal/A 0 n 1 0  ", TIMES.lease_ms)


SCENARIOS = (
    lineup,
    mend_a_group_without_an_entry,
    mend_a_group_with_two_entries,
    mend_the_number_of_those_behind,
    bury_an_entry_of_a_group,
    purge_of_groups,
    submit_to_groups,
    graph_of_groups,
    fire_to_a_group,
    turn_takes_of_groups,
    turn_drops_the_cancelled_of_a_group,
    promote_to_a_group,
    replay_to_a_group,
    submit_and_shed_of_groups,
)
