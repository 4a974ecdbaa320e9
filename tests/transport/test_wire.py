"""One connection, used directly."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from taskq.settings import Settings
from taskq.testing.faults.proxy import Proxy
from taskq.transport.endpoint import Endpoint
from taskq.transport.failures import ReplyError, Unsure
from taskq.transport.wire import Wire, pack
from tests.servers import HOST


@pytest.fixture
def wire(endpoint: Endpoint) -> Iterator[Wire]:
    with closing(Wire(endpoint, 5.0)) as wire:
        yield wire


def test_a_request_and_its_reply(wire: Wire) -> None:
    assert wire.request(pack(("ECHO", "Grüße"))) == "Grüße".encode()
    assert wire.request(pack(("ECHO", b"\x00\xff"))) == b"\x00\xff"
    assert wire.request(pack(("ECHO", 7))) == b"7"


def test_an_error_is_a_value(wire: Wire) -> None:
    reply = wire.request(pack(("NOSUCHCOMMAND",)))
    assert isinstance(reply, ReplyError)
    assert reply.code == "ERR"
    assert wire.request(pack(("PING",))) == b"PONG"


def test_replies_that_come_together_are_read_one_by_one(wire: Wire) -> None:
    wire.send(pack(("ECHO", "1")) + pack(("ECHO", "2")) + pack(("ECHO", "3")))
    assert [wire.read(), wire.read(), wire.read()] == [b"1", b"2", b"3"]


def test_a_large_reply_comes_in_pieces(wire: Wire) -> None:
    assert len(wire.request(pack(("ECHO", b"x" * 5_000_000)))) == 5_000_000


def test_what_has_begun_to_arrive_is_taken_to_its_end(wire: Wire) -> None:
    wire.send(pack(("ECHO", b"x" * 5_000_000)) + pack(("ECHO", "2")))
    assert select.select([wire.fileno()], [], [], 20)[0]
    assert [len(wire.take()), wire.take()] == [5_000_000, b"2"]


def test_what_ends_instead_of_arriving(far: Endpoint, proxy: Proxy) -> None:
    with closing(Wire(far, 5.0)) as wire:
        proxy.cut_connections()
        assert select.select([wire.fileno()], [], [], 20)[0]
        with pytest.raises(Unsure):
            wire.take()


def test_silence(wire: Wire, prefix: str) -> None:
    wire.send(pack(("BLPOP", f"{prefix}:nothing", "5")))
    started = time.monotonic()
    with pytest.raises(Unsure, match=r"no reply within 0\.1 s"):
        wire.read(0.1)
    assert time.monotonic() - started < 3


def test_a_patient_read_does_not_change_the_next(endpoint: Endpoint, prefix: str) -> None:
    with closing(Wire(endpoint, 0.2)) as wire:
        wire.send(pack(("BLPOP", f"{prefix}:nothing", "0.5")))
        assert wire.read(20) is None
        wire.send(pack(("BLPOP", f"{prefix}:nothing", "30")))
        started = time.monotonic()
        with pytest.raises(Unsure, match=r"no reply within 0\.2 s"):
            wire.read()
        assert time.monotonic() - started < 5


def test_a_server_that_goes_away(far: Endpoint, proxy: Proxy) -> None:
    with closing(Wire(far, 1.0)) as wire:
        proxy.cut_connections()
        with pytest.raises(Unsure, match=r"closed the connection|broke while"):
            wire.request(pack(("PING",)))


def test_a_reply_that_trickles_is_given_up(settings: Settings) -> None:
    """Each byte comes in time, the whole reply never does."""
    with socket.create_server((HOST, 0)) as listener:
        endpoint = Endpoint(f"redis://{HOST}:{listener.getsockname()[1]}/0", settings)
        with pytest.raises(Unsure, match=r"not complete after|no reply within"):
            trickle(listener, endpoint)


def trickle(listener: socket.socket, endpoint: Endpoint) -> None:
    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            asked = 0
            while asked < 3 and (data := connection.recv(65536)):  # the name and the library of the client
                count = data.count(b"CLIENT")
                asked += count
                connection.sendall(b"+OK\r\n" * count)
            connection.recv(65536)
            connection.sendall(b"$100\r\n")
            try:
                for _ in range(100):
                    connection.sendall(b"x")
                    time.sleep(0.05)
            except OSError:
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    wire = Wire(endpoint, 0.3)
    try:
        wire.request(pack(("PING",)))
    finally:
        wire.close()
        thread.join()


def test_in_a_burst_a_slow_server_is_waited_for_asleep(
    wire: Wire, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reply that comes at once is watched for; a few that do not are enough to stop it."""
    watched: list[int] = []
    real = os.read

    def read(fd: int, count: int) -> bytes:
        watched.append(request)
        return real(fd, count)

    monkeypatch.setattr("taskq.transport.wire.os.read", read)
    for request in range(30):  # noqa: B007 - read by the function above
        wire.send(pack(("BLPOP", f"{prefix}:nothing", "0.01")))
        assert wire.read() is None
    assert len(set(watched)) <= 5


