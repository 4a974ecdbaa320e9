"""stats, ids, cards, inspect, result and snapshot: what the reading scripts tell."""

from __future__ import annotations

import pytest

from taskq.model.task import Task
from taskq.protocol.integrity import misplaced_number
from taskq.protocol.replies import Inspection
from taskq.protocol.sizes import ListDepth
from taskq.protocol.view import read_dump
from taskq.protocol.walks import all_cards, all_sizes
from tests.lua.ways import limit
from tests.state import LIMITS, LISTS, TIMES, TTL_MS, Bench, created, settle, task


def test_a_key_of_a_kind_that_taskq_never_makes_is_left_out_of_a_snapshot(bench: Bench) -> None:
    bench.submit_ids("a")
    before = bench.state()
    bench.client.xadd(bench.raw_key("foreign"), {"a": "b"})
    assert bench.state() == before


class TestStats:
    def test_of_an_empty_namespace(self, bench: Bench) -> None:
        sizes = bench.run(bench.protocol.stats())
        assert set(sizes.statuses.values()) == {0}
        assert list(sizes.statuses) == [
            "pending", "scheduled", "running", "retry", "waiting", "completed", "failed", "cancelled",
        ]  # fmt: skip
        assert [depth.name for depth in sizes.lists] == ["urgent", "high", "normal", "low"]
        assert (sizes.counters, sizes.workers, sizes.dead, sizes.tombstones) == ({}, 0, 0, 0)
        assert abs(sizes.now_ms - bench.now_ms()) < 5_000

    def test_counts_everything(self, bench: Bench) -> None:
        for outcome in ("complete", "fail", "cancel", "retry"):
            bench.end("w1", settle(bench.claim_one(outcome), outcome))
        bench.claim_one("running")
        bench.register("w2")
        bench.submit(task("a"), task("b"), task("t"), task("d", due="+60000"), task("m", "low", queue="mail"))
        bench.run(bench.protocol.cancel("t", "{}", TTL_MS))
        bench.run(bench.protocol.pause(True, ["low", "mail:low"]))
        sizes = bench.run(bench.protocol.stats())
        assert sizes.statuses == {
            "pending": 3, "scheduled": 1, "running": 1, "retry": 1, "waiting": 0, "completed": 1, "failed": 1,
            "cancelled": 2,
        }  # fmt: skip
        assert {d for d in sizes.lists if d.length or d.paused} == {
            ListDepth("normal", 3, None, False),
            ListDepth("low", 0, None, True),
            ListDepth("mail:low", 1, None, True),
        }
        assert len(sizes.lists) == 8
        assert sizes.counters == {"submitted": 10, "completed": 1, "failed": 1, "cancelled": 2, "retried": 1}
        assert (sizes.workers, sizes.dead, sizes.tombstones) == (2, 1, 1)

    def waited(self, bench: Bench, name: str = "normal") -> float:
        since = {depth.name: depth.since_ms for depth in bench.run(bench.protocol.stats()).lists}[name]
        assert since is not None
        return round((bench.now_ms() - since) / 1000)

    def test_the_oldest_has_waited_since_its_submit(self, bench: Bench) -> None:
        bench.submit(created(bench, "gone", -500), created(bench, "a", -90), created(bench, "b", -10))
        bench.run(bench.protocol.cancel("gone", "{}", TTL_MS))
        assert self.waited(bench) == 90, "a tombstone waits for nothing"

    def test_what_it_waited_before_it_came_into_its_list_does_not_count(self, bench: Bench) -> None:
        bench.submit(created(bench, "a", -500, due="+60000"))
        bench.move_clock(60)
        bench.run(bench.protocol.promote())
        bench.move_clock(20)
        assert self.waited(bench) == 20

    @pytest.mark.parametrize("outcome", ["release", "retry", "snooze"])
    def test_nor_what_it_ran_or_paused(self, bench: Bench, outcome: str) -> None:
        bench.submit(created(bench, "a", -500))
        bench.register("w1")
        (claim,) = bench.claim("w1", 1)
        bench.move_clock(30)
        bench.run(bench.protocol.settle([settle(claim, outcome, "", 0)]))
        bench.run(bench.protocol.promote())
        bench.move_clock(20)
        assert self.waited(bench) == 20

    def test_nor_what_it_waited_for_others(self, bench: Bench) -> None:
        bench.submit(created(bench, "a", -500, ordering="k"), created(bench, "b", -500, "low", ordering="k"))
        bench.register("w1")
        bench.move_clock(30)
        bench.end("w1", *map(settle, bench.claim("w1", 1)))
        bench.move_clock(20)
        assert self.waited(bench, "low") == 20


