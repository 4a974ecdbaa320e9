"""Failovers of a cluster and slots that move, under load: everybody goes where the slot is, and nothing is torn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis

from taskq import Settings
from taskq.testing.ledger import Ledger
from tests.faults.conftest import Spawn
from tests.faults.outage import Outage, under_load
from tests.servers import ServerProcess
from tests.topologies import Cluster, accepts_writes, ask, key_slot
from tests.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whole_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster.start()


@pytest.fixture
def cluster(whole_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster of this file; what a test has done to its nodes is mended afterwards."""
    yield whole_cluster
    for node in whole_cluster.nodes:
        node.revive()
    eventually(whole_cluster.in_order, 40, "a cluster in order again")


@pytest.fixture
def root(prefix: str) -> str:
    """What all keys of the namespace begin with."""
    return f"{{{prefix}}}:"


def failover(what: str, outage: Outage, cluster: Cluster, heir: ServerProcess, root: str) -> None:
    slot = key_slot(root.encode())

    def named() -> bool:
        return any(
            int(item[0]) <= slot <= int(item[1]) and item[2][1] == heir.port
            for item in ask(heir.port, "CLUSTER", "SLOTS")
        )

    outage.measure(what, lambda: accepts_writes(heir.port, root), named)
    outage.goes_on()


def another_master(cluster: Cluster, node: ServerProcess) -> ServerProcess:
    return next(other for other in cluster.nodes if other is not node and ask(other.port, "ROLE")[0] == "master")


def test_everybody_follows_the_new_master(
    cluster: Cluster, root: str, settings: Settings, spawn: Spawn, ledger: Ledger
) -> None:
    settings = replace(settings, socket_timeout_seconds=60.0)  # not the timeouts make them leave
    patient = replace(spawn, variables={**spawn.variables, "TASKQ_SOCKET_TIMEOUT": "60"})
    excused: list[tuple[float, float]] = []
    with under_load(cluster.url, settings, patient, ledger) as outage:
        for fault in ("CLUSTER FAILOVER", "a master that hangs", "kill -9 of the master"):
            eventually(cluster.in_order, 40, "a replica that follows")
            master = cluster.owner(root)
            heir = cluster.replica_of(master)
            began = time.monotonic()
            if fault == "CLUSTER FAILOVER":
                ask(heir.port, "CLUSTER", "FAILOVER")
            elif fault == "a master that hangs":
                master.pause()
            else:
                master.kill9()
            failover(fault, outage, cluster, heir, root)
            if fault != "CLUSTER FAILOVER":  # it hands over only what is replicated
                excused.append((began - 1, time.monotonic()))
            master.revive()
            outage.goes_on()
        outage.settle()
    accepted = [outage.stream.accepted[task_id] for task_id in outage.lost]
    assert all(any(begun < at < over for begun, over in excused) for at in accepted), "nobody has gone back"


def test_a_slot_that_migrates_key_by_key(
    cluster: Cluster, root: str, settings: Settings, spawn: Spawn, ledger: Ledger
) -> None:
    """Meanwhile the namespace stands still: a script that ran on either side would see half of the keys."""
    with under_load(cluster.url, settings, spawn, ledger) as outage:
        source = cluster.owner(root)
        target = another_master(cluster, source)
        began = time.monotonic()

        def half_way() -> None:
            with pytest.raises(redis.exceptions.AskError):  # to a node that has got half of the keys so far
                ask(source.port, "EVALSHA", "0" * 40, 1, root)

        keys = cluster.migrate(root, target, half_way)
        took = time.monotonic() - began
        assert cluster.owner(root) is target
        outage.goes_on()
        outage.settle()
    print(f"the slot moved with {keys} keys in {took:.2f} s")
    assert outage.lost == ()
    assert outage.repeated == 0


def test_a_slot_that_migrates_at_one_stroke(
    cluster: Cluster, root: str, settings: Settings, spawn: Spawn, ledger: Ledger
) -> None:
    source = cluster.owner(root)
    if "valkey_version" not in ask(source.port, "INFO", "server"):
        pytest.skip("Valkey 9 can do this")
    target = another_master(cluster, source)
    slot = key_slot(root.encode())
    with under_load(cluster.url, settings, spawn, ledger) as outage:
        began = time.monotonic()
        node_id = ask(target.port, "CLUSTER", "MYID")
        ask(source.port, "CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", node_id)
        eventually(lambda: cluster.serves(target, root), 40, "the slot to move")
        print(f"the slot moved in {time.monotonic() - began:.2f} s")
        outage.goes_on()
        outage.settle()
    assert outage.lost == ()
    assert outage.repeated == 0
