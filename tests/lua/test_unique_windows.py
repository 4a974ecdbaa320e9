"""Unique keys with a window: debounce waits until nobody has come for it, throttle keeps the key for it."""

from __future__ import annotations

import pytest

from tests.lua.holders import running, status, submit
from tests.lua.scenarios.unique import keyed
from tests.state import TTL_MS, Bench, settle


def test_debounce_starts_when_nobody_has_come_for_the_window(bench: Bench) -> None:
    bench.register("w1")
    for task_id in ("a", "b", "c"):
        assert submit(bench, keyed(task_id, "debounce")).ids == (task_id,)
        assert bench.state()["scheduled"] == {task_id: f"t+{ {'a': 20, 'b': 30, 'c': 40}[task_id] }"}
        bench.move_clock(10)
        assert bench.claim("w1") == ()
    bench.move_clock(10)
    assert [claim.task_id for claim in bench.claim("w1")] == ["c"]
    assert [status(bench, i) for i in "abc"] == ["cancelled", "cancelled", "running"]


def test_debounce_starts_no_sooner_than_it_is_due(bench: Bench) -> None:
    submit(bench, keyed("a", "debounce", due=bench.at(60)), keyed("b", "debounce", key="k2", due=bench.at(10)))
    assert bench.state()["scheduled"] == {"a": "t+60", "b": "t+20"}


def test_debounce_behind_a_run_waits_for_both(bench: Bench) -> None:
    claim = running(bench)
    submit(bench, keyed("next", "debounce"))
    bench.move_clock(10)
    bench.end("w1", settle(claim))
    assert bench.state()["scheduled"] == {"next": "t+20"}


@pytest.mark.parametrize("end", ["complete", "fail"])
def test_throttle_keeps_the_key_for_the_window_after_the_start(bench: Bench, end: str) -> None:
    submit(bench, keyed("a", "throttle"))
    bench.register("w1")
    bench.move_clock(10)
    (claim,) = bench.claim("w1")
    bench.move_clock(10)
    bench.end("w1", settle(claim, end))
    assert submit(bench, keyed("b", "throttle")).ids == ("a",)
    bench.move_clock(10)
    assert submit(bench, keyed("b", "throttle")).ids == ("b",)


def test_throttle_lets_go_of_what_has_never_started(bench: Bench) -> None:
    submit(bench, keyed("a", "throttle"))
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    assert submit(bench, keyed("b", "throttle")).ids == ("b",)


def test_throttle_holds_the_key_as_long_as_the_run_takes(bench: Bench) -> None:
    submit(bench, keyed("a", "throttle"))
    bench.register("w1")
    (claim,) = bench.claim("w1")
    bench.move_clock(50)
    assert submit(bench, keyed("b", "throttle")).ids == ("a",)
    bench.end("w1", settle(claim))
    assert "unique:k" not in bench.state()
