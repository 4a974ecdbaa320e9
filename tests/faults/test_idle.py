"""A worker that has nothing to do, or nothing it can do, leaves the server alone."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace
from typing import Any

import pytest
import redis

from taskq import Task, TaskQueue
from taskq.testing.ledger import Ledger
from tests.faults.conftest import Spawn
from tests.servers import ServerProcess
from tests.waiting import eventually


class Watch:
    """Every command that clients send to a server, those of scripts left out."""

    def __init__(self, server: ServerProcess) -> None:
        self.commands: list[str] = []
        self._client = server.client()
        self._ready = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()
        assert self._ready.wait(20)

    def _run(self) -> None:
        with contextlib.suppress(redis.RedisError, OSError, ValueError), self._client.monitor() as monitor:
            self._ready.set()
            while True:
                seen: dict[str, Any] = monitor.next_command()
                if seen["client_type"] != "lua":
                    self.commands.append(seen["command"])

    def of(self, prefix: str) -> list[str]:
        """Return what was sent for one namespace."""
        return [command[:60] for command in self.commands if f" {prefix}:" in command]

    def stop(self) -> None:
        self._client.close()


@pytest.mark.slow
def test_an_idle_worker_sends_less_than_one_command_a_second(
    server: ServerProcess, spawn: Spawn, ledger: Ledger
) -> None:
    usual = replace(spawn.settings, redis_url=server.url, heartbeat_interval_seconds=5.0, lease_seconds=30.0)
    idle, full = (replace(spawn, settings=replace(usual, prefix=name)) for name in ("idle", "full"))
    with TaskQueue(settings=full.settings) as queue, TaskQueue(settings=idle.settings) as waiting:
        waiting.submit_later(Task(task_type="work"), "+60000")
        ledger.submit(queue, [Task(task_type="gated") for _ in range(5)])
        full("--concurrency", "2").ready()
        idle("--concurrency", "2").ready()
        eventually(lambda: ledger.count("start") == 2)
        watch = Watch(server)
        seconds = 8.0
        threading.Event().wait(seconds)  # what is counted is what happens in a time without events
        watch.stop()

    sent = watch.of("idle")
    assert any(command.startswith("BLPOP") for command in sent), "it waits in the server"
    assert len(sent) <= seconds + 1, sent  # a wait that ends at the edge of the time counts for the next one
    assert 1 <= len(watch.of("full")) <= 4, "a worker without a free slot only beats"
