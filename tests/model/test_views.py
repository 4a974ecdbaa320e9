"""What users are shown, built from what Redis holds."""

from __future__ import annotations

import json

from taskq.model.result import result_json
from taskq.model.task import Task
from taskq.model.views import DeadLetter, ListStats, QueueStats, WorkerInfo, status_dict
from taskq.states import TaskStatus

TASK = Task(task_id="a", created_at="2026-01-01T00:00:00.000Z")
ENDED = result_json(
    "a", TaskStatus.COMPLETED, duration=2.5, worker_id="w1", attempts=3, completed_at_ms=1_767_225_610_000
).encode()


def test_pending() -> None:
    status = status_dict(TASK, {}, None)
    assert (status["status"], status["started_at"], status["retry_count"], status["queue"]) == (
        "pending",
        None,
        0,
        "default",
    )


def test_completed_tasks_have_no_state() -> None:
    status = status_dict(TASK, {}, ENDED)
    assert (status["status"], status["completed_at"]) == ("completed", "2026-01-01T00:00:10.000Z")
    assert status["started_at"] == "2026-01-01T00:00:07.500Z"
    assert (status["worker_id"], status["retry_count"]) == ("w1", 2)


def test_a_replayed_task_shows_nothing_of_its_earlier_end() -> None:
    status = status_dict(TASK, {"status": "running", "started": "1767225605000", "worker": "w2"}, ENDED)
    assert (status["status"], status["completed_at"], status["worker_id"]) == ("running", None, "w2")
    assert status["started_at"] == "2026-01-01T00:00:05.000Z"


def test_counts_and_words_come_from_the_state() -> None:
    state = {"status": "retry", "retries": "2", "error": "ValueError", "progress": '{"done":1}', "reason": "later"}
    status = status_dict(TASK, state, None)
    assert (status["retry_count"], status["error"], status["progress"], status["reason"]) == (
        2,
        "ValueError",
        {"done": 1},
        "later",
    )


def test_attempts_that_ended_with_their_worker_are_no_retries() -> None:
    poison = b'{"task_id":"a","status":"failed","error":"poison: 3 workers died","attempts":3}'
    assert status_dict(TASK, {"status": "failed", "attempts": "3", "crashes": "3"}, poison)["retry_count"] == 0


def test_an_end_without_an_attempt() -> None:
    cancelled = result_json("a", TaskStatus.CANCELLED, error="cancelled while it waited", completed_at_ms=0).encode()
    status = status_dict(TASK, {"status": "cancelled"}, cancelled)
    assert (status["started_at"], status["retry_count"], status["error"]) == (None, 0, "cancelled while it waited")


def test_everything_shown_is_json() -> None:
    stats = QueueStats(
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0.5, (ListStats("default", "low", 1, 2.5, True),), {"submitted": 1}
    )
    worker = WorkerInfo("w1", ("a",), 1.5, {"host": "h"})
    letter = DeadLetter("a", "t", "default", "low", "error", "poison", 3, "now")
    shown = json.loads(json.dumps([stats.to_dict(), worker.to_dict(), letter.to_dict()]))
    assert shown[0]["lists"][0]["oldest_seconds"] == 2.5
    assert shown[1]["held"] == ["a"]
    assert shown[2]["reason"] == "poison"
