"""Listening to what happens."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import redis

from taskq.model.task import Task
from taskq.testing.faults.proxy import Proxy
from tests.conformance.clients import Client, Hands, NewClient
from tests.waiting import eventually


def kinds(messages: list[dict[str, Any]]) -> list[str]:
    return [json.loads(message["data"])["type"] for message in messages]


def test_the_callback_gets_the_message(client: Client, hands: Hands, prefix: str) -> None:
    messages: list[dict[str, Any]] = []
    subscription = client.subscribe_to_events(messages.append)
    task_id = client.submit_task(Task())
    hands.work()
    eventually(lambda: len(messages) == 4, what="four events")
    assert kinds(messages) == ["task.submitted", "task.status_changed", "task.status_changed", "task.completed"]
    assert messages[0] | {"data": ""} == {"type": "message", "pattern": None, "channel": f"{prefix}:events", "data": ""}
    event = json.loads(messages[0]["data"])
    assert event["data"] == {"task_id": task_id, "status": "pending", "list": "normal"}
    assert event["timestamp"].endswith("Z")
    subscription.stop()


def test_when_it_returns_nothing_is_missed(client: Client) -> None:
    for _ in range(2):
        messages: list[dict[str, Any]] = []
        subscription = client.subscribe_to_events(messages.append)
        client.submit_task(Task())
        eventually(lambda messages=messages: messages, what="the event")
        subscription.stop()


def test_after_stop_nothing_comes(client: Client, redis_client: redis.Redis, prefix: str) -> None:
    messages: list[dict[str, Any]] = []
    client.subscribe_to_events(messages.append).stop()
    channel = f"{prefix}:events"
    eventually(lambda: redis_client.pubsub_numsub(channel) == [(channel, 0)], what="the end of the connection")
    client.submit_task(Task())
    assert messages == []


def test_a_callback_that_fails_gets_the_next_event(client: Client) -> None:
    messages: list[dict[str, Any]] = []

    def fail_once(message: dict[str, Any]) -> None:
        messages.append(message)
        if len(messages) == 1:
            raise ValueError("the callback is broken")

    if client.kind == "async":
        client.loop.set_exception_handler(lambda loop, context: None)
    subscription = client.subscribe_to_events(fail_once)
    client.submit_batch([Task(), Task()])
    eventually(lambda: len(messages) == 2, what="two events")
    subscription.stop()


def test_after_a_broken_connection_it_subscribes_again(
    new_client: NewClient, client: Client, redis_url: str, redis_client: redis.Redis, prefix: str
) -> None:
    channel = f"{prefix}:events"
    with Proxy(redis_url) as proxy:
        messages: list[dict[str, Any]] = []
        subscription = new_client(redis_url=proxy.url).subscribe_to_events(messages.append)
        proxy.cut_connections()
        eventually(lambda: proxy.requests.count(b"SUBSCRIBE") == 2, what="the second subscription")
        eventually(lambda: redis_client.pubsub_numsub(channel) == [(channel, 1)], what="the subscriber")
        client.submit_task(Task())
        eventually(lambda: messages, what="the event")
        subscription.stop()


def test_blocking_until_it_is_stopped(client: Client, redis_client: redis.Redis, prefix: str) -> None:
    """As in a monitor, where Ctrl+C ends it; here another thread does."""
    channel = f"{prefix}:events"
    seen = threading.Event()
    with ThreadPoolExecutor(1) as threads:
        subscription = client.subscribe_to_events(lambda _: seen.set())
        blocked = threads.submit(subscription.join)
        eventually(lambda: redis_client.pubsub_numsub(channel) == [(channel, 1)], what="the subscriber")
        client.submit_task(Task())
        assert seen.wait(20)
        assert not blocked.done()
        subscription.stop()
        blocked.result(20)
