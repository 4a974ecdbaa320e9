"""A pool of lines for threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
import redis

from taskq.errors import ServerUnavailable
from taskq.protocol.operations import Protocol
from taskq.protocol.submits import Submission
from taskq.settings import Settings
from taskq.testing.faults.proxy import Proxy
from taskq.transport.blocking import Transport
from taskq.transport.endpoint import Endpoint


@pytest.fixture
def transport(far: Endpoint, settings: Settings) -> Iterator[Transport]:
    with closing(Transport(far, settings)) as transport:
        yield transport


def test_one_caller_needs_one_connection(transport: Transport, protocol: Protocol, proxy: Proxy) -> None:
    for _ in range(20):
        transport.run(protocol.stats())
    assert proxy.connections == 1


def test_threads_get_connections_of_their_own(transport: Transport, protocol: Protocol, proxy: Proxy) -> None:
    barrier = threading.Barrier(5)

    def use() -> None:
        with transport.line() as line:
            barrier.wait(10)
            line.wire()

    with ThreadPoolExecutor(5) as threads:
        for future in [threads.submit(use) for _ in range(5)]:
            future.result(10)
    assert proxy.connections == 5
    transport.run(protocol.stats())
    assert proxy.connections == 5


def test_more_than_the_limit_wait_for_each_other(far: Endpoint, settings: Settings, protocol: Protocol) -> None:
    limited = replace(settings, max_connections=2, call_timeout_seconds=0.2)
    busy = pytest.raises(ServerUnavailable, match=r"all 2 connections .*for 0\.2 s: raise TASKQ_MAX_CONNECTIONS")
    with closing(Transport(far, limited)) as transport, transport.line(), transport.line(), busy:
        transport.run(protocol.stats())
    patient = replace(limited, call_timeout_seconds=20.0)
    with closing(Transport(far, patient)) as transport, ThreadPoolExecutor(8) as threads:
        assert len(list(threads.map(lambda _: transport.run(protocol.stats()), range(50)))) == 50


def test_a_place_comes_back_whatever_happens(transport: Transport, protocol: Protocol) -> None:
    for _ in range(150):
        with pytest.raises(ValueError, match="a bug"), transport.line():
            raise ValueError("a bug")
    transport.run(protocol.stats())


def test_close_and_use_again(transport: Transport, protocol: Protocol, proxy: Proxy) -> None:
    transport.run(protocol.stats())
    transport.close()
    transport.run(protocol.stats())
    assert proxy.connections == 2


def test_a_forked_child_opens_its_own_connections(
    transport: Transport, protocol: Protocol, proxy: Proxy, redis_client: redis.Redis, prefix: str
) -> None:
    """Both speak at the same time; on a shared socket they would read each other's replies."""
    transport.run(protocol.stats())
    parent, child = [Submission(f"{name}{n}", "{}", "low", "0", "") for name in ("p", "c") for n in range(30)], []
    parent, child = parent[:30], parent[30:]
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            answers = [transport.run(protocol.submit([task], 0)).ids for task in child]
            status = 0 if answers == [(task.task_id,) for task in child] else 2
        finally:
            os._exit(status)
    answers = [transport.run(protocol.submit([task], 0)).ids for task in parent]
    assert answers == [(task.task_id,) for task in parent]
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert proxy.connections == 2
    assert redis_client.llen(f"{prefix}:queue:low") == 60


def test_the_time_to_repeat_can_be_given(transport: Transport, protocol: Protocol, proxy: Proxy) -> None:
    proxy.refuse()
    with pytest.raises(ServerUnavailable, match=r"within 0\.1 s"):
        transport.run(protocol.stats(), 0.1)
