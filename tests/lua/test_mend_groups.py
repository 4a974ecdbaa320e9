"""What stands in a group or for it is mended only if nothing has moved since it was looked at."""

from __future__ import annotations

import pytest

from tests.lua.scenarios.grouping import grouped
from tests.state import TIMES, Bench

TAKE_OUT, PUT_IN, LEAVE = "its entry taken out", "a second entry", "nothing"


@pytest.mark.parametrize(
    ("before", "verb", "name", "detail"),
    [
        (LEAVE, "group", "normal/A", "- - a0"),  # has its entry
        (TAKE_OUT, "group", "normal/A", "- - a1"),  # one of it has been taken since
        (TAKE_OUT, "group", "normal/nobody", "- - a0"),
        (PUT_IN, "group", "normal/A", "0 n a1"),
        (PUT_IN, "group", "normal/A", "0 n "),  # it was empty then
        (PUT_IN, "group", "normal/A", "4 n a0"),  # both stand nearer to the tail
        (LEAVE, "grouped", "normal", "1 3 @A x 5"),
        (LEAVE, "grouped", "normal", "2 4 @A x 5"),
        (LEAVE, "grouped", "normal", "2 3 @B x 5"),
        (LEAVE, "grouped", "normal", "2 3 @A y 5"),
        (LEAVE, "bury", "a1", "normal/A 2 n 1 0  "),  # stands nearer to the tail
        (LEAVE, "bury", "a1", "normal 0 n 1 0  "),  # stands in the group, not in the list
        (LEAVE, "push", "a1", "normal"),  # behind the first of its group
    ],
)
def test_what_has_moved_since_is_left_alone(bench: Bench, before: str, verb: str, name: str, detail: str) -> None:
    grouped(bench)
    if before != LEAVE:
        bench.audited = False
    if before == TAKE_OUT:
        bench.client.lrem(bench.key("queue", "normal"), 1, "@A")
    elif before == PUT_IN:
        bench.client.rpush(bench.key("queue", "normal"), "@A")
    assert bench.act(bench.protocol.mend_place(verb, name, detail, TIMES.lease_ms)) == ((), {})


def test_an_entry_put_back_is_announced(bench: Bench) -> None:
    grouped(bench)
    bench.client.lrem(bench.key("queue", "normal"), 1, "@A")
    bench.client.delete(bench.key("bell", "normal"))
    bench.act(bench.protocol.mend_place("group", "normal/A", "- - a0", TIMES.lease_ms))
    assert bench.client.lrange(bench.key("queue", "normal"), 0, -1) == ["@B", "x", "@A"]
    assert bench.client.llen(bench.key("bell", "normal")) == 1


def test_a_tombstone_that_stands_for_an_entry_costs_nobody_a_turn(bench: Bench) -> None:
    bench.audited = False
    grouped(bench)
    bench.client.lpush(bench.key("queue", "normal"), "@A")
    bench.client.lpush(bench.key("group", "normal/A"), "x")
    bench.client.hset(bench.key("grouped"), "normal", 3)
    bench.act(bench.protocol.mend_place("group", "normal/A", "3 n1 x", TIMES.lease_ms))
    bench.act(bench.protocol.mend_place("bury", "x", "normal/A 3 n2 1 0  ", TIMES.lease_ms))
    assert [claim.task_id for claim in bench.claim("w1", 9)] == ["a0", "b0", "x", "a1", "a2"]
    assert bench.client.hget(bench.key("grouped"), "normal") == "0"
    assert bench.client.scard(bench.key("tombstones")) == 0
