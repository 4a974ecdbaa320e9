"""Types that are paused, and everything."""

from __future__ import annotations

import pytest

from tests.lua.gatekeeping import blocked, claim
from tests.lua.ways import limit, typed
from tests.state import TTL_MS, Bench, settle, task


@pytest.fixture
def mixed(bench: Bench) -> Bench:
    """Two workers; three tasks of the type mail among two of another one."""
    bench.register("w1", "w2")
    bench.submit(
        typed("m1", "mail"), typed("o1", "other"), typed("m2", "mail"), typed("m3", "mail"), typed("o2", "other")
    )
    return bench


def held_back(bench: Bench, count: int) -> list[str]:
    """Pause the type mail and let a worker meet so many of its tasks; return their ids."""
    bench.register("w1")
    ids = [f"m{n:03}" for n in range(count)]
    bench.submit(*(typed(task_id, "mail") for task_id in ids))
    bench.run(bench.protocol.gate(True, "type:mail"))
    while bench.client.llen(bench.key("queue", "normal")):
        assert claim(bench, 50) == []
    return ids


class TestPausedTypes:
    def test_those_behind_run_and_no_attempt_is_charged(self, mixed: Bench) -> None:
        assert mixed.run(mixed.protocol.gate(True, "type:mail")) == 1
        assert claim(mixed) == ["o1", "o2"]
        assert blocked(mixed, "type:mail") == ["m1", "m2", "m3"]
        assert mixed.run(mixed.protocol.gate(False, "type:mail")) == 1
        assert [(c.task_id, c.attempt) for c in mixed.claim("w2", 10)] == [("m1", 1), ("m2", 1), ("m3", 1)]
        assert mixed.state().get("gates") is None
        assert mixed.state().get("limited") is None, "nobody looks at types any more"

    def test_once_more_changes_nothing(self, mixed: Bench) -> None:
        mixed.run(mixed.protocol.gate(True, "type:mail"))
        assert mixed.act(mixed.protocol.gate(True, "type:mail")) == (0, {})
        mixed.run(mixed.protocol.gate(False, "type:mail"))
        assert mixed.act(mixed.protocol.gate(False, "type:mail")) == (0, {})

    def test_what_runs_goes_on(self, mixed: Bench) -> None:
        claims = mixed.claim("w1", 3)
        mixed.run(mixed.protocol.gate(True, "type:mail"))
        mixed.end("w1", settle(claims[0]), settle(claims[2], "retry", number=0))
        assert claim(mixed) == ["o2"]
        assert blocked(mixed, "type:mail") == ["m3", "m2"]

    def test_a_limit_of_the_type_holds_beside_it(self, mixed: Bench) -> None:
        limit(mixed, "type:mail", concurrency=1)
        mixed.run(mixed.protocol.gate(True, "type:mail"))
        assert claim(mixed) == ["o1", "o2"]
        mixed.run(mixed.protocol.gate(False, "type:mail"))
        assert claim(mixed) == ["m1"]

    def test_many_come_back_in_their_order_by_portions(self, bench: Bench) -> None:
        ids = held_back(bench, 350)
        assert len(blocked(bench, "type:mail")) == 350
        bench.run(bench.protocol.gate(False, "type:mail"))
        assert bench.client.llen(bench.key("queue", "normal")) == 100, "a portion"
        later = typed("later", "mail")
        bench.submit(later)
        seen: list[str] = []
        while got := claim(bench, 30):
            seen += got
        assert [task_id for task_id in seen if task_id != "later"] == ids
        assert bench.state().get("woken") is None

    def test_time_alone_moves_no_portion_past_another(self, bench: Bench) -> None:
        ids = held_back(bench, 250)
        bench.run(bench.protocol.gate(False, "type:mail"))
        for _ in range(3):
            bench.move_clock(10)
            bench.run(bench.protocol.promote())
        assert bench.client.llen(bench.key("queue", "normal")) == 100
        seen: list[str] = []
        while got := claim(bench, 40):
            seen += got
        assert seen == ids

    def test_the_rest_comes_although_the_last_of_a_portion_was_cancelled(self, bench: Bench) -> None:
        ids = held_back(bench, 150)
        bench.run(bench.protocol.gate(False, "type:mail"))
        bench.run(bench.protocol.cancel("m099", "{}", TTL_MS))
        seen: list[str] = []
        for _ in range(20):
            seen += claim(bench, 50)
            bench.move_clock(1)
        assert sorted(seen) == [*ids[:99], *ids[100:]]


class TestEverything:
    def test_all_lists_stop_also_those_that_begin_later(self, bench: Bench) -> None:
        bench.register("w1")
        bench.submit_ids("a")
        assert bench.run(bench.protocol.pause(True, ["*"])) == 1
        bench.submit(task("b", queue="mail"))
        assert claim(bench) == []
        assert [c.task_id for c in bench.claim("w1", 10, ["mail:normal"])] == []
        assert {item.paused for item in bench.run(bench.protocol.stats()).lists} == {True}
        bench.run(bench.protocol.pause(True, ["low"]))
        bench.client.delete(bench.key("bell", "normal"), bench.key("bell", "mail:normal"))
        assert bench.run(bench.protocol.pause(False, ["*"])) == 1
        assert set(bench.client.keys(bench.key("bell", "*"))) == {
            bench.key("bell", "normal"),
            bench.key("bell", "mail:normal"),
        }, "of lists in which somebody waits"
        assert claim(bench) == ["a"]
        assert [item.name for item in bench.run(bench.protocol.stats()).lists if item.paused] == ["low"]
