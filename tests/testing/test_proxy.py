"""The proxy does to a command what it is told to, and nothing to the others."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis

from taskq import Settings, Task, TaskQueue
from taskq.protocol.operations import SCRIPTS
from taskq.testing.faults import Fault, Proxy, name_of
from taskq.testing.faults.resp import frame_end, request, words
from taskq.transport.endpoint import Endpoint
from tests.conftest import StartServer
from tests.servers import connect
from tests.waiting import eventually


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    with Proxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
def far(proxy: Proxy) -> Iterator[redis.Redis]:
    with connect(f"{proxy.url}?socket_timeout=0.3") as client:
        client.ping()
        yield client


def test_what_nobody_strikes_goes_through(proxy: Proxy, far: redis.Redis, prefix: str) -> None:
    far.set(prefix, "x" * 300_000)
    assert len(far.get(prefix) or "") == 300_000
    assert list(proxy.requests)[-2:] == [b"SET", b"GET"]
    assert proxy.struck.total() == 0


@pytest.mark.parametrize(
    ("action", "arrived", "error"),
    [
        ("cut", False, redis.ConnectionError),
        ("lose", True, redis.ConnectionError),
        ("hang", True, redis.TimeoutError),
        ("answer", False, redis.ResponseError),
    ],
)
def test_the_nth_command_is_struck(
    proxy: Proxy, far: redis.Redis, redis_client: redis.Redis, prefix: str, action: str, arrived: bool, error: type
) -> None:
    fault = proxy.add(Fault(action, "RPUSH", skip=1, reply="ERR made up"))
    far.rpush(prefix, "first")
    assert not fault.struck.is_set()

    with pytest.raises(error):
        far.rpush(prefix, "second")

    assert fault.struck.is_set()
    assert (fault.struck_name, proxy.struck[action]) == ("RPUSH", 1)
    far.rpush(prefix, "third")
    assert redis_client.lrange(prefix, 0, -1) == ["first", *(["second"] if arrived else []), "third"]


def test_a_reply_comes_late(proxy: Proxy, far: redis.Redis) -> None:
    proxy.strike("delay", "PING", seconds=0.15)
    began = time.monotonic()
    assert far.ping()
    assert time.monotonic() - began >= 0.15


def test_an_answer_of_the_proxy_keeps_its_place(proxy: Proxy, redis_url: str) -> None:
    with connect(proxy.url) as far:
        far.ping()
        proxy.strike("answer", "ECHO", reply="ERR not yet")
        with far.pipeline(transaction=False) as pipeline:
            pipeline.ping()
            pipeline.echo("x")
            pipeline.time()
            first, second, third = pipeline.execute(raise_on_error=False)
    assert (first, type(second), len(third)) == (True, redis.ResponseError, 2)


@pytest.mark.parametrize(("when", "arrived"), [("before", 0), ("after", 1)])
def test_something_is_done_before_the_server_sees_it_or_after(
    proxy: Proxy, far: redis.Redis, redis_client: redis.Redis, prefix: str, when: str, arrived: int
) -> None:
    seen: list[int] = []
    proxy.add(Fault(when, "RPUSH", act=lambda: seen.append(redis_client.llen(prefix))))
    with pytest.raises(redis.ConnectionError):
        far.rpush(prefix, "x")
    assert seen == [arrived]
    assert redis_client.llen(prefix) == arrived


def test_scripts_are_known_by_name_however_they_are_sent(proxy: Proxy, prefix: str) -> None:
    script = SCRIPTS["turn"]
    assert name_of([b"EVALSHA", script.sha.encode(), b"1"]) == "turn"
    assert name_of([b"eval", script.source.encode(), b"1"]) == "turn"
    assert name_of([b"evalsha", b"0" * 40]) == "EVALSHA"
    with TaskQueue(proxy.url, prefix=prefix) as queue:
        struck = proxy.strike("lose", "submit")
        queue.submit_task(Task())
        assert struck.is_set()
        assert queue.get_queue_stats().counters["submitted"] == 1


def test_a_needle_and_a_number_of_times(proxy: Proxy, far: redis.Redis) -> None:
    proxy.strike("answer", "ECHO", needle=b"bad", times=2, reply="ERR no")
    assert far.echo("good") == "good"
    for _ in range(2):
        with pytest.raises(redis.ResponseError):
            far.echo("a bad one")
    assert far.echo("a bad one") == "a bad one"


def test_faults_can_be_taken_back(proxy: Proxy, far: redis.Redis) -> None:
    proxy.strike("cut", "PING")
    proxy.clear()
    assert far.ping()


def test_connections_are_refused_and_let_in_again(proxy: Proxy, far: redis.Redis) -> None:
    proxy.refuse()
    with pytest.raises(redis.ConnectionError):
        far.ping()
    proxy.refuse(False)
    assert far.ping()


def test_it_can_shake_hands_for_its_clients(start_server: StartServer) -> None:
    server = start_server(["requirepass secret"])
    url = server.url.replace("redis://", "redis://:secret@").replace("/0", "/3")
    with Proxy(url, endpoint=Endpoint(url, Settings(redis_url=url))) as proxy, connect(proxy.url) as far:
        far.set("k", "v")
    with connect(url) as client:
        assert client.get("k") == "v"
    assert "secret" not in proxy.url


def test_requests_can_be_rewritten(redis_url: str, redis_client: redis.Redis, prefix: str) -> None:
    def rewrite(parts: list[bytes]) -> list[bytes]:
        return [part.replace(b"wrong", b"right") for part in parts]

    with Proxy(redis_url, rewrite=rewrite) as proxy, connect(proxy.url) as far:
        far.set(prefix, "wrong")
    assert redis_client.get(prefix) == "right"


def test_the_end_of_the_proxy_ends_its_connections(redis_url: str) -> None:
    with Proxy(redis_url) as proxy:
        far = connect(proxy.url)
        far.ping()
    with pytest.raises(redis.ConnectionError):
        eventually(lambda: not far.ping(), 2)


@pytest.mark.parametrize("options", [{"action": "burn"}, {"action": "before"}])
def test_a_fault_that_makes_no_sense_is_refused(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"is no fault|needs act="):
        Fault(**options)


@pytest.mark.parametrize(
    "whole",
    [
        b"+OK\r\n",
        b":1\r\n",
        b"$-1\r\n",
        b"$3\r\na\r\n\r\n",
        b"*-1\r\n",
        b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
        b"%1\r\n+a\r\n_\r\n",
    ],
)
def test_the_end_of_a_value(whole: bytes) -> None:
    assert frame_end(whole + b"+next\r\n") == len(whole)
    assert [frame_end(whole[:n]) for n in range(len(whole))] == [-1] * len(whole)


def test_words_and_back() -> None:
    parts = [b"SET", b"key", b"", b"a\r\nb"]
    assert words(request(parts)) == parts
    assert words(b"PING now\r\n") == [b"PING", b"now"]