class TestIds:
    def pages(self, bench: Bench, status: str, count: int) -> list[tuple[str, ...]]:
        pages, cursor = [], "0"
        while True:
            cursor, ids = bench.run(bench.protocol.ids(status, cursor, count))
            pages.append(ids)
            if cursor == "0":
                return pages

    def test_of_a_status(self, bench: Bench) -> None:
        expected = {f"a{n}" for n in range(300)}
        bench.submit_ids(*expected)
        pages = self.pages(bench, "pending", 50)
        assert len(pages) > 1
        assert {i for page in pages for i in page} == expected
        assert self.pages(bench, "running", 50) == [()]

    def test_the_latest_dead_letters_come_first(self, bench: Bench) -> None:
        for n in range(5):
            bench.end("w1", settle(bench.claim_one(f"a{n}"), "fail"))
            bench.move_clock(10)
        assert self.pages(bench, "dead", 2) == [("a4", "a3"), ("a2", "a1"), ("a0",)]
        assert self.pages(bench, "dead", 5) == [("a4", "a3", "a2", "a1", "a0"), ()]


class TestManyQueues:
    # Valkey hands a set of up to 128 short names out whole, whatever is asked for; Redis 7.0 walks a table, and with
    # exactly 50 names in it has the last of them before it has seen the end, or not
    @pytest.mark.parametrize("number", [49, 51, 100, 300])
    def test_they_come_in_pages_each_of_them_once(self, bench: Bench, number: int) -> None:
        queues = [f"q{n:03}" for n in range(number)]
        for queue in queues:
            bench.submit(task(f"{queue}-1", "low", queue=queue))
        first = bench.run(bench.protocol.stats())
        assert len(first.lists) <= 4 + 4 * 50
        assert (first.cursor != "0", first.statuses["pending"]) == (number > 50, number), (
            "one page is not all lists, but all else"
        )
        assert misplaced_number(first) == 0, "what cannot be said of a page is not said"
        sizes = bench.walk(all_sizes(bench.protocol))
        names = [depth.name for depth in sizes.lists]
        assert names[:4] == LISTS
        assert names[4:] == [f"{queue}:{label}" for queue in queues for label in LISTS]
        assert sum(depth.length for depth in sizes.lists) == number


class TestCards:
    def test_a_worker_and_what_it_holds(self, bench: Bench) -> None:
        bench.claim_one("a", "w2")
        bench.register("w1")
        now_ms, cards, cursor = bench.run(bench.protocol.cards())
        assert abs(now_ms - bench.now_ms()) < 5_000
        assert cursor == "0"
        assert sorted((c.worker_id, c.held, c.card["host"]) for c in cards) == [("w1", (), "h"), ("w2", ("a",), "h")]
        assert all(55_000 < c.lease_ms <= 60_000 for c in cards)

    def test_the_lease_is_told_on_the_lease_clock(self, bench: Bench) -> None:
        bench.register("w1")
        bench.move_clock(3600)
        bench.run(bench.protocol.beat(TIMES, []))
        _, (card,), _ = bench.run(bench.protocol.cards())
        assert 45_000 < card.lease_ms <= 50_000

    def test_a_worker_that_is_being_taken_away(self, bench: Bench) -> None:
        bench.submit_ids("a", "b")
        bench.register("w1")
        bench.claim("w1")
        bench.run(bench.protocol.evict("w1", False, 1, LIMITS))
        _, (card,), _ = bench.run(bench.protocol.cards())
        assert (card.card, card.held) == ({}, ("a",))

    @pytest.mark.parametrize("number", [26, 300])
    def test_many_come_in_pages_each_of_them_once(self, bench: Bench, number: int) -> None:
        names = [f"w{n:03}" for n in range(number)]
        bench.client.sadd(bench.key("workers"), *names)
        bench.audited = False
        _, first, cursor = bench.run(bench.protocol.cards())
        assert len(first) <= 25
        assert cursor != "0", "one page is not all"
        _, cards = bench.walk(all_cards(bench.protocol))
        assert [c.worker_id for c in cards] == names


