"""A database that has gone back is noticed by those who remember: by a log line, an event and a counter."""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import replace

import pytest

from taskq import Task
from taskq.queue import TaskQueue
from taskq.settings import Settings
from taskq.transport.upkeep import Upkeep
from taskq.worker import TaskWorker
from tests.conftest import StartServer
from tests.servers import ServerProcess
from tests.waiting import eventually
from tests.worker.background import Background


@pytest.fixture
def settings(server: ServerProcess) -> Settings:
    return Settings(redis_url=server.url, prefix="rollback", call_timeout_seconds=10.0)


def upkeep_of(queue: TaskQueue) -> Upkeep:
    return Upkeep(queue.transport.run, queue.namespace.protocol, queue.settings)


def rollbacks(queue: TaskQueue) -> int:
    return queue.get_queue_stats().counters.get("rollbacks", 0)


def test_an_older_state_of_the_data(
    server: ServerProcess, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    backup = server.data_dir.with_name("backup")
    with TaskQueue(settings=settings) as queue:
        upkeep, other = upkeep_of(queue), upkeep_of(queue)
        for one in (upkeep, other):
            one.beat()
        server.stop()
        shutil.copytree(server.data_dir, backup)
        server.start()
        for one in (other, upkeep, upkeep):
            one.beat()
        assert (upkeep.rollbacks, rollbacks(queue)) == (0, 0), "a restart that loses nothing is none"
        server.kill9()
        shutil.rmtree(server.data_dir)
        shutil.copytree(backup, server.data_dir)
        server.start()
        for one in (upkeep, other, upkeep):
            one.beat()
        assert (upkeep.rollbacks, other.rollbacks, rollbacks(queue)) == (1, 1, 1)
        assert [record.levelname for record in caplog.records if "lost its latest writes" in record.message] == [
            "ERROR",
            "ERROR",
        ]


def test_a_failover_to_a_replica_that_lagged(
    server: ServerProcess, settings: Settings, start_server: StartServer, caplog: pytest.LogCaptureFixture
) -> None:
    with server.client() as client:
        client.config_set("repl-diskless-sync-delay", 0)
    replica = start_server([f"replicaof 127.0.0.1 {server.port}", "appendonly no"])
    with TaskQueue(settings=settings) as queue, replica.client() as copy:
        upkeep = upkeep_of(queue)
        upkeep.beat()
        eventually(lambda: copy.hexists("rollback:meta", "stamp"), what="the first beat on the replica")
        copy.replicaof("NO", "ONE")
        upkeep.beat()
        server.kill9()  # not in order: it would wait for the replica
        with TaskQueue(settings=replace(settings, redis_url=replica.url)) as promoted:
            upkeep._run = promoted.transport.run
            upkeep.beat()
            assert (upkeep.rollbacks, rollbacks(promoted)) == (1, 1)
    assert "lost its latest writes" in caplog.text


def test_a_flush_under_a_worker(server: ServerProcess, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    hasty = replace(settings, heartbeat_interval_seconds=0.1, lease_seconds=0.7)
    gate = threading.Event()
    kinds: list[str] = []
    with TaskQueue(settings=hasty) as queue, server.client() as client:
        queue.submit_task(Task(task_type="wait"))
        worker = TaskWorker(queue)
        worker.register_handler("wait", lambda task: gate.wait(20))
        running = Background(worker.run_until_empty)
        (known,) = eventually(queue.list_workers, what="a worker")
        eventually(lambda: client.hexists(f"rollback:worker:{known.worker_id}", "beat"), what="its first beat")
        events = queue.subscribe_to_events(lambda message: kinds.append(json.loads(message["data"])["type"]))
        eventually(lambda: client.pubsub_numsub("rollback:events")[0][1] == 1, what="the subscription")
        client.flushall()
        eventually(lambda: "namespace.rolled_back" in kinds, what="the event")
        eventually(lambda: "somebody flushed or replaced the database" in caplog.text, what="the log line")
        gate.set()
        running.join()
        events.stop()
        assert rollbacks(queue) == 1
