"""Tasks and dead letters in a real browser: live lists that hold still, and what is done with what they show."""

from __future__ import annotations

from typing import Any

from taskq import Task, TaskQueue
from tests.conformance.clients import Hands
from tests.web.conftest import Site


def test_cancel_and_run_again(page: Any, acting: Site, busy: dict[str, str]) -> None:
    page.goto(f"{acting.url}/tasks/{busy['scheduled']}")
    page.locator("summary", has_text="Cancel").click()
    page.locator("details[open]").get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled.", exact=True).wait_for()
    page.get_by_role("button", name="Run again").click()
    page.get_by_text("It waits in its list again.").wait_for()


def test_what_happens_is_seen_at_once(page: Any, site: Site, queue: TaskQueue, hands: Hands) -> None:
    task_id = queue.submit_task(Task(task_type="report"))
    page.goto(f"{site.url}/tasks/{task_id}")
    page.get_by_text("Live", exact=True).wait_for()
    hands.claim()
    hands.run(hands.protocol.progress(task_id, hands.held[task_id].fence, '{"value":0.7,"message":"page 7"}'))
    page.get_by_text("70 %").wait_for()
    assert page.locator("progress").first.get_attribute("value") == "0.7"
    hands.end(task_id, "fail", error="ValueError: no")
    page.get_by_text("ValueError: no").first.wait_for()
    page.locator("nav .badge.bad", has_text="1").first.wait_for()
    page.locator('nav a[aria-current="page"]', has_text="Tasks").wait_for()


def test_an_empty_list_fills(page: Any, site: Site, queue: TaskQueue) -> None:
    page.goto(f"{site.url}/tasks?status=pending&type=mail.*")
    page.get_by_text("Live", exact=True).wait_for()
    task_id = queue.submit_task(Task(task_type="mail.send"))
    page.locator(f'tr[data-id="{task_id}"]').wait_for()
    queue.submit_batch([Task(task_type="mail.send"), Task(task_type="other")])
    page.locator("#news", has_text="1 new").wait_for()
    page.keyboard.press("n")
    page.locator("tr[data-id]").nth(1).wait_for()


def test_a_list_is_not_moved_under_the_reader(page: Any, acting: Site, queue: TaskQueue, hands: Hands) -> None:
    def die() -> str:
        task_id = queue.submit_task(Task(max_retries=0))
        hands.work("fail", error="KeyError: 'a'")
        return task_id

    die()
    die()
    page.goto(f"{acting.url}/dead")
    page.get_by_text("Live", exact=True).wait_for()
    letters = page.locator('[data-list="letters:"] tr[data-id]')
    before = [row.get_attribute("data-id") for row in letters.all()]
    letters.first.locator("input").check()
    place = letters.first.bounding_box()
    third = die()
    queue.purge_dead([before[1]])
    page.locator("#news", has_text="1 new, 1 gone").wait_for()
    assert [row.get_attribute("data-id") for row in letters.all()] == before
    assert letters.first.bounding_box() == place
    assert "left" in (letters.nth(1).get_attribute("class") or "")
    page.locator("#news button").click()
    page.locator("#news").wait_for(state="hidden")
    after = [row.get_attribute("data-id") for row in letters.all()]
    assert after == [third, before[0]], "the latest first"
    assert letters.nth(1).locator("input").is_checked(), "what was chosen stays chosen"
    # a row that stays says what changes in it
    die()
    page.locator(".groups td b", has_text="3").wait_for()


def test_dead_letters(page: Any, acting: Site, queue: TaskQueue, hands: Hands) -> None:
    for n in range(6):
        queue.submit_task(Task())
        hands.work("fail", error="KeyError: 'a'" if n % 2 else f"ValueError: {n}")
    page.goto(f"{acting.url}/dead")
    page.get_by_label("Choose all on this page").check()
    assert page.locator('input[name="id"]:checked').count() == 6
    page.get_by_label("Choose all on this page").uncheck()
    page.locator('main input[name="id"]').first.check()
    page.get_by_role("button", name="Replay chosen").click()
    page.get_by_text("1 dead letters wait in their lists again").wait_for()
    page.locator("table.groups tr", has_text="ValueError: …").locator("summary", has_text="Discard all").click()
    page.locator("details[open]").get_by_role("button", name="Discard all").click()
    page.get_by_text("3 discarded.").wait_for()
    page.locator(".head summary", has_text="Replay all 2").click()
    page.locator("details[open]").get_by_role("button", name="Replay all").click()
    page.get_by_text("2 replayed.").wait_for()
    assert queue.get_queue_stats().dead_letters == 0
