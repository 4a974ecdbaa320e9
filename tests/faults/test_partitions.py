"""A queue over the masters of a cluster: what happens to one partition does not happen to the others."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from taskq import Settings, Task, TaskQueue
from taskq.model.partition import home_of
from taskq.testing.ledger import Ledger
from tests.faults.conftest import Spawn
from tests.servers import ServerProcess
from tests.topologies import Cluster
from tests.waiting import eventually
from tests.worker.background import findings

pytestmark = pytest.mark.slow

COUNT = 6


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path / "cluster", masters=3, replicas=0, config=("cluster-require-full-coverage no",)) as cluster:
        yield cluster.start()


@pytest.fixture
def queue(cluster: Cluster, settings: Settings) -> Iterator[TaskQueue]:
    with TaskQueue(settings=replace(settings, redis_url=cluster.url, partitions=COUNT)) as queue:
        yield queue
        assert [finding for index in range(COUNT) for finding in findings(queue.partition(index))] == []


def on(node: ServerProcess, cluster: Cluster, queue: TaskQueue) -> list[int]:
    """Return the partitions that a node serves."""
    return [index for index in range(COUNT) if cluster.owner(f"{{{queue.settings.prefix}:{index}}}:") is node]


def test_the_end_of_a_process_and_of_a_master_hurt_what_they_had_only(
    cluster: Cluster, queue: TaskQueue, spawn: Spawn, ledger: Ledger, gate: Path
) -> None:
    here = on(cluster.nodes[0], cluster, queue)
    there = [index for index in range(COUNT) if index not in here]
    assert here, "this prefix leaves the master without a partition: the test can show nothing"
    assert there
    partitioned = replace(spawn, variables={**spawn.variables, "TASKQ_PARTITIONS": str(COUNT)})
    worker = partitioned.on(cluster.url)("--concurrency", "8").ready(COUNT)
    ids = [queue.submit_task(Task(task_type="gated")) for _ in range(COUNT)]
    eventually(lambda: ledger.count("start") == COUNT, what="a task of each partition to run")

    os.kill(worker.child_pids[0], signal.SIGKILL)
    gate.touch()
    assert {queue.wait_for_result(task_id, 20)["attempts"] for task_id in ids} == {2}
    assert queue.get_queue_stats().counters["recovered"] == COUNT

    fresh = [Task(task_type="work", payload=0.02) for _ in range(300)]
    stuck = [queue.submit_task(task) for task in fresh]
    cluster.nodes[0].pause()
    alive = [task_id for task_id in stuck if home_of(task_id, COUNT) in there]
    assert {queue.wait_for_result(task_id, 20)["status"] for task_id in alive} == {"completed"}
    more = [Task(task_id=f"t{number}.p{there[0]}", task_type="work") for number in range(100)]
    queue.submit_batch(more)
    assert {queue.wait_for_result(task.task_id, 20)["status"] for task in more} == {"completed"}
    cluster.nodes[0].resume()
    assert {queue.wait_for_result(task_id, 30)["status"] for task_id in stuck} == {"completed"}
    assert worker.stop() == 0
