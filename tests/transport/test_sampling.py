"""Workers come across damage in passing: they count it, say what to do, and leave healthy namespaces alone."""

from __future__ import annotations

import logging

import pytest

from taskq.errors import AccessDenied
from taskq.protocol.operation import Operation
from taskq.states import TaskStatus
from taskq.transport.sampling import PERIOD_SECONDS, Sampler
from tests.state import Bench, settle
from tests.transport.test_fsck import bench as bench  # noqa: PLC0414 - the fixture

ROUNDS = 60  # of a choice of ten, each status is missed less than once in 500 runs


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 2 * PERIOD_SECONDS
        return self.seconds


def sampled(bench: Bench) -> Sampler:
    sampler = Sampler(bench.transport.run, bench.protocol, Clock())
    for _ in range(ROUNDS):
        sampler.step()
    return sampler


def test_a_healthy_namespace_has_none(bench: Bench) -> None:
    bench.end("w2", settle(bench.claim("w2", 1)[0]))
    bench.client.hset(bench.key("permits"), "@", "what makes a large hash quick")
    assert sampled(bench).violations == 0
    assert bench.client.hget(bench.key("counters"), "violations") is None


@pytest.mark.parametrize("status", [TaskStatus.RUNNING, TaskStatus.PENDING, TaskStatus.SCHEDULED])
def test_damage_is_counted_and_told(bench: Bench, status: TaskStatus, caplog: pytest.LogCaptureFixture) -> None:
    task_id = {"running": "run1", "pending": "a", "scheduled": "later"}[status]
    bench.client.sadd(bench.key("status", "completed"), task_id)
    with caplog.at_level(logging.WARNING, "taskq"):
        sampler = sampled(bench)
    assert sampler.violations > 0
    assert bench.client.hget(bench.key("counters"), "violations") == str(sampler.violations)
    assert f"{task_id}: I2" in caplog.text
    assert "taskq fsck" in caplog.text


def test_lists_that_lack_an_entry_are_noticed(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.client.lrem(bench.key("queue", "normal"), 1, "a")
    with caplog.at_level(logging.WARNING, "taskq"):
        assert sampled(bench).violations > 0
    assert "the lists hold 1 ids too few" in caplog.text


@pytest.mark.parametrize(
    ("key", "count", "said"), [("few", "2", "1 run with it, and 2"), ("gone", "1", "0 run with it, and 1")]
)
def test_permits_that_are_miscounted_are_noticed(
    bench: Bench, caplog: pytest.LogCaptureFixture, key: str, count: str, said: str
) -> None:
    bench.client.hset(bench.key("permits"), key, count)
    with caplog.at_level(logging.WARNING, "taskq"):
        assert sampled(bench).violations > 0
    assert f"permits of {key}: {said} are counted" in caplog.text


def test_permits_that_are_not_counted_are_noticed(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.client.delete(bench.key("permits"))
    with caplog.at_level(logging.WARNING, "taskq"):
        assert sampled(bench).violations > 0
    assert "permits of few: 1 run with it, and none are counted" in caplog.text


def test_what_has_moved_meanwhile_is_no_violation(bench: Bench) -> None:
    bench.client.sadd(bench.key("status", "completed"), "a")
    sampler = Sampler(bench.transport.run, bench.protocol, Clock())
    while not sampler._suspects:
        sampler.step()
    bench.client.srem(bench.key("status", "completed"), "a")
    sampler.step()
    assert sampler.violations == 0


def test_nothing_is_sent_before_it_is_time(bench: Bench) -> None:
    sent: list[str] = []

    def run(operation: Operation[object]) -> object:
        sent.append(operation.script.name)
        return bench.transport.run(operation)

    sampler = Sampler(run, bench.protocol, lambda: 0.0)  # type: ignore[arg-type]
    for _ in range(100):
        sampler.step()
    assert sent == []


def test_without_the_right_it_stops(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    sent: list[str] = []

    def refuse(operation: Operation[object]) -> object:
        sent.append(operation.script.name)
        raise AccessDenied("no")

    sampler = Sampler(refuse, bench.protocol, Clock())  # type: ignore[arg-type]
    with caplog.at_level(logging.INFO, "taskq"):
        for _ in range(10):
            sampler.step()
    assert sent == ["check"]
    assert "not sampled" in caplog.text
