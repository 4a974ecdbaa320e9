"""Checkpoints by the clients: what an operator, or another program, notes for a task."""

from __future__ import annotations

from typing import Any

import pytest

from taskq import InvalidTask, PayloadTooLarge, Task, TaskNotFound
from taskq.errors import CannotDecrypt, CorruptTask
from taskq.kinds import Secret
from taskq.testing.faults.proxy import Proxy
from tests.conformance.clients import Client, NewClient

KEYS = Secret("A" * 86)


@pytest.mark.parametrize("data", [None, 0, "text", [1, {"a": [None, 12345678901234567]}], {"position": 3}])
def test_what_is_noted_is_returned(client: Client, data: Any) -> None:
    task_id = client.submit_task(Task())
    assert client.get_checkpoint(task_id) is None
    client.checkpoint(task_id, data)
    assert client.get_checkpoint(task_id) == data
    client.checkpoint(task_id, "later")
    assert client.get_checkpoint(task_id) == "later"
    client.delete_checkpoint(task_id)
    client.delete_checkpoint(task_id)
    assert client.get_checkpoint(task_id) is None


def test_it_ends_with_its_time(client: Client) -> None:
    task_id = client.submit_task(Task())
    client.checkpoint(task_id, 1, ttl_seconds=0.001)
    while client.get_checkpoint(task_id) is not None:
        pass


def test_an_unknown_task_has_none(client: Client) -> None:
    with pytest.raises(TaskNotFound, match="there is no task missing, so it has no checkpoint"):
        client.checkpoint("missing", 1)
    with pytest.raises(TaskNotFound):
        client.get_checkpoint("missing")
    client.delete_checkpoint("missing")


def test_what_cannot_be_kept_is_refused(new_client: NewClient) -> None:
    client = new_client(max_message_bytes=2048)
    task_id = client.submit_task(Task())
    with pytest.raises(PayloadTooLarge, match="more than the 2,048 allowed"):
        client.checkpoint(task_id, "x" * 2048)
    with pytest.raises(InvalidTask, match="the checkpoint is not JSON"):
        client.checkpoint(task_id, {1, 2})
    with pytest.raises(InvalidTask, match="ttl_seconds"):
        client.checkpoint(task_id, 1, ttl_seconds=0)
    with pytest.raises(InvalidTask, match="cannot be used as a task id"):
        client.checkpoint("a:b", 1)
    assert client.get_checkpoint(task_id) is None


def test_it_is_encrypted_and_bound_to_its_task(new_client: NewClient, redis_client: Any, prefix: str) -> None:
    pytest.importorskip("cryptography")
    client = new_client(encryption_keys=KEYS)
    one, other = client.submit_batch([Task(), Task()])
    client.checkpoint(one, {"secret": "canary"})
    assert client.get_checkpoint(one) == {"secret": "canary"}
    stored = redis_client.get(f"{prefix}:checkpoint:{one}")
    assert "canary" not in stored
    redis_client.set(f"{prefix}:checkpoint:{other}", stored)
    with pytest.raises(CannotDecrypt):
        client.get_checkpoint(other)
    with pytest.raises(CannotDecrypt):
        new_client().get_checkpoint(one)


@pytest.mark.parametrize("stored", ["nonsense", "[]", "{}", '{"data":1,"position":"x"}', b"\xff"])
def test_what_a_foreign_hand_has_written_is_said(client: Client, redis_client: Any, prefix: str, stored: Any) -> None:
    task_id = client.submit_task(Task())
    redis_client.set(f"{prefix}:checkpoint:{task_id}", stored)
    with pytest.raises(CorruptTask):
        client.get_checkpoint(task_id)


@pytest.mark.parametrize("action", ["cut", "lose"])
def test_a_lost_request_or_reply_is_made_good(new_client: NewClient, redis_url: str, action: str) -> None:
    with Proxy(redis_url) as proxy:
        client = new_client(redis_url=proxy.url)
        task_id = client.submit_task(Task())
        client.checkpoint(task_id, 0)
        client.get_checkpoint(task_id)
        for call in (lambda: client.checkpoint(task_id, 1), lambda: client.get_checkpoint(task_id)):
            struck = proxy.strike(action)
            call()
            assert struck.is_set()
        assert client.get_checkpoint(task_id) == 1
