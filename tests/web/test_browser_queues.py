"""Queues in a real browser: pauses, purges, thresholds, and what no worker knows."""

from __future__ import annotations

from typing import Any

from taskq import Task, TaskQueue, TaskWorker
from tests.web.conftest import Site


def test_pause_resume_and_purge(page: Any, acting: Site, queue: TaskQueue, busy: dict[str, str]) -> None:
    page.goto(f"{acting.url}/queues")
    row = page.locator("tr.group", has_text="mail")
    row.get_by_role("button", name="Pause").click()
    page.get_by_text("Paused. Running tasks go on").wait_for()
    row = page.locator("tr.group", has_text="mail")
    row.get_by_role("button", name="Resume").click()
    page.get_by_text("Resumed.").wait_for()

    page.locator("tr.group", has_text="mail").locator("summary", has_text="Purge").click()
    page.locator("details[open]", has_text="They cannot be brought back").wait_for()
    page.keyboard.press("Escape")
    assert queue.get_task_status(busy["pending"])["status"] == "pending"
    page.locator("tr.group", has_text="mail").locator("summary", has_text="Purge").click()
    page.locator("details[open]").get_by_role("button", name="Purge").click()
    page.get_by_text("1 deleted.").wait_for()


def test_a_purge_shows_how_far_it_is(page: Any, acting: Site, queue: TaskQueue) -> None:
    for _ in range(4):
        queue.submit_batch([Task(priority="low") for _ in range(5000)])
    page.goto(f"{acting.url}/queues")
    page.get_by_text("Live", exact=True).wait_for()
    page.evaluate(BARS)
    page.locator("tr.group", has_text="default").locator("summary", has_text="Purge").click()
    with page.expect_navigation():
        page.locator("details[open]").get_by_role("button", name="Purge").click()
    page.evaluate(BARS)
    page.get_by_text("20,000 deleted.").wait_for()
    seen = page.evaluate("window.seen")
    assert any(0 < done < most == 20_000 for done, most in seen), seen
    assert queue.get_queue_stats().pending_tasks == 0


# Notes each state of a bar that the page shows.
BARS = """() => {
  window.seen = [];
  const bars = () => document.querySelectorAll(".job progress");
  const note = () => bars().forEach((bar) => window.seen.push([bar.value, bar.max]));
  note();
  new MutationObserver(note).observe(document.getElementById("main"), { childList: true, subtree: true });
}"""


def test_everything_is_paused_and_resumed(page: Any, acting: Site, queue: TaskQueue) -> None:
    queue.submit_task(Task(queue="mail"))
    queue.pause("mail", "low")
    page.goto(f"{acting.url}/queues")
    page.locator(".head summary", has_text="Pause everything").click()
    page.locator("details[open]").get_by_role("button", name="Pause everything").click()
    page.locator(".alarm", has_text="Everything is paused").wait_for()
    assert queue.get_queue_stats().all_paused
    assert page.locator("tr.group").get_by_role("button", name="Resume").count() == 0, "it would resume nothing"
    page.goto(acting.url)
    page.locator(".alarm", has_text="Everything is paused").get_by_role("link", name="Queues").click()
    page.get_by_role("button", name="Resume everything").click()
    page.get_by_text("Resumed.").wait_for()
    assert page.locator(".alarm", has_text="Everything is paused").count() == 0
    assert [(i.queue, i.priority) for i in queue.get_queue_stats().lists if i.paused] == [("mail", "low")]


def test_thresholds_are_kept_or_broken(page: Any, acting: Site, queue: TaskQueue) -> None:
    page.goto(f"{acting.url}/queues")
    page.get_by_label("Queue", exact=True).fill("mail")
    page.get_by_label("Priority").select_option("high")
    page.get_by_label("Oldest").fill("1s")
    page.get_by_label("Start").fill("1m")
    page.get_by_role("button", name="Set threshold").click()
    page.get_by_text("it is told when tasks wait longer").wait_for()
    rows = page.locator("section[aria-labelledby=h-sla] tbody tr")
    assert rows.locator(".s-completed").count() == 2, "nothing waits"
    queue.submit_task(Task(queue="mail", priority="high", created_at="2026-01-01T00:00:00Z"))
    rows.first.locator(".s-failed", has_text="broken").wait_for()
    assert "oldest task" in rows.first.inner_text()
    page.goto(acting.url)
    page.locator(".alarm", has_text="1 threshold is broken").get_by_role("link").click()
    rows.first.locator("summary", has_text="Remove").click()
    page.locator("details[open]").get_by_role("button", name="Remove").click()
    page.get_by_text("The thresholds of the list were removed").wait_for()
    assert queue.check_sla() == []


def test_what_no_worker_knows_is_an_alarm(page: Any, site: Site, queue: TaskQueue) -> None:
    queue.submit_batch([Task(task_type="mail.send") for _ in range(3)])
    TaskWorker(queue).run_until_empty()
    for path in ("/", "/queues"):
        page.goto(site.url + path)
        page.locator(".alarm", has_text="No live worker knows what waits: 3 × mail.send, version 1").wait_for()
    row = page.locator("section[aria-labelledby=h-passed] tbody tr")
    assert "no worker knows it" in row.inner_text()
    page.get_by_text("Live", exact=True).wait_for()
    worker = TaskWorker(queue)
    worker.register_handler("mail.send", lambda task: None)
    worker.run_until_empty()
    row.wait_for(state="detached")
    assert page.locator(".alarm").count() == 0


def test_a_type_is_paused_and_resumed(page: Any, acting: Site, queue: TaskQueue) -> None:
    page.goto(f"{acting.url}/queues")
    page.get_by_label("Type", exact=True).fill("mail.send")
    page.get_by_role("button", name="Pause type").click()
    page.get_by_text("Paused. Running tasks go on").wait_for()
    page.locator("tr", has_text="mail.send").get_by_role("button", name="Resume").click()
    page.get_by_text("Resumed.").wait_for()
    assert queue.paused_types() == []


def test_a_part_in_use_is_left_alone(page: Any, acting: Site, queue: TaskQueue) -> None:
    queue.submit_task(Task(queue="mail"))
    page.goto(f"{acting.url}/queues")
    page.get_by_text("Live", exact=True).wait_for()
    question = page.locator("tr.group", has_text="mail").locator("summary", has_text="Purge")
    question.click()
    queue.submit_task(Task(queue="mail"))
    page.locator("nav .badge", has_text="2").wait_for()  # what is live goes on around it
    assert page.locator("details[open]").count() == 1
    page.locator("h1").click()
    page.locator("tr.group", has_text="mail").get_by_text("2", exact=True).wait_for()
