"""The example app in a real browser: its components, a query that is asked there, and the answer."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from taskq import TaskQueue
from taskq.testing.faults.server import free_port
from tests.browsers import FLAGS, chromium_or_skip
from tests.waiting import eventually

pytest.importorskip("streamlit", reason="streamlit is an extra: make test-streamlit")

APP = Path(__file__).parents[2] / "examples" / "streamlit" / "app.py"
# its first page loads half a gigabyte of libraries
START_SECONDS = 60


@pytest.fixture
def app(redis_url: str, tmp_path: Path) -> Iterator[str]:
    """Serve the example as its first lines say; yield its address."""
    port = free_port()
    options = ["--server.address=127.0.0.1", f"--server.port={port}", "--server.headless=true"]
    command = [sys.executable, "-m", "streamlit", "run", str(APP), *options, "--browser.gatherUsageStats=false"]
    env = {**os.environ, "TASKQ_REDIS_URL": redis_url, "HOME": str(tmp_path)}
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, env=env, stdout=log, stderr=log) as process:
        url = f"http://127.0.0.1:{port}"
        try:
            eventually(lambda: is_there(url), START_SECONDS, what=f"{url}, see {tmp_path / 'log'}")
            yield url
        finally:
            process.terminate()
            process.wait(20)


def is_there(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.slow
def test_ask_in_a_browser_and_read_the_answer(app: str, redis_url: str, redis_client: redis.Redis) -> None:
    chromium = chromium_or_skip()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tools, TaskQueue(redis_url, prefix="examples") as queue:
        browser = tools.chromium.launch(executable_path=chromium, args=FLAGS)
        page: Any = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(START_SECONDS * 1000)
        page.goto(app)
        page.get_by_role("heading", name="Ask an agent").wait_for()
        numbers = page.get_by_test_id("stSidebar")
        for label in ("Pending", "Running", "Completed", "Failed", "Workers", "Success rate"):
            numbers.get_by_text(label, exact=True).wait_for()
        page.get_by_label("Query").fill("olleh dlrow")
        page.get_by_role("button", name="Ask", exact=True).click()
        page.get_by_text("hello world").first.wait_for()
        numbers.get_by_text("100.0%").wait_for()
        assert page.get_by_test_id("stException").count() == 0
        assert "running" not in page.get_by_test_id("stMain").inner_text(), "it has completed"
        picture = os.environ.get("TASKQ_TEST_PICTURES")
        if picture:
            page.screenshot(path=f"{picture}/streamlit.png")
        browser.close()
        (row,) = queue.list_tasks("completed")
        assert row["type"] == "agent_query"
    redis_client.delete(*redis_client.keys("examples:*"))
