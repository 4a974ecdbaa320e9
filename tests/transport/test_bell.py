"""Waiting for work without polling."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import closing

import pytest
import redis

from taskq.errors import AccessDenied, ServerError
from taskq.protocol.operation import Operation
from taskq.protocol.operations import Protocol
from taskq.protocol.replies import BeatReply
from taskq.protocol.submits import Submission
from taskq.settings import Settings
from taskq.testing.faults.proxy import Proxy
from taskq.transport.bell import Bell
from taskq.transport.blocking import Transport
from taskq.transport.endpoint import Endpoint
from taskq.transport.failures import Unsure
from taskq.transport.upkeep import lease_times
from tests.waiting import eventually

LISTS = ["urgent", "bell:high", "normal"]  # a queue may be called bell


@pytest.fixture
def bell(far: Endpoint, protocol: Protocol) -> Iterator[Bell]:
    with closing(Bell(far, protocol.bell_keys(LISTS))) as bell:
        yield bell


def rung(bell: Bell, seconds: float = 5) -> bool:
    return bool(select.select([bell.fileno()], [], [], seconds)[0])


@pytest.mark.parametrize("name", LISTS)
def test_it_tells_which_bell_was_rung(
    bell: Bell, protocol: Protocol, endpoint: Endpoint, settings: Settings, name: str
) -> None:
    bell.arm(5)
    assert not rung(bell, 0)
    with closing(Transport(endpoint, settings)) as transport:
        transport.run(protocol.submit([Submission("a", "{}", name, "0", "")], 0))
    assert rung(bell)
    assert bell.answer() == name


def test_a_hint_that_is_there_already(bell: Bell, redis_client: redis.Redis, prefix: str) -> None:
    redis_client.rpush(f"{prefix}:bell:normal", "1")
    bell.arm(5)
    assert rung(bell)
    assert (bell.answer(), bell.armed) == ("normal", False)


def test_at_the_timeout_there_is_no_name(bell: Bell) -> None:
    bell.arm(0.05)
    assert rung(bell)
    assert bell.answer() is None


def test_armed_twice_waits_once(bell: Bell, proxy: Proxy) -> None:
    bell.arm(0.05)
    bell.arm(0.05)
    assert rung(bell)
    assert bell.answer() is None
    assert proxy.requests.count(b"BLPOP") == 1


def test_no_time_is_a_short_time_and_not_for_ever(bell: Bell) -> None:
    bell.arm(0)
    assert rung(bell, 2)


def test_a_broken_connection_ends_the_wait(bell: Bell, proxy: Proxy) -> None:
    bell.arm(5)
    proxy.cut_connections()
    assert rung(bell)
    with pytest.raises(Unsure):
        bell.answer()
    assert not bell.armed
    bell.arm(0.05)
    assert rung(bell)
    assert bell.answer() is None


def test_a_server_that_refuses(bell: Bell, redis_client: redis.Redis, prefix: str) -> None:
    redis_client.set(f"{prefix}:bell:urgent", "foreign")
    bell.arm(5)
    assert rung(bell)
    with pytest.raises(ServerError, match="another type"):
        bell.answer()


def test_no_server(bell: Bell, proxy: Proxy) -> None:
    proxy.refuse()
    with pytest.raises(Unsure):
        bell.arm(5)
    assert (bell.armed, bell.fileno()) == (False, -1)


def test_who_gives_up_leaves_no_ghost_behind(bell: Bell, redis_client: redis.Redis) -> None:
    def waits_in_the_server() -> bool:
        return any("blpop" in client["cmd"] and client["name"] == "taskq" for client in redis_client.client_list())

    bell.arm(60)
    eventually(waits_in_the_server, what="the wait in the server")
    bell.close()
    assert bell.fileno() == -1
    eventually(lambda: not waits_in_the_server(), what="its end")


@pytest.fixture
def behind(protocol: Protocol, endpoint: Endpoint, settings: Settings) -> Operation[BeatReply]:
    """Something to send along; the server knows its script."""
    operation = protocol.beat(lease_times(settings), [])
    with closing(Transport(endpoint, settings)) as transport:
        transport.run(operation)
    return operation


def test_what_is_sent_along_runs_when_the_wait_ends(
    bell: Bell, behind: Operation[BeatReply], protocol: Protocol, endpoint: Endpoint, settings: Settings
) -> None:
    bell.arm(5, behind)
    assert not rung(bell, 0.05)
    with closing(Transport(endpoint, settings)) as transport:
        transport.run(protocol.submit([Submission("a", "{}", "normal", "0", "")], 0))
    assert rung(bell)
    assert bell.answer() == "normal"
    found = bell.collect(behind)
    assert found is not None
    assert found.workers == ()
    assert bell.collect(behind) is None, "a reply is collected once"


def test_it_may_follow_a_wait_that_is_under_way(bell: Bell, behind: Operation[BeatReply]) -> None:
    bell.arm(0.3)
    bell.arm(5, behind)
    assert rung(bell)
    assert bell.answer() is None
    assert bell.collect(behind) is not None


def test_after_a_refused_connection_nothing_is_taken_for_sent(
    bell: Bell, behind: Operation[BeatReply], proxy: Proxy
) -> None:
    for refusal in ("LOADING not yet", "NOPERM not you"):
        proxy.strike("answer", "CLIENT", reply=refusal)
        with pytest.raises((Unsure, AccessDenied)):
            bell.arm(5, behind)
        assert not bell.armed
    bell.arm(0.05)
    assert rung(bell)
    assert bell.answer() is None, "only the wait is answered"
