"""Signals by the clients."""

from __future__ import annotations

from typing import Any

import pytest

from taskq import InvalidTask, PayloadTooLarge, Task, TaskNotFound
from taskq.kinds import Secret
from taskq.testing.faults.proxy import Proxy
from tests.conformance.clients import Client, Hands, NewClient


@pytest.mark.parametrize("data", [None, "text", [1, {"a": [None, 12345678901234567]}]])
def test_a_task_is_told_once(client: Client, redis_client: Any, prefix: str, data: Any) -> None:
    task_id = client.submit_task(Task())
    assert client.signal(task_id, "approved", data) == "told"
    said = redis_client.hgetall(f"{prefix}:signals:{task_id}")
    assert client.signal(task_id, "approved", "something else") == "told"
    assert redis_client.hgetall(f"{prefix}:signals:{task_id}") == said
    assert list(said) == ["approved"]


def test_a_task_that_has_ended_is_told_nothing(client: Client, hands: Hands) -> None:
    ids = client.submit_batch([Task(), Task(), Task()])
    for task_id, outcome in zip(hands.claim(), ("complete", "fail", "cancel"), strict=True):
        hands.end(task_id, outcome)
    assert [client.signal(task_id, "approved") for task_id in ids] == ["completed", "failed", "cancelled"]
    with pytest.raises(TaskNotFound, match="there is no task missing"):
        client.signal("missing", "approved")


def test_what_cannot_be_said_is_refused(client: Client) -> None:
    task_id = client.submit_task(Task())
    with pytest.raises(InvalidTask, match="cannot be used as a signal name"):
        client.signal(task_id, "@abort")
    with pytest.raises(InvalidTask, match="the data of a signal is not JSON"):
        client.signal(task_id, "go", {1})
    with pytest.raises(PayloadTooLarge, match="more than the 65,536 allowed"):
        client.signal(task_id, "go", "x" * 65_536)
    for n in range(64):
        client.signal(task_id, f"s{n}")
    with pytest.raises(InvalidTask, match="has been sent 64 signals"):
        client.signal(task_id, "one.more")
    assert client.signal(task_id, "s0") == "told"


def test_it_is_encrypted(new_client: NewClient, redis_client: Any, prefix: str) -> None:
    pytest.importorskip("cryptography")
    client = new_client(encryption_keys=Secret("A" * 86))
    task_id = client.submit_task(Task())
    client.signal(task_id, "go", "canary")
    assert "canary" not in redis_client.hget(f"{prefix}:signals:{task_id}", "go")


@pytest.mark.parametrize("action", ["cut", "lose"])
def test_a_lost_request_or_reply_is_made_good(new_client: NewClient, redis_url: str, action: str) -> None:
    with Proxy(redis_url) as proxy:
        client = new_client(redis_url=proxy.url)
        task_id = client.submit_task(Task())
        client.signal(task_id, "first")
        struck = proxy.strike(action)
        assert client.signal(task_id, "go", 1) == "told"
        assert struck.is_set()
