"""Fifty submits at the same moment: on an event loop they share calls, and none of them notices the others."""

from __future__ import annotations

import asyncio
import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import redis

from taskq.errors import QueueFull, ServerError, ServerFull, TaskConflict
from taskq.model.partition import home_of
from taskq.model.task import Task
from taskq.protocol.audit import audit
from taskq.testing.faults.proxy import Proxy
from tests.conformance.clients import AsyncClient, Client, Hands, NewClient, at_once
from tests.servers import ServerProcess

COUNT = 50


def tasks_of(count: int = COUNT, **options: Any) -> list[Task]:
    return [Task(payload=number, **options) for number in range(count)]


def check(hands: Hands, ids: Sequence[str]) -> None:
    """Everything is in order, and exactly these tasks are there, once each."""
    findings = audit(hands.run(hands.protocol.snapshot()), 30_000)
    assert not findings, "\n".join(findings)
    assert Counter(all_of(hands)) == Counter(ids)


def all_of(hands: Hands) -> list[str]:
    """Claim everything that waits, however much one turn hands out."""
    claimed: list[str] = []
    while more := hands.claim():
        claimed += more
    return claimed


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    with Proxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
def far(new_client: NewClient, proxy: Proxy) -> Client:
    return new_client(redis_url=proxy.url, socket_timeout_seconds=1.0, call_timeout_seconds=20.0)


def test_each_gets_its_own_id(client: Client, hands: Hands) -> None:
    tasks = tasks_of()
    assert at_once(client, tasks) == [task.task_id for task in tasks]
    check(hands, [task.task_id for task in tasks])


def test_an_event_loop_asks_seldom_for_all(far: Client, proxy: Proxy) -> None:
    far.submit_task(Task())  # connected, and the script is known
    before = proxy.requests.count(b"EVALSHA")
    at_once(far, tasks_of())
    calls = proxy.requests.count(b"EVALSHA") - before
    assert calls <= COUNT / 20 if isinstance(far, AsyncClient) else calls == COUNT


def test_each_list_keeps_the_order_of_the_submits(new_client: NewClient, hands: Hands) -> None:
    client = new_client()
    if not isinstance(client, AsyncClient):
        pytest.skip("threads have no order")
    tasks = [
        Task(
            priority=("low", "high")[n % 2],
            queue=("default", "other")[n % 3 == 0],
            task_id=f"mine-{n}" if n % 7 == 0 else "",  # it travels by itself
        )
        for n in range(COUNT)
    ]
    at_once(client, tasks)
    for queue in (None, "other"):
        expected = [
            task.task_id for priority in (10, 0) for task in tasks if (task.queue, task.priority) == (queue, priority)
        ]
        assert hands.claim(100, queue) == expected


def test_a_list_takes_as_many_as_it_may_hold(new_client: NewClient, hands: Hands) -> None:
    outcomes = at_once(new_client(max_queue_length=30), tasks_of())
    stored = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(stored) == 30
    assert sum(isinstance(outcome, QueueFull) for outcome in outcomes) == COUNT - 30
    check(hands, stored)


def test_a_full_list_is_no_matter_of_the_others(new_client: NewClient, hands: Hands) -> None:
    client = new_client(max_queue_length=1)
    client.submit_task(Task(priority="high", payload="first"))
    tasks = [Task(priority="high"), Task(priority="low"), Task(priority="urgent"), Task(priority="high")]
    outcomes = at_once(client, tasks)
    assert [type(outcome) for outcome in outcomes] == [QueueFull, str, str, QueueFull]


def test_a_conflict_is_no_matter_of_the_others(client: Client, hands: Hands) -> None:
    tasks = tasks_of()
    taken = copy.copy(tasks[20])  # says that its id is fresh, as a copy in another process would
    taken.payload = "another"
    client.submit_task(taken)
    outcomes = at_once(client, tasks)
    assert isinstance(outcomes[20], TaskConflict)
    assert "1 of 1 tasks" in str(outcomes[20])
    ids = [task.task_id for task in tasks]
    assert outcomes[:20] + outcomes[21:] == ids[:20] + ids[21:]
    check(hands, ids)


def test_ids_keys_and_times_of_ones_own_among_the_others(client: Client, hands: Hands) -> None:
    tasks = tasks_of(10)
    client.submit_task(Task(task_id="held", unique_key="k"))
    own = [Task(task_id="mine"), Task(unique_key="k"), Task(task_id="mine")]
    own[2].created_at = own[0].created_at
    outcomes = at_once(client, tasks[:5] + own + tasks[5:])
    assert outcomes[5:8] == ["mine", "held", "mine"]
    check(hands, [*(task.task_id for task in tasks), "held", "mine"])


def test_an_id_that_has_ended_and_expired(client: Client, hands: Hands, redis_client: redis.Redis, prefix: str) -> None:
    """What is left of the earlier task goes away with the submit of the new one, whatever that travels with."""
    client.submit_task(Task(task_id="mine"))
    hands.work()
    redis_client.delete(f"{prefix}:task:mine", f"{prefix}:state:mine", f"{prefix}:result:mine")
    tasks = [Task(), Task(task_id="mine"), Task()]
    assert at_once(client, tasks) == [task.task_id for task in tasks]
    check(hands, [task.task_id for task in tasks])