def test_a_reply_is_watched_for_only_in_a_burst(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    watched: list[int] = []
    real = os.read

    def read(fd: int, count: int) -> bytes:
        watched.append(fd)
        return real(fd, count)

    monkeypatch.setattr("taskq.transport.wire.os.read", read)
    monkeypatch.setattr("taskq.transport.wire._BURST_NS", 60_000_000_000)
    wire.request(pack(("PING",)))
    assert not watched
    wire.request(pack(("PING",)))
    assert watched
    monkeypatch.setattr("taskq.transport.wire._BURST_NS", 0)
    watched.clear()
    wire.request(pack(("PING",)))
    assert not watched


def test_the_reply_to_a_large_command_is_watched_for_when_it_is_due(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one tells how long it takes; half of that is slept away before the next one is watched for."""
    naps: list[float] = []
    monkeypatch.setattr("taskq.transport.wire._BURST_NS", 60_000_000_000)
    monkeypatch.setattr("taskq.transport.wire._GLANCE_NS", 5_000_000_000)
    monkeypatch.setattr("taskq.transport.wire._LONGEST_NS", 5_000_000_000)
    monkeypatch.setattr("taskq.transport.wire.time.sleep", naps.append)
    slow = pack(("EVAL", "local n = 0 for _ = 1, 1e6 do n = n + 1 end return #ARGV[1]", 0, "x" * 5000))
    assert wire.request(slow) == 5000
    assert not naps
    begun = time.perf_counter()
    assert wire.request(slow) == 5000
    assert len(naps) == 1
    assert 0 < naps[0] < 10 * (time.perf_counter() - begun)
    assert wire.request(pack(("PING",))) == b"PONG"
    assert len(naps) == 1


def test_a_server_that_goes_away_in_a_burst(far: Endpoint, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskq.transport.wire._BURST_NS", 60_000_000_000)
    monkeypatch.setattr("taskq.transport.wire._GLANCE_NS", 5_000_000_000)
    with closing(Wire(far, 10.0)) as wire:
        for _ in range(3):
            assert wire.request(pack(("PING",))) == b"PONG"
        proxy.strike("cut", "PING")
        with pytest.raises(Unsure, match=r"closed the connection|broke while"):
            wire.request(pack(("PING",)))


def test_close_may_be_repeated(wire: Wire) -> None:
    wire.close()
    wire.close()
    with pytest.raises(Unsure):
        wire.request(pack(("PING",)))


def test_the_descriptor_is_readable_when_a_reply_is_there(wire: Wire) -> None:
    assert select.select([wire.fileno()], [], [], 0)[0] == []
    wire.send(pack(("PING",)))
    assert select.select([wire.fileno()], [], [], 5)[0] == [wire.fileno()]


RAISING_SIGNALS = """
import signal
import time

from taskq.transport.wire import pack


class Struck(Exception):
    pass


def strike(*_):
    raise Struck


signal.signal(signal.SIGALRM, strike)
words, strikes, end = ("EVALSHA", *range(200)), 0, time.monotonic() + 0.5
while time.monotonic() < end or not strikes:
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0001)
        while True:
            pack(words)
    except Struck:
        strikes += 1
"""


def test_a_signal_that_raises_while_a_command_is_packed_does_not_crash_the_process() -> None:
    """As Ctrl+C does, and time limits that others set by an alarm."""
    done = subprocess.run([sys.executable, "-c", RAISING_SIGNALS], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
