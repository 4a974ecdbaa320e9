"""Every form does what its button says, once, and leads back to a page that says so."""

from __future__ import annotations

import re

import pytest

from taskq import Saga, Task, TaskQueue, TaskScheduler
from taskq.model.circuit import Circuit
from taskq.workflow.sagas import Record
from tests.conformance.clients import Hands
from tests.waiting import eventually
from tests.web.conftest import Site, stuck_saga


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


def test_what_a_limited_queue_holds(acting: Site, queue: TaskQueue) -> None:
    queue.set_queue_limit("mail", max_tasks=9, max_bytes=64_000, on_full="block")
    queue.submit_task(Task(queue="mail"))
    queue.pause("mial")
    text = acting.text("/queues")
    (held,) = re.findall(r"holds 1 of 9 tasks and (\d+) of 64,000 bytes; more waits<", text)
    assert 100 < int(held) < 1_000
    assert text.count("no task yet") == 1, "of mial, not of mail"


def test_purge(acting: Site, queue: TaskQueue) -> None:
    queue.submit_batch([Task(priority="low"), Task(priority="low"), Task()])
    follow(acting, "/queues/purge", {"queue": "default", "priority": "low"})
    eventually(lambda: queue.get_queue_stats().pending_tasks == 1, what="the end of the purge")
    place = acting.post("/queues/purge", {"queue": "default"}).headers["location"]
    eventually(lambda: "1 deleted." in acting.text(place), what="the end of the other one")
    assert queue.get_queue_stats().pending_tasks == 0
    assert acting.post("/queues/purge", {"queue": "a b"}).status_code == 400


def test_a_purge_counts_what_waits_in_no_list(acting: Site, queue: TaskQueue, hands: Hands) -> None:
    queue.submit_batch([Task(ordering_key="k") for _ in range(3)])
    place = acting.post("/queues/purge", {"queue": "default"}).headers["location"]
    eventually(lambda: "3 deleted." in acting.text(place), what="the end of the purge")


def test_thresholds_of_one_list(acting: Site, queue: TaskQueue) -> None:
    assert "it is told when" in follow(acting, "/sla/set", {"priority": "high", "queue": "", "age": "5s", "start": ""})
    (reading,) = queue.check_sla()
    assert (reading.queue, reading.priority, reading.measure) == ("default", "high", "age")
    assert acting.post("/sla/set", {"priority": "high", "age": "", "start": ""}).status_code == 400
    assert "were removed" in follow(acting, "/sla/remove", {"priority": "high", "queue": "default"})
    assert queue.check_sla() == []


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
    assert "is paused" in follow(acting, "/schedules/pause", {"name": "nightly"})
    assert '<span class="tag warn">paused</span>' in acting.text("/schedules")
    assert "is resumed" in follow(acting, "/schedules/resume", {"name": "nightly"})
    assert TaskScheduler(queue).list_schedules()[0].next_run is not None
    assert "was removed" in follow(acting, "/schedules/remove", {"name": "nightly"})
    assert TaskScheduler(queue).list_schedules() == []


def test_set_and_remove_a_limit(acting: Site, queue: TaskQueue) -> None:
    words = {"name": "type:mail", "concurrency": " 4 ", "rate": "10/m", "burst": ""}
    assert "The limit holds" in follow(acting, "/limits/set", words)
    (info,) = queue.list_limits()
    assert (info.limit.name, info.limit.concurrency, info.limit.rate) == ("type:mail", 4, "10/m")
    follow(acting, "/limits/set", {"name": "type:mail", "rate": "10/m", "sliding": "1"})
    assert queue.list_limits()[0].limit.sliding
    for wrong in ({"name": "a"}, {"name": "a", "concurrency": "many"}, {"name": "<b>", "concurrency": "1"}):
        response = acting.post("/limits/set", wrong)
        assert response.status_code == 400
        assert "This cannot be done" in response.text
    assert "What waited for it starts" in follow(acting, "/limits/remove", {"name": "type:mail"}).replace(
        "what", "What"
    )
    assert queue.list_limits() == []


def test_drive_a_circuit(acting: Site, queue: TaskQueue) -> None:
    words = {"name": " type:mail ", "failures": "3", "within": "2m", "open_for": ""}
    assert "counts failures" in follow(acting, "/circuits/set", words)
    (info,) = queue.list_circuits()
    assert info.circuit == Circuit("type:mail", failures=3, within=120.0)
    page = follow(acting, "/circuits/set", words | {"share": "50%"})
    assert "3 failures and 50 %" in page
    assert queue.list_circuits()[0].circuit.share == 0.5
    page = follow(acting, "/circuits/open", {"key": "type:mail", "seconds": "1h"})
    assert "The circuit is open" in page
    assert queue.list_circuits()[0].state == "open"
    assert 'data-mode="in"' in page.split('id="circuits"')[1], "until when"
    assert "The circuit is closed" in follow(acting, "/circuits/close", {"key": "type:mail"})
    assert queue.list_circuits()[0].state == "closed"
    for path, wrong in (
        ("set", {"name": "a", "failures": "0"}),
        ("set", {"name": "a", "within": "soon"}),
        ("set", {"name": "a", "share": "half"}),
        ("open", {"key": "type:mail", "seconds": "-1"}),
    ):
        response = acting.post(f"/circuits/{path}", wrong)
        assert response.status_code == 400
        assert "This cannot be done" in response.text
    assert acting.post("/circuits/open", {"key": "none"}).status_code == 404
    assert "held back starts" in follow(acting, "/circuits/remove", {"name": "type:mail"})
    assert queue.list_circuits() == []


def test_pause_a_type(acting: Site, queue: TaskQueue) -> None:
    assert "Paused types" in follow(acting, "/queues/pause", {"type": " mail.send "})
    assert queue.paused_types() == ["mail.send"]
    assert "Paused types" not in follow(acting, "/queues/resume", {"type": "mail.send"})
    assert queue.paused_types() == []
    assert acting.post("/queues/pause", {"type": "a b"}).status_code == 400


def test_drive_a_saga(acting: Site, queue: TaskQueue, hands: Hands) -> None:
    task_id = stuck_saga(queue, hands)
    page = acting.text(f"/tasks/{task_id}")
    assert "Resume" in page
    assert "Skip" in page
    assert acting.post(f"/sagas/{task_id}/abort").status_code == 400, "it goes back already"
    assert "goes on behind the compensation" in follow(acting, f"/sagas/{task_id}/resume", {"skip": "1"})
    assert queue.get_saga(task_id).state == "compensated"
    again = stuck_saga(queue, hands)
    assert "goes on where it was stuck" in follow(acting, f"/sagas/{again}/resume", {})
    assert queue.get_saga(again).state == "compensating"
    going = hands.begin_saga(queue.submit_task(Saga("order").task(priority="urgent")), Record(["reserve"]))
    hands.end(going, "fail", error="OSError: no")
    assert "turns round" in follow(acting, f"/sagas/{going}/abort", {})


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
