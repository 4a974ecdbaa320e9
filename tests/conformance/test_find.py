"""Pages of tasks, and everything about one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from taskq import InvalidTask, Task, TaskFilter, TaskNotFound
from taskq.flows import due_in
from taskq.kinds import Secret
from taskq.observe.pages import MOST_LOOKED_AT
from tests.conformance.clients import Client, Hands, NewClient


def walk(client: Client, wanted: TaskFilter, limit: int = 3) -> list[list[str]]:
    pages, cursor = [], ""
    while True:
        page = client.find_tasks(wanted, cursor=cursor, limit=limit)
        pages.append([task["task_id"] for task in page.tasks])
        cursor = page.cursor
        if not cursor:
            return pages


def flat(pages: list[list[str]]) -> list[str]:
    return [task_id for page in pages for task_id in page]


class TestOrder:
    def test_pending_tasks_in_the_order_of_their_claims(self, client: Client, hands: Hands) -> None:
        low = client.submit_batch([Task(priority="low") for _ in range(4)])
        urgent = client.submit_batch([Task(priority="urgent") for _ in range(4)])
        mail = client.submit_batch([Task(queue="mail") for _ in range(2)])
        pages = walk(client, TaskFilter("pending"))
        assert flat(pages) == [*urgent, *low, *mail]
        assert all(len(page) <= 3 for page in pages)
        assert flat(walk(client, TaskFilter("pending", queue="mail"))) == mail
        assert flat(walk(client, TaskFilter("pending", queue="default", priority="low"))) == low

    def test_a_tombstone_is_not_pending(self, client: Client) -> None:
        ids = client.submit_batch([Task() for _ in range(3)])
        client.cancel_task(ids[1])
        assert flat(walk(client, TaskFilter("pending"))) == [ids[0], ids[2]]
        assert flat(walk(client, TaskFilter("cancelled"))) == [ids[1]]

    def test_delayed_ones_with_the_next_first(self, client: Client, hands: Hands) -> None:
        later, sooner = (client.submit_later(Task(), due_in(seconds)) for seconds in (7200, 3600))
        retried = client.submit_task(Task())
        hands.work("retry", error="ValueError: no", delay_ms=60_000)
        assert flat(walk(client, TaskFilter("scheduled"), 1)) == [sooner, later]
        (row,) = client.find_tasks(TaskFilter("retry")).tasks
        assert (row["task_id"], row["error"], row["attempts"]) == (retried, "ValueError: no", 1)
        assert 50 < (datetime.fromisoformat(row["due_at"]) - datetime.now(UTC)).total_seconds() <= 60

    @pytest.mark.parametrize(("outcome", "status"), [("complete", "completed"), ("fail", "failed")])
    def test_the_latest_end_comes_first(self, client: Client, hands: Hands, outcome: str, status: str) -> None:
        ids = client.submit_batch([Task() for _ in range(7)])
        hands.work(outcome, error=None if status == "completed" else "ValueError: no")
        pages = walk(client, TaskFilter(status))
        assert sorted(flat(pages)) == sorted(ids)
        if status == "completed":  # dead letters of one instant have no order
            assert flat(pages) == ids[::-1]
        row = client.find_tasks(TaskFilter(status), limit=1).tasks[0]
        assert (row["duration"], row["attempts"], row["worker_id"]) == (0.25, 1, "hands")

    def test_what_is_kept_longer_than_most_is_found_too(self, new_client: NewClient, hands: Hands) -> None:
        client = new_client(result_ttl_seconds=1.0)  # the worker keeps results for a minute
        client.submit_batch([Task() for _ in range(5)])
        ids = hands.work()
        assert flat(walk(client, TaskFilter("completed"), 2)) == ids[::-1]

    def test_running(self, client: Client, hands: Hands) -> None:
        client.submit_batch([Task() for _ in range(4)])
        held = hands.claim(3)
        page = client.find_tasks()
        assert ({row["task_id"] for row in page.tasks}, page.cursor, page.looked_at) == (set(held), "", 3)
        assert {row["worker_id"] for row in page.tasks} == {"hands"}


class TestFilter:
    def test_by_type(self, client: Client) -> None:
        client.submit_batch([Task(task_type=name) for name in ("mail.send", "mail.read", "mailer", "other")])

        def types(pattern: str) -> list[str]:
            return [row["type"] for row in client.find_tasks(TaskFilter("pending", task_type=pattern)).tasks]

        assert types("mail.send") == ["mail.send"]
        assert types("mail.*") == ["mail.send", "mail.read"]
        assert types("mail*") == ["mail.send", "mail.read", "mailer"]
        assert len(types("*")) == 4
        assert types("nothing") == []

    def test_by_time(self, client: Client, hands: Hands) -> None:
        client.submit_task(Task())
        now, hour = datetime.now(UTC), timedelta(hours=1)
        for wanted, number in (
            (TaskFilter("pending", since=now - hour), 1),
            (TaskFilter("pending", since=now + hour), 0),
            (TaskFilter("pending", until=now + hour), 1),
            (TaskFilter("pending", until=now - hour), 0),
        ):
            assert len(client.find_tasks(wanted).tasks) == number
        hands.work()  # which says that it ended in 2027
        assert len(client.find_tasks(TaskFilter("completed", since=datetime(2027, 1, 1, tzinfo=UTC))).tasks) == 1
        assert client.find_tasks(TaskFilter("completed", until=datetime(2027, 1, 1, tzinfo=UTC))).tasks == ()

    def test_a_look_is_bounded(self, client: Client) -> None:
        client.submit_batch([Task(task_type="common") for _ in range(MOST_LOOKED_AT + 200)])
        rare = client.submit_task(Task(task_type="rare"))
        first = client.find_tasks(TaskFilter("pending", task_type="rare"))
        assert (first.tasks, MOST_LOOKED_AT <= first.looked_at < MOST_LOOKED_AT + 100) == ((), True)
        assert first.cursor
        second = client.find_tasks(TaskFilter("pending", task_type="rare"), cursor=first.cursor)
        assert ([row["task_id"] for row in second.tasks], second.cursor) == ([rare], "")

    def test_a_list_that_is_empty_by_now_is_passed_over(self, client: Client) -> None:
        client.submit_batch([Task(priority="urgent") for _ in range(3)])
        low = client.submit_task(Task(priority="low"))
        cursor = client.find_tasks(TaskFilter("pending"), limit=2).cursor
        client.purge(priority="urgent")
        assert [row["task_id"] for row in client.find_tasks(TaskFilter("pending"), cursor=cursor).tasks] == [low]

    @pytest.mark.parametrize(
        "cursor", ["x", "0~list normal~x", "0~~0", "0~a~0\n", "-1~a~0", "0~list normal~" + "9" * 99]
    )
    def test_a_foreign_cursor_is_refused(self, client: Client, cursor: str) -> None:
        with pytest.raises(InvalidTask, match="cursor"):
            client.find_tasks(TaskFilter("pending"), cursor=cursor)

    @pytest.mark.parametrize(
        ("wanted", "words"),
        [(TaskFilter("gone"), "unknown status 'gone'"), (TaskFilter("pending", priority="soon"), "priority 'soon'")],
    )
    def test_what_does_not_exist_is_refused(self, client: Client, wanted: TaskFilter, words: str) -> None:
        with pytest.raises(InvalidTask, match=words):
            client.find_tasks(wanted)


class TestRows:
    def test_large_contents_stay_on_the_server(self, client: Client, hands: Hands, redis_client: Any) -> None:
        tasks = [Task(payload={"ä": "x" * 200_000}, metadata={"a": 1}), Task(payload='","duration":9' * 5000)]
        ids = client.submit_batch(tasks)
        before = int(redis_client.info("stats")["total_net_output_bytes"])
        rows = client.list_statuses(ids)
        assert int(redis_client.info("stats")["total_net_output_bytes"]) - before < 20_000
        assert [row["type"] for row in rows] == ["agent_query"] * 2
        hands.work()
        ended = client.list_statuses([*ids, "unknown"])
        assert [(row["status"], row["duration"], row["worker_id"]) for row in ended] == [
            ("completed", 0.25, "hands")
        ] * 2
        assert all(row["completed_at"] == "2027-01-15T08:00:00.000Z" for row in ended)

    def test_a_long_head_is_read_all_the_same(self, client: Client) -> None:
        waits = client.submit_task(Task(task_type="last", depends_on=client.submit_batch([Task() for _ in range(60)])))
        assert client.list_statuses([waits])[0]["type"] == "last"

    def test_of_sealed_tasks(self, new_client: NewClient, hands: Hands) -> None:
        client = new_client(encryption_keys=Secret("A" * 86))
        task_id = client.submit_task(Task(task_type="secret", payload={"a": 1}))
        assert client.list_statuses([task_id])[0]["type"] == "secret"

    def test_a_damaged_one_hides_no_other(self, client: Client, prefix: str, redis_client: Any) -> None:
        ids = client.submit_batch([Task(), Task()])
        redis_client.set(f"{prefix}:task:{ids[0]}", b"\xff{")
        assert [row["task_id"] for row in client.find_tasks(TaskFilter("pending")).tasks] == ids


class TestDetails:
    def test_of_a_task_that_runs(self, client: Client, hands: Hands) -> None:
        task_id = client.submit_task(Task(payload={"n": 1}, metadata={"m": 2}, max_retries=7))
        hands.claim()
        client.checkpoint(task_id, {"page": 3})
        found = client.get_task_details(task_id)
        assert (found.task.payload, found.task.metadata, found.task.max_retries) == ({"n": 1}, {"m": 2}, 7)
        assert (found.status["status"], found.status["attempts"], found.crashes) == ("running", 1, 0)
        assert (found.checkpoint, found.result, found.damage, found.parents, found.relatives) == (
            {"page": 3}, None, None, (), (),
        )  # fmt: skip

    def test_of_one_that_has_ended(self, client: Client, hands: Hands) -> None:
        task_id = client.submit_task(Task(payload=5))
        hands.work()
        assert client.get_task_details(task_id).result["result"] == 5

    def test_of_a_damaged_one(self, client: Client, prefix: str, redis_client: Any) -> None:
        task_id = client.submit_task(Task())
        redis_client.set(f"{prefix}:task:{task_id}", "[")
        assert "envelope" in client.get_task_details(task_id).damage

    def test_unknown(self, client: Client) -> None:
        with pytest.raises(TaskNotFound, match="no task nobody"):
            client.get_task_details("nobody")

    def test_relatives(self, client: Client, hands: Hands) -> None:
        first, second = client.chain(Task(task_type="first"), Task(task_type="second"))
        (needs,) = client.get_task_details(second).relatives
        assert (needs.kind, needs.total, [task["type"] for task in needs.tasks]) == ("depends_on", 1, ["first"])
        assert client.get_task_details(first).parents == (second,)
        children = client.fanout(first, [Task(task_type="part") for _ in range(60)])
        hands.claim()
        client.fanout_complete(first, children[0], 1)
        (parts,) = client.get_task_details(first).relatives
        assert (parts.kind, parts.total, parts.completed, len(parts.tasks)) == ("subtasks", 60, 1, 50)
        assert client.get_task_details(first).to_dict()["relatives"][0]["total"] == 60
