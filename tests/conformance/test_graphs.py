"""Tasks that depend on others, by the clients."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
import redis

from taskq import InvalidTask, QueueFull, Task, TaskConflict, TaskNotFound
from taskq.testing.faults.proxy import Proxy
from tests.conformance.clients import Client, Hands, NewClient


def status(client: Client, *ids: str) -> list[str]:
    return [client.get_task_status(task_id)["status"] for task_id in ids]


def test_a_chain_runs_step_by_step(client: Client, hands: Hands) -> None:
    ids = client.chain(*(Task(payload=n) for n in range(3)))
    for step, task_id in enumerate(ids):
        assert status(client, *ids) == ["completed"] * step + ["pending"] + ["waiting"] * (2 - step)
        assert hands.work() == [task_id]
    assert status(client, *ids) == ["completed"] * 3


def test_a_chord_runs_when_all_have_completed(client: Client, hands: Hands) -> None:
    *tasks, callback = client.chord([Task(payload=n) for n in range(3)], Task(priority="urgent"))
    assert hands.claim() == tasks
    for task_id in reversed(tasks):
        assert status(client, callback) == ["waiting"]
        hands.end(task_id)
    assert hands.work() == [callback]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_graph_in_any_order(client: Client, hands: Hands, order: tuple[int, ...]) -> None:
    a, b, c, d = Task(), Task(), Task(), Task()
    b.depends_on, c.depends_on, d.depends_on = (a.task_id,), (a.task_id,), (b.task_id, c.task_id)
    graph = [a, b, c, d]
    ids = client.submit_batch([graph[n] for n in order])
    assert ids == [graph[n].task_id for n in order]
    assert hands.work() == [a.task_id]
    assert sorted(hands.work()) == sorted([b.task_id, c.task_id])
    assert hands.work() == [d.task_id]


def test_what_it_depends_on_may_have_begun_or_ended(client: Client, hands: Hands) -> None:
    done, bad, running, unique = client.submit_batch([Task(), Task(), Task(), Task(queue="mail", unique_key="k")])
    hands.claim()
    hands.end(done)
    hands.end(bad, "fail", error="no")
    pair = client.submit_task(Task(depends_on=[done, running, unique]))
    doomed = client.submit_task(Task(depends_on=[running, bad]))
    assert status(client, pair, doomed) == ["waiting", "pending"], "a failure has decided already"
    assert status(client, client.submit_task(Task(depends_on=[done]))) == ["pending"]
    hands.end(running)
    assert status(client, pair) == ["waiting"]
    hands.claim(queue="mail")
    hands.end(unique)
    assert status(client, pair) == ["pending"]


@pytest.mark.parametrize(("outcome", "woken"), [("complete", 1), ("fail", 2)])
def test_callbacks_wait_for_the_end(client: Client, hands: Hands, outcome: str, woken: int) -> None:
    good, bad = Task(), Task()
    task_id = client.submit_with_callbacks(Task(), on_success=good, on_failure=bad)
    assert status(client, good.task_id, bad.task_id) == ["waiting", "waiting"]
    assert hands.work(outcome) == [task_id]
    assert status(client, good.task_id, bad.task_id) == ["pending", "pending"], "the worker decides which one runs"


def test_a_circle_is_refused(client: Client) -> None:
    a, b, c = Task(task_id="a"), Task(task_id="b"), Task(task_id="c")
    a.depends_on, b.depends_on, c.depends_on = ("c",), ("a",), ("b",)
    with pytest.raises(InvalidTask, match=r"in a circle: .* -> .* -> .*: none of them could ever run"):
        client.submit_batch([a, b, c])
    with pytest.raises(InvalidTask, match="task a depends on itself"):
        Task(task_id="a", depends_on=["a"])
    assert client.get_queue_stats().counters == {}


def test_what_cannot_be_stored_changes_nothing(new_client: NewClient) -> None:
    client = new_client(max_queue_length=3)
    known = client.submit_task(Task())
    with pytest.raises(TaskNotFound, match="a task depends on unknown, and there is no such task"):
        client.submit_batch([Task(), Task(depends_on=["unknown"])])
    with pytest.raises(TaskConflict, match=known):
        client.chain(Task(task_id=known, payload="another"), Task())
    with pytest.raises(QueueFull):
        client.chain(Task(), Task(), Task())
    with pytest.raises(InvalidTask, match="unique_key"):
        client.chain(Task(), Task(unique_key="k"))
    same = Task()
    with pytest.raises(InvalidTask, match="stands there twice"):
        client.chord([same, same], Task())
    with pytest.raises(InvalidTask, match="no tasks"):
        client.chord([], Task())
    with pytest.raises(InvalidTask, match="durability"):
        client.submit_task(Task(depends_on=[known]), durability="fsync")
    with pytest.raises(InvalidTask, match="cannot have a time of its own"):
        client.submit_later(Task(depends_on=[known]), "+1000")
    with pytest.raises(InvalidTask, match="use a list of ids"):
        Task(depends_on="abc")
    with pytest.raises(InvalidTask, match="run_when"):
        Task(depends_on=["a"], run_when="never")
    with pytest.raises(InvalidTask, match="more than 1,000"):
        Task(depends_on=[f"a{n}" for n in range(1001)])
    assert client.get_queue_stats().counters == {"submitted": 1}


@pytest.mark.parametrize("action", ["cut", "lose"])
def test_a_lost_request_or_reply_is_made_good(new_client: NewClient, redis_url: str, action: str) -> None:
    with Proxy(redis_url) as proxy:
        client = new_client(redis_url=proxy.url)
        tasks = [Task(), Task(), Task()]
        client.chain(Task(), Task())
        struck = proxy.strike(action)
        ids = client.chain(*tasks)
        assert struck.is_set()
        assert client.chain(*tasks) == ids
        assert client.get_queue_stats().counters["submitted"] == 5


def test_cancelling_one_that_waits(client: Client, hands: Hands) -> None:
    first, second, third = client.chain(Task(), Task(), Task())
    assert client.cancel_task(second) == "cancelled"
    assert status(client, first, second, third) == ["pending", "cancelled", "pending"]
    found: Any = client.get_task(third)
    assert found.depends_on == [second]


def test_many_are_stored_in_several_steps_in_their_order(client: Client, redis_client: redis.Redis) -> None:
    redis_client.config_resetstat()
    ids = client.chain(*(Task() for _ in range(600)))
    assert client.get_queue_stats().counters == {"submitted": 600}
    assert redis_client.info("commandstats")["cmdstat_evalsha"]["calls"] >= 3, "no call is long"
    assert [client.get_task(task_id).depends_on for task_id in (ids[0], ids[300], ids[599])] == [
        (), [ids[299]], [ids[598]]
    ]  # fmt: skip


def test_what_a_refusal_leaves_out_is_added_by_the_same_call(new_client: NewClient) -> None:
    tasks = [Task() for _ in range(600)]
    with pytest.raises(QueueFull, match="only the first 250 of the batch were stored") as refused:
        new_client(max_queue_length=250).chain(*tasks)
    assert refused.value.stored == 250
    client = new_client()
    assert client.chain(*tasks) == [task.task_id for task in tasks]
    assert client.get_queue_stats().counters == {"submitted": 600}
