from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from taskq.scheduler import alarm as module
from taskq.scheduler.alarm import Alarm
from taskq.settings import Settings
from taskq.transport.bell import Bell
from taskq.transport.endpoint import Endpoint
from tests.servers import ServerProcess
from tests.waiting import eventually

BELL = "agent_queue:bell:@scheduler"


@pytest.fixture
def bell(server: ServerProcess) -> Iterator[Bell]:
    bell = Bell(Endpoint(server.url, Settings(redis_url=server.url)), [BELL])
    yield bell
    bell.close()


def timed(alarm: Alarm, seconds: float) -> tuple[bool, float]:
    begun = time.monotonic()
    return alarm.wait(seconds), time.monotonic() - begun


def test_it_ends_when_its_time_is_over(bell: Bell) -> None:
    rung, seconds = timed(Alarm(bell, threading.Event()), 0.3)
    assert not rung
    assert 0.3 <= seconds < 5


def test_a_ring_ends_it(bell: Bell, server: ServerProcess) -> None:
    server.client().rpush(BELL, "1")
    rung, seconds = timed(Alarm(bell, threading.Event()), 30)
    assert rung
    assert seconds < 5


def test_a_wait_in_the_server_outlives_the_sleep_of_the_caller(bell: Bell, server: ServerProcess) -> None:
    alarm = Alarm(bell, threading.Event())
    assert [alarm.wait(0.02) for _ in range(5)] == [False] * 5
    with server.client() as client:
        eventually(lambda: client.info("clients")["blocked_clients"] == 1, what="the wait in the server")
    server.client().rpush(BELL, "1")
    assert alarm.wait(30)


def test_a_stop_ends_it(bell: Bell) -> None:
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    rung, seconds = timed(Alarm(bell, stop), 30)
    assert not rung
    assert seconds < 5


def test_silence_ends_it(bell: Bell, server: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BELL_SECONDS", 0.1)
    monkeypatch.setattr(module, "_GRACE_SECONDS", 0.1)
    alarm = Alarm(bell, threading.Event())
    assert not alarm.wait(0.01)
    server.pause()
    rung, seconds = timed(alarm, 30)
    assert not rung
    assert seconds < 10
    assert not bell.armed, "it still listens to the silent connection"


def test_a_server_that_is_gone_cuts_the_sleep_short(bell: Bell, server: ServerProcess) -> None:
    server.stop()
    rung, seconds = timed(Alarm(bell, threading.Event()), 30)
    assert not rung
    assert seconds < 10


def test_a_bell_that_is_refused_is_complained_about_once(
    bell: Bell, server: ServerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    server.client().set(BELL, "of another type")
    rung, seconds = timed(Alarm(bell, threading.Event()), 0.7)
    assert not rung
    assert seconds >= 0.7
    assert len(caplog.messages) == 1
    assert "holds a value of another type" in caplog.messages[0]
