"""Who waits on a server that is not in charge any more is told; a sentinel that hangs or lags misleads nobody."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from taskq import AsyncTaskQueue, Settings, Task, TaskQueue
from taskq.transport.directory import Connections
from taskq.transport.endpoint import Endpoint
from tests.servers import HOST
from tests.topologies import SentinelSet, accepts_writes, ask
from tests.waiting import eventually
from tests.worker.background import Background

PATIENT = Settings(socket_timeout_seconds=60.0, embedded=False)


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[SentinelSet]:
    with SentinelSet(tmp_path / "sentinel-set") as sentinels:
        yield sentinels.start()


def leads_to(endpoint: Endpoint) -> int:
    """Return the port of the server to which a new connection leads."""
    connection = endpoint.connect()
    port: int = connection.port  # type: ignore[attr-defined]  # of a TCP connection
    connection.disconnect()
    return port


def test_sentinels_that_hang_or_lag_mislead_nobody(sentinels: SentinelSet) -> None:
    hung, lagging = sentinels.sentinel(1), sentinels.sentinel(2)
    os.kill(lagging.pid, signal.SIGSTOP)
    sentinels.fail_over()
    eventually(lambda: sentinels.primary_port() == sentinels.replica.port, what="the failover")
    os.kill(hung.pid, signal.SIGSTOP)
    os.kill(lagging.pid, signal.SIGCONT)
    try:
        assert leads_to(Endpoint(sentinels.url, PATIENT)) == sentinels.replica.port
    finally:
        os.kill(hung.pid, signal.SIGCONT)


def test_those_who_wait_in_a_hung_server_wait_on_in_the_new_one(sentinels: SentinelSet) -> None:
    settings = replace(PATIENT, redis_url=sentinels.url)
    heard: list[str] = []
    with TaskQueue(settings=settings) as queue:
        listening = queue.subscribe_to_events(lambda message: heard.append(message["data"]))
        task_id = queue.submit_task(Task())
        replica = sentinels.replica.port
        eventually(lambda: ask(replica, "EXISTS", f"agent_queue:task:{task_id}"), what="a copy of the task")
        waiting = Background(lambda: queue.wait_for_result(task_id, 60))

        async def wait() -> object:
            async with AsyncTaskQueue(settings=settings) as other:
                return await other.wait_for_result(task_id, 60)

        also_waiting = Background(lambda: asyncio.run(wait()))
        key = f"agent_queue:waiters:{task_id}"
        eventually(lambda: ask(replica, "SCARD", key) == 2, what="both to have left their addresses")
        # the lookout of a process begins a little later than its first connection
        eventually(lambda: listeners(sentinels) >= 3, what="a lookout")
        sentinels.primary.pause()
        eventually(lambda: accepts_writes(replica), 20, "a new primary")
        queue.cancel_task(task_id)
        for waiter in (waiting, also_waiting):
            result = waiter.join()
            assert isinstance(result, dict)
            assert result["status"] == "cancelled"

        def hears() -> bool:
            queue.submit_task(Task())
            return any("task.submitted" in data for data in heard[before:])

        before = len(heard)
        eventually(hears, 20, "events of the new primary")
        listening.stop()


def listeners(sentinels: SentinelSet) -> int:
    """Return how many connections to the sentinels wait for news."""
    return sum(ask(port, "CLIENT", "LIST").count(" sub=2 ") for port in sentinels.ports)


def test_a_forked_child_leaves_the_connections_of_its_parent_alone(redis_url: str) -> None:
    connection = Endpoint(redis_url, PATIENT).connect()
    connections = Connections()
    connections.add(connection, ("elsewhere", 1))
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            os._exit(connections.cut((HOST, 2)))
        os._exit(100)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    connection.send_command("PING")
    assert connection.read_response() == b"PONG"
    assert connections.cut(("elsewhere", 1)) == 0, "it leads to the right address"
    assert connections.cut((HOST, 2)) == 1
    connection.disconnect()
    del connection
    assert connections.cut((HOST, 2)) == 0, "it is not kept alive"


def test_it_ends_with_the_last_connection(sentinels: SentinelSet) -> None:
    before = set(threading.enumerate())

    def lookouts() -> list[threading.Thread]:
        return [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("taskq lookout")]

    with TaskQueue(settings=replace(PATIENT, redis_url=sentinels.url)) as queue:
        queue.get_queue_stats()
        assert len(lookouts()) == 3
        eventually(lambda: listeners(sentinels) == 3, what="a lookout")
    eventually(lambda: lookouts() == [], what="the end of the lookout")
    with queue:
        queue.get_queue_stats()
        assert len(lookouts()) == 3, "and begins again with the next one"
    eventually(lambda: lookouts() == [], what="the end of the lookout")
