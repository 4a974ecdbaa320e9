"""Waiting for a result: the server sends it, and a lost notice costs seconds, never the result."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
import redis

from taskq.errors import ResultTimeout, TaskNotFound
from taskq.flows import due_in
from taskq.model.task import Task
from taskq.testing.faults.proxy import Proxy
from tests.conformance.clients import Client, Hands, NewClient
from tests.waiting import eventually


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(40) as threads:
        yield threads


def wait_in(threads: ThreadPoolExecutor, client: Client, task_id: str, timeout: float | None = 20) -> Future[Any]:
    return threads.submit(client.wait_for_result, task_id, timeout)


def until_waiting(redis_client: redis.Redis, prefix: str, *ids: str) -> None:
    """Wait until the server knows that these results are waited for."""
    eventually(lambda: all(redis_client.exists(f"{prefix}:waiters:{i}") for i in ids), what="the waiters")


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    with Proxy(redis_url) as proxy:
        yield proxy


def test_a_task_that_has_ended_already(client: Client, hands: Hands) -> None:
    task_id = client.submit_task(Task(payload="x"))
    hands.work()
    assert client.wait_for_result(task_id, 5)["result"] == "x"
    assert client.wait_for_result(task_id, 0)["result"] == "x"
    assert client.wait_for_result(task_id)["result"] == "x"


@pytest.mark.parametrize(
    ("outcome", "status"), [("complete", "completed"), ("fail", "failed"), ("cancel", "cancelled")]
)
def test_a_task_that_ends_while_we_wait(
    client: Client,
    hands: Hands,
    threads: ThreadPoolExecutor,
    redis_client: redis.Redis,
    prefix: str,
    outcome: str,
    status: str,
) -> None:
    task_id = client.submit_task(Task(payload="x"))
    waiting = wait_in(threads, client, task_id, None)
    until_waiting(redis_client, prefix, task_id)
    started = time.monotonic()
    hands.work(outcome)
    assert waiting.result(20)["status"] == status
    assert time.monotonic() - started < 5, "it was sent, not looked for"


def test_a_task_that_we_cancel(
    client: Client, threads: ThreadPoolExecutor, redis_client: redis.Redis, prefix: str
) -> None:
    task_id = client.submit_later(Task(), due_in(60))
    waiting = wait_in(threads, client, task_id)
    until_waiting(redis_client, prefix, task_id)
    client.cancel_task(task_id)
    assert waiting.result(20)["status"] == "cancelled"


def test_at_the_timeout_the_task_goes_on(client: Client, hands: Hands) -> None:
    task_id = client.submit_task(Task())
    started = time.monotonic()
    with pytest.raises(
        ResultTimeout, match=rf"task {task_id} has not ended within 0.2 s: it is not given up.*task explain {task_id}"
    ):
        client.wait_for_result(task_id, 0.2)
    assert 0.15 < time.monotonic() - started < 3
    with pytest.raises(TimeoutError):
        client.wait_for_result(task_id, 0)
    assert hands.claim() == [task_id]


def test_an_unknown_task(client: Client) -> None:
    with pytest.raises(TaskNotFound):
        client.wait_for_result("nothing", 5)


def test_many_wait_at_once(
    client: Client, hands: Hands, threads: ThreadPoolExecutor, redis_client: redis.Redis, prefix: str
) -> None:
    ids = client.submit_batch([Task(payload=n) for n in range(30)])
    waiting = [wait_in(threads, client, task_id) for task_id in ids]
    waiting += [wait_in(threads, client, ids[0]) for _ in range(5)]
    until_waiting(redis_client, prefix, *ids)
    started = time.monotonic()
    hands.work()
    assert [future.result(20)["result"] for future in waiting] == [*range(30), *[0] * 5]
    assert time.monotonic() - started < 5


def test_tasks_that_end_at_the_very_moment_we_ask(client: Client, hands: Hands, threads: ThreadPoolExecutor) -> None:
    """The result may be sent before the client has begun to listen for it, while it already listens for others."""
    blocker = client.submit_task(Task(priority="urgent"))
    hands.claim(1)
    first = wait_in(threads, client, blocker)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            for task_id in hands.claim(1):
                hands.end(task_id)

    worker = threads.submit(work)
    started = time.monotonic()
    for n in range(60):
        assert client.wait_for_result(client.submit_task(Task(payload=n)), 20)["result"] == n
    stop.set()
    worker.result(20)
    hands.end(blocker)
    first.result(20)
    assert time.monotonic() - started < 8, "each of them was sent at once"


def test_nobody_polls(hands: Hands, new_client: NewClient, proxy: Proxy, threads: ThreadPoolExecutor) -> None:
    client = new_client(redis_url=proxy.url)
    task_id = client.submit_task(Task())
    waiting = wait_in(threads, client, task_id)
    eventually(lambda: b"BLPOP" in proxy.requests, what="the wait")
    hands.work()
    waiting.result(20)
    commands = [command for command in proxy.requests if command not in (b"CLIENT", b"SELECT", b"HELLO")]
    # EVAL for scripts that the server did not know
    assert sum(command in (b"EVALSHA", b"EVAL") for command in commands) <= 4
    assert commands.count(b"BLPOP") <= 2


def test_a_connection_that_is_cut_while_we_wait(
    hands: Hands, new_client: NewClient, proxy: Proxy, threads: ThreadPoolExecutor
) -> None:
    client = new_client(redis_url=proxy.url)
    task_id = client.submit_task(Task(payload="x"))
    waiting = wait_in(threads, client, task_id)
    seen = 0
    for _ in range(2):
        eventually(lambda seen=seen: proxy.requests.count(b"BLPOP") > seen, what="the wait")
        seen = proxy.requests.count(b"BLPOP")
        proxy.cut_connections()
    hands.work()
    assert waiting.result(20)["result"] == "x"


def test_a_result_that_was_lost_on_its_way(
    hands: Hands, new_client: NewClient, proxy: Proxy, threads: ThreadPoolExecutor
) -> None:
    """The server has sent it and taken it from the reply list, but the connection broke: it is read instead."""
    client = new_client(redis_url=proxy.url)
    task_id = client.submit_task(Task(payload="x"))
    lost = proxy.strike("lose", "BLPOP")
    waiting = wait_in(threads, client, task_id)
    eventually(lambda: b"BLPOP" in proxy.requests, what="the wait")
    started = time.monotonic()
    hands.work()
    assert waiting.result(20)["result"] == "x"
    assert lost.is_set()
    assert time.monotonic() - started < 5, "it is looked for at once"


def test_a_lost_reply_to_the_question_itself(
    hands: Hands, new_client: NewClient, proxy: Proxy, threads: ThreadPoolExecutor
) -> None:
    client = new_client(redis_url=proxy.url)
    task_id = client.submit_task(Task(payload="x"))
    lost = proxy.strike("lose", "await")
    waiting = wait_in(threads, client, task_id)
    eventually(lost.is_set, what="the loss")
    hands.work()
    assert waiting.result(20)["result"] == "x"


def test_waiting_leaves_nothing_behind(
    client: Client, hands: Hands, threads: ThreadPoolExecutor, redis_client: redis.Redis, prefix: str
) -> None:
    task_id = client.submit_task(Task())
    waiting = wait_in(threads, client, task_id)
    until_waiting(redis_client, prefix, task_id)
    hands.work()
    waiting.result(20)
    left = [key for key in redis_client.keys(f"{prefix}:*") if ":waiters:" in key or ":reply:" in key]
    assert left == []
    assert 0 < redis_client.pttl(f"{prefix}:awaited") <= 30_000
