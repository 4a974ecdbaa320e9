"""Driver, adapter, worker and ledger together, with the yardstick as the peer that needs no installation."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from bench.compare.catalogue import Peer, find
from bench.compare.lines import AdapterError
from bench.compare.measures import Bench
from bench.compare.processes import Scene, kill_tree, processor_seconds, tree
from bench.compare.recovery import recover
from bench.compare.work import read_ledger
from tests.servers import ServerProcess
from tests.waiting import eventually

(BARE,) = find(["bare"])


@pytest.fixture
def scene(server: ServerProcess) -> Iterator[Scene]:
    with Scene(server.url, "check") as scene:
        yield scene


def test_each_task_runs_and_its_result_is_its_own(scene: Scene) -> None:
    worker = scene.worker(BARE, {})
    with scene.client(BARE, {}) as client:
        assert client.able["results"]
        assert client.able["batch"]
        assert client.ask("results", first=5, kind="noop", count=20) == list(range(5, 25))
        begun = time.monotonic_ns()
        assert client.ask("fill", first=100, kind="noop", count=150) == 150
        eventually(lambda: scene.runs() == 170, what="all tasks")
        with pytest.raises(AdapterError, match="AttributeError"):
            client.ask("dance")
        assert client.ask("submit", first=1, kind="noop", seconds=0.05)["count"] > 0, (
            "an error must not end the adapter"
        )
    effects = read_ledger(scene.ledger)[20:170]
    assert {effect.number for effect in effects} == set(range(100, 250))
    assert {effect.process for effect in effects} == {worker.pid}
    assert all(begun < effect.begun_ns < time.monotonic_ns() for effect in effects)


def test_a_killed_worker_takes_its_whole_family_along(scene: Scene) -> None:
    worker = scene.worker(BARE, {})
    with scene.client(BARE, {}) as client:
        client.ask("fill", first=1, kind="cpu", count=30)
        eventually(lambda: scene.runs() == 30, what="all tasks")
    assert processor_seconds([worker.pid]) >= 0.02
    kill_tree(worker)
    assert worker.poll() is not None
    assert tree([worker.pid]) == {worker.pid}


def test_an_adapter_that_does_not_come_up_says_so(scene: Scene) -> None:
    with pytest.raises(AdapterError, match="has ended"):
        scene.client(Peer(name="nobody", title="Nobody"), {})
    assert "bench.compare.peers.nobody" in scene.said()


@pytest.mark.slow
def test_the_process_that_runs_a_task_can_be_killed_alone(server: ServerProcess) -> None:
    with server.client() as admin:
        found = recover(Bench(server.url, admin, 1.0, 100), find(["taskq", "bare"]), 60.0, child=True)
    assert isinstance(found["taskq"], dict)
    assert found["taskq"]["seconds"] < 20, "who supervises it tells at once; a lease is 30 s"
    assert "nobody supervises" in str(found["bare"])
