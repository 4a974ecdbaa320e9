"""Behind a Sentinel and in a cluster: the address is looked up, and all keys of a namespace share a slot."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskq.aio import AsyncTaskQueue
from taskq.errors import AccessDenied, ServerUnavailable
from taskq.model.task import Task
from taskq.queue import TaskQueue
from taskq.settings import Settings
from taskq.transport.probe import exchange
from tests.conftest import StartServer
from tests.servers import HOST, ServerProcess, connect, free_port, private_binary
from tests.waiting import eventually


@pytest.fixture
def cluster(start_server: StartServer) -> ServerProcess:
    """A cluster of one node that owns every slot."""
    server = start_server(["cluster-enabled yes", f"cluster-announce-ip {HOST}", "cluster-require-full-coverage yes"])
    with server.client() as client:
        client.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16383)
        eventually(lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok", what="the cluster")
    return server


@pytest.fixture
def sentinel_port(server: ServerProcess, tmp_path: Path) -> Iterator[int]:
    """A Sentinel that watches the private server under the name ``main``."""
    port = free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(f"port {port}\nbind {HOST}\ndir {tmp_path}\nsentinel monitor main {HOST} {server.port} 1\n")
    process = subprocess.Popen(
        [private_binary(), config, "--sentinel"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return exchange((HOST, port), b"PING\r\n", 1.0).startswith(b"+PONG")
        return False

    eventually(answers, what="the Sentinel")
    yield port
    process.terminate()
    process.wait(10)


def work(url: str, prefix: str) -> None:
    """Submit with both clients and look at it with the other."""
    settings = Settings(redis_url=url, prefix=prefix, call_timeout_seconds=10.0)

    async def submit_and_look(task_id: str) -> tuple[str, str]:
        async with AsyncTaskQueue(settings=settings) as queue:
            status = await queue.get_task_status(task_id)
            return status["status"], await queue.submit_task(Task(payload=2, queue="mail", unique_key="k"))

    with TaskQueue(settings=settings) as queue:
        first = queue.submit_task(Task(payload=1))
        status, second = asyncio.run(submit_and_look(first))
        assert status == "pending"
        assert queue.get_task(second).payload == 2
        assert queue.get_queue_stats().pending_tasks == 2


def test_a_cluster(cluster: ServerProcess) -> None:
    work(f"redis+cluster://{HOST}:{cluster.port}", "jobs")
    with connect(cluster.url) as client:
        keys = client.keys("*")
        assert "{jobs}:queue:normal" in keys
        assert len({client.execute_command("CLUSTER KEYSLOT", key) for key in keys}) == 1


def test_a_sentinel(sentinel_port: int, server: ServerProcess) -> None:
    work(f"redis+sentinel://{HOST}:{sentinel_port}/main/3", "jobs")
    with connect(server.url.rpartition("/")[0] + "/3") as client:
        assert "jobs:queue:normal" in client.keys("*")


def test_a_name_that_the_sentinel_does_not_know(sentinel_port: int) -> None:
    settings = Settings(redis_url=f"redis+sentinel://{HOST}:{sentinel_port}/other", call_timeout_seconds=0.3)
    with TaskQueue(settings=settings) as queue, pytest.raises(ServerUnavailable, match="other"):
        queue.get_queue_stats()


def test_a_cluster_that_wants_a_password(cluster: ServerProcess) -> None:
    with cluster.client() as client:
        client.config_set("requirepass", "secret")
    settings = Settings(redis_url=f"redis+cluster://:wrong@{HOST}:{cluster.port}", call_timeout_seconds=600.0)
    with TaskQueue(settings=settings) as queue, pytest.raises(AccessDenied):
        queue.get_queue_stats()


def test_a_single_server_is_no_cluster(server: ServerProcess) -> None:
    settings = Settings(redis_url=f"redis+cluster://{HOST}:{server.port}", call_timeout_seconds=0.3)
    with TaskQueue(settings=settings) as queue, pytest.raises(ServerUnavailable, match=r"[Cc]luster"):
        queue.get_queue_stats()
