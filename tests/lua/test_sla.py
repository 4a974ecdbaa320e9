"""sla, read_sla and watch: thresholds of lists, and that each breach of one is told of once."""

from __future__ import annotations

from typing import Any

import pytest

from taskq.model.threshold import MAX_THRESHOLDS, SlaReading
from tests.lua.test_events import published as published  # noqa: PLC0414 - a fixture
from tests.state import Bench, created, settle

PERIOD_MS = 5_000


def watch(bench: Bench) -> bool:
    return bench.run(bench.protocol.watch(PERIOD_MS))


def reading(bench: Bench, **wanted: str) -> SlaReading:
    (found,) = (r for r in bench.run(bench.protocol.check_sla()) if all(getattr(r, k) == v for k, v in wanted.items()))
    return found


def kinds(events: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [kind for kind, _ in events if kind.startswith("sla.")]


def test_age_is_that_of_the_oldest_and_zero_where_nothing_waits(bench: Bench) -> None:
    bench.run(bench.protocol.set_sla("mail:high", 60_000, 0))
    assert reading(bench) == SlaReading("mail", "high", "age", 60.0, 0.0)
    bench.submit(created(bench, "a", -90, "high", queue="mail"), created(bench, "b", -10, "high", queue="mail"))
    found = reading(bench)
    assert 90 <= found.waited_seconds < 95
    assert found.broken_since is not None


def test_start_is_what_tasks_waited_that_have_begun_lately(bench: Bench) -> None:
    bench.run(bench.protocol.set_sla("normal", 0, 30_000))
    bench.register("w1")
    bench.submit(*(created(bench, f"t{n}", -n) for n in range(20)), created(bench, "other", -900, "low"))
    bench.claim("w1", 21)
    assert round(reading(bench).waited_seconds) == 18, "of twenty the second longest"
    bench.move_clock(70)
    assert reading(bench).waited_seconds == 0, "that was long ago"


def test_a_start_does_not_count_delays_and_further_attempts(bench: Bench) -> None:
    bench.run(bench.protocol.set_sla("normal", 0, 30_000))
    bench.register("w1")
    bench.submit(created(bench, "delayed", -500, due="+100000"), created(bench, "tried", -500))
    bench.end("w1", settle(bench.claim("w1", 1)[0], "retry", "", 0))
    bench.move_clock(100)
    bench.run(bench.protocol.promote())
    bench.move_clock(20)
    assert len(bench.claim("w1", 2)) == 2
    assert round(reading(bench).waited_seconds) == 20


def test_a_breach_and_its_end_are_told_of_once(bench: Bench, published: Any) -> None:
    bench.run(bench.protocol.set_sla("normal", 60_000, 0))
    assert watch(bench)
    bench.submit(created(bench, "a", -50))
    published()
    bench.move_clock(20)
    assert [watch(bench) for _ in range(3)] == [True] * 3
    ((kind, data),) = published()
    assert (kind, data["list"], data["measure"], data["allowed_ms"]) == ("sla.breached", "normal", "age", 60_000)
    assert 70_000 <= data["waited_ms"] < 75_000
    bench.move_clock(20)
    watch(bench)
    assert kinds(published()) == []
    since = reading(bench).broken_since
    bench.register("w1")
    bench.claim("w1", 1)
    assert reading(bench).broken_since is None, "at once, for whoever asks"
    published()
    bench.move_clock(10)
    watch(bench)
    assert kinds(published()) == ["sla.recovered"]
    assert since is not None
    assert bench.client.hget(bench.key("counters"), "sla_breaches") == "1"


def test_the_first_of_a_period_looks_for_all(bench: Bench, published: Any) -> None:
    bench.run(bench.protocol.set_sla("normal", 60_000, 0))
    watch(bench)
    bench.submit(created(bench, "a", -90))
    published()
    assert watch(bench)
    assert kinds(published()) == [], "somebody has looked in this period"
    bench.move_clock(10)
    watch(bench)
    assert kinds(published()) == ["sla.breached"]


def test_a_value_beside_the_threshold_is_not_told_of_again_and_again(bench: Bench, published: Any) -> None:
    bench.run(bench.protocol.set_sla("normal", 60_000, 0))
    bench.submit(created(bench, "old", -51), created(bench, "near", -34), created(bench, "young", -2))
    bench.register("w1")
    published()
    told = []
    for _ in range(3):
        bench.move_clock(10)
        watch(bench)
        told.append(kinds(published()))
        bench.claim("w1", 1)
        published()
    assert told == [["sla.breached"], [], ["sla.recovered"]]


@pytest.mark.parametrize("back_seconds", [3600, -3600])
def test_a_clock_that_was_set_silences_nobody(bench: Bench, published: Any, back_seconds: int) -> None:
    bench.run(bench.protocol.set_sla("normal", 60_000, 0))
    bench.client.hset(bench.key("breaches"), "@looked", bench.now_ms() + back_seconds * 1000)
    bench.submit(created(bench, "a", -90))
    published()
    watch(bench)
    assert kinds(published()) == ["sla.breached"]


def test_there_is_room_for_so_many(bench: Bench) -> None:
    bench.client.hset(bench.key("sla"), mapping={f"q{n}:normal": "1000 0" for n in range(MAX_THRESHOLDS)})
    assert not bench.run(bench.protocol.set_sla("normal", 1_000, 0))
    assert bench.run(bench.protocol.set_sla("q7:normal", 2_000, 0))


def test_what_has_no_threshold_any_more_is_forgotten(bench: Bench) -> None:
    bench.run(bench.protocol.set_sla("normal", 60_000, 0))
    bench.submit(created(bench, "a", -90))
    watch(bench)
    bench.run(bench.protocol.set_sla("normal", 0, 60_000))
    bench.move_clock(10)
    watch(bench)
    assert set(bench.client.hkeys(bench.key("breaches"))) == {"@looked"}
    assert bench.run(bench.protocol.remove_sla("normal"))
    assert not bench.run(bench.protocol.remove_sla("normal"))
    assert not watch(bench)
    assert not bench.client.exists(bench.key("breaches"), bench.key("sla"))
