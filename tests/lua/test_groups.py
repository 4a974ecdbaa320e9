"""Tasks with a group key: of each group one is in line at a time, whatever brings its tasks there."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from taskq.protocol.channels import lengths
from taskq.protocol.operation import Operation
from taskq.protocol.workflow import Child, CommitPlan, FamilyPlan, Node
from tests.lua.scenarios.bounding import bound
from tests.lua.ways import limit
from tests.state import LISTS, TIMES, TTL_MS, Bench, envelope, settle, task


def of(group: str, *ids: str, priority: str = "normal", **options: Any) -> list[Any]:
    return [task(i, priority, group=group, **options) for i in ids]


def order(bench: Bench, want: int = 100, worker: str = "w1") -> list[str]:
    return [claim.task_id for claim in bench.claim(worker, want)]


def depth(bench: Bench, name: str = "normal") -> int:
    sizes = bench.run(bench.protocol.stats())
    assert bench.run(lengths(bench.protocol, [name])) == [length_of(sizes, name)]
    return length_of(sizes, name)


def length_of(sizes: Any, name: str) -> int:
    return next(one.length for one in sizes.lists if one.name == name)


@pytest.fixture(params=["short way", "long way"])
def way(request: pytest.FixtureRequest, bench: Bench) -> Bench:
    """A turn goes the long way while there is any tombstone."""
    bench.register("w1")
    if request.param == "long way":
        bench.submit(task("gone", "low"))
        bench.run(bench.protocol.cancel("gone", "{}", TTL_MS))
    return bench


@pytest.mark.parametrize("want", [1, 3, 9, 100])
def test_each_group_has_one_start_in_a_round(way: Bench, want: int) -> None:
    """Whoever has no group starts where it came into the list."""
    way.submit(*of("A", "a0", "a1", "a2", "a3"), *of("B", "b0", "b1"), task("x"), *of("C", "c0"), task("y"))
    assert depth(way) == 9
    started: list[str] = []
    while found := order(way, want):
        started += found
        assert depth(way) == 9 - len(started)
    assert started == ["a0", "b0", "x", "c0", "y", "a1", "b1", "a2", "a3"]


def test_what_stands_in_redis(bench: Bench) -> None:
    _, changed = bench.act(bench.protocol.submit([*of("A", "a0", "a1", priority="low"), task("x", "low")], 0))
    assert changed["queue:low"] == ["@A", "x"]
    assert changed["group:low/A"] == ["a0", "a1"]
    assert changed["grouped"] == {"@": "1", "low": "1"}
    assert changed["status:pending"] == ["+a0", "+a1", "+x"]
    assert not [key for key in changed if key.startswith("state:")]
    bench.register("w1")
    _, changed = bench.act(bench.turn_op("w1", 2))
    assert (changed["queue:low"], changed["group:low/A"]) == (["@A"], ["a1"])
    _, changed = bench.act(bench.turn_op("w1", 2))
    assert (changed["queue:low"], changed["group:low/A"]) == (None, None)


def test_a_group_is_one_of_each_list(bench: Bench) -> None:
    bench.register("w1")
    bench.submit(*of("A", "n0", "n1"), *of("A", "u0", "u1", priority="urgent"), *of("A", "m0", queue="mail"))
    assert order(bench) == ["u0", "u1", "n0", "n1"]
    assert [claim.task_id for claim in bench.claim("w1", 9, ["mail:normal"])] == ["m0"]


def test_whoever_is_cancelled_costs_its_group_no_round(bench: Bench) -> None:
    """The first, one in the midst and all of another group; more of them than one look drops."""
    bench.register("w1")
    bench.submit(*of("A", *(f"a{n}" for n in range(130))), *of("B", "b0", "b1"), *of("C", "c0", "c1"), task("x"))
    for task_id in (*(f"a{n}" for n in range(125)), "a127", "b0", "b1"):
        bench.run(bench.protocol.cancel(task_id, "{}", TTL_MS))
    assert order(bench, 3) == ["c0", "x", "a125"]
    assert order(bench) == ["c1", "a126", "a128", "a129"]
    assert bench.state().get("tombstones") is None
    assert "strays" not in bench.state()["counters"], "nobody has put an entry into the list by hand"


def test_one_that_is_cancelled_and_replayed_stands_where_it_stood(bench: Bench) -> None:
    bench.register("w1")
    bench.submit(*of("A", "a0", "a1", "a2"))
    bench.run(bench.protocol.cancel("a1", "{}", TTL_MS))
    assert bench.run(bench.protocol.replay([("a1", "normal")])) == [1]
    assert order(bench) == ["a0", "a1", "a2"]


def test_retried_and_delayed_ones_join_their_group_when_they_are_due(bench: Bench) -> None:
    bench.register("w1")
    bench.submit(*of("A", "r0", "r1"))
    bench.end("w1", *(settle(claim, "retry", number=30_000) for claim in bench.claim("w1", 2)))
    bench.submit(*of("A", "d0", "d1", due="+30000"), *of("B", "b0", due="+30000"))
    bench.submit(*of("A", "a0"))
    bench.move_clock(40)
    bench.run(bench.protocol.promote())
    assert depth(bench) == 6
    found = order(bench)
    assert found[:2] == ["a0", "b0"]
    assert sorted(found[2:]) == ["d0", "d1", "r0", "r1"]


@pytest.mark.parametrize("how", ["release", "evict", "repair"])
def test_what_comes_back_to_the_head_has_had_its_turn(bench: Bench, how: str) -> None:
    bench.register("w1", "w2")
    bench.submit(*of("A", "a0", "a1", "a2"), *of("B", "b0"))
    claims = bench.claim("w1", 2)
    if how == "release":
        bench.end("w1", *(settle(claim, "release") for claim in reversed(claims)))
    elif how == "evict":
        bench.evict("w1")
    else:
        bench.run(bench.protocol.repair("w1", "tok-w1", TIMES, ()))
    assert bench.state()["queue:normal"] == ["a0", "b0", "@A"]
    assert order(bench, worker="w2") == ["a0", "b0", "a1", "a2"]


def test_whoever_is_blocked_lets_the_next_of_its_group_into_the_line(bench: Bench) -> None:
    limit(bench, "few", concurrency=1)
    bench.register("w1")
    bench.submit(*of("A", "a0", "a1", limits="few"), *of("A", "a2"), *of("B", "b0", limits="few"), task("x"))
    (first, *rest) = bench.claim("w1", 100)
    assert [first.task_id, *(claim.task_id for claim in rest)] == ["a0", "x", "a2"]
    bench.end("w1", settle(first))
    assert order(bench) == ["b0"]


def test_children_tasks_of_a_graph_and_recurring_ones_join_their_group(bench: Bench) -> None:
    bench.register("w1")
    bench.submit(*of("A", "a0"))
    (ask,) = bench.claim("w1", 1)
    bench.submit(*of("A", "a1"))
    plan = FamilyPlan("a0/1", 1, "wait_all", 0, "a0", ask.fence)
    children = [Child("child", envelope("child", "x", "", "A"), "normal")]
    bench.run(bench.protocol.fanout(plan, 0, children, 0))
    commit = CommitPlan("a0", ask.fence, "n", "1", None)
    born = [Child("born", envelope("born", "x", "", "B"), "normal")]
    bench.run(bench.protocol.commit(commit, born, 0))
    needs: dict[str, tuple[str, ...]] = {"g0": (), "g1": ("g0",), "g2": ("g0",)}
    nodes = [Node(i, envelope(i, "x", "", "B"), "normal", "wait_all", before) for i, before in needs.items()]
    bench.run(bench.protocol.graph(nodes, 0))
    bench.run(bench.protocol.add_schedule("s", "{}"))
    bench.run(bench.protocol.fire("s", "{}", 5, task("f", group="B")))
    assert depth(bench) == 5
    claims = bench.claim("w1", 100)
    assert [claim.task_id for claim in claims] == ["a1", "born", "child", "g0", "f"]
    bench.end("w1", *(settle(claim) for claim in claims))
    bench.submit(*of("A", "a2"))
    # those that have not begun yet stand behind each other, and not at the head
    assert order(bench) == ["g1", "a2", "g2"]


def test_ordering_keys_and_successors_join_their_group(bench: Bench) -> None:
    bench.register("w1")
    bench.submit(*of("A", "o0", "o1", ordering="k"), *of("A", "a0", "a1"))
    first = bench.claim("w1", 1)
    bench.end("w1", settle(first[0]))
    assert first[0].task_id == "o0"
    assert order(bench) == ["a0", "a1", "o1"]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
def test_a_purge_takes_groups_with_it_in_bounded_steps(bench: Bench, limit: int) -> None:
    bench.submit(*of("A", *(f"a{n}" for n in range(7))), task("x"), *of("B", "b0", "b1"), task("y", "low"))
    bench.run(bench.protocol.cancel("a3", "{}", TTL_MS))
    purged, more = 0, True
    while more:
        number, more = bench.run(bench.protocol.purge("normal", limit))
        assert number <= limit
        purged += number
    assert purged == 9
    assert bench.state()["status:pending"] == {"y"}
    assert not [key for key in bench.state() if key.startswith("group:")]


def test_a_purge_does_not_lose_the_parent_that_it_wakes(bench: Bench) -> None:
    """It goes to the head of the list that is being purged, and is not one of those that were looked at."""
    parent = bench.claim_one("parent")
    plan = FamilyPlan("parent/1", 1, "wait_all", 0, "parent", parent.fence)
    bench.run(bench.protocol.fanout(plan, 0, [Child("child", "C", "normal")], 0))
    bench.end("w1", settle(parent, "wait", "parent/1", 0))
    bench.submit_ids("a", "b")
    assert bench.run(bench.protocol.purge("normal", 3)) == (3, True)
    assert order(bench) == ["parent"]


def test_limits_of_queues_count_those_behind_in_groups(bench: Bench) -> None:
    bound(bench, 3)
    bench.submit(*of("A", "a0", "a1", "a2"))
    assert bench.run(bench.protocol.submit([task("x")], 0)).bounded == ("default", 3, 3, "reject", 30_000, "tasks", 1)
    assert bench.run(bench.protocol.submit(of("B", "b"), 0)).bounded == ("default", 3, 3, "reject", 30_000, "tasks", 1)


@pytest.mark.parametrize("ids", ["x", "xy"])
def test_the_longest_list_counts_them_too(bench: Bench, ids: str) -> None:
    bench.submit(*of("A", "a0", "a1", "a2"))
    full = bench.run(bench.protocol.submit([task(i) for i in ids], 3, reused=False)).full
    assert full == ("normal", 3)
    assert bench.run(bench.protocol.submit(of("A", "a3"), 3, reused=False)).full == ("normal", 3)
    assert bench.run(bench.protocol.submit([task(i) for i in ids], 5, reused=False)).ids == tuple(ids)


def test_what_is_shed_of_groups_is_the_last_of_the_last_group(bench: Bench) -> None:
    bound(bench, 6, "shed_low")
    bench.submit(task("x", "low"), *of("A", "a0", "a1", priority="low"), *of("B", "b0", "b1", "b2", priority="low"))
    bench.submit(task("u0", "urgent"), task("u1", "urgent"))
    assert bench.state()["status:cancelled"] == {"b1", "b2"}
    bench.submit(task("u2", "urgent"), task("u3", "urgent"))
    assert bench.state()["status:cancelled"] == {"b0", "b1", "b2", "a1"}
    assert bench.state()["queue:low"] == ["x", "@A"]


def test_a_page_of_a_list_shows_those_behind_too(bench: Bench) -> None:
    bench.submit(task("x"), *of("A", "a0", "a1", "a2", "a3"), *of("B", "b0"), *of("C", "c0", "c1"))
    for count in (1, 2, 3, 4, 50):
        found: list[str] = []
        cursor = "0"
        while True:
            cursor, page = bench.run(bench.protocol.ids("list normal", cursor, count))
            assert len(page) <= count
            found += page
            if cursor == "0":
                break
        assert found == ["x", "a0", "b0", "c0", "a1", "a2", "a3", "c1"]


def test_a_body_that_is_gone_does_not_hold_up_its_group(bench: Bench) -> None:
    bench.register("w1")
    bench.submit(*of("A", "a0", "a1"), *of("B", "b0"))
    bench.client.delete(bench.key("task", "a0"))
    assert bench.claim("w1", 1)
    assert order(bench) == ["a1"]
    assert bench.state()["counters"]["lost_bodies"] == 1


def damage(bench: Bench, *command: object) -> Operation[Any]:
    """Change something by hand and return the next turn."""
    bench.audited = False
    bench.client.execute_command(*command)
    return bench.turn_op("w1", 100)


def test_an_entry_for_which_nobody_stands_is_dropped(bench: Bench) -> None:
    bench.register("w1")
    bench.submit(*of("A", "a0"), task("x"))
    turn = damage(bench, "LPUSH", bench.key("queue", "normal"), "@nobody", "@A")
    assert [claim.task_id for claim in bench.run(turn).claims] == ["a0", "x"]
    bench.audited = True
    bench.check()


def test_a_second_entry_takes_nobody_along(bench: Bench) -> None:
    """Of what comes after it in its group, one is counted as long as it waits there."""
    bench.register("w1")
    bench.submit(*of("A", "a0", "a1", "a2", "a3"))
    bench.submit(task("gone", "low"))
    bench.run(bench.protocol.cancel("gone", "{}", TTL_MS))
    damage(bench, "LPUSH", bench.key("queue", "normal"), "@A")
    assert order(bench, 2) == ["a0", "a1"]
    assert bench.client.lrange(bench.key("group", "normal/A"), 0, -1) == ["a2", "a3"]
    assert bench.client.hget(bench.key("grouped"), "normal") == "1"


def test_an_id_that_ends_like_a_group_key_is_none(way: Bench) -> None:
    way.submit(task("-A"), *of("A", "a0", "a1"))
    assert order(way, 1) == ["-A"]
    assert order(way) == ["a0", "a1"]


def test_a_group_of_the_wrong_type_stops_a_turn_before_it_writes(bench: Bench, redis_client: redis.Redis) -> None:
    bench.register("w1")
    bench.submit(*of("A", "a0"), task("x"))
    redis_client.delete(bench.key("group", "normal/A"))
    turn = damage(bench, "SET", bench.key("group", "normal/A"), "foreign")
    before = bench.state()
    with pytest.raises(Exception, match="WRONGTYPE"):
        bench.run(turn)
    assert bench.state() == before


def test_first_of_each_list(bench: Bench) -> None:
    bench.submit(*of("A", "a0", "a1", priority="low"))
    ages = bench.run(bench.protocol.ages(LISTS))
    assert [age is None for age in ages] == [True, True, True, False]
