"""Worker processes on a server that the test may hurt, with leases short enough to wait for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from taskq import Settings, TaskQueue
from taskq.testing.ledger import Ledger
from tests.faults.commands import HANDLERS, WorkerCommand
from tests.servers import ServerProcess
from tests.worker.background import findings

HEARTBEAT_SECONDS = 0.5
LEASE_SECONDS = 3.0


@pytest.fixture
def settings(redis_url: str, prefix: str) -> Settings:
    """Settings of the test process and of all workers it starts."""
    return Settings(
        redis_url=redis_url,
        prefix=prefix,
        heartbeat_interval_seconds=HEARTBEAT_SECONDS,
        lease_seconds=LEASE_SECONDS,
        embedded=False,
    )


@pytest.fixture
def queue(settings: Settings) -> Iterator[TaskQueue]:
    """The queue on the shared server; its invariants are checked when the test has ended."""
    with TaskQueue(settings=settings) as queue:
        yield queue
        assert findings(queue) == []


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """The file that the handlers of this test write to."""
    return Ledger(tmp_path / "ledger.jsonl")


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """The file that gated handlers wait for; ``touch()`` opens it."""
    return tmp_path / "gate"


@dataclass(frozen=True, slots=True)
class Spawn:
    """Starts workers that a test may kill."""

    settings: Settings
    variables: dict[str, str]
    started: list[WorkerCommand]

    def __call__(
        self, *arguments: str, url: str | None = None, handlers: tuple[str, ...] = HANDLERS, folder: Path | None = None
    ) -> WorkerCommand:
        """Start ``taskq worker`` with some arguments; ``url`` names another server than the one of the settings."""
        environment = {
            "REDIS_URL": url or self.settings.redis_url or "",
            "TASKQ_PREFIX": self.settings.prefix,
            "TASKQ_HEARTBEAT_INTERVAL": str(self.settings.heartbeat_interval_seconds),
            "TASKQ_LEASE": str(self.settings.lease_seconds),
            **self.variables,
        }
        words = ["-m", "taskq", "worker", *handlers, *arguments]
        worker = WorkerCommand(words, environment, folder) if folder else WorkerCommand(words, environment)
        self.started.append(worker)
        return worker

    def on(self, url: str) -> Spawn:
        """Return the same for another server."""
        return replace(self, settings=replace(self.settings, redis_url=url))


@dataclass(frozen=True, slots=True)
class Site:
    """A server that the test may hurt, a queue on it, and a way to start workers there."""

    server: ServerProcess
    queue: TaskQueue
    spawn: Spawn

    def counter(self, name: str) -> int:
        """Return a lifetime counter of the namespace."""
        return self.queue.get_queue_stats().counters.get(name, 0)


@pytest.fixture
def spawn(settings: Settings, ledger: Ledger, gate: Path) -> Iterator[Spawn]:
    """Function that starts a worker command; all that are left are killed after the test."""
    spawn = Spawn(settings, {"TASKQ_TEST_LEDGER": str(ledger.path), "TASKQ_TEST_GATE": str(gate)}, [])
    yield spawn
    gate.touch()
    for worker in spawn.started:
        worker.destroy()


@pytest.fixture
def site(server: ServerProcess, settings: Settings, spawn: Spawn) -> Iterator[Site]:
    """A private server; the invariants of its namespace are checked when the test has ended."""
    with TaskQueue(settings=replace(settings, redis_url=server.url)) as queue:
        yield Site(server, queue, spawn.on(server.url))
        assert findings(queue) == []