class TestInspect:
    def test_in_the_order_of_the_ids(self, bench: Bench) -> None:
        bench.end("w1", settle(bench.claim_one("done")))
        bench.claim_one("running")
        bench.submit(task("pending"))
        found = bench.run(bench.protocol.inspect(["pending", "missing", "done", "running"]))
        assert found[:3] == [
            Inspection(b"body of pending", {}, None, True),
            Inspection(None, {}, None, False),
            Inspection(b"body of done", {}, b"result of done", False),
        ]
        assert (found[3].state["status"], found[3].state["worker"]) == ("running", "w1")

    def test_of_nothing(self, bench: Bench) -> None:
        assert bench.run(bench.protocol.inspect([])) == []


def test_result(bench: Bench) -> None:
    claim = bench.claim_one("a")
    assert bench.run(bench.protocol.result("a")) == (None, True)
    bench.end("w1", settle(claim))
    assert bench.run(bench.protocol.result("a")) == (b"result of a", True)
    assert bench.run(bench.protocol.result("missing")) == (None, False)


class TestSnapshot:
    def test_is_of_this_namespace_alone(self, bench: Bench) -> None:
        """The pattern of a prefix must not match others."""
        other = Bench(bench.transport.endpoint.url, f"{bench.prefix}x", bench.client)
        other.submit_ids("theirs")
        bench.submit_ids("ours")
        _, dump = bench.run(bench.protocol.snapshot())
        assert dump is not None
        assert set(read_dump(dump)) == {
            "meta",
            "task:ours",
            "queue:normal",
            "status:pending",
            "bell:normal",
            "counters",
        }
        other.close()

    def test_of_a_large_namespace_there_is_none(self, bench: Bench) -> None:
        bench.submit_ids("a", "b")
        now_ms, dump = bench.run(bench.protocol.snapshot(5))
        assert (now_ms > 0, dump) == (True, None)


class TestStrangers:
    """Ids that no status knows."""

    def test_are_told_from_those_that_are_known(self, bench: Bench) -> None:
        bench.claim_one("running")
        bench.submit_ids("pending")
        ids = ["running", "nobody", "pending", "nothing"]
        assert bench.run(bench.protocol.strangers(ids)) == ("0", ["nobody", "nothing"])

    def test_there_are_none(self, bench: Bench) -> None:
        bench.submit_ids("a", "b")
        assert bench.run(bench.protocol.strangers(["a", "b"])) == ("0", [])


def test_where_nothing_has_ended_the_page_is_empty(bench: Bench) -> None:
    assert bench.run(bench.protocol.ids(f"ended {TTL_MS}", "0", 10)) == ("0", ())


def test_those_that_hold_a_limit_are_found_among_many_that_run(bench: Bench) -> None:
    """Four among six hundred, so that no first page of them has all."""
    limit(bench, "k", concurrency=4)
    bench.register("w1")
    kept = [task(f"k{n}", "high", limits="k") for n in range(5)]
    bench.submit(*kept, *(task(f"other{n}") for n in range(600)))
    while len(bench.claim("w1", 125)) == 125:
        pass
    circumstances = bench.run(bench.protocol.explain(Task(task_id="k4", task_type="custom", limit_keys=["k"]), TTL_MS))
    assert circumstances.limit is not None
    assert sorted(circumstances.limit.holders) == ["k0", "k1", "k2", "k3"]
