"""The probe: what it makes of servers, of other services, of silence and of nothing."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from taskq.transport.probe import Probe, probe
from tests.conftest import StartServer
from tests.servers import HOST, ServerProcess, free_port

Peer = Callable[[bytes], int]


@pytest.fixture
def peer() -> Iterator[Peer]:
    """Function that starts a service which reads one line and then says what it was given; it returns its port."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def start(reply: bytes) -> int:
        listener = socket.create_server((HOST, 0))
        listeners.append(listener)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(reply)

        threads.append(threading.Thread(target=serve))
        threads[-1].start()
        return int(listener.getsockname()[1])

    yield start
    for thread in threads:
        thread.join(10)
    for listener in listeners:
        listener.close()


def test_nothing() -> None:
    assert probe(HOST, free_port()) is Probe.NOTHING


def test_server(server: ServerProcess) -> None:
    assert probe(HOST, server.port) is Probe.SERVER


def test_server_with_a_password(start_server: StartServer) -> None:
    assert probe(HOST, start_server(["requirepass s3cret"]).port) is Probe.PASSWORD


def test_silence(server: ServerProcess) -> None:
    server.pause()
    assert probe(HOST, server.port, timeout_seconds=0.1) is Probe.FOREIGN
    server.resume()
    assert probe(HOST, server.port) is Probe.SERVER


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", Probe.SERVER),
        (b"-BUSY Redis is busy running a script.\r\n", Probe.SERVER),
        (b"-MISCONF Errors writing to the AOF file\r\n", Probe.SERVER),
        (b"-ERR max number of clients reached\r\n", Probe.SERVER),
        (b"-DENIED Redis is running in protected mode\r\n", Probe.PASSWORD),
        (b"-NOAUTH Authentication required.\r\n", Probe.PASSWORD),
        (b"-ERR unknown command 'PING'\r\n", Probe.FOREIGN),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Probe.FOREIGN),
        (b"ERROR\r\n", Probe.FOREIGN),
        (b"\x15\x03\x01\x00\x02\x02\x50", Probe.FOREIGN),
        (b"", Probe.FOREIGN),
    ],
    ids=lambda part: part.name if isinstance(part, Probe) else part[:12].decode(errors="replace").strip() or "closed",
)
def test_replies(reply: bytes, found: Probe, peer: Peer) -> None:
    assert probe(HOST, peer(reply)) is found
