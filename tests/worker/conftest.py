"""A queue of the test's own, and workers that end with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from taskq import Settings, TaskQueue, TaskWorker
from tests.waiting import eventually
from tests.worker.background import Background, findings

LEASE_SECONDS = 6.0


@pytest.fixture
def settings(redis_url: str, prefix: str) -> Settings:
    """Settings with a heartbeat that tests can wait for."""
    return Settings(
        redis_url=redis_url, prefix=prefix, heartbeat_interval_seconds=0.1, lease_seconds=LEASE_SECONDS, embedded=False
    )


@pytest.fixture
def queue(settings: Settings) -> Iterator[TaskQueue]:
    """A queue whose invariants are checked when the test has ended."""
    with TaskQueue(settings=settings) as queue:
        yield queue
        assert findings(queue) == []


@pytest.fixture
def sound_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let idle workers of this process look for themselves once a minute: what is in time was told to them."""
    monkeypatch.setattr("taskq.worker.waiter.IDLE_WAIT_SECONDS", 60.0)


@pytest.fixture
def started(queue: TaskQueue) -> Iterator[Callable[[TaskWorker], Background]]:
    """Function that starts a worker on a thread; it is stopped after the test."""
    running: list[tuple[TaskWorker, Background]] = []

    def start(worker: TaskWorker) -> Background:
        before = {info.worker_id for info in queue.list_workers()}
        background = Background(worker.start)
        running.append((worker, background))

        def registered() -> bool:
            assert background.error is None, background.error
            return any(info.worker_id not in before for info in queue.list_workers())

        eventually(registered, what="a new worker")
        return background

    yield start
    for worker, background in running:
        if background.running:
            worker.stop(0.0)
            background.join()
