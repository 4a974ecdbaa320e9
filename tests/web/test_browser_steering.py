"""Schedules, limits, circuits, sagas and workers steered in a real browser."""

from __future__ import annotations

import threading
from typing import Any

from taskq import Task, TaskQueue, TaskScheduler, TaskWorker
from tests.web.conftest import Site


def test_actions_on_schedules(page: Any, acting: Site, queue: TaskQueue, busy: dict[str, str]) -> None:
    page.goto(f"{acting.url}/schedules")
    page.get_by_role("button", name="Run now").click()
    page.get_by_text("Submitted, besides").wait_for()
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("The schedule is paused").wait_for()
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("The schedule is resumed").wait_for()
    page.locator("summary", has_text="Remove").click()
    page.locator("details[open]").get_by_role("button", name="Remove").click()
    page.get_by_text("The schedule was removed").wait_for()
    assert TaskScheduler(queue).list_schedules() == []


def test_actions_on_limits_and_sagas(page: Any, acting: Site, queue: TaskQueue, busy: dict[str, str]) -> None:
    page.goto(f"{acting.url}/limits")
    page.get_by_label("Name").fill("type:report")
    page.get_by_label("At a time").fill("3")
    page.get_by_role("button", name="Set limit").click()
    page.get_by_text("The limit holds from now on").wait_for()
    page.locator("tr", has_text="type:report").locator("summary").click()
    page.locator("details[open]").get_by_role("button", name="Remove").click()
    page.get_by_text("The limit was removed").wait_for()
    assert [info.limit.name for info in queue.list_limits()] == ["smtp"]

    page.goto(f"{acting.url}/sagas?state=stuck")
    page.locator("tbody a").click()
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("The saga goes on where it was stuck").wait_for()
    page.locator("summary", has_text="Cancel").wait_for()


def test_actions_on_circuits(page: Any, acting: Site, queue: TaskQueue) -> None:
    page.goto(f"{acting.url}/limits")
    page.get_by_label("Circuit", exact=True).fill("host")
    page.get_by_label("Failures").fill("3")
    page.get_by_label("Within").fill("2m")
    page.get_by_role("button", name="Set circuit").click()
    page.get_by_text("The circuit counts failures").wait_for()
    page.get_by_label("Key", exact=True).fill("host:a.example")
    page.get_by_label("For", exact=True).fill("1h")
    page.get_by_role("button", name="Open now").click()
    page.get_by_text("The circuit is open").wait_for()
    row = page.locator("tr", has_text="host:a.example")
    row.get_by_text("in 59 min").wait_for()
    row.get_by_role("button", name="Close").click()
    page.get_by_text("The circuit is closed").wait_for()
    page.locator("tr.group", has_text="host").locator("summary", has_text="Remove").click()
    page.locator("details[open]").get_by_role("button", name="Remove").click()
    page.get_by_text("The circuit was removed").wait_for()
    assert queue.list_circuits() == []


def test_actions_on_workers(page: Any, acting: Site, queue: TaskQueue) -> None:
    worker = TaskWorker(queue)
    thread = threading.Thread(target=worker.start)
    thread.start()
    try:
        page.goto(f"{acting.url}/workers")
        page.get_by_role("button", name="Drain").click()
        page.get_by_text("Asked to drain").wait_for()
        page.locator("td", has_text="draining").wait_for(timeout=30_000)  # it is told with its next beat
        page.get_by_role("button", name="Resume").click()
        page.get_by_text("Asked to go on").wait_for()
        page.locator("td", has_text="alive").wait_for(timeout=30_000)
        page.locator("summary", has_text="Stop").click()
        page.locator("details[open]").get_by_role("button", name="Stop").click()
        page.get_by_text("No worker runs.").wait_for(timeout=30_000)
    finally:
        worker.stop()
        thread.join(20)


def test_failures_that_count_are_shown(page: Any, site: Site, queue: TaskQueue) -> None:
    queue.set_circuit("type:mail.send", failures=4)
    queue.submit_batch([Task(task_type="mail.send", max_retries=0) for _ in range(3)])
    worker = TaskWorker(queue, concurrency=1)
    worker.register_handler("mail.send", fail)
    worker.run_until_empty()
    page.goto(f"{site.url}/limits")
    page.locator("tr", has_text="type:mail.send").get_by_text("3 of 4").wait_for()
    queue.submit_task(Task(task_type="mail.send", max_retries=0))
    page.get_by_text("Live", exact=True).wait_for()
    worker.run_until_empty()
    page.locator("tr.group", has_text="type:mail.send").locator(".s-failed", has_text="open").wait_for()


def fail(task: Task) -> None:
    raise ValueError("no")
