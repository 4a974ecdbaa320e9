"""The bytes of what waits: each transition keeps them, and they limit what a queue takes."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.errors import ServerError
from taskq.protocol.submits import Submission
from tests.lua.scenarios import SCENARIOS, Scenario
from tests.lua.scenarios.bounding import bound
from tests.state import TTL_MS, Bench, changes, settle, task


def sized(task_id: str, size: int, priority: str = "normal", **options: Any) -> Submission:
    return task(task_id, priority, body=size * "x", **options)


def held(bench: Bench, queue: str = "default") -> int:
    return int(bench.client.hget(bench.key("bytes"), queue) or 0)


@pytest.mark.parametrize("scenario", [pytest.param(scenario, id=scenario.__name__) for scenario in SCENARIOS])
def test_each_transition_weighs_what_comes_and_goes(bench: Bench, scenario: Scenario) -> None:
    """The audit after each call compares what is noted with what waits."""
    bound(bench, None, queue="elsewhere", max_bytes=10**9)
    bench.run(scenario(bench))


class TestFull:
    @pytest.mark.parametrize("batch", [1, 3])
    @pytest.mark.parametrize("queue", [None, "mail"])
    def test_nothing_is_stored(self, bench: Bench, batch: int, queue: str | None) -> None:
        name = queue or "default"
        bound(bench, None, queue=name, max_bytes=100)
        bench.submit(sized("a", 60, "urgent", queue=queue), sized("b", 30, "low", queue=queue))
        coming = [sized(f"n{n}", 12, queue=queue) for n in range(batch)]
        reply, changed = bench.act(bench.protocol.submit(coming, 0))
        assert (reply.ids, reply.bounded) == ((), (name, 90, 100, "reject", 30_000, "bytes", 12 * batch))
        assert changed == {}
        assert bench.submit(sized("c", 10, queue=queue)) == ("c",), "up to the last byte"
        assert bench.submit(sized("other", 1000, queue="another")) == ("other",)

    def test_bytes_of_an_envelope_are_counted_and_not_its_letters(self, bench: Bench) -> None:
        bound(bench, None, max_bytes=10)
        bench.submit(task("a", body="äöü"))
        assert held(bench) == 6

    def test_one_that_never_fits_is_said_first(self, bench: Bench) -> None:
        """By tasks there is no room now, by bytes there never is."""
        bound(bench, 1, "block", max_bytes=100)
        bench.submit(sized("a", 10))
        reply = bench.run(bench.protocol.submit([sized("b", 101)], 0))
        assert reply.bounded is not None
        assert (reply.bounded.unit, reply.bounded.never_fits) == ("bytes", True)
        reply = bench.run(bench.protocol.submit([sized("b", 1), sized("c", 1)], 0))
        assert reply.bounded is not None
        assert (reply.bounded.unit, reply.bounded.never_fits) == ("tasks", True)
        reply = bench.run(bench.protocol.submit([sized("b", 1)], 0))
        assert reply.bounded == ("default", 1, 1, "block", 30_000, "tasks", 1)

    def test_one_that_is_delayed_needs_room_and_takes_none_before_its_time(self, bench: Bench) -> None:
        """As with a limit of tasks; when it falls due it is let in."""
        bound(bench, None, max_bytes=100)
        bench.submit(sized("later", 60, due=bench.at(10)))
        bench.submit(sized("now", 90))
        assert bench.run(bench.protocol.submit([sized("more", 20, due=bench.at(10))], 0)).bounded
        bench.move_clock(20)
        bench.run(bench.protocol.promote(10))
        assert held(bench) == 150

    def test_what_comes_back_is_let_in_and_counts(self, bench: Bench) -> None:
        bound(bench, None, max_bytes=100)
        bench.register("w1")
        bench.submit(sized("a", 80))
        (claim,) = bench.claim("w1", 1)
        bench.submit(sized("b", 90))
        bench.end("w1", settle(claim, "release"))
        assert held(bench) == 170
        assert bench.run(bench.protocol.submit([sized("c", 1)], 0)).bounded

    def test_what_is_stored_already_is_not_turned_away(self, bench: Bench) -> None:
        bound(bench, None, max_bytes=10)
        bench.submit(sized("a", 10))
        assert bench.submit(sized("a", 10)) == ("a",)

    def test_a_cancelled_one_leaves_at_once(self, bench: Bench) -> None:
        bound(bench, None, max_bytes=10)
        bench.submit(sized("a", 10))
        bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
        assert bench.submit(sized("b", 10)) == ("b",)

    def test_others_behind_the_first_of_a_key_wait_in_no_list(self, bench: Bench) -> None:
        bound(bench, None, max_bytes=30)
        bench.submit(sized("a", 20, ordering="k"), sized("b", 20, ordering="k"))
        assert held(bench) == 20

    def test_whoever_waits_is_told_only_while_there_is_room(self, bench: Bench) -> None:
        bound(bench, None, "block", max_bytes=10)
        bench.submit(sized("a", 10))
        assert bench.run(bench.protocol.submit([sized("b", 9)], 0)).bounded
        bench.register("w1")
        bench.claim("w1", 1)
        assert bench.state()["bell:@room:default"] == ["1"]
        _, changed = bench.act(bench.protocol.submit([sized("b", 9)], 0))
        assert changed["bell:@room:default"] == ["1", "1"]
        _, changed = bench.act(bench.protocol.submit([sized("c", 1)], 0))
        assert "bell:@room:default" not in changed


class TestShedding:
    def test_as_many_of_the_newest_go_as_it_takes(self, bench: Bench) -> None:
        bound(bench, None, "shed_low", max_bytes=100)
        bench.submit(*(sized(f"l{n}", 20, "low") for n in range(5)))
        bench.submit(sized("large", 50))
        assert bench.state()["queue:low"] == ["l0", "l1"]
        assert bench.state()["status:cancelled"] == {"l2", "l3", "l4"}
        assert bench.state()["counters"] == {"submitted": 6, "cancelled": 3, "shed": 3}
        assert held(bench) == 90

    def test_the_lowest_go_first_and_then_those_above_them(self, bench: Bench) -> None:
        bound(bench, None, "shed_low", max_bytes=100)
        bench.submit(sized("n1", 40), sized("n2", 40), sized("l", 20, "low"))
        bench.submit(sized("u", 50, "urgent"))
        assert bench.state()["status:cancelled"] == {"l", "n2"}

    def test_nobody_goes_if_that_is_not_enough(self, bench: Bench) -> None:
        bound(bench, None, "shed_low", max_bytes=100)
        bench.submit(sized("h", 60, "high"), sized("l", 40, "low"))
        reply, changed = bench.act(bench.protocol.submit([sized("u", 50, "high")], 0))
        assert (reply.bounded, changed) == (("default", 100, 100, "shed_low", 30_000, "bytes", 50), {})

    def test_nobody_goes_for_one_that_never_fits(self, bench: Bench) -> None:
        bound(bench, None, "shed_low", max_bytes=100)
        bench.submit(sized("l", 100, "low"))
        reply, changed = bench.act(bench.protocol.submit([sized("u", 101, "urgent")], 0))
        assert (reply.bounded, changed) == (("default", 100, 100, "shed_low", 30_000, "bytes", 101), {})

    def test_both_limits_have_to_be_met(self, bench: Bench) -> None:
        bound(bench, 4, "shed_low", max_bytes=100)
        bench.submit(*(sized(f"l{n}", 10, "low") for n in range(4)))
        bench.submit(sized("a", 80), sized("b", 1))
        assert bench.state()["queue:low"] == ["l0"]

    def test_the_entry_of_a_cancelled_one_makes_room_by_tasks_alone(self, bench: Bench) -> None:
        bound(bench, 3, "shed_low", max_bytes=100)
        bench.submit(sized("l1", 30, "low"), sized("l2", 30, "low"), sized("l3", 30, "low"))
        bench.run(bench.protocol.cancel("l3", "{}", TTL_MS))
        bench.submit(sized("n", 60))
        assert bench.state()["queue:low"] == ["l1"]
        assert held(bench) == 90

    def test_it_takes_a_thousand_at_most(self, bench: Bench) -> None:
        bound(bench, None, "shed_low", max_bytes=1010)
        bench.audited = False
        bench.submit(*(sized(f"l{n}", 1, "low") for n in range(1010)))
        assert bench.run(bench.protocol.submit([sized("n", 1001)], 0)).bounded
        assert bench.submit(sized("n", 1000)) == ("n",)
        bench.audited = True
        bench.check()
        assert bench.state()["queue:low"] == [f"l{n}" for n in range(10)]


class TestBeginningAndEnd:
    def test_nothing_is_weighed_where_no_limit_counts_bytes(self, bench: Bench) -> None:
        bound(bench, 5)
        bench.submit(sized("a", 10))
        assert not {"bytes", "weights"} & bench.state().keys()

    def test_what_waits_already_is_weighed_once(self, bench: Bench) -> None:
        """Page by page, while others come and go."""
        envelope = '{"id":"m","type":"t","created_at":"x","version":2,"priority":"low","queue":"mail","checksum":"c"}'
        bench.submit(
            sized("a", 10), task("m", "low", queue="mail", body=envelope), sized("later", 10, due=bench.at(10))
        )
        bench.audited = False
        assert bench.run(bench.protocol.set_bound("default", "0 reject 0 60000 50"))
        bench.submit(sized("b", 15))
        for _ in range(2):
            cursor, count = bench.run(bench.protocol.weigh("0"))
            assert (cursor, count) == ("0", 3)
        bench.audited = True
        bench.check()
        assert (held(bench), held(bench, "mail")) == (25, len(envelope))

    @pytest.mark.parametrize(
        ("head", "queue"),
        [
            ('"checksum":"c","payload":{"queue":"no"}}', "default"),
            ('"limit_keys":["a","b"],"queue":"yes","checksum":"c"}', "yes"),
            ('"queue":"yes","depends_on":["a"],"checksum":"c"}', "yes"),
            ('"expires_in":1.5,"sealed":"x"}', "default"),
            ("", "default"),
        ],
    )
    def test_the_queue_stands_in_the_envelope(self, bench: Bench, head: str, queue: str) -> None:
        list_queue = None if queue == "default" else queue
        bench.submit(task("a", queue=list_queue, body='{"id":"a","type":"t","created_at":"x",' + head))
        bench.audited = False
        bound(bench, None, max_bytes=10)
        bench.audited = True
        bench.run(bench.protocol.weigh("0"))
        assert bench.state()["weights"]["a"].endswith(f" {queue}")

    def test_without_the_last_limit_nothing_is_weighed_any_more(self, bench: Bench) -> None:
        bound(bench, None, max_bytes=50)
        bound(bench, None, queue="mail", max_bytes=50)
        bench.submit(sized("a", 10))
        bench.run(bench.protocol.remove_bound("mail"))
        assert held(bench) == 10
        bound(bench, 3)
        assert not {"bytes", "weights"} & bench.state().keys()
        bench.register("w1")
        assert len(bench.claim("w1", 1)) == 1

    def test_one_that_starts_before_it_was_weighed(self, bench: Bench) -> None:
        bench.submit(sized("a", 10), sized("b", 5), sized("c", 7))
        bench.audited = False
        bound(bench, None, max_bytes=50)
        bench.register("w1")
        bench.claim("w1", 1)
        bench.run(bench.protocol.cancel("b", "{}", TTL_MS))
        bench.audited = True
        bench.run(bench.protocol.weigh("0"))
        assert held(bench) == 7

    @pytest.mark.parametrize("family", ["weights", "bytes"])
    def test_a_key_of_the_wrong_type_stops_a_call_before_it_writes(self, bench: Bench, family: str) -> None:
        bound(bench, None, max_bytes=50)
        bench.submit(sized("a", 10))
        bench.audited = False
        bench.client.delete(bench.key(family))
        bench.client.set(bench.key(family), "foreign")
        before = bench.state()
        with pytest.raises(ServerError, match="WRONGTYPE"):
            bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
        assert changes(before, bench.state()) == {}

    def test_a_limit_is_not_set_where_nothing_can_be_weighed(self, bench: Bench) -> None:
        bench.audited = False
        bench.client.set(bench.key("bytes"), "foreign")
        before = bench.state()
        with pytest.raises(ServerError, match="WRONGTYPE"):
            bound(bench, None, max_bytes=50)
        assert changes(before, bench.state()) == {}

    def test_one_that_runs_is_not_weighed_when_it_is_mended(self, bench: Bench) -> None:
        bound(bench, None, max_bytes=50)
        bench.claim_one("a")
        bench.client.srem(bench.key("status", "running"), "a")
        assert bench.run(bench.protocol.mend("a", "normal", TTL_MS)) == ("put into the set running",)
        assert "weights" not in bench.state()

    def test_a_walk_that_comes_too_late_weighs_nothing(self, bench: Bench) -> None:
        bench.submit(sized("a", 10))
        assert bench.run(bench.protocol.weigh("0")) == ("0", 0)
        assert "weights" not in bench.state()


class TestScales:
    """What fsck asks, page by page."""

    @pytest.fixture(autouse=True)
    def _weighed(self, bench: Bench) -> None:
        bound(bench, None, max_bytes=1000)
        bench.submit(sized("a", 10), sized("b", 20), sized("m", 30, queue="mail"))
        bench.register("w1")
        bench.submit(sized("run", 5, "urgent"))
        bench.claim("w1", 1)

    def put(self, bench: Bench, family: str, field: str, value: str) -> None:
        bench.audited = False
        bench.client.hset(bench.key(family), field, value)

    def read(self, bench: Bench, source: str) -> tuple[dict[str, int], dict[str, str]]:
        page = bench.run(bench.protocol.scales(source, "0"))
        assert page.cursor == "0"
        return page.sums, page.wrong

    def test_nothing_is_wrong(self, bench: Bench) -> None:
        sums = {"default": 30, "mail": 30}
        assert self.read(bench, "bytes") == ({"@": 0, **sums}, {})
        assert self.read(bench, "weights") == (sums, {})
        assert self.read(bench, "pending") == ({}, {})
        assert bench.run(bench.protocol.scales("weights", "0")).looked_at == 3

    @pytest.mark.parametrize(
        ("task_id", "entry", "wrong", "total"),
        [
            ("a", "11 default", "has 10 bytes and is weighed as 11", 31),
            ("run", "5 default", "is weighed, and does not wait", 35),
            ("a", "many", "its weight cannot be read", 20),
        ],
    )
    def test_weights(self, bench: Bench, task_id: str, entry: str, wrong: str, total: int) -> None:
        self.put(bench, "weights", task_id, entry)
        assert self.read(bench, "weights") == ({"default": total, "mail": 30}, {task_id: wrong})

    def test_one_whose_envelope_is_lost_or_foreign_is_for_others_to_judge(self, bench: Bench) -> None:
        bench.audited = False
        bench.client.delete(bench.key("task", "a"), bench.key("task", "b"))
        bench.client.rpush(bench.key("task", "b"), "foreign")
        assert self.read(bench, "weights") == ({"default": 30, "mail": 30}, {})

    def test_one_that_is_not_weighed(self, bench: Bench) -> None:
        bench.audited = False
        bench.client.hdel(bench.key("weights"), "a")
        assert self.read(bench, "pending") == ({}, {"a": "waits, and is not weighed"})

    def test_whether_anything_is_to_be_weighed(self, bench: Bench) -> None:
        bench.audited = False
        bench.client.hdel(bench.key("bytes"), "@")
        assert self.read(bench, "bytes")[1] == {"@": "a limit counts bytes, and nothing is weighed"}
        bench.client.delete(bench.key("bytes"), bench.key("bounds"))
        assert self.read(bench, "bytes") == ({}, {})
        self.put(bench, "bytes", "@", "1")
        assert self.read(bench, "bytes")[1] == {"@": "no limit counts bytes, and all is weighed"}
        bound(bench, 1)
        assert self.read(bench, "bytes") == ({}, {})

    def test_a_sum_that_is_no_number(self, bench: Bench) -> None:
        self.put(bench, "bytes", "mail", "many")
        assert self.read(bench, "bytes")[0]["mail"] == -1

    def test_weighing_anew(self, bench: Bench) -> None:
        self.put(bench, "weights", "gone", "7 default")
        bench.client.hincrby(bench.key("bytes"), "default", 99)
        assert bench.run(bench.protocol.recount_bytes())
        assert bench.state()["bytes"] == {"@": "1"}
        bench.submit(sized("c", 1))
        bench.run(bench.protocol.weigh("0"))
        assert held(bench) + held(bench, "mail") == 61
        bound(bench, 1)
        assert not bench.run(bench.protocol.recount_bytes())
