"""Failovers of a Sentinel set under load: everybody follows the new primary, nobody stays with the old one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from taskq import Settings, Task, TaskQueue
from taskq.errors import ServerUnavailable, TaskNotFound
from taskq.testing.ledger import Ledger
from tests.faults.conftest import Spawn
from tests.faults.outage import Outage, Stream, under_load
from tests.link import Link
from tests.topologies import SentinelSet, accepts_writes, ask
from tests.waiting import eventually
from tests.worker.background import Background

pytestmark = pytest.mark.slow


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[SentinelSet]:
    with SentinelSet(tmp_path / "sentinel-set") as sentinels:
        yield sentinels.start()


def failover(what: str, outage: Outage, sentinels: SentinelSet) -> None:
    replica = sentinels.replica.port
    outage.measure(what, lambda: accepts_writes(replica), lambda: sentinels.primary_port() == replica)
    outage.goes_on()


def test_a_primary_that_is_killed_and_comes_back_as_a_stranger(
    sentinels: SentinelSet, settings: Settings, spawn: Spawn, ledger: Ledger
) -> None:
    with under_load(sentinels.url, settings, spawn, ledger) as outage:
        sentinels.primary.kill9()
        failover("kill -9 of the primary", outage, sentinels)
        since = time.monotonic()
        sentinels.primary.start()  # it believes that it is the primary, until a sentinel tells it otherwise
        outage.goes_on()
        outage.settle()
    assert not set(outage.lost) & set(outage.stream.after(since)), "nobody has fallen for the old primary"


def test_a_primary_that_hangs_is_left_at_once(
    sentinels: SentinelSet, settings: Settings, spawn: Spawn, ledger: Ledger
) -> None:
    settings = replace(settings, socket_timeout_seconds=60.0)  # not the timeouts, the sentinels make them leave
    patient = replace(spawn, variables={**spawn.variables, "TASKQ_SOCKET_TIMEOUT": "60"})
    with under_load(sentinels.url, settings, patient, ledger) as outage:
        sentinels.primary.pause()
        failover("a primary that hangs", outage, sentinels)
        since = time.monotonic()
        sentinels.primary.resume()  # for some seconds there are two that accept writes
        assert accepts_writes(sentinels.primary.port), "a split brain"
        outage.goes_on()
        outage.settle()
    assert not set(outage.lost) & set(outage.stream.after(since)), "nobody has stayed with the old primary"


@pytest.mark.parametrize("paused", [False, True], ids=["as it is", "writes paused"])
def test_a_planned_failover(
    paused: bool, sentinels: SentinelSet, settings: Settings, spawn: Spawn, ledger: Ledger
) -> None:
    """Sentinel lets the old primary accept writes until it is told that it is one no more; all of these are lost,
    unless they are paused."""
    with under_load(sentinels.url, settings, spawn, ledger) as outage:
        if paused:
            ask(sentinels.primary.port, "CLIENT", "PAUSE", 3_000, "WRITE")
        sentinels.fail_over()
        failover("SENTINEL FAILOVER, writes paused" if paused else "SENTINEL FAILOVER", outage, sentinels)
        outage.settle()
    assert not paused or outage.lost == ()


class Islander:
    """A producer that sees the old primary and nobody else."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._enough = threading.Event()
        self.accepted: list[str] = []
        self.refused = ""
        self._thread = Background(self._submit)

    def _submit(self) -> None:
        with TaskQueue(settings=self._settings) as queue:
            while not self._enough.wait(0.005):
                task = Task(task_type="work")
                try:
                    self.accepted.append(queue.submit_task(task))
                except ServerUnavailable as error:
                    self.refused = str(error)

    def end(self) -> list[str]:
        self._enough.set()
        self._thread.join()
        return self.accepted


@pytest.mark.parametrize("guarded", [False, True], ids=["unguarded", "min-replicas-to-write"])
def test_split_brain(guarded: bool, tmp_path: Path, settings: Settings) -> None:
    """The old primary is cut off with one producer; what it accepts from then on is lost, unless it refuses."""
    config = ("min-replicas-to-write 1", "min-replicas-max-lag 1") if guarded else ()
    with SentinelSet(tmp_path / "sentinel-set", config) as sentinels, Link(sentinels.primary.port) as link:
        sentinels.seen_port = link.port
        sentinels.start()
        mainland = Stream(replace(settings, redis_url=sentinels.url))
        eventually(lambda: len(mainland.accepted) > 100, what="the load to run for a while")
        link.cut()
        islander = Islander(replace(settings, redis_url=sentinels.primary.url, call_timeout_seconds=0.2))
        eventually(lambda: accepts_writes(sentinels.replica.port), 40, "a new primary")
        since = time.monotonic()
        eventually(lambda: len(mainland.after(since)) > 50, 40, "producers that follow it")
        if guarded:
            eventually(lambda: islander.refused, what="the old primary to refuse")
        told = islander.end()
        mainland.end()
        with TaskQueue(settings=replace(settings, redis_url=sentinels.url)) as queue:
            lost = [task_id for task_id in told if unknown(queue, task_id)]
            assert not any(unknown(queue, task_id) for task_id in mainland.after(since))
    print(f"the old primary accepted {len(told)} tasks after the partition, {len(lost)} are lost")
    assert lost == told != []
    assert ("NOREPLICAS" in islander.refused) is guarded


def unknown(queue: TaskQueue, task_id: str) -> bool:
    try:
        queue.get_task_status(task_id)
    except TaskNotFound:
        return True
    return False
