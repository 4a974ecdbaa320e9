"""What a client is told of tasks, lists and workers."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from taskq.errors import InvalidTask, TaskNotFound
from taskq.flows import due_in
from taskq.model.moment import iso_utc
from taskq.model.task import Task
from tests.conformance.clients import Client, Hands, NewClient

STATUS_KEYS = {
    "task_id", "status", "created_at", "started_at", "completed_at", "worker_id", "retry_count", "priority", "queue",
    "progress", "type", "error", "reason",
}  # fmt: skip


class TestStatus:
    def test_pending(self, client: Client) -> None:
        task = Task(task_type="mail.send", priority="high", queue="mail")
        status = client.get_task_status(client.submit_task(task))
        assert status.keys() == STATUS_KEYS
        assert status == {
            **dict.fromkeys(STATUS_KEYS),
            "task_id": task.task_id,
            "status": "pending",
            "created_at": task.created_at,
            "retry_count": 0,
            "priority": "high",
            "queue": "mail",
            "type": "mail.send",
        }

    def test_running(self, client: Client, hands: Hands) -> None:
        task_id = client.submit_task(Task())
        hands.claim()
        hands.run(hands.protocol.progress(task_id, hands.held[task_id].fence, '{"done":1}'))
        status = client.get_task_status(task_id)
        assert (status["status"], status["worker_id"], status["progress"]) == ("running", "hands", {"done": 1})
        assert datetime.fromisoformat(status["started_at"]) >= datetime.fromisoformat(status["created_at"])
        assert status["completed_at"] is None

    def test_retry(self, client: Client, hands: Hands) -> None:
        task_id = client.submit_task(Task())
        hands.work("retry", error="ValueError: no", delay_ms=60_000)
        status = client.get_task_status(task_id)
        assert (status["status"], status["retry_count"], status["error"]) == ("retry", 1, "ValueError: no")
        assert status["worker_id"] is None

    @pytest.mark.parametrize(
        ("outcome", "word"), [("complete", "completed"), ("fail", "failed"), ("cancel", "cancelled")]
    )
    def test_ended(self, client: Client, hands: Hands, outcome: str, word: str) -> None:
        task_id = client.submit_task(Task())
        hands.work(outcome, error=None if outcome == "complete" else "ValueError: no")
        status = client.get_task_status(task_id)
        assert (status["status"], status["worker_id"], status["retry_count"]) == (word, "hands", 0)
        assert status["completed_at"] == "2027-01-15T08:00:00.000Z"
        assert status["started_at"]
        assert status["error"] == (None if outcome == "complete" else "ValueError: no")

    def test_unknown(self, client: Client) -> None:
        with pytest.raises(
            TaskNotFound, match=r"no task nothing: it never existed .*retention is over \(TASKQ_RESULT_TTL\)"
        ):
            client.get_task_status("nothing")
        with pytest.raises(KeyError):
            client.get_task("nothing")


class TestResult:
    def test_of_a_completed_task(self, client: Client, hands: Hands) -> None:
        task_id = client.submit_task(Task(payload={"n": 1}))
        assert client.get_task_result(task_id) is None
        hands.work()
        assert client.get_task_result(task_id) == {
            "task_id": task_id,
            "status": "completed",
            "result": {"n": 1},
            "error": None,
            "duration": 0.25,
            "worker_id": "hands",
            "attempts": 1,
            "completed_at": "2027-01-15T08:00:00.000Z",
        }

    def test_of_a_failed_task(self, client: Client, hands: Hands) -> None:
        task_id = client.submit_task(Task())
        hands.work("fail", error="ValueError: no")
        result = client.get_task_result(task_id)
        assert (result["status"], result["result"], result["error"]) == ("failed", None, "ValueError: no")

    def test_unknown(self, client: Client) -> None:
        with pytest.raises(TaskNotFound):
            client.get_task_result("nothing")


class TestCancel:
    def test_a_waiting_task_is_cancelled_at_once(self, client: Client, hands: Hands) -> None:
        task_id = client.submit_task(Task())
        assert client.cancel_task(task_id) == "cancelled"
        assert client.get_task_status(task_id)["status"] == "cancelled"
        result = client.get_task_result(task_id)
        assert (result["error"], result["attempts"]) == ("cancelled while it waited", 0)
        assert hands.claim() == []
        assert client.cancel_task(task_id) == "cancelled"

    def test_a_delayed_task_too(self, client: Client) -> None:
        task_id = client.submit_later(Task(), due_in(60))
        assert client.cancel_task(task_id) == "cancelled"
        assert client.get_queue_stats().scheduled_tasks == 0

    def test_a_running_task_is_asked(self, client: Client, hands: Hands) -> None:
        task_id = client.submit_task(Task())
        hands.claim()
        assert client.cancel_task(task_id) == "requested"
        assert client.get_task_status(task_id)["status"] == "running"

    def test_an_ended_task_stays_as_it_is(self, client: Client, hands: Hands) -> None:
        task_id = client.submit_task(Task())
        hands.work()
        assert client.cancel_task(task_id) == "completed"

    def test_unknown(self, client: Client) -> None:
        with pytest.raises(TaskNotFound):
            client.cancel_task("nothing")


class TestList:
    def test_tasks_of_a_status(self, client: Client, hands: Hands) -> None:
        ids = client.submit_batch([Task(payload=n) for n in range(250)])
        listed = client.list_tasks("pending", 1000)
        assert {status["task_id"] for status in listed} == set(ids)
        assert {status["status"] for status in listed} == {"pending"}
        assert len(client.list_tasks("pending", 120)) == 120
        assert client.list_tasks("pending", 0) == []
        assert client.list_tasks("failed") == []

    def test_an_unknown_status(self, client: Client) -> None:
        with pytest.raises(InvalidTask, match="unknown status 'done': use one of pending, scheduled"):
            client.list_tasks("done")


class TestStats:
    def test_of_nothing(self, client: Client) -> None:
        stats = client.get_queue_stats()
        assert (stats.pending_tasks, stats.success_rate, stats.active_workers) == (0, None, 0)
        assert [(row.queue, row.priority, row.depth, row.oldest_seconds) for row in stats.lists] == [
            ("default", priority, 0, None) for priority in ("urgent", "high", "normal", "low")
        ]

    def test_counts(self, client: Client, hands: Hands) -> None:
        client.submit_batch([Task() for _ in range(3)])
        hands.work()
        client.submit_task(Task())
        hands.work("fail")
        client.submit_batch([Task(created_at="2026-01-01T00:00:00.000Z"), Task(queue="mail"), Task(priority="low")])
        client.submit_later(Task(), due_in(60))
        client.pause(priority="low")
        stats = client.get_queue_stats()
        assert (stats.pending_tasks, stats.running_tasks, stats.scheduled_tasks) == (3, 0, 1)
        assert (stats.completed_tasks, stats.failed_tasks, stats.dead_letters) == (3, 1, 1)
        assert (stats.success_rate, stats.active_workers) == (0.75, 1)
        assert stats.counters == {"submitted": 8, "completed": 3, "failed": 1}
        rows = {(row.queue, row.priority): row for row in stats.lists}
        assert rows["default", "normal"].oldest_seconds > 86_400
        assert rows["mail", "normal"].oldest_seconds < 60
        assert [name for name, row in rows.items() if row.paused] == [("default", "low")]
        assert stats.to_dict()["pending_tasks"] == 3

    def test_a_name_is_a_whole_name(self, new_client: NewClient, client: Client, prefix: str) -> None:
        new_client(prefix=f"{prefix}2").submit_task(Task())
        assert client.get_queue_stats().pending_tasks == 0


def test_workers(client: Client, hands: Hands) -> None:
    task_id = client.submit_task(Task())
    hands.claim()
    (worker,) = client.list_workers()
    assert (worker.worker_id, worker.held) == ("hands", (task_id,))
    assert 20 < worker.lease_seconds <= 30
    assert worker.card["host"] == "here"
    assert "token" not in worker.to_dict()["card"], "who knows the token can speak in the worker's name"


def test_a_handle(client: Client, hands: Hands) -> None:
    handle = client.handle(client.submit_task(Task(payload="x")))
    assert client.finish(handle.status()) == "pending"
    hands.work()
    assert client.finish(handle.result(timeout=5)) == "x"
    assert client.finish(handle.cancel()) == "completed"
    assert handle.id in repr(handle)


def test_history(client: Client, hands: Hands) -> None:
    assert client.get_history() == []
    client.submit_task(Task(created_at=iso_utc(time.time_ns() // 1_000_000 - 10_000)))
    hands.run(hands.protocol.remember())
    (minute,) = client.get_history(5)
    assert (minute.counters["submitted"], minute.sizes["pending"], minute.depths["normal"]) == (1, 1, 1)
    assert 9 < minute.oldest_seconds < 70
    assert minute.to_dict()["sizes"]["workers"] == 1
