"""A connection that comes back, and the patience with which a call is repeated."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from taskq.errors import ServerError, ServerUnavailable
from taskq.protocol.operations import Protocol
from taskq.protocol.submits import Submission
from taskq.settings import Settings
from taskq.testing.faults.proxy import Proxy
from taskq.transport.endpoint import Endpoint
from taskq.transport.failures import Unsure
from taskq.transport.line import Line, Patience
from tests.servers import ServerProcess


@pytest.fixture
def line(far: Endpoint) -> Iterator[Line]:
    with closing(Line(far, 1.0)) as line:
        yield line


PATIENT = Patience(10.0)


def test_connects_when_first_used(line: Line, protocol: Protocol, proxy: Proxy) -> None:
    assert proxy.connections == 0
    line.run(protocol.stats(), PATIENT)
    line.run(protocol.stats(), PATIENT)
    assert (line.connects, proxy.connections) == (1, 1)


@pytest.mark.parametrize("action", ["cut", "lose"])
def test_repeats_with_the_same_arguments(line: Line, protocol: Protocol, proxy: Proxy, action: str) -> None:
    line.run(protocol.stats(), PATIENT)
    proxy.strike(action)
    reply = line.run(protocol.submit([Submission("a", "{}", "low", "0", "")], 0), PATIENT)
    assert reply.ids == ("a",)
    assert line.run(protocol.stats(), PATIENT).counters == {"submitted": 1}
    assert line.connects == 2


def test_a_refusal_is_not_repeated(line: Line, protocol: Protocol, proxy: Proxy) -> None:
    line.run(protocol.stats(), PATIENT)
    seen = len(proxy.requests)
    with pytest.raises(ServerError, match="refused the command"):
        line.run(protocol.ids("dead", "no number", 1), PATIENT)
    line.run(protocol.stats(), PATIENT)
    assert [name for name in proxy.requests[seen:] if name == b"EVALSHA"] == [b"EVALSHA", b"EVALSHA"]


def test_without_patience_there_is_one_attempt(line: Line, protocol: Protocol, proxy: Proxy) -> None:
    line.run(protocol.stats(), PATIENT)
    proxy.strike("cut", times=100)
    before = proxy.requests.count(b"EVALSHA")
    with pytest.raises(ServerUnavailable, match="within 0 s"):
        line.run(protocol.stats(), Patience(0))
    assert proxy.requests.count(b"EVALSHA") == before + 1


def test_another_thread_ends_the_patience(line: Line, protocol: Protocol, proxy: Proxy) -> None:
    proxy.refuse()
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    started = time.monotonic()
    with pytest.raises(ServerUnavailable):
        line.run(protocol.stats(), Patience(None, stop))
    assert 0.1 < time.monotonic() - started < 3


def test_patience_waits_longer_and_longer() -> None:
    attempts = []

    def attempt() -> None:
        attempts.append(time.monotonic())
        raise Unsure("not yet")

    with pytest.raises(ServerUnavailable, match=r"no usable answer from somewhere within 1 s \(not yet\)"):
        Patience(1.0).repeat(attempt, "somewhere")
    assert 3 < len(attempts) < 60


def test_other_errors_end_it_at_once() -> None:
    def attempt() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        Patience(60.0).repeat(attempt, "somewhere")


def test_an_interrupt_in_the_middle_of_a_reply(server: ServerProcess, settings: Settings, protocol: Protocol) -> None:
    """The reply comes later, and must not be taken for the answer to the next question."""

    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    with closing(Line(Endpoint(server.url, settings), 10.0)) as line:
        line.run(protocol.stats(), PATIENT)
        server.pause()
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            line.run(protocol.submit([Submission("a", "{}", "low", "0", "")], 0), PATIENT)
        signal.signal(signal.SIGALRM, before)
        server.resume()
        assert line.run(protocol.result("missing"), PATIENT) == (None, False)
