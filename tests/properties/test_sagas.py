"""Whatever fails, crashes or is aborted: a saga ends done or undone in reverse, and each step is noted once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskq import Discard, RetryPolicy, Saga, TaskContext, TaskQueue, TaskWorker
from taskq.transport.upkeep import crash_limits
from tests.worker.background import findings

AT_ONCE = RetryPolicy(max_retries=1, delay_seconds=0)


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    with TaskQueue(redis_url, prefix=prefix) as opened:
        yield opened


class Play:
    """A saga that fails, and whose worker is taken for dead, where a plan says so.

    Args:
        queue: where it runs.
        count: how many steps it has.
        fails: the step that fails for good; as many as there are: none.
        crashes: at which calls, counted from 0, the worker is taken for dead before the call returns.
        failures: at which calls the function raises, and is tried again.
    """

    def __init__(self, queue: TaskQueue, count: int, fails: int, crashes: set[int], failures: set[int]) -> None:
        self.queue, self.fails, self.crashes, self.failures = queue, fails, crashes, failures
        self.names = [f"s{n}" for n in range(count)]
        self.calls: list[str] = []
        # what the function of each call did before it came to its end: whether it is called again
        self.saga = Saga("play", policy=AT_ONCE, undo_policy=AT_ONCE)
        for n, name in enumerate(self.names):
            self.saga.step(name, self.act(name, n == fails), self.act(f"no {name}", False))

    def act(self, name: str, fails: bool) -> Callable[[TaskContext, dict[str, Any]], str]:
        def function(ctx: TaskContext, data: dict[str, Any]) -> str:
            number = len(self.calls)
            self.calls.append(name)
            if number in self.crashes:
                protocol = self.queue.namespace.protocol
                for info in self.queue.list_workers():
                    self.queue.transport.run(
                        protocol.evict(info.worker_id, False, 100, crash_limits(self.queue.settings))
                    )
            elif number in self.failures and self.calls[:-1].count(name) == 0:
                raise ValueError(name)
            if fails:
                raise Discard(name)
            return name

        return function

    def run(self) -> str:
        worker = TaskWorker(self.queue, concurrency=1)
        self.saga.register(worker)
        task_id = self.queue.submit_task(self.saga.task())
        for _ in range(60):
            worker.run_until_empty()
            if self.queue.get_task_result(task_id) is not None:
                return task_id
        raise AssertionError(f"no end after {self.calls}")

    def expected(self) -> list[str]:
        """Return the calls that there have to be."""
        done = self.names[: self.fails]
        way = [*self.names[: self.fails + 1]]
        if self.fails < len(self.names):
            way += [f"no {name}" for name in reversed(done)]
        calls: list[str] = []
        for name in way:
            failed = False
            while True:
                number = len(calls)
                calls.append(name)
                if number in self.crashes:
                    continue
                if number in self.failures and not failed and calls[:-1].count(name) == 0:
                    failed = True
                    continue
                break
        return calls


numbers = st.sets(st.integers(0, 8), max_size=4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 4), fails=st.integers(0, 4), crashes=numbers, failures=numbers)
def test_done_or_undone_in_reverse(
    queue: TaskQueue, count: int, fails: int, crashes: set[int], failures: set[int]
) -> None:
    play = Play(queue, count, min(fails, count), crashes, failures)
    task_id = play.run()
    assert play.calls == play.expected()
    info = queue.get_saga(task_id)
    done = play.fails == count
    assert info.state == ("completed" if done else "compensated")
    words = ["done" if done else "undone"] * play.fails + ["open"] * (count - play.fails)
    assert info.steps == tuple(zip(play.names, words, strict=True))
    assert list(info.results) == play.names[: play.fails]
    assert findings(queue) == []
