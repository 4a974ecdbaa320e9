"""group, trees and sagas by the clients."""

from __future__ import annotations

import pytest

from taskq import InvalidTask, QueueFull, Saga, Task, TaskNotFound
from taskq.protocol.workflow import Child, FamilyPlan
from taskq.testing.faults.proxy import Proxy
from taskq.workflow.sagas import Record
from tests.conformance.clients import Client, Hands, NewClient


def fan_out(hands: Hands, parent: str, *children: str) -> None:
    """Let a claimed task make children and wait for them."""
    claim = hands.held[parent]
    plan = FamilyPlan(f"{parent}/1", len(children), "fail_fast", 0, parent, claim.fence)
    bodies = [Child(i, claim.envelope.decode().replace(parent, i), "normal") for i in children]
    assert hands.run(hands.protocol.fanout(plan, 0, bodies, 0)) == (1, len(children))
    hands.end(parent, "wait", error=plan.name)


def test_a_group_is_stored_as_a_whole_or_not_at_all(new_client: NewClient) -> None:
    client = new_client(max_queue_length=2)
    assert client.group() == []
    with pytest.raises(QueueFull):
        client.group(Task(), Task(), Task())
    assert client.get_queue_stats().pending_tasks == 0
    tasks = [Task(), Task()]
    assert client.group(*tasks) == [task.task_id for task in tasks]
    assert client.group(*tasks) == [task.task_id for task in tasks], "the same again is stored once"
    assert client.get_queue_stats().pending_tasks == 2


def test_a_tree_that_has_failed_is_run_again(client: Client, hands: Hands) -> None:
    client.submit_task(Task(task_id="root"))
    hands.claim()
    fan_out(hands, "root", "one", "two")
    hands.claim()
    fan_out(hands, "two", "deep")
    hands.end("one")
    hands.claim()
    hands.end("deep", "fail", error="broken")
    for task_id in ("two", "root"):
        assert hands.claim() == [task_id]
        hands.end(task_id, "fail", error=f"{task_id} has failed with it")
    tree = client.get_tree("root")
    assert (tree.status, tree.error) == ("failed", "root has failed with it")
    (family,) = tree.families
    assert (family.total, family.completed, family.failed, family.done) == (2, 1, 1, "failed")
    assert [(below.task_id, below.status) for below in family.tasks] == [("one", "completed"), ("two", "failed")]
    assert [below.task_id for below in family.tasks[1].families[0].tasks] == ["deep"]
    assert client.retry_tree("root") == 3
    assert client.retry_tree("root") == 0, "what runs again already is left alone"
    assert sorted(hands.claim()) == ["deep", "root", "two"]
    for task_id in ("two", "root"):
        hands.end(task_id, "wait", error=f"{task_id}/1")
    assert client.get_queue_stats().waiting_tasks == 2, "they wait for their children as the first time"
    hands.end("deep")
    for task_id in ("two", "root"):
        assert hands.claim() == [task_id]
        hands.end(task_id)
    assert client.get_tree("root").to_dict()["families"][0]["done"] == "completed"
    with pytest.raises(InvalidTask, match="is completed, and with it its tree"):
        client.retry_tree("root")
    for verb in (client.retry_tree, client.get_tree, client.cancel_tree):
        with pytest.raises(TaskNotFound):
            verb("missing")


def test_a_tree_has_a_limit_and_follows_nothing_twice(client: Client, hands: Hands) -> None:
    shared = Task(task_id="shared")
    middle = [Task(task_id=f"m{n}", depends_on=["shared"]) for n in range(3)]
    client.submit_batch([shared, *middle, Task(task_id="end", depends_on=["m0", "m1", "m2"])])
    tree = client.get_tree("end")
    below = tree.families[0].tasks
    assert [[(one.task_id, one.seen) for one in node.families[0].tasks] for node in below] == [
        [("shared", False)], [("shared", True)], [("shared", True)]
    ]  # fmt: skip
    assert len(client.get_tree("end", limit=2).families[0].tasks) == 2
    assert tree.families[0].kind == "depends_on"


def test_a_saga_is_listed_shown_and_driven(client: Client, hands: Hands) -> None:
    record = Record(["reserve", "charge"], done=["reserve"], results={"reserve": 7})
    going = hands.begin_saga(client.submit_task(Saga("order").task()), record)
    info = client.get_saga(going)
    assert (info.state, info.step, info.steps) == ("running", "charge", (("reserve", "done"), ("charge", "open")))
    assert info.results == {"reserve": 7}
    record.turn_round("no money")
    stuck = hands.begin_saga(client.submit_task(Saga("order").task()), record)
    hands.end(stuck, "fail", error="gave up")
    assert {one.task_id: str(one.state) for one in client.list_sagas()} == {going: "running", stuck: "stuck"}
    assert [one.task_id for one in client.list_sagas(state="stuck")] == [stuck]
    assert len(client.list_sagas(limit=1)) == 1
    first = client.find_sagas(limit=1)
    second = client.find_sagas(cursor=first.cursor, limit=1)
    assert [one.task_id for one in (*first.sagas, *second.sagas)] == [stuck, going]
    assert [one.task_id for one in client.find_sagas("running").sagas] == [going]
    assert client.find_sagas("completed").to_dict() == {"sagas": (), "cursor": "", "looked_at": 2}
    with pytest.raises(InvalidTask, match="is no cursor"):
        client.find_sagas(cursor="x")
    assert client.resume_saga(stuck).state == "compensating"
    assert client.abort_saga(stuck).state == "compensating", "it goes back already"
    assert client.abort_saga(going).state == "running", "it is told, and turns round when it comes to that"
    assert hands.run(hands.protocol.hear(going, "@abort")).data is not None
    with pytest.raises(InvalidTask, match="only a stuck one can be resumed"):
        client.resume_saga(going)
    with pytest.raises(TaskNotFound):
        client.get_saga("missing")


@pytest.mark.parametrize("action", ["cut", "lose"])
def test_lost_requests_and_replies_are_made_good(
    new_client: NewClient, hands: Hands, redis_url: str, action: str
) -> None:
    with Proxy(redis_url) as proxy:
        client = new_client(redis_url=proxy.url)
        task_id = hands.begin_saga(client.submit_task(Saga("order").task()), Record(["one"]))
        calls = [
            lambda: client.group(Task(task_id="g")),
            lambda: client.abort_saga(task_id),
            lambda: client.get_tree(task_id),
        ]
        for call in calls:
            struck = proxy.strike(action)
            call()
            assert struck.is_set()
        hands.end(task_id, "fail", error="x")
        struck = proxy.strike(action, "replay")
        client.retry_tree(task_id)  # which counts what this call has put back, and not the one whose reply was lost
        assert struck.is_set()
        assert client.get_task_status(task_id)["status"] == "pending"
