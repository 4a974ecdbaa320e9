"""A private server that a test may stop, kill, freeze, fill and start again; its data survives all of it."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from taskq.settings import Settings
from taskq.testing.waiting import eventually
from taskq.transport.endpoint import Endpoint
from taskq.transport.failures import ReplyError
from taskq.transport.probe import exchange
from taskq.transport.server_binary import find_server_binary
from taskq.transport.wire import Wire, pack

HOST = "127.0.0.1"
# Below the range from which systems take the local ports of connections: there, a client that reconnects to a
# server which is down can take the port away, or even be connected with itself.
_PORTS = range(20_000, 32_000)
# With `no`, each command is in the file, though not on the disk, before it is answered: a kill loses nothing. With
# `everysec`, writes wait for a sync that runs, for up to two seconds, and a kill loses them although answered.
_CONFIG = """\
port {port}
bind 127.0.0.1
dir .
logfile server.log
appendonly yes
appendfsync no
aof-use-rdb-preamble no
save ""
enable-debug-command yes
"""


def _own_ports(worker: str, workers: int) -> list[int]:
    """Return the ports of one of so many processes of pytest-xdist (``gw0``, ``gw1`` ...), in an order of chance."""
    ports = list(_PORTS[int(worker.removeprefix("gw")) :: workers])
    random.Random().shuffle(ports)  # noqa: S311 - any order will do, but not the one that Hypothesis has seeded
    return ports


# A port is free until its server has started, and again while a test has killed it: so none is handed out twice before
# all others, and never one that belongs to another process of the same run.
_ports = itertools.cycle(
    _own_ports(os.environ.get("PYTEST_XDIST_WORKER", "gw0"), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
)


def free_port() -> int:
    """Return a TCP port on which nothing listens now."""
    while True:
        port = next(_ports)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return port


class ServerProcess:
    """A server of its own for a test, as a context manager.

    Args:
        data_dir: folder for its data, configuration and log; may be on a small file system of its own.
        binary: the program; None: as the embedded server finds one.
        extra_config: lines for its configuration.
        environment: variables besides those of this process, such as ``LD_PRELOAD``.
    """

    def __init__(
        self,
        data_dir: Path,
        binary: Path | None = None,
        extra_config: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.binary = binary or find_server_binary()[0]
        self.data_dir = data_dir
        self.extra_config = tuple(extra_config)
        self.environment = dict(environment or {})
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    @property
    def pid(self) -> int:
        return self._running().pid

    # -- its life --

    def start(self, timeout_seconds: float = 30) -> Self:
        """Start the server and wait until it has loaded its data.

        Raises:
            RuntimeError: if it ends at once; the message shows its log.
        """
        assert self._process is None or self._process.poll() is not None, "the server runs already"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        config = self.data_dir / "server.conf"
        config.write_text(_CONFIG.format(port=self.port) + "\n".join(self.extra_config) + "\n")
        with (self.data_dir / "server.out").open("ab") as output:
            self._process = subprocess.Popen(
                [self.binary, config],
                cwd=self.data_dir,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl+C is for the test, which then stops the server
            )
        try:
            eventually(self._answers, timeout_seconds, f"an answer of the server on port {self.port}")
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

    # -- what it is told --

    def command(self, *words: str | int, timeout_seconds: float = 10) -> Any:
        """Send one command on a connection of its own and return the reply.

        Raises:
            ReplyError: if the server refuses.
            Unsure: if it does not answer in time.
        """
        wire = Wire(Endpoint(self.url, Settings(redis_url=self.url)), timeout_seconds)
        try:
            reply = wire.request(pack(words))
        finally:
            wire.close()
        if isinstance(reply, ReplyError):
            raise reply
        return reply

    def sleep(self, seconds: float) -> None:
        """Let the server do nothing for some time, as a slow command of somebody else would (``DEBUG SLEEP``)."""
        self.command("DEBUG", "SLEEP", f"{seconds:g}", timeout_seconds=seconds + 10)

    def forget_scripts(self) -> None:
        """Drop all loaded scripts (``SCRIPT FLUSH``)."""
        self.command("SCRIPT", "FLUSH")

    def limit_memory(self, spare_bytes: int | None) -> None:
        """Leave the server this much memory above what it uses now (``maxmemory``).

        Args:
            spare_bytes: 0: it is full; None: as much as it likes.
        """
        self.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        limit = 0 if spare_bytes is None else self.memory_bytes() + spare_bytes if spare_bytes else 1
        self.command("CONFIG", "SET", "maxmemory", limit)

    def memory_bytes(self) -> int:
        """Return how much memory the server uses for data."""
        return int(self.command("INFO", "memory").split(b"used_memory:")[1].split(b"\r\n")[0])
