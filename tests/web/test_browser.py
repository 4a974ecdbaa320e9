"""Every page in a real browser: widths, colours, the keyboard, strings that must not run, a server that is away."""

from __future__ import annotations

import json
from typing import Any

import pytest

from taskq import Task, TaskQueue
from tests.conformance.clients import Hands
from tests.web.conftest import NewSite, Site
from tests.web.xss import XSS

PATHS = [
    "/", "/queues", "/tasks", "/tasks?status=failed", "/workers", "/schedules", "/limits", "/sagas", "/dead", "/nowhere"
]  # fmt: skip


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


def test_an_empty_namespace_says_what_to_do(page: Any, acting: Site) -> None:
    words = {
        "/": "Nothing runs at the moment",
        "/tasks": "No task",
        "/workers": "taskq worker --handlers",
        "/schedules": "taskq schedule add",
        "/limits": "taskq circuit set",
        "/sagas": "No saga has begun",
        "/dead": "No dead letters",
    }
    for path, text in words.items():
        page.goto(acting.url + path)
        page.locator("main", has_text=text).wait_for()
    page.goto(f"{acting.url}/tasks/never")
    page.get_by_role("heading", name="Not found").wait_for()
    page.goto(f"{acting.url}/tasks?status=pending&cursor=x")
    page.get_by_role("alert").get_by_text("is no cursor").wait_for()


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


def test_without_scripts_a_page_shows_and_acts(browser: Any, acting: Site, queue: TaskQueue) -> None:
    queue.submit_task(Task(queue="mail"))
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{acting.url}/queues")
    assert page.get_by_text("this page is as of when it was loaded").is_visible()
    page.locator("tr.group", has_text="mail").get_by_role("button", name="Pause").click()
    page.get_by_text("Paused. Running tasks go on").wait_for()
    page.locator("tr.group", has_text="mail").locator("summary", has_text="Purge").click()
    page.locator("details[open]").get_by_role("button", name="Purge").click()
    page.locator(".job").wait_for()
    context.close()


def test_a_tab_in_the_background_has_no_connection(page: Any, site: Site) -> None:
    page.goto(site.url)
    page.get_by_text("Live", exact=True).wait_for()
    with page.expect_event("requestfailed", lambda request: "/live" in request.url):
        page.evaluate(HIDE, True)
    with page.expect_request(lambda request: "/live" in request.url):
        page.evaluate(HIDE, False)
    page.get_by_text("Live", exact=True).wait_for()


HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""
