"""Fan-out and fan-in by hand."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from taskq import InvalidTask, QueueFull, Task, TaskConflict, TaskNotFound
from taskq.kinds import Secret
from taskq.testing.faults.proxy import Proxy
from tests.conformance.clients import Client, Hands, NewClient


def subtasks(count: int, **options: Any) -> list[Task]:
    return [Task(task_type="part", payload=n, **options) for n in range(count)]


@pytest.mark.parametrize("keys", [None, Secret("A" * 86)])
def test_whoever_reports_the_last_one_is_given_all(new_client: NewClient, keys: Secret | None) -> None:
    client = new_client(encryption_keys=keys)
    ids = client.fanout("report", subtasks(3), {"name": "spring"})
    assert len(set(ids)) == 3
    for task_id in (ids[2], ids[0], ids[0]):
        assert client.fanout_complete("report", task_id, {"of": task_id}) is None
    aggregate = client.fanout_complete("report", ids[1], {"of": ids[1]})
    assert (aggregate["task_id"], aggregate["parent_data"]) == ("report", {"name": "spring"})
    assert [(r["task_id"], r["status"], r["result"]) for r in aggregate["results"]] == [
        (task_id, "completed", {"of": task_id}) for task_id in ids
    ]
    assert client.fanout_complete("report", ids[1], "again") is None, "once"


def test_a_subtask_that_ends_by_itself_is_counted_too(client: Client, hands: Hands) -> None:
    ids = client.fanout("report", subtasks(3))
    hands.claim(1)
    hands.end(ids[0])
    client.cancel_task(ids[2])
    aggregate = client.fanout_complete("report", ids[1], 1)
    assert [r["status"] for r in aggregate["results"]] == ["completed", "completed", "cancelled"]


def test_it_can_be_called_again(client: Client) -> None:
    ids = client.fanout("report", subtasks(250))
    assert client.fanout("report", subtasks(250)) == ids
    assert client.get_queue_stats().pending_tasks == 250
    with pytest.raises(TaskConflict, match="report has been fanned out to 250 children before, now there are 2"):
        client.fanout("report", subtasks(2))
    own = client.fanout("own", [Task(task_id="mine")])
    assert own == ["mine"]
    with pytest.raises(TaskConflict, match="mine"):
        client.fanout("other", [Task(task_id="mine")])


def test_what_cannot_be_done_is_said(new_client: NewClient) -> None:
    client = new_client(max_queue_length=150)
    with pytest.raises(InvalidTask, match="no subtasks"):
        client.fanout("report", [])
    with pytest.raises(QueueFull, match="100 of 200 children are stored"):
        client.fanout("report", subtasks(200))
    ids = client.fanout("small", subtasks(2))
    for parent, child in (("unknown", ids[0]), ("small", "unknown")):
        with pytest.raises(TaskNotFound, match="is no subtask of"):
            client.fanout_complete(parent, child, 1)
    with pytest.raises(InvalidTask, match="not JSON"):
        client.fanout_complete("small", ids[0], {1})


@pytest.mark.parametrize("action", ["cut", "lose"])
def test_a_lost_request_or_reply_is_made_good(new_client: NewClient, redis_url: str, action: str) -> None:
    with Proxy(redis_url) as proxy:
        client = new_client(redis_url=proxy.url)
        client.fanout_complete("warm", client.fanout("warm", subtasks(2))[0], 0)
        struck = [proxy.strike(action), proxy.strike(action, skip=3)]
        ids = client.fanout("report", subtasks(250))
        assert client.get_queue_stats().pending_tasks == 252
        struck.append(proxy.strike(action))
        small = client.fanout("small", subtasks(1))
        struck.append(proxy.strike(action))
        assert client.fanout_complete("small", small[0], 1)["results"][0]["result"] == 1
        assert all(event.is_set() for event in struck)
        assert len(set(ids)) == 250


def test_reports_at_the_same_time_give_one_aggregate(new_client: NewClient) -> None:
    clients = [new_client(), new_client()]
    for n in range(20):
        ids = clients[0].fanout(f"report{n}", subtasks(2))
        answers: list[Any] = []
        start = threading.Barrier(2)

        def report(
            client: Client, task_id: str, parent: str = f"report{n}", go: Any = start, to: Any = answers
        ) -> None:
            go.wait(10)
            to.append(client.fanout_complete(parent, task_id, task_id))

        threads = [threading.Thread(target=report, args=pair) for pair in zip(clients, ids, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(answer is not None for answer in answers) == 1
