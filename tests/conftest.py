"""Fixtures for a real server. No server at all is an error, not a skip."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import redis
from hypothesis import settings

from tests.servers import ServerProcess, connect, private_binary, shared_server

StartServer = Callable[..., ServerProcess]

# The developer's own settings must not reach the tests, and a test that forgets its server must fail, not work
# on the developer's queue: a URL in the environment also beats a ``.env`` file in the current folder.
for _name in list(os.environ):
    if _name.startswith(("TASKQ_", "REDIS_")) and not _name.startswith("TASKQ_TEST_"):
        del os.environ[_name]
os.environ["REDIS_URL"] = "redis://127.0.0.1:1/0"

# how long an example takes says more about the machine than about the code
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the server that all tests share; use it together with ``prefix``."""
    with shared_server(tmp_path_factory.mktemp("shared-server")) as url:
        yield url


@pytest.fixture(scope="session")
def redis_client(redis_url: str) -> Iterator[redis.Redis]:
    """Plain client of the shared server, to look at keys as ``redis-cli`` would."""
    with connect(redis_url) as client:
        yield client


@pytest.fixture
def prefix(redis_client: redis.Redis) -> Iterator[str]:
    """A key prefix of this test alone; its keys are deleted afterwards."""
    prefix = f"t-{uuid.uuid4().hex[:12]}"
    yield prefix
    keys = list(redis_client.scan_iter(match=f"{prefix}*", count=1000))
    if keys:
        redis_client.unlink(*keys)


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Function that starts a private server, with extra lines of configuration if given."""
    servers: list[ServerProcess] = []

    def start(extra_config: Sequence[str] = (), binary: Path | None = None) -> ServerProcess:
        folder = tmp_path / f"server-{len(servers)}"
        servers.append(ServerProcess(binary or private_binary(), folder, extra_config))
        return servers[-1].start()

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def server(start_server: StartServer) -> ServerProcess:
    """A private server that this test may kill, freeze and restart."""
    return start_server()
