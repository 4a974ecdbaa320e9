"""Queues with a limit: what a submit does when their lists hold as many tasks as they may."""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any
from urllib.parse import quote

import pytest

from taskq.model.bound import QueueLimit
from taskq.model.uniqueness import Uniqueness
from taskq.protocol.submits import DENIED
from taskq.settings import Settings
from taskq.transport.blocking import Transport
from taskq.transport.endpoint import Endpoint
from tests.lua.scenarios.bounding import bound
from tests.state import TTL_MS, Bench, changes, settle, task


def crowd(bench: Bench) -> list[str]:
    """Return the queues in which somebody waits for room, the last first."""
    return re.findall(r"(\S+)=\d+", bench.state()["crowd"])


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("queue", [None, "mail"])
def test_a_full_queue_takes_nothing(bench: Bench, batch: int, queue: str | None) -> None:
    """All four lists count together, whatever way the call takes through the script."""
    bound(bench, 3, queue=queue or "default")
    bench.submit(task("a", "urgent", queue=queue), task("b", "low", queue=queue), task("c", "low", queue=queue))
    reply, changed = bench.act(bench.protocol.submit([task(f"n{n}", queue=queue) for n in range(batch)], 0))
    assert (reply.ids, reply.bounded) == ((), (queue or "default", 3, 3, "reject", 30_000, "tasks", batch))
    assert changed == {}
    assert bench.submit(task("other", queue="another")) == ("other",)


def test_what_runs_does_not_count_and_what_is_stored_is_stored(bench: Bench) -> None:
    bound(bench, 1)
    claim = bench.claim_one("a")
    assert bench.submit(task("b")) == ("b",)
    assert bench.submit(task("b")) == ("b",)
    bench.end("w1", settle(claim, "release"))
    assert bench.run(bench.protocol.submit([task("c")], 0)).bounded == ("default", 2, 1, "reject", 30_000, "tasks", 1)


def test_a_limit_that_is_removed(bench: Bench) -> None:
    bound(bench, 1)
    bench.submit_ids("a")
    assert bench.run(bench.protocol.submit([task("b")], 0)).bounded
    assert bench.run(bench.protocol.remove_bound("default"))
    assert bench.submit(task("b")) == ("b",)
    assert "bounds" not in bench.state()
    assert bench.state()["counters"] == {"submitted": 2}


def test_whoever_waits_is_told_of_room(bench: Bench) -> None:
    """One hint for what a turn has claimed; whoever gets in passes it on while there is room."""
    bound(bench, 2, "block")
    bench.submit_ids("a", "b")
    assert bench.run(bench.protocol.submit([task("c")], 0)).bounded == ("default", 2, 2, "block", 30_000, "tasks", 1)
    assert crowd(bench) == ["default"]
    bench.register("w1")
    _, changed = bench.act(bench.turn_op("w1", 2))
    assert changed["bell:@room:default"] == ["1"]
    _, changed = bench.act(bench.protocol.submit([task("c")], 0))
    assert changed["bell:@room:default"] == ["1", "1"]
    _, changed = bench.act(bench.protocol.submit([task("d")], 0))
    assert "bell:@room:default" not in changed


@pytest.mark.parametrize("queue", [None, "mail"])
@pytest.mark.parametrize("which", ["a", "b"])
def test_a_cancelled_task_makes_room_at_once_if_somebody_waits(bench: Bench, queue: str | None, which: str) -> None:
    """It leaves its list, and one who waits is told; with nobody there it would stay behind as a tombstone."""
    name = queue or "default"
    bound(bench, 2, "block", name)
    bench.submit(task("a", queue=queue), task("b", queue=queue))
    assert bench.run(bench.protocol.submit([task("c", queue=queue)], 0)).bounded
    reply, changed = bench.act(bench.protocol.cancel(which, "{}", TTL_MS))
    assert reply == "cancelled"
    assert changed[f"bell:@room:{name}"] == ["1"]
    assert "tombstones" not in changed
    assert bench.state()[f"queue:{'mail:' if queue else ''}normal"] == ["b" if which == "a" else "a"]
    assert bench.submit(task("c", queue=queue)) == ("c",)


def test_a_cancelled_task_of_a_group_makes_room_by_its_bytes(bench: Bench) -> None:
    """Its entry stands for others too, so it becomes a tombstone; but a tombstone weighs nothing."""
    grouped = [task(task_id, group="g") for task_id in ("a", "b")]
    bound(bench, None, "block", max_bytes=sum(len(one.envelope) for one in grouped))
    bench.submit(*grouped)
    assert bench.run(bench.protocol.submit([task("c")], 0)).bounded
    _, changed = bench.act(bench.protocol.cancel("b", "{}", TTL_MS))
    assert (changed["tombstones"], changed["bell:@room:default"]) == (["+b"], ["1"])
    assert bench.submit(task("c")) == ("c",)


