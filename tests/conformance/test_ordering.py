"""Ordering keys: one at a time and in order, whatever ends the one before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from taskq import InvalidTask, QueueFull, Task
from taskq.flows import due_in
from taskq.testing.faults.proxy import Proxy
from tests.conformance.clients import Client, Hands, NewClient
from tests.waiting import eventually


def line(client: Client, count: int, **options: Any) -> list[str]:
    """Submit tasks with the ordering key k, one by one."""
    return [client.submit_task(Task(payload=n, ordering_key="k", **options)) for n in range(count)]


def status(client: Client, *ids: str) -> list[str]:
    return [client.get_task_status(task_id)["status"] for task_id in ids]


@pytest.mark.parametrize("outcome", ["complete", "fail", "cancel"])
def test_each_starts_when_the_one_before_it_has_ended(client: Client, hands: Hands, outcome: str) -> None:
    ids = line(client, 3)
    for step, task_id in enumerate(ids):
        assert status(client, *ids[step:]) == ["pending"] + ["waiting"] * (2 - step)
        assert hands.work(outcome) == [task_id]
    assert hands.claim() == []


def test_the_order_is_that_of_the_submits_across_priorities_and_queues(client: Client, hands: Hands) -> None:
    low, urgent, mail = client.submit_batch(
        [
            Task(priority="low", ordering_key="k"),
            Task(priority="urgent", ordering_key="k"),
            Task(queue="mail", ordering_key="k"),
        ]
    )
    other, free = client.submit_batch([Task(ordering_key="k2"), Task()])
    assert hands.claim() == [other, free, low], "another key waits for nobody, and nobody waits for it"
    hands.end(low)
    assert hands.claim() == [urgent]
    assert status(client, mail) == ["waiting"]
    hands.end(urgent)
    assert hands.claim(queue="mail") == [mail]


@pytest.mark.parametrize(("outcome", "held"), [("retry", "retry"), ("snooze", "scheduled"), ("release", "pending")])
def test_what_goes_on_holds_the_others(client: Client, hands: Hands, outcome: str, held: str) -> None:
    first, second = line(client, 2)
    hands.claim()
    hands.end(first, outcome, delay_ms=60_000)
    assert status(client, first, second) == [held, "waiting"]
    assert client.cancel_task(first) == "cancelled"
    assert hands.claim() == [second]


def test_a_delayed_one_holds_those_behind_it_and_a_delay_behind_it_is_kept(client: Client, hands: Hands) -> None:
    first = client.submit_later(Task(ordering_key="k"), due_in(60))
    second = client.submit_later(Task(ordering_key="k"), due_in(60))
    third = client.submit_later(Task(ordering_key="k"), due_in(0))
    assert status(client, first, second, third) == ["scheduled", "waiting", "waiting"]
    client.cancel_task(first)
    assert status(client, second, third) == ["scheduled", "waiting"]
    client.cancel_task(second)
    assert hands.work() == [third]


def test_one_that_is_cancelled_in_between_is_passed_over(client: Client, hands: Hands) -> None:
    first, second, third = line(client, 3)
    assert client.cancel_task(second) == "cancelled"
    assert hands.work() == [first]
    assert hands.work() == [third]


def test_a_purge_takes_those_behind_as_well(client: Client, hands: Hands) -> None:
    line(client, 3)
    assert client.purge() == 3
    (again,) = line(client, 1)
    assert hands.work() == [again]


def now_ms(hands: Hands) -> int:
    """Return the time of the server."""
    return int(hands.run(hands.protocol.snapshot())[0])


def test_replayed_ones_go_to_the_end_in_the_order_of_their_deaths(client: Client, hands: Hands) -> None:
    first, second = line(client, 2)
    assert hands.work("fail", error="no") == [first]
    died_ms = now_ms(hands)
    eventually(lambda: now_ms(hands) > died_ms, what="another millisecond")  # deaths have no finer order
    assert hands.work("fail", error="no") == [second]
    (third,) = line(client, 1)
    assert client.replay_dead() == 2
    assert status(client, first, second, third) == ["waiting", "waiting", "pending"]
    for expected in (third, first, second):
        assert hands.work() == [expected]


def test_one_that_was_cancelled_in_its_list_and_replayed_waits_like_any_other(client: Client, hands: Hands) -> None:
    first, second = line(client, 2)
    client.cancel_task(first)
    client.retry_task(first)
    assert status(client, first, second) == ["waiting", "pending"]
    assert hands.work() == [second]
    assert hands.work() == [first]
    assert hands.claim() == []


def test_submitted_twice_it_is_stored_once(new_client: NewClient, hands: Hands, redis_url: str) -> None:
    with Proxy(redis_url) as proxy:
        client = new_client(redis_url=proxy.url)
        line(client, 1)
        task = Task(ordering_key="k")
        struck = proxy.strike("lose")
        assert client.submit_task(task) == client.submit_task(task) == task.task_id
        assert struck.is_set()
    assert len(hands.work()) == 1
    assert hands.work() == [task.task_id]
    assert hands.claim() == []


def test_a_key_has_as_many_as_a_list_may_have(new_client: NewClient, hands: Hands) -> None:
    client = new_client(max_queue_length=3)
    first, *_ = line(client, 3)
    with pytest.raises(QueueFull, match=r"3 tasks with the ordering key 'k' have not ended yet, and there may be 3"):
        line(client, 1)
    assert client.get_queue_stats().counters == {"submitted": 3}
    client.submit_batch([Task(), Task()])
    hands.work()
    assert len(line(client, 1)) == 1
    assert status(client, first) == ["completed"]


def test_where_it_cannot_be_had(client: Client) -> None:
    with pytest.raises(InvalidTask, match="cannot be used as an ordering key"):
        Task(ordering_key="a b")
    known = client.submit_task(Task())
    with pytest.raises(InvalidTask, match="might wait for one that waits for it"):
        client.submit_task(Task(depends_on=[known], ordering_key="k"))
    with pytest.raises(InvalidTask, match="might wait for its own parent"):
        client.fanout("parent", [Task(ordering_key="k")])


def test_it_is_part_of_the_task(client: Client) -> None:
    (task_id,) = line(client, 1)
    assert client.get_task(task_id).ordering_key == "k"


def test_all_of_a_key_go_to_one_partition(new_client: NewClient) -> None:
    client = new_client(partitions=4)
    homes = {task_id.rpartition(".")[2] for task_id in line(client, 8)}
    assert len(homes) == 1
    assert client.get_queue_stats().waiting_tasks == 7


def test_a_decorated_function_takes_the_key_as_an_option(client: Client, hands: Hands) -> None:
    @client.task(name="work", ordering_key="k")  # type: ignore[untyped-decorator]  # of either kind of client
    def work() -> None: ...

    other = work.options(ordering_key="k2", retry_delay=timedelta(seconds=1))
    ids = [client.finish(task.delay()).id for task in (work, work, other)]
    assert status(client, *ids) == ["pending", "waiting", "pending"]
