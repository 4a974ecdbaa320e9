"""promote: what has fallen due goes to the tails of its lists."""

from __future__ import annotations

from tests.state import Bench, settle, task


def test_due_tasks_move_in_the_order_of_their_time(bench: Bench) -> None:
    bench.submit(
        task("late", "high", due=bench.at(60)), task("b", due=bench.at(50)), task("a", due=bench.at(40)), task("first")
    )
    assert bench.act(bench.protocol.promote())[1] == {}
    bench.move_clock(50)
    (moved, wait_ms), changed = bench.act(bench.protocol.promote())
    assert moved == 2
    assert 5_000 < wait_ms <= 10_000
    assert changed == {
        "queue:normal": ["first", "a", "b"],
        "bell:normal": changed["bell:normal"],
        "scheduled": {"a": None, "b": None},
        "status:scheduled": ["-a", "-b"],
        "status:pending": ["+a", "+b"],
        "state:a": {"status": "pending", "queued": "t+50"},
        "state:b": {"status": "pending", "queued": "t+50"},
    }


def test_retries_move_too(bench: Bench) -> None:
    bench.end("w1", settle(bench.claim_one("a"), "retry"))
    bench.move_clock(100)
    (moved, wait_ms), changed = bench.act(bench.protocol.promote())
    assert (moved, wait_ms) == (1, -1)
    assert changed["status:retry"] == ["-a"]
    assert changed["queue:normal"] == ["a"]


def test_the_wait_of_nothing_and_of_something(bench: Bench) -> None:
    assert bench.run(bench.protocol.promote()) == (0, -1)
    bench.submit(task("a", due=bench.at(60)))
    moved, wait_ms = bench.run(bench.protocol.promote())
    assert moved == 0
    assert 55_000 < wait_ms <= 60_000


def test_not_a_millisecond_early(bench: Bench) -> None:
    bench.submit(task("a", due=bench.at(60)))
    bench.move_clock(59)
    moved, wait_ms = bench.run(bench.protocol.promote())
    assert moved == 0
    bench.move_clock(wait_ms / 1000)
    assert bench.run(bench.protocol.promote()) == (1, -1)


def test_each_list_is_rung_once(bench: Bench) -> None:
    bench.submit(*(task(f"{p}{n}", p, due=bench.at(60)) for p in ("high", "low") for n in range(3)))
    for name in ("high", "low", "@scheduler"):
        bench.client.delete(bench.key("bell", name))
    bench.move_clock(60)
    _, changed = bench.act(bench.protocol.promote())
    assert (changed["bell:high"], changed["bell:low"]) == (["1"], ["1"])


def test_bounded_steps(bench: Bench) -> None:
    bench.submit(*(task(f"a{n}", due=bench.at(60)) for n in range(7)))
    bench.move_clock(60)
    assert [bench.run(bench.protocol.promote(3)) for _ in range(4)] == [(3, 0), (3, 0), (1, -1), (0, -1)]
    assert sorted(bench.state()["queue:normal"]) == [f"a{n}" for n in range(7)]


def test_an_entry_whose_task_is_elsewhere_is_dropped(bench: Bench) -> None:
    bench.claim_one("a")
    bench.client.zadd(bench.key("scheduled"), {"a": 1})
    reply, changed = bench.act(bench.protocol.promote())
    assert (reply, changed) == ((0, -1), {"scheduled": {"a": None}})
