"""A real browser: every page, every action, the keyboard, both colours, two widths, and strings that must not run."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from taskq import Task, TaskQueue, TaskScheduler, TaskWorker
from tests.conformance.clients import Hands
from tests.web.conftest import NewSite, Site
from tests.web.xss import XSS

PATHS = [
    "/", "/queues", "/tasks", "/tasks?status=failed", "/workers", "/schedules", "/limits", "/sagas", "/dead", "/nowhere"
]  # fmt: skip


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of a new browser; what its console says, and what it asks others for, fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(10_000)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    context.close()
    told = [text for text in said if "404" not in text and "ERR_" not in text]
    assert not told, told


def wide(page: Any) -> int:
    """Return by how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("width", [375, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_fits_and_can_be_read(
    page: Any, acting: Site, queue: TaskQueue, busy: dict[str, str], width: int, scheme: str
) -> None:
    queue.submit_batch(
        [Task(queue="newsletter", priority=word) for word in ("low", "normal", "high") for _ in range(120)]
    )
    queue.pause("newsletter", "low")
    page.set_viewport_size({"width": width, "height": 812})
    page.emulate_media(color_scheme=scheme)
    for path in [*PATHS, f"/tasks/{busy['running']}", f"/tasks/{busy['failed']}", f"/tasks/{busy['saga']}"]:
        page.goto(acting.url + path)
        assert wide(page) <= 0, path
        assert page.evaluate(OUTSIDE) == [], path
        faint = page.evaluate(CONTRAST)
        assert not faint, (path, scheme, faint)


# Cells of tables that stick out of the panel that they stand in.
OUTSIDE = """() => Array.from(document.querySelectorAll("main td, main th")).filter((cell) => {
  const panel = cell.closest("section, .rows, main").getBoundingClientRect(), box = cell.getBoundingClientRect();
  return cell.checkVisibility() && box.width > 1 && (box.right > panel.right + 1 || box.left < panel.left - 1);
}).map((cell) => cell.textContent)"""

# Text against the nearest background that is painted; 4.5 is what WCAG AA asks for.
CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const linear = (v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const light = (text) => parse(text).slice(0, 3).map((v) => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), part = walker.currentNode.parentElement;
    if (!text || !part.checkVisibility() || part.closest("dialog, .hush, .skip, option")) continue;
    let back = part;
    while (back && parse(getComputedStyle(back).backgroundColor)[3] === 0) back = back.parentElement;
    const over = light(getComputedStyle(part).color);
    const under = light(getComputedStyle(back || document.body).backgroundColor);
    const ratio = (Math.max(over, under) + 0.05) / (Math.min(over, under) + 0.05);
    if (ratio < 4.5) found.push([text.slice(0, 40), part.className, Math.round(ratio * 100) / 100]);
  }
  return found;
}"""


def test_actions(page: Any, acting: Site, queue: TaskQueue, hands: Hands, busy: dict[str, str]) -> None:
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
    page.get_by_text("1 waiting tasks were deleted").wait_for()

    page.goto(f"{acting.url}/tasks/{busy['scheduled']}")
    page.locator("summary", has_text="Cancel").click()
    page.locator("details[open]").get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled.", exact=True).wait_for()
    page.get_by_role("button", name="Run again").click()
    page.get_by_text("It waits in its list again.").wait_for()

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


def test_actions_on_circuits_and_types(page: Any, acting: Site, queue: TaskQueue) -> None:
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

    page.goto(f"{acting.url}/queues")
    page.get_by_label("Type", exact=True).fill("mail.send")
    page.get_by_role("button", name="Pause type").click()
    page.get_by_text("Paused. Running tasks go on").wait_for()
    page.locator("tr", has_text="mail.send").get_by_role("button", name="Resume").click()
    page.get_by_text("Resumed.").wait_for()
    assert queue.paused_types() == []


def test_actions_on_workers(page: Any, acting: Site, queue: TaskQueue) -> None:
    worker = TaskWorker(queue)
    thread = threading.Thread(target=worker.start)
    thread.start()
    try:
        page.goto(f"{acting.url}/workers")
        page.get_by_role("button", name="Drain").click()
        page.get_by_text("Asked to drain").wait_for()
        page.locator("td", has_text="draining").wait_for()
        page.get_by_role("button", name="Resume").click()
        page.get_by_text("Asked to go on").wait_for()
        page.locator("td", has_text="alive").wait_for()
        page.locator("summary", has_text="Stop").click()
        page.locator("details[open]").get_by_role("button", name="Stop").click()
        page.get_by_text("No worker runs.").wait_for()
    finally:
        worker.stop()
        thread.join(20)


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


def test_an_empty_list_fills(page: Any, site: Site, queue: TaskQueue) -> None:
    page.goto(f"{site.url}/tasks?status=pending&type=mail.*")
    page.get_by_text("Live", exact=True).wait_for()
    task_id = queue.submit_task(Task(task_type="mail.send"))
    page.locator(f'tr[data-id="{task_id}"]').wait_for()
    queue.submit_batch([Task(task_type="mail.send"), Task(task_type="other")])
    page.locator("#news", has_text="1 new").wait_for()
    page.keyboard.press("n")
    page.locator("tr[data-id]").nth(1).wait_for()


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


def test_the_keyboard(page: Any, site: Site, busy: dict[str, str]) -> None:
    page.goto(f"{site.url}/")
    page.keyboard.press("?")
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("Escape")
    paths = {
        "u": "/queues",
        "w": "/workers",
        "s": "/schedules",
        "l": "/limits",
        "a": "/sagas",
        "d": "/dead",
        "t": "/tasks",
    }
    for key, path in paths.items():
        page.keyboard.press("g")
        page.keyboard.press(key)
        page.wait_for_url(f"{site.url}{path}")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.url}/tasks/{busy['running']}")
    page.keyboard.press("/")
    page.keyboard.type(busy["failed"])
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.url}/tasks/{busy['failed']}")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement !== document.body")


def test_colours_are_remembered(page: Any, site: Site) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(f"{site.url}/")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    for word in ("Light", "Dark"):
        page.locator("#theme").click()
        page.get_by_text(word, exact=True).wait_for()
    dark = page.evaluate(ground)
    assert dark != light
    page.goto(f"{site.url}/queues")
    assert page.evaluate(ground) == dark
    page.keyboard.press("c")
    assert page.evaluate(ground) == light


def test_a_chart_tells_its_values(page: Any, site: Site, busy: dict[str, str]) -> None:
    page.goto(f"{site.url}/")
    figure = page.locator("figure[data-chart]").nth(1)
    figure.focus()
    label = figure.locator(".at")
    page.keyboard.press("ArrowLeft")
    latest = label.text_content()
    page.keyboard.press("ArrowLeft")
    assert label.text_content() != latest
    assert figure.locator('[data-line="high"] b').text_content() == "2"
    assert "Waiting" in figure.get_attribute("aria-label")


def test_strings_that_would_run(
    page: Any, acting: Site, queue: TaskQueue, hands: Hands, redis_client: Any, prefix: str
) -> None:
    failed = queue.submit_task(Task(payload={text: text for text in XSS}, metadata={"m": XSS}, max_retries=0))
    hands.work("fail", error="\n".join(XSS))
    for text in XSS:
        queue.submit_task(Task(max_retries=0))
        hands.work("fail", error=text)
        redis_client.hset(f"{prefix}:schedules", text, text)
        redis_client.sadd(f"{prefix}:queues", text)
        redis_client.sadd(f"{prefix}:workers", text.replace(" ", ""))
        redis_client.hset(f"{prefix}:worker:{text.replace(' ', '')}", mapping={"host": text, "lists": text})
        redis_client.hset(f"{prefix}:limits", text, "4 - 0 0 0")
        redis_client.hset(f"{prefix}:circuits", text, "5 60000 30000")
        redis_client.hset(f"{prefix}:gates", f"!host:{text}", f"half {text}")
        redis_client.hset(f"{prefix}:gates", f"type:{text}", "1")
    queue.set_circuit("host")
    redis_client.zadd(f"{prefix}:sagas", {failed: 1})
    running = queue.submit_task(Task())
    hands.claim()
    note = json.dumps({"value": 0.5, "message": XSS[0]})
    hands.run(hands.protocol.progress(running, hands.held[running].fence, note))
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    paths = [
        "/",
        "/queues",
        "/dead",
        "/workers",
        "/schedules",
        "/limits",
        "/sagas",
        "/tasks?status=failed",
        f"/tasks/{running}",
    ]
    for path in [*paths, f"/tasks/{failed}"]:
        page.goto(acting.url + path)
        # the parts that are live are put in by a script
        page.get_by_text("Live", exact=True).wait_for()
        for link in page.locator("main a[href*='javascript']").all():
            assert not (link.get_attribute("href") or "").startswith("javascript")
        assert page.evaluate("window.pwned") is None, path
        assert page.locator("main img, main iframe, main object, main script, main base").count() == 0, path


def test_the_server_goes_and_comes_back(page: Any, server: Any, prefix: str) -> None:
    from taskq.settings import Settings
    from taskq.web import DashboardOptions, create_app
    from tests.web.conftest import serving

    settings = Settings(redis_url=server.url, prefix=prefix, call_timeout_seconds=0.3)
    with serving(create_app(settings, DashboardOptions(trusted=True, interval_seconds=0.3))) as url:
        page.goto(url)
        page.get_by_text("Live", exact=True).wait_for()
        server.stop()
        page.locator("#away:not([hidden])").wait_for()
        server.start()
        page.locator("#away[hidden]").wait_for(state="attached")


def test_with_a_token(browser: Any, new_site: NewSite) -> None:
    site = new_site(token="correct-horse-battery")
    context = browser.new_context(http_credentials={"username": "me", "password": "correct-horse-battery"})
    page = context.new_page()
    page.goto(site.url)
    page.get_by_text("Live", exact=True).wait_for()
    assert page.get_by_text("read only").is_visible()
    context.close()
