"""Listening to a channel on a thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import pytest
import redis

from taskq.settings import Settings
from taskq.testing.faults.proxy import Proxy
from taskq.transport.endpoint import Endpoint
from taskq.transport.subscription import Message, Subscription
from tests.conftest import StartServer
from tests.waiting import eventually


@pytest.fixture
def channel(prefix: str) -> str:
    return f"{prefix}:events"


@pytest.fixture
def messages() -> list[Message]:
    return []


@pytest.fixture
def subscription(far: Endpoint, channel: str, messages: list[Message]) -> Iterator[Subscription]:
    subscription = Subscription(far, channel, messages.append).start()
    yield subscription
    subscription.stop()


@pytest.mark.usefixtures("subscription")
def test_messages_in_order(messages: list[Message], redis_client: redis.Redis, channel: str) -> None:
    for n in range(100):
        redis_client.publish(channel, str(n))
    eventually(lambda: len(messages) == 100, what="the messages")
    assert [message["data"] for message in messages] == [str(n) for n in range(100)]
    assert messages[0]["channel"] == channel


def test_the_callback_may_stop_it(far: Endpoint, channel: str, redis_client: redis.Redis) -> None:
    subscription = Subscription(far, channel, lambda message: subscription.stop()).start()
    redis_client.publish(channel, "x")
    started = time.monotonic()
    subscription.join()
    assert time.monotonic() - started < 5


def test_what_the_callback_raises_is_logged(
    far: Endpoint, channel: str, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(message: Message) -> None:
        raise ValueError("a bug in the callback")

    subscription = Subscription(far, channel, fail).start()
    with caplog.at_level(logging.ERROR, "taskq"):
        redis_client.publish(channel, "x")
        eventually(lambda: "a bug in the callback" in caplog.text, what="the log line")
    subscription.stop()


def test_without_a_server_it_returns_and_goes_on_trying(
    far: Endpoint, proxy: Proxy, channel: str, messages: list[Message], redis_client: redis.Redis
) -> None:
    proxy.refuse()
    started = time.monotonic()
    subscription = Subscription(far, channel, messages.append).start(timeout_seconds=0.1)
    assert time.monotonic() - started < 3
    proxy.refuse(False)
    eventually(lambda: redis_client.pubsub_numsub(channel) == [(channel, 1)], what="the subscriber")
    redis_client.publish(channel, "x")
    eventually(lambda: messages, what="the message")
    subscription.stop()


def test_a_refusal_is_logged(start_server: StartServer, caplog: pytest.LogCaptureFixture) -> None:
    server = start_server(["requirepass secret"])
    endpoint = Endpoint(server.url, Settings())
    with caplog.at_level(logging.ERROR, "taskq"):
        subscription = Subscription(endpoint, "c", print).start(timeout_seconds=0.1)
        eventually(lambda: "refuses access" in caplog.text, what="the log line")
    subscription.stop()
    assert "secret" not in caplog.text
