"""``taskq bench``."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
import redis

from tests.cli.conftest import Run, Spawn
from tests.waiting import eventually

FIGURES = {
    "bare_ms",
    "submit_per_second",
    "batch_per_second",
    "run_per_second",
    "round_trip_ms",
    "round_trip_p99_ms",
}


def bench_keys(client: redis.Redis) -> list[str]:
    return list(client.scan_iter("taskq-bench-*", count=1000))


def test_it_measures_and_leaves_nothing_behind(run_json: Callable[..., Any], redis_client: redis.Redis) -> None:
    figures = run_json("bench", "--tasks", "1000", "--concurrency", "4")
    assert {name: figures.pop(name) for name in ("tasks", "concurrency")} == {"tasks": 1000, "concurrency": 4}
    assert figures.keys() == FIGURES
    assert all(value > 0 for value in figures.values())
    assert figures["bare_ms"] < figures["round_trip_ms"] <= figures["round_trip_p99_ms"]
    assert bench_keys(redis_client) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_one_leaves_nothing_behind_either(spawn: Spawn, redis_client: redis.Redis, number: int) -> None:
    bench = spawn("bench", "--tasks", "1000000")
    eventually(lambda: bench_keys(redis_client), what="the namespace of the bench")
    bench.send_signal(number)
    _, told = bench.communicate(timeout=30)
    assert bench.returncode == 128 + number
    assert "tidying up" in told
    assert bench_keys(redis_client) == []


def test_too_few_tasks_say_nothing(run: Run) -> None:
    result = run("bench", "--tasks", "10")
    assert result.exit_code == 2
    assert "1000<=x<=1000000" in result.stderr
