"""The keys of a namespace are found, read and deleted without a command that holds a large server up."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from taskq import Task, TaskQueue, TaskWorker
from taskq.protocol.view import read_dump
from taskq.testing.faults import Proxy
from taskq.testing.namespace import NamespaceKeys, ask, audit_keys, delete_keys


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    with TaskQueue(redis_url, prefix=prefix) as queue:
        queue.submit_batch([Task(task_type="echo", payload=n) for n in range(30)])
        TaskWorker(queue).run_until_empty()
        queue.submit_batch([Task(priority="low"), Task(unique_key="one")])
        yield queue


def test_what_is_read_is_what_a_snapshot_shows(queue: TaskQueue) -> None:
    keys = NamespaceKeys(queue)
    _, found = keys.dump()
    keys.close()
    _, expected = queue.transport.run(queue.namespace.protocol.snapshot())
    assert expected is not None
    entries, wanted = read_dump(found), read_dump(expected)
    assert entries.keys() == wanted.keys()
    assert {k: (e.kind, e.content) for k, e in entries.items()} == {k: (e.kind, e.content) for k, e in wanted.items()}
    assert all((entries[k].ttl_ms < 0) == (e.ttl_ms < 0) for k, e in wanted.items())


def test_the_audit_finds_what_is_wrong(queue: TaskQueue, redis_client: redis.Redis, prefix: str) -> None:
    assert audit_keys(queue) == []
    redis_client.lpop(f"{prefix}:queue:low")
    assert any(finding.startswith("I1: ") for finding in audit_keys(queue))


def test_only_the_namespace_is_deleted(queue: TaskQueue, redis_client: redis.Redis, prefix: str) -> None:
    redis_client.set(f"{prefix}x", "of somebody else")
    assert delete_keys(queue) > 30
    assert list(redis_client.scan_iter(match=f"{prefix}*")) == [f"{prefix}x"]
    assert delete_keys(queue) == 0


def test_no_command_grows_with_the_server(redis_url: str, queue: TaskQueue) -> None:
    with Proxy(redis_url) as proxy, TaskQueue(proxy.url, prefix=queue.settings.prefix) as far:
        audit_keys(far)
        delete_keys(far)
        assert {b"SCAN", b"UNLINK", b"MULTI", b"EXEC"} <= set(proxy.requests)
        assert not {b"KEYS", b"FLUSHDB", b"FLUSHALL", b"DEL"} & set(proxy.requests)


def test_a_command_is_asked(queue: TaskQueue) -> None:
    assert ask(queue, "ECHO", "x") == b"x"
