"""Sentinel, cluster, socket file, password: each form of address reaches the server, from threads and from a loop."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from taskq import AsyncTaskQueue, SettingsError, Task, TaskQueue, TaskWorker, UnsupportedServer
from taskq.settings import Settings
from tests.servers import ServerProcess, connect, free_port, private_binary
from tests.waiting import eventually

StartServer = Callable[..., ServerProcess]


def whole_round(url: str) -> None:
    """Submit, run and read a result; then the same from an event loop."""
    with TaskQueue(url, prefix="topology") as queue:
        worker = TaskWorker(queue)
        worker.register_handler("shout", lambda task: str(task.payload).upper())
        ids = queue.submit_batch([Task(task_type="shout", payload=word) for word in ("one", "two", "three")])
        assert worker.run_until_empty() == 3
        assert [(queue.get_task_result(task_id) or {})["result"] for task_id in ids] == ["ONE", "TWO", "THREE"]

        async def ask() -> dict[str, object]:
            async with AsyncTaskQueue(url, prefix="topology") as other:
                return await other.wait_for_result(ids[0], 5)

        assert asyncio.run(ask())["result"] == "ONE"


def test_a_cluster_keeps_a_namespace_in_one_slot(start_server: StartServer) -> None:
    server = start_server(("cluster-enabled yes", f"cluster-port {free_port()}"))
    with connect(server.url) as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        eventually(
            lambda: "ok" in str(client.cluster("INFO")).partition("cluster_state")[2][:8], what="a working cluster"
        )
        whole_round(f"redis+cluster://127.0.0.1:{server.port}")
        assert client.exists("{topology}:workers") == 0, "the worker has signed off"
        assert client.scard("{topology}:status:completed") == 3


def test_a_plain_address_of_a_cluster_is_explained(start_server: StartServer) -> None:
    server = start_server(("cluster-enabled yes", f"cluster-port {free_port()}"))
    with connect(server.url) as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        eventually(
            lambda: "ok" in str(client.cluster("INFO")).partition("cluster_state")[2][:8], what="a working cluster"
        )
    with TaskQueue(server.url) as queue, pytest.raises(UnsupportedServer, match=r"cluster.*redis\+cluster://"):
        queue.submit_task(Task())


@pytest.fixture
def sentinel(server: ServerProcess, tmp_path: Path) -> Iterator[int]:
    """Port of a sentinel that watches the private server under the name ``main``."""
    port = free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(f"port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {server.port} 1\n")
    process = subprocess.Popen(
        [private_binary(), config, "--sentinel"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path
    )
    try:
        with connect(f"redis://127.0.0.1:{port}/0") as client:

            def answers() -> bool:
                try:
                    return bool(client.ping())
                except OSError:
                    return False
                except Exception as error:  # redis-py's own connection errors
                    return "Connection" not in type(error).__name__

            eventually(answers, what="an answer of the sentinel")
        yield port
    finally:
        process.terminate()
        process.wait()


def test_a_sentinel_names_the_primary(sentinel: int, server: ServerProcess) -> None:
    whole_round(f"redis+sentinel://127.0.0.1:{sentinel}/main/0")


def test_a_dead_sentinel_is_passed_over(sentinel: int, server: ServerProcess) -> None:
    whole_round(f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{sentinel}/main/0")


def test_a_socket_file(start_server: StartServer, tmp_path: Path) -> None:
    path = tmp_path / "taskq.sock"
    start_server((f"unixsocket {path}",))
    whole_round(f"unix://{path}")


def test_a_password_in_the_address(start_server: StartServer) -> None:
    server = start_server(("user someone on >s3cret ~* &* +@all",))
    whole_round(server.url.replace("redis://", "redis://someone:s3cret@"))


@pytest.mark.parametrize("url", ["redis+sentinel://nowhere/main/0", "redis+cluster://host:port"])
def test_seeds_need_a_port(url: str) -> None:
    with pytest.raises(SettingsError, match=r"host:port|expected"):
        TaskQueue(settings=Settings(redis_url=url)).submit_task(Task())


def durable_round(url: str, replica: redis.Redis, root: str) -> None:
    """Submit from threads and from a loop, and find the task on the replica at once."""
    with TaskQueue(url, prefix="topology") as queue:
        task_id = queue.submit_task(Task(), durability="replicated")
        assert replica.exists(f"{root}:task:{task_id}")

        async def submit() -> str:
            async with AsyncTaskQueue(url, prefix="topology") as other:
                return await other.submit_task(Task(), durability="replicated")

        assert replica.exists(f"{root}:task:{asyncio.run(submit())}")


def has_replica(client: redis.Redis) -> bool:
    return bool(client.info("replication").get("slave0", {}).get("state") == "online" and client.wait(1, 100))


def test_a_durable_submit_through_a_sentinel(sentinel: int, server: ServerProcess, start_server: StartServer) -> None:
    with connect(server.url) as client:
        client.config_set("repl-diskless-sync-delay", 0)
        replica = start_server([f"replicaof 127.0.0.1 {server.port}", "appendonly no"])
        eventually(lambda: has_replica(client), what="the replica")
        with connect(replica.url) as copy:
            durable_round(f"redis+sentinel://127.0.0.1:{sentinel}/main/0", copy, "topology")


def test_a_durable_submit_in_a_cluster(start_server: StartServer) -> None:
    primary, replica = (
        start_server(("cluster-enabled yes", f"cluster-port {free_port()}", "repl-diskless-sync-delay 0"))
        for _ in range(2)
    )
    with connect(primary.url) as client, connect(replica.url) as copy:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        name = client.execute_command("CLUSTER", "MYID")
        bus = next(line.split()[-1] for line in replica.extra_config if line.startswith("cluster-port"))
        client.execute_command("CLUSTER", "MEET", "127.0.0.1", replica.port, bus)
        eventually(lambda: name in str(copy.execute_command("CLUSTER", "NODES")), what="the primary on the replica")
        copy.execute_command("CLUSTER", "REPLICATE", name)
        eventually(lambda: has_replica(client), what="the replica")
        eventually(
            lambda: "ok" in str(client.cluster("INFO")).partition("cluster_state")[2][:8], what="a working cluster"
        )
        copy.execute_command("READONLY")
        durable_round(f"redis+cluster://127.0.0.1:{primary.port}", copy, "{topology}")
