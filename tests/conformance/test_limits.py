"""Limits, by the clients."""

from __future__ import annotations

import pytest

from taskq import InvalidTask, Limit, Task
from tests.conformance.clients import Client, Hands, NewClient


def test_what_is_set_is_listed_with_who_runs_and_waits(client: Client, hands: Hands) -> None:
    client.set_limit("smtp", concurrency=2)
    client.set_limit("customer", concurrency=1, rate="5/s", burst=10)
    client.set_limit("api", rate="500/15m", sliding=True)
    client.submit_batch([Task(limit_keys=["smtp"]) for _ in range(3)])
    client.submit_batch([Task(limit_keys=[f"customer:{n % 2}"]) for n in range(4)])
    assert len(hands.claim()) == 4
    assert client.get_queue_stats().waiting_tasks == 3
    found = client.list_limits()
    assert [info.limit for info in found] == [
        Limit("api", rate="500/15m", sliding=True),
        Limit("customer", 1, "5/s", 10),
        Limit("smtp", 2),
    ]
    assert [(info.running, info.waiting) for info in found] == [(0, 0), (2, 2), (2, 1)]
    assert found[1].keys == {"customer:0": (1, 1), "customer:1": (1, 1)}


def test_the_end_of_one_lets_the_next_in(client: Client, hands: Hands) -> None:
    client.set_limit("k", concurrency=1)
    ids = client.submit_batch([Task(limit_keys=["k"]) for _ in range(3)])
    for task_id in ids:
        assert hands.work() == [task_id]


def test_the_type_of_a_task_counts_without_a_key(client: Client, hands: Hands) -> None:
    first, second, other = client.submit_batch([Task(task_type=name) for name in ("resize", "resize", "send")])
    client.set_limit("type:resize", concurrency=1)
    assert hands.claim() == [first, other]
    assert client.remove_limit("type:resize")
    assert not client.remove_limit("type:resize")
    assert client.get_task_status(second)["status"] == "waiting", "until anybody takes a turn"
    hands.claim()
    assert list(hands.held) == [first, other, second]


def test_keys_go_with_the_task(client: Client) -> None:
    task_id = client.submit_task(Task(limit_keys=["a", "b:7", "a"]))
    assert client.get_task(task_id).limit_keys == ["a", "b:7"]


def test_tasks_with_the_same_key_share_a_partition(new_client: NewClient) -> None:
    client = new_client(partitions=4)
    client.set_limit("k", concurrency=1)
    homes = {client.submit_task(Task(limit_keys=["k"])).rpartition(".")[2] for _ in range(8)}
    assert len(homes) == 1
    assert [info.limit.name for info in client.list_limits()] == ["k"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "limits nothing"),
        ({"concurrency": 0}, "from 1 to 1,000,000"),
        ({"rate": "fast"}, "write it as '100/s'"),
        ({"rate": "0/s"}, "write it as '100/s'"),
        ({"concurrency": 1, "burst": 3}, "belong to a rate"),
        ({"rate": "1/s", "burst": 3, "sliding": True}, "has no burst"),
        ({"rate": "20000/s", "sliding": True}, "10,000 at most"),
    ],
)
def test_what_is_no_limit_is_refused(client: Client, options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidTask, match=message):
        client.set_limit("k", **options)
    assert client.list_limits() == []


def test_a_name_that_cannot_be_used(client: Client) -> None:
    with pytest.raises(InvalidTask, match="limit name"):
        client.set_limit("a b", concurrency=1)
    with pytest.raises(InvalidTask, match="limit key"):
        Task(limit_keys=["a:b:c"])
    with pytest.raises(InvalidTask, match="use a list of keys"):
        Task(limit_keys="abc")
    with pytest.raises(InvalidTask, match="more than 4"):
        Task(limit_keys=list("abcde"))
