"""Unique keys and what may be said about them, by the clients."""

from __future__ import annotations

from datetime import timedelta

import pytest

from taskq import DuplicateTask, InvalidTask, Task, UniquePolicy
from tests.conformance.clients import Client, Hands, NewClient


def test_reject_names_the_holder(client: Client) -> None:
    holder = client.submit_task(Task(unique_key="k"))
    with pytest.raises(DuplicateTask, match=f"task {holder} holds the unique key 'k': nothing was stored") as caught:
        client.submit_batch([Task(), Task(unique_key="k", unique_policy="reject")])
    assert (caught.value.task_id, caught.value.stored) == (holder, 0)
    assert client.get_queue_stats().pending_tasks == 1


def test_replace_runs_what_came_last(client: Client, hands: Hands) -> None:
    ids = [client.submit_task(Task(payload=n, unique_key="k", unique_policy=UniquePolicy.REPLACE)) for n in range(3)]
    assert hands.work() == ids[2:]
    assert client.wait_for_result(ids[2], 5)["result"] == 2
    replaced = client.get_task_result(ids[0])
    assert (replaced["status"], replaced["error"]) == ("cancelled", f"replaced by {ids[1]}")
    assert client.get_task_status(ids[0])["reason"] == "replaced"


def test_one_runs_and_one_waits(client: Client, hands: Hands) -> None:
    first = client.submit_task(Task(unique_key="k", unique_policy="queue_one"))
    assert hands.claim() == [first]
    second = client.submit_task(Task(unique_key="k", unique_policy="queue_one"))
    assert client.submit_task(Task(unique_key="k", unique_policy="queue_one")) == second
    assert client.get_task_status(second)["status"] == "waiting"
    hands.end(first)
    assert hands.work() == [second]


def test_a_finished_one_is_returned_with_its_result_for_a_while(client: Client, hands: Hands) -> None:
    first = client.submit_task(Task(payload=7, unique_key="k", idempotency=3600))
    hands.work()
    assert client.submit_task(Task(payload=8, unique_key="k", unique_policy="reject")) == first
    assert client.get_task_result(first)["result"] == 7


def test_times_may_be_spans(client: Client) -> None:
    task_id = client.submit_task(
        Task(unique_key="k", unique_policy="debounce", unique_window=timedelta(minutes=1), unique_ttl=90, idempotency=5)
    )
    found = client.get_task(task_id)
    said = (found.unique_policy, found.unique_window, found.unique_ttl, found.idempotency)
    assert said == ("debounce", 60.0, 90, 5)
    assert client.get_task_status(task_id)["status"] == "scheduled"


def test_a_decorated_function_says_what_becomes_of_its_calls(client: Client, hands: Hands) -> None:
    @client.task(name="sync", unique_key="sync", unique_policy="throttle", unique_window=60)  # type: ignore[untyped-decorator]  # of either client
    def sync(number: int) -> int:
        return number

    first = client.finish(sync.delay(1))
    hands.work()
    assert client.finish(sync.delay(2)).id == first.id
    other = client.finish(sync.options(unique_key="another").delay(3))
    assert other.id != first.id


def test_tasks_with_a_key_share_a_partition(new_client: NewClient) -> None:
    client = new_client(partitions=4)
    first = client.submit_task(Task(unique_key="k", unique_policy="queue_one"))
    assert {client.submit_task(Task(unique_key="k", unique_policy="queue_one")) for _ in range(8)} == {first}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unique_key": "k", "unique_policy": "never"}, "use one of existing, reject, replace, queue_one, debounce"),
        ({"unique_policy": "reject"}, "belong to a unique_key"),
        ({"idempotency": 5}, "belong to a unique_key"),
        ({"unique_key": "k", "unique_policy": "debounce"}, "debounce and throttle need a window"),
        ({"unique_key": "k", "unique_window": 5}, "the others have none"),
        ({"unique_key": "k", "unique_ttl": 0}, "unique_ttl is 0: use a number of seconds above 0"),
        ({"unique_key": "k", "unique_policy": "queue_one", "ordering_key": "o"}, "would wait in two places"),
    ],
)
def test_what_cannot_be_said(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidTask, match=message):
        Task(**options)  # type: ignore[arg-type]  # as a user would
