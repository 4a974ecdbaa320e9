"""Servers that a bench may lose, the replica behind a slow link."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from taskq.testing.faults.server import HOST, free_port
from taskq.transport.server_binary import find_server_binary


@dataclass
class Victim:
    """A server process with a folder of its own.

    Attributes:
        binary: the server program.
        folder: for its data.
        options: of its command line.
        environment: added to the one of this process.
    """

    binary: Path
    folder: Path
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, protocol=2, decode_responses=True)

    def start(self) -> Victim:
        """Start it and wait until it has loaded its data."""
        self.folder.mkdir(exist_ok=True)
        common = ("--port", str(self.port), "--bind", HOST, "--dir", str(self.folder), "--save", "")
        self.process = subprocess.Popen(
            [self.binary, *common, *self.options],
            env={**os.environ, **self.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with self.client() as client:
            for _ in range(1000):
                with contextlib.suppress(redis.ConnectionError):
                    client.ping()
                    return self
                time.sleep(0.01)
        raise RuntimeError(f"{self.binary} does not answer")

    def kill(self) -> None:
        """End it as a crash would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Link:
    """A one-way delay between primary and replica; cut, it loses what is on its way.

    Args:
        port: of the primary.
        delay_seconds: from the primary to the replica.
    """

    def __init__(self, port: int, delay_seconds: float) -> None:
        self._target = port
        self._delay = delay_seconds
        self._listener = socket.create_server((HOST, 0))
        self.port = int(self._listener.getsockname()[1])
        self._cut = threading.Event()
        self._sockets: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                replica, _ = self._listener.accept()
                primary = socket.create_connection((HOST, self._target))
                self._sockets += [replica, primary]
                on_way: deque[tuple[float, bytes]] = deque()
                self._spawn(self._read, primary, on_way)
                self._spawn(self._write, replica, on_way)
                self._spawn(self._back, replica, primary)

    @staticmethod
    def _spawn(job: Callable[..., None], *args: object) -> None:
        threading.Thread(target=job, args=args, daemon=True).start()

    def _read(self, primary: socket.socket, on_way: deque[tuple[float, bytes]]) -> None:
        with contextlib.suppress(OSError):
            while data := primary.recv(65536):
                on_way.append((time.monotonic() + self._delay, data))

    def _write(self, replica: socket.socket, on_way: deque[tuple[float, bytes]]) -> None:
        with contextlib.suppress(OSError):
            while not self._cut.is_set():
                if not on_way or on_way[0][0] > time.monotonic():
                    time.sleep(0.0005)
                    continue
                replica.sendall(on_way.popleft()[1])

    def _back(self, replica: socket.socket, primary: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := replica.recv(65536):
                primary.sendall(data)

    def cut(self) -> None:
        """Lose what is on its way, and the link."""
        self._cut.set()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@contextmanager
def folder() -> Iterator[Path]:
    """Yield a folder that is deleted afterwards."""
    path = Path(tempfile.mkdtemp(prefix="taskq-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def pair(delay_seconds: float, binary: Path | None = None) -> Iterator[tuple[Victim, Link, Victim]]:
    """Yield a primary, the link to its replica, and the replica; it follows when this returns."""
    program = binary or find_server_binary()[0]
    with folder() as path:
        primary = Victim(program, path / "primary", ("--repl-diskless-sync-delay", "0")).start()
        link = Link(primary.port, delay_seconds)
        replica = Victim(program, path / "replica", ("--replicaof", f"{HOST} {link.port}")).start()
        try:
            with primary.client() as client:
                while client.execute_command("WAIT", 1, 100) != 1:
                    client.incr("bench:waiting")
            yield primary, link, replica
        finally:
            link.cut()
            primary.kill()
            replica.kill()
