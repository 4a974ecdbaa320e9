"""Every form does what its button says, once, and leads back to a page that says so."""

from __future__ import annotations

import pytest

from taskq import Task, TaskQueue, TaskScheduler
from tests.conformance.clients import Hands
from tests.waiting import eventually
from tests.web.conftest import Site


def follow(site: Site, path: str, data: dict[str, object]) -> str:
    """Send a form and return the page that it leads to."""
    response = site.post(path, data)
    assert response.status_code == 303, response.text
    return site.text(response.headers["location"])


def paused(queue: TaskQueue) -> set[tuple[str, str]]:
    return {(item.queue, item.priority) for item in queue.get_queue_stats().lists if item.paused}


def test_pause_and_resume(acting: Site, queue: TaskQueue) -> None:
    queue.submit_task(Task(queue="mail"))
    assert "Paused." in follow(acting, "/queues/pause", {"queue": "mail"})
    assert len(paused(queue)) == 4
    assert acting.text("/queues").count('<span class="tag warn">paused</span>') == 5
    assert "Resumed." in follow(acting, "/queues/resume", {"queue": "mail", "priority": "low"})
    assert ("mail", "low") not in paused(queue)
    assert "3 of 4 paused" in acting.text("/queues")
    follow(acting, "/queues/resume", {"queue": "mail"})
    assert paused(queue) == set()


def test_purge(acting: Site, queue: TaskQueue) -> None:
    queue.submit_batch([Task(priority="low"), Task(priority="low"), Task()])
    assert "2 waiting tasks were deleted" in follow(acting, "/queues/purge", {"queue": "default", "priority": "low"})
    assert queue.get_queue_stats().pending_tasks == 1
    follow(acting, "/queues/purge", {"queue": "default"})
    assert queue.get_queue_stats().pending_tasks == 0


def test_cancel_and_run_again(acting: Site, queue: TaskQueue, hands: Hands) -> None:
    task_id = queue.submit_task(Task())
    assert "Cancelled." in follow(acting, f"/tasks/{task_id}/cancel", {})
    assert "waits in its list again" in follow(acting, f"/tasks/{task_id}/retry", {})
    hands.claim()
    assert "Asked to stop" in follow(acting, f"/tasks/{task_id}/cancel", {})
    hands.end(task_id)
    assert "it had ended before" in follow(acting, f"/tasks/{task_id}/cancel", {})
    assert acting.post(f"/tasks/{task_id}/retry").status_code == 400


def test_run_and_remove_a_schedule(acting: Site, queue: TaskQueue) -> None:
    TaskScheduler(queue).schedule_cron("nightly", "0 3 * * *", Task(task_type="report"))
    assert "Submitted" in follow(acting, "/schedules/run", {"name": "nightly"})
    (row,) = queue.find_tasks(wanted_pending()).tasks
    assert row["type"] == "report"
    assert "was removed" in follow(acting, "/schedules/remove", {"name": "nightly"})
    assert TaskScheduler(queue).list_schedules() == []


def wanted_pending() -> object:
    from taskq import TaskFilter

    return TaskFilter("pending")


@pytest.fixture
def letters(queue: TaskQueue, hands: Hands) -> list[str]:
    """Five dead letters, of two errors."""
    ids = []
    for n in range(5):
        ids.append(queue.submit_task(Task()))
        hands.work("fail", error="KeyError: 'a'" if n < 2 else f"ValueError: {n}")
    return ids


def test_chosen_dead_letters(acting: Site, queue: TaskQueue, letters: list[str]) -> None:
    assert "2 dead letters wait" in follow(acting, "/dead", {"verb": "replay", "id": letters[:2]})
    assert "1 dead letters were forgotten" in follow(acting, "/dead", {"verb": "discard", "id": letters[4]})
    assert "Nothing was chosen" in follow(acting, "/dead", {"verb": "discard"})
    assert {letter.task_id for letter in queue.list_dead()} == set(letters[2:4])
    # the same form again changes nothing more
    assert "0 dead letters wait" in follow(acting, "/dead", {"verb": "replay", "id": letters[:2]})
    assert queue.get_queue_stats().pending_tasks == 2


@pytest.mark.parametrize(("verb", "word"), [("replay", "replayed"), ("discard", "discarded")])
def test_all_of_one_error(acting: Site, queue: TaskQueue, letters: list[str], verb: str, word: str) -> None:
    page = acting.text("/dead")
    group = page.split("ValueError: …")[0].rsplit("group=", 1)[1][:16]
    location = acting.post("/dead/all", {"verb": verb, "group": group}).headers["location"]
    eventually(lambda: f"3 {word}." in acting.text(location), what="the end of the work")
    assert {letter.task_id for letter in queue.list_dead()} == set(letters[:2])
    assert queue.get_queue_stats().pending_tasks == (3 if verb == "replay" else 0)


def test_all_of_them(acting: Site, queue: TaskQueue, letters: list[str]) -> None:
    first = acting.post("/dead/all", {"verb": "replay"}).headers["location"]
    eventually(lambda: "5 replayed." in acting.text(first), what="the end of the work")
    assert queue.get_queue_stats().dead_letters == 0