def test_a_broken_list_is_no_matter_of_the_others(client: Client, redis_client: redis.Redis, prefix: str) -> None:
    redis_client.set(f"{prefix}:queue:high", "of another program")
    outcomes = at_once(client, [Task(priority="low"), Task(priority="high"), Task(priority="low")])
    assert [isinstance(outcome, ServerError) for outcome in outcomes] == [False, True, False]
    assert redis_client.llen(f"{prefix}:queue:low") == redis_client.scard(f"{prefix}:status:pending") == 2


def test_copies_of_a_task_are_stored_once(client: Client, hands: Hands) -> None:
    task = Task(payload=1)
    copies = [copy.copy(task) for _ in range(5)]
    assert at_once(client, copies) == [task.task_id] * 5
    check(hands, [task.task_id])


def test_copies_of_a_task_in_a_batch_are_stored_once(client: Client, hands: Hands) -> None:
    task = Task(payload=1)
    assert client.submit_batch([copy.copy(task), copy.copy(task)]) == [task.task_id] * 2
    check(hands, [task.task_id])


def test_a_full_server_refuses_each_and_takes_each_again(new_client: NewClient, server: ServerProcess) -> None:
    client, tasks = new_client(redis_url=server.url), tasks_of()
    client.submit_task(Task())
    with server.client() as admin:
        admin.config_set("maxmemory-policy", "noeviction")
        admin.config_set("maxmemory", "1")
        assert all(isinstance(outcome, ServerFull) for outcome in at_once(client, tasks))
        admin.config_set("maxmemory", "0")
    assert at_once(client, tasks) == [task.task_id for task in tasks]
    assert client.get_queue_stats().counters["submitted"] == COUNT + 1


def test_large_ones_do_not_share_a_call(far: Client, proxy: Proxy, hands: Hands) -> None:
    far.submit_task(Task(task_id="first"))
    before = len(proxy.requests)
    tasks = [Task(payload="x" * 90_000) for _ in range(8)]
    assert at_once(far, tasks) == [task.task_id for task in tasks]
    if isinstance(far, AsyncClient):
        assert len(proxy.requests) - before == 4
    check(hands, ["first", *(task.task_id for task in tasks)])


def test_in_a_queue_of_several_partitions(new_client: NewClient) -> None:
    client, tasks = new_client(partitions=3), tasks_of()
    ids = at_once(client, tasks)
    assert sorted(ids) == sorted(task.task_id for task in tasks)
    assert sorted(Counter(home_of(task_id, 3) for task_id in ids).values()) == [16, 17, 17]
    assert {client.get_task(task_id).payload for task_id in ids} == set(range(COUNT))


def test_scripts_that_the_server_has_forgotten(client: Client, hands: Hands, redis_client: redis.Redis) -> None:
    client.submit_task(Task(task_id="first"))
    redis_client.script_flush()
    tasks = tasks_of()
    assert at_once(client, tasks) == [task.task_id for task in tasks]
    check(hands, ["first", *(task.task_id for task in tasks)])


@pytest.mark.parametrize("action", ["cut", "lose", "hang"])
def test_a_fault_is_not_noticed(far: Client, proxy: Proxy, hands: Hands, client: Client, action: str) -> None:
    far.submit_task(Task(task_id="first"))
    tasks = tasks_of(3 * COUNT)
    struck = proxy.strike(action, skip=1)  # a call in the middle of the write
    assert at_once(far, tasks) == [task.task_id for task in tasks]
    assert struck.is_set()
    assert client.get_queue_stats().counters["submitted"] == 3 * COUNT + 1
    check(hands, ["first", *(task.task_id for task in tasks)])


@pytest.mark.parametrize("rounds", [1, 5])
@pytest.mark.parametrize("action", ["", "cut", "lose"])
def test_whoever_is_cancelled_harms_nobody(far: Client, proxy: Proxy, hands: Hands, action: str, rounds: int) -> None:
    """Its task is stored once or not at all; a caller that is cancelled does not learn which."""
    if not isinstance(far, AsyncClient):
        pytest.skip("threads are not cancelled")
    far.submit_task(Task(task_id="first"))
    assert hands.claim() == ["first"]
    for cancelled in (0, 7, COUNT - 1):
        tasks = tasks_of()
        ids = [task.task_id for task in tasks]
        struck = proxy.strike(action) if action else None
        outcomes = at_once(far, tasks, [cancelled], rounds)
        assert struck is None or struck.is_set()
        outcome, lonely = outcomes.pop(cancelled), ids.pop(cancelled)
        assert outcomes == ids
        claimed = Counter(all_of(hands))
        times = claimed.pop(lonely, 0)
        if isinstance(outcome, asyncio.CancelledError):
            assert times <= 1
        else:
            assert (outcome, times) == (lonely, 1)
        assert claimed == Counter(ids)


def test_the_repetition_after_a_full_list_is_no_new_submit(new_client: NewClient, proxy: Proxy, hands: Hands) -> None:
    """The reply to the call for all is lost; by then the list is full, of the very tasks that are sent again."""
    far = new_client(redis_url=proxy.url, socket_timeout_seconds=1.0, call_timeout_seconds=20.0, max_queue_length=COUNT)
    tasks = tasks_of()
    if isinstance(far, AsyncClient):
        far.get_queue_stats()
    struck = proxy.strike("lose")
    assert at_once(far, tasks) == [task.task_id for task in tasks]
    assert struck.is_set()
    check(hands, [task.task_id for task in tasks])