def test_one_that_leaves_no_list_makes_no_room(bench: Bench) -> None:
    bench.submit(task("a"), task("later", due=bench.at(60)))
    bound(bench, 1, "block")
    assert bench.run(bench.protocol.submit([task("c")], 0)).bounded
    _, changed = bench.act(bench.protocol.cancel("later", "{}", TTL_MS))
    assert "bell:@room:default" not in changed


@pytest.mark.parametrize("queue", [None, "mail"])
def test_a_purge_tells_whoever_waits(bench: Bench, queue: str | None) -> None:
    name, prefix = queue or "default", f"{queue}:" if queue else ""
    bound(bench, 1, "block", name)
    bench.submit(task("a", queue=queue))
    assert bench.run(bench.protocol.submit([task("b", queue=queue)], 0)).bounded
    _, changed = bench.act(bench.protocol.purge(f"{prefix}low", 10))
    assert changed == {}
    _, changed = bench.act(bench.protocol.purge(f"{prefix}normal", 10))
    assert changed[f"bell:@room:{name}"] == ["1"]


def test_neither_tells_anybody_if_nobody_waits(bench: Bench) -> None:
    bound(bench, 3, "block")
    bench.submit_ids("a", "b", "c")
    _, changed = bench.act(bench.protocol.cancel("a", "{}", TTL_MS))
    assert (changed["tombstones"], "bell:@room:default" in changed) == (["+a"], False)
    _, changed = bench.act(bench.protocol.purge("normal", 10))
    assert "bell:@room:default" not in changed


def test_a_turn_that_only_drops_what_was_cancelled_tells_whoever_waits(bench: Bench) -> None:
    bound(bench, 1, "block")
    bench.submit_ids("a")
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    assert bench.run(bench.protocol.submit([task("b")], 0)).bounded
    bench.register("w1")
    reply, changed = bench.act(bench.turn_op("w1", 2))
    assert reply.claims == ()
    assert changed["bell:@room:default"] == ["1"]


def test_a_turn_that_takes_nothing_out_of_its_lists_tells_nobody(bench: Bench) -> None:
    """The one at the head may run only where nothing else does."""
    bench.claim_one("a")
    bench.make_suspect("suspect")
    bound(bench, 1, "block")
    assert bench.run(bench.protocol.submit([task("b")], 0)).bounded
    reply, changed = bench.act(bench.turn_op("w1", 2))
    assert (reply.hold, "bell:@room:default" in changed) == (True, False)


def test_a_turn_tells_nobody_if_nobody_waits(bench: Bench) -> None:
    bound(bench, 2, "block")
    bench.submit_ids("a", "b")
    bench.register("w1")
    bench.claim("w1", 1)
    assert "bell:@room:default" not in bench.state()


def test_word_that_somebody_waits_is_kept_as_long_as_the_longest(bench: Bench) -> None:
    bound(bench, 1, "block")
    bench.submit_ids("a")
    bench.run(bench.protocol.await_result("a", "me", 30_000))
    _, changed = bench.act(bench.protocol.submit([task("b")], 0))
    assert changed.keys() == {"crowd", "crowd ttl"}
    assert changed["crowd ttl"] == "10s"


def test_nor_does_a_submit(bench: Bench) -> None:
    bound(bench, 3, "block")
    bench.submit_ids("a", "b")
    assert "bell:@room:default" not in bench.state()


def test_a_limit_that_is_raised_tells_whoever_waits_once(bench: Bench) -> None:
    bound(bench, 1, "block")
    bench.submit_ids("a")
    bench.run(bench.protocol.submit([task("b")], 0))
    for _ in range(2):
        bound(bench, 2, "block")
        assert bench.state()["bell:@room:default"] == ["1"]


def test_all_limits_are_listed(bench: Bench) -> None:
    bound(bench, 1)
    bound(bench, 2, "block", "mail")
    bound(bench, None, queue="letters", max_bytes=70)
    bench.submit(task("a", "urgent", queue="mail"), task("b", "low", queue="mail"), task("c"))
    assert bench.run(bench.protocol.submit([task("d", queue="mail")], 0)).bounded
    listed = bench.run(bench.protocol.list_bounds())
    assert listed == {
        "default": QueueLimit("default", 1),
        "mail": QueueLimit("mail", 2, "block"),
        "letters": QueueLimit("letters", max_bytes=70),
    }
    held = {queue: (limit.tasks, limit.bytes, limit.awaited) for queue, limit in listed.items()}
    assert held == {"default": (1, 9, False), "mail": (2, 18, True), "letters": (0, None, False)}


def test_who_waits_is_known_for_ten_seconds(bench: Bench) -> None:
    for queue in ("mail", "letters"):
        bound(bench, 1, "block", queue)
        bench.submit(task(f"of {queue}", queue=queue))
    bench.run(bench.protocol.submit([task("a", queue="mail")], 0))
    bench.move_clock(6)
    bench.run(bench.protocol.submit([task("b", queue="letters")], 0))
    assert crowd(bench) == ["letters", "mail"]
    bench.move_clock(6)
    assert [limit.awaited for limit in bench.run(bench.protocol.list_bounds()).values()] == [False, True]
    for _ in range(2):
        bench.run(bench.protocol.submit([task("b", queue="letters")], 0))
        assert crowd(bench) == ["letters"]


