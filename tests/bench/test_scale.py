"""The curves: the meter sees what a call costs, the hands do what they say, and the page shows what grows."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from bench.compare.chart import Bar, Panel, draw
from bench.scale import axes, growth, report
from bench.scale.axes import Place
from bench.scale.hands import BATCH, Bare, Hands, fill, new_queue
from bench.scale.meter import Cost, Meter, gaps, together
from taskq.protocol.audit import audit
from tests.servers import ServerProcess

ABOUT = {
    "date": "2026-11-01", "cpu": "a cpu", "cores": 2, "system": "Linux", "server": "Valkey 9", "python": "3.11",
    "commit": "abc", "tasks": 10, "load_at_start": 0.1, "minutes": 1.0,
}  # fmt: skip


@pytest.fixture
def admin(server: ServerProcess) -> Iterator[redis.Redis]:
    with server.client() as client:
        yield client


@pytest.fixture
def place(server: ServerProcess, admin: redis.Redis) -> Place:
    return Place(server.url, admin, 48, lambda text: None)


def row(point: Any, us: float, memory: int = 0) -> dict[str, Any]:
    cost = dataclasses.asdict(Cost(us, 1.0, 0.5, 10))
    names = ("submit", "run", "bare_submit", "bare_run", "bare_fill", "fill", "all")
    return {"point": point, **dict.fromkeys(names, cost), "memory": memory, "keys": 3, "bytes": 400}


def record(**curves: list[dict[str, Any]]) -> report.Record:
    return {name: {"about": ABOUT, "rows": rows} for name, rows in curves.items()}


def test_the_meter_finds_the_longest_call(admin: redis.Redis) -> None:
    def action() -> None:
        for turns in (10, 3_000_000, 10):
            admin.eval("for _ = 1, ARGV[1] do end", 0, turns)

    cost = Meter(admin).cost(3, action)
    assert cost.calls == 3
    assert cost.slowest_ms > 2
    # the loop is nearly all that the server computed; its clock runs on while others have the core
    assert 2 < cost.us * 3 / 1000 < cost.slowest_ms + 5


def test_what_was_before_is_not_counted(admin: redis.Redis) -> None:
    admin.eval("for _ = 1, 3000000 do end", 0)
    cost = Meter(admin).cost(1, lambda: admin.eval("return 1", 0))
    assert (cost.calls, cost.slowest_ms < 2) == (1, True)


def test_hands_run_as_many_as_they_are_told(place: Place) -> None:
    with new_queue(place.url) as queue:
        fill(queue, 40)
        Hands(queue).work(33)
        stats = queue.get_queue_stats()
        assert (stats.pending_tasks, stats.running_tasks, stats.completed_tasks) == (7, 0, 33)
        protocol = queue.namespace.protocol
        assert audit(queue.transport.run(protocol.snapshot()), 3_600_000) == []


def test_the_bare_baseline_does_the_same(admin: redis.Redis) -> None:
    bare = Bare(admin)
    bare.fill(40)
    bare.work(32)
    sizes = {key.rsplit(":", 1)[1]: admin.scard(key) for key in admin.scan_iter("bare_*", _type="set")}
    assert sizes == {"pending": 8, "completed": 32}


@pytest.mark.parametrize("kind", report.KINDS)
def test_a_backlog_is_there_while_it_is_measured(place: Place, admin: redis.Redis, kind: str) -> None:
    (only,) = axes.backlog(place, kind, 1000)
    assert only["point"] == 1000
    assert only["moving_submit"]["calls"] == 48
    assert only["moving_run"]["calls"] == 48 // 16 + 1
    assert only["submit"]["calls"] == axes.PASSES * 48
    assert only["run"]["calls"] == axes.PASSES * (48 // 16 + 1)
    assert only["fill"]["calls"] >= 1000 // BATCH
    assert 200 < only["bytes"] < 3000
    (left,) = (admin.scard(key) for key in admin.scan_iter(f"scale_*:status:{kind}"))
    assert left >= 1000


def test_each_busy_worker_takes_its_turns_and_all_are_full(place: Place, admin: redis.Redis) -> None:
    one, five = axes.busy_workers(place, (1, 5))
    assert (one["run"]["calls"], five["run"]["calls"]) == (3, 10)
    assert [admin.llen(key) for key in admin.scan_iter("scale_*:processing:*")] == [16] * 5


def test_growth_is_the_last_point_beside_the_first() -> None:
    rows = [row(1000, 10.0), row(10_000, 15.0), row(100_000, 20.0)]
    assert report.grown(rows, "submit") == 2.0
    text = report.tables(record(pending=rows))
    assert "a submit × 2.00 (bare: × 2.00)" in text
    assert "| 100,000 | 20.0 |" in text


def test_memory_is_judged_after_it_has_filled_up() -> None:
    states = [row(n, 20.0, memory) for n, memory in enumerate([1, 500, 900, 1000, 1010, 990, 1000, 1020])]
    assert report.flatness(states) == (900, 1020)
    text = report.tables(record(steady=[*states, {"point": "at rest", "memory": 5, "keys": 6}]))
    assert "**50,000 tasks a second**" in text
    assert "6 keys were left" in text


def test_the_page_says_how_busy_the_machine_was() -> None:
    runs = record(pending=[row(1, 1.0)], busy=[row(1, 1.0)])
    runs["busy"]["about"] = {**ABOUT, "load_at_start": 7.5, "commit": "def"}
    text = report.tables(runs)
    assert "was 0.1 to 7.5 when they began" in text
    assert "commit abc, def" in text


def test_the_page_keeps_what_stands_around_the_figures() -> None:
    page = f"# Scale\n\nbefore\n\n{report.BEGIN}\nold\n{report.END}\n\nafter\n"
    new = report.into(page, "new figures")
    assert "new figures" in new
    assert "old" not in new
    assert new.index("before") < new.index("new figures") < new.index("after")


def test_points_of_a_curve_keep_their_order() -> None:
    bars = [Bar("1,000", 20.0, "ours"), Bar("10,000", 10.0, "ours"), Bar("100,000", 30.0, "ours")]
    drawn = draw([Panel("cost", bars, False, ranked=False)], "")
    assert drawn.index(">1,000<") < drawn.index(">10,000<") < drawn.index(">100,000<")
    assert "10,000" in report.plot(record(pending=[row(10_000, 1.0)], steady=[row(1, 1.0, 2048)]))


def test_what_another_program_disturbed_is_no_longest_call() -> None:
    mine = dataclasses.asdict(Cost(10.0, 3.0, 1.0, 7))
    theirs = dataclasses.asdict(Cost(20.0, 50.0, 30.0, 5, waited_ms=49.0, disturbed=True, long=1))
    rows = [{"point": 1, "submit": mine, "run": theirs}]
    assert report.longest({"busy": rows}) == (3.0, "busy", 0, 7)
    text = report.tables(record(busy=rows))
    assert "| script calls of more than 5 ms | none | 0 of 7, the longest 3.00 ms (busy) | reached |" in text
    assert f"| 1 | 10.0 | 20.0 | 3.00 | 50.0 {report.TAKEN} |" in text
    assert f"\n\n{report.TAKEN} Another program" in text


def test_of_several_passes_those_that_nobody_disturbed_count() -> None:
    costs = [Cost(10.0, 1.0, 0.5, 3), Cost(14.0, 2.0, 0.7, 3, long=1), Cost(9.0, 60.0, 9.0, 3, 55.0, True, 2)]
    assert together(costs, min) == Cost(10.0, 2.0, 0.5, 9, long=1)
    assert together(costs[2:], min).disturbed


def ends(*ratios: float) -> list[dict[str, Any]]:
    return [row(1000, 10.0), row(1_000_000, 10.0) | {"ratios": dict.fromkeys(growth.COSTS, ratios)}]


def test_a_goal_of_growth_is_reached_or_not() -> None:
    flat = report.tables(record(growth=ends(0.5, 1.09, 1.02, 1.3, 1.2)))
    title = "| a run beside 1,000,000 pending tasks, to one beside 1,000 | ≤ 1.10 × |"
    assert f"{title} 1.09 × (1.02–1.20); bare: 1.09 × (1.02–1.20) | reached |" in flat
    steep = report.tables(record(growth=ends(0.5, 1.11, 1.3)))
    assert "1.11 × (0.50–1.30); bare: 1.11 × (0.50–1.30) | **not reached** |" in steep


def test_both_ends_of_a_curve_are_there_while_they_are_compared(place: Place, admin: redis.Redis) -> None:
    few, many = growth.growth((place, place), 2000, 3)
    assert [len(ratios) for ratios in many["ratios"].values()] == [3] * 4
    assert (few["point"], many["point"], many["submit"]["calls"]) == (1000, 2000, 3 * 6)
    assert sorted(admin.scard(key) for key in admin.scan_iter("scale_*:status:pending")) == [1000, 2000]


def test_what_the_machine_does_by_itself_stands_beside_it() -> None:
    runs = record(pending=[row(1, 1.0)], busy=[row(1, 1.0)])
    for curve in runs.values():
        curve["rows"][0]["run"] = dataclasses.asdict(Cost(1.0, 1.0, 1.0, 9, seconds=20.0))
    assert "only looked at the clock" not in report.tables(runs)
    runs["busy"]["about"] = {**ABOUT, "gaps": [5.5, 7.25], "watched": 5}
    said = report.tables(runs)
    assert "computing for 40 s" in said
    assert "more than 5 ms 2 times in 5 s, the longest 7.25 ms" in said


def test_a_program_that_looks_at_the_clock_finds_when_it_was_stopped() -> None:
    asleep = threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGALRM))
    before = signal.signal(signal.SIGALRM, lambda *_: time.sleep(0.05))
    try:
        asleep.start()
        assert max(gaps(0.5, set())) >= 50
    finally:
        signal.signal(signal.SIGALRM, before)


def test_the_meter_counts_calls_that_are_too_long(admin: redis.Redis) -> None:
    cost = Meter(admin).cost(2, lambda: [admin.eval("for _ = 1, ARGV[1] do end", 0, n) for n in (10, 3_000_000)])
    assert (cost.calls, cost.long) == (2, 1)
