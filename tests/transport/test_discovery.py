"""Sentinel and cluster look-ups that find nothing, or are refused, end in a typed error."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskq.errors import AccessDenied, ServerUnavailable, UnsupportedServer
from taskq.queue import TaskQueue
from taskq.settings import Settings
from taskq.transport.probe import exchange
from tests.conftest import StartServer
from tests.servers import HOST, ServerProcess, free_port, private_binary
from tests.waiting import eventually


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


def test_a_name_that_the_sentinel_knows(sentinel_port: int) -> None:
    with TaskQueue(f"redis+sentinel://{HOST}:{sentinel_port}/main/3", prefix="jobs") as queue:
        assert queue.get_queue_stats().pending_tasks == 0


def test_a_name_that_it_does_not_know(sentinel_port: int) -> None:
    settings = Settings(redis_url=f"redis+sentinel://{HOST}:{sentinel_port}/other", call_timeout_seconds=0.3)
    with TaskQueue(settings=settings) as queue, pytest.raises(ServerUnavailable, match="other"):
        queue.get_queue_stats()


def test_a_cluster_that_wants_a_password(start_server: StartServer) -> None:
    """It is told at once: no repetition would mend it."""
    server = start_server(["cluster-enabled yes", f"cluster-port {free_port()}", "requirepass secret"])
    settings = Settings(redis_url=f"redis+cluster://:wrong@{HOST}:{server.port}", call_timeout_seconds=600.0)
    with TaskQueue(settings=settings) as queue, pytest.raises(AccessDenied):
        queue.get_queue_stats()


def test_a_single_server_is_no_cluster(server: ServerProcess) -> None:
    """It is told at once, too."""
    settings = Settings(redis_url=f"redis+cluster://{HOST}:{server.port}", call_timeout_seconds=600.0)
    with (
        TaskQueue(settings=settings) as queue,
        pytest.raises(UnsupportedServer, match=r"no node of a cluster.*redis://"),
    ):
        queue.get_queue_stats()