@pytest.mark.parametrize("most", [{"most": 1}, {"most": None, "max_bytes": 20}])
def test_one_that_never_fits_does_not_wait(bench: Bench, most: dict[str, Any]) -> None:
    bound(bench, on_full="block", **most)
    assert bench.run(bench.protocol.submit([task("a", body="x" * 11), task("b", body="x" * 11)], 0)).bounded
    assert "crowd" not in bench.state()


class TestShedding:
    def test_the_newest_of_the_lowest_priority_goes(self, bench: Bench) -> None:
        bound(bench, 4, "shed_low")
        bench.submit(task("n1"), task("l1", "low"), task("l2", "low"), task("l3", "low"))
        reply, changed = bench.act(bench.protocol.submit([task("h", "high")], 0))
        assert reply.ids == ("h",)
        assert changed["queue:low"] == ["l1", "l2"]
        assert changed["status:cancelled"] == ["+l3"]
        assert changed["counters"] == {"submitted": 5, "cancelled": 1, "shed": 1}
        assert bench.state()["state:l3"]["reason"] == "shed"
        assert "a more urgent task came" in bench.state()["result:l3"]

    @pytest.mark.parametrize("priority", ["low", "normal"])
    def test_nothing_goes_for_one_that_is_not_more_urgent(self, bench: Bench, priority: str) -> None:
        bound(bench, 2, "shed_low")
        bench.submit(task("a", "high"), task("b", priority))
        reply, changed = bench.act(bench.protocol.submit([task("c", priority)], 0))
        assert (reply.bounded, changed) == (("default", 2, 2, "shed_low", 30_000, "tasks", 1), {})

    def test_whoever_was_to_come_after_one_that_goes_is_started(self, bench: Bench) -> None:
        """The first of an ordering key makes room in the call that brings the second."""
        bound(bench, 2, "shed_low")
        bench.submit(task("first", "low", ordering="k"), task("other", "high"))
        assert bench.submit(task("second", ordering="k"), task("urgent", "urgent")) == ("second", "urgent")
        assert bench.state()["status:cancelled"] == {"first"}
        assert bench.state()["status:pending"] == {"other", "second", "urgent"}
        assert bench.state()["queue:normal"] == ["second"]

    def test_one_that_is_replaced_is_not_ended_twice(self, bench: Bench) -> None:
        bound(bench, 2, "shed_low")
        rules = Uniqueness("replace").rules(60_000)
        bench.submit(task("other", "high"), task("old", "low", unique="k")._replace(rules=rules))
        bench.submit(task("new", "high", unique="k")._replace(rules=rules))
        assert bench.state()["status:cancelled"] == {"old"}
        assert bench.state()["state:old"]["reason"] == "replaced"
        assert bench.state()["counters"] == {"submitted": 3, "cancelled": 1}
        assert "queue:low" not in bench.state()

    def test_nothing_goes_if_it_would_not_be_enough(self, bench: Bench) -> None:
        bound(bench, 3, "shed_low")
        bench.submit(task("a", "high"), task("b", "high"), task("c", "low"))
        reply, changed = bench.act(bench.protocol.submit([task("d", "high"), task("e", "high")], 0))
        assert (reply.bounded is not None, changed) == (True, {})

    def test_nobody_goes_for_a_caller_who_may_not_read_who_is_there(self, bench: Bench, redis_url: str) -> None:
        bound(bench, 2, "shed_low")
        bench.submit(task("a", "low"), task("b", "low"))
        bench.client.execute_command("ACL", "SETUSER", bench.prefix, "on", "nopass", "~*", "&*", "+@all", "-lrange")
        url = redis_url.replace("://", f"://{quote(bench.prefix, safe='')}:any@", 1)
        settings = Settings(redis_url=url, prefix=bench.prefix)
        before = bench.state()
        with closing(Transport(Endpoint(url, settings), settings)) as transport:
            reply = transport.run(bench.protocol.submit([task("c", "urgent")], 0))
        bench.client.execute_command("ACL", "DELUSER", bench.prefix)
        assert (reply.bounded, changes(before, bench.state())) == (("default", 2, 2, DENIED, 0, "tasks", 1), {})

    def test_what_runs_stays_and_a_tombstone_goes_first(self, bench: Bench) -> None:
        bound(bench, 3, "shed_low")
        bench.register("w1")
        bench.submit(task("r", "low"))
        bench.claim("w1", 1)
        bench.submit(task("l1", "low"), task("l2", "low"), task("l3", "low"))
        bench.run(bench.protocol.cancel("l3", "{}", TTL_MS))
        bench.submit(task("a"), task("b"))
        assert bench.state()["queue:low"] == ["l1"]
        assert bench.state()["status:running"] == {"r"}
        assert bench.state()["status:cancelled"] == {"l2", "l3"}
        assert bench.submit(task("c")) == ("c",)
        assert bench.run(bench.protocol.submit([task("d")], 0)).bounded
