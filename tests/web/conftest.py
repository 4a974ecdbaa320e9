"""A dashboard that is served on loopback, a namespace with tasks in every state, and a browser where there is one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import Any

import httpx
import pytest
import redis

from taskq import Saga, Task, TaskQueue, TaskScheduler
from taskq.settings import Settings
from taskq.web import DashboardOptions, create_app
from taskq.web.serving import DashboardServer
from taskq.workflow.sagas import Record
from tests.browsers import FLAGS, chromium_or_skip
from tests.conformance.clients import Hands


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an app on a free port of this machine; yield its address."""
    urls: SimpleQueue[str] = SimpleQueue()
    server = DashboardServer(app, getattr(app, "stop", lambda: None), "127.0.0.1", 0, urls.put)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield urls.get(timeout=30)
    finally:
        server.should_exit = True
        thread.join(10)


class Site:
    """A dashboard and a visitor with a cookie."""

    def __init__(self, url: str, **client: Any) -> None:
        self.url = url
        self.http = httpx.Client(base_url=url, timeout=20, **client)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(path, **options)

    def text(self, path: str) -> str:
        """Return a page that has to be there."""
        response = self.get(path)
        assert response.status_code == 200, f"{path}: {response.status_code} {response.text[:300]}"
        return response.text

    @property
    def csrf(self) -> str:
        return self.text("/").split('<meta name="csrf" content="', 1)[1].split('"', 1)[0]

    def post(self, path: str, data: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """Send a form as a browser does that has just loaded a page."""
        sent = {"origin": self.url, **headers}
        return self.http.post(path, data={"csrf": self.csrf, **(data or {})}, headers=sent)


NewSite = Callable[..., Site]


@pytest.fixture
def settings(redis_url: str, prefix: str) -> Settings:
    return Settings(redis_url=redis_url, prefix=prefix, call_timeout_seconds=5.0)


@pytest.fixture
def queue(settings: Settings) -> Iterator[TaskQueue]:
    with TaskQueue(settings=settings) as queue:
        yield queue


@pytest.fixture
def hands(redis_url: str, prefix: str) -> Iterator[Hands]:
    hands = Hands(redis_url, prefix)
    yield hands
    hands.close()


@pytest.fixture
def new_site(settings: Settings) -> Iterator[NewSite]:
    """Function that serves a dashboard; options of the dashboard are given by name."""
    with ExitStack() as stack:

        def new(client: dict[str, Any] | None = None, **options: Any) -> Site:
            chosen = {"trusted": "token" not in options, "interval_seconds": 0.3, **options}
            url = stack.enter_context(serving(create_app(settings, DashboardOptions(**chosen))))
            return Site(url, **(client or {}))

        yield new


@pytest.fixture
def site(new_site: NewSite) -> Site:
    """A dashboard that only shows."""
    return new_site()


@pytest.fixture
def acting(new_site: NewSite) -> Site:
    """A dashboard with which something can be changed."""
    return new_site(allow_actions=True)


def stuck_saga(queue: TaskQueue, hands: Hands) -> str:
    """Return the id of a saga that is stuck at the compensation of its only step that was done."""
    record = Record(["reserve", "charge"], done=["reserve"], results={"reserve": {"seat": "7a"}})
    record.turn_round("ValueError: no money")
    task_id = hands.begin_saga(queue.submit_task(Saga("order").task(priority="urgent")), record)
    hands.end(task_id, "fail", error="OSError: the undo of reserve failed")
    return task_id


@pytest.fixture
def busy(queue: TaskQueue, hands: Hands, redis_client: redis.Redis, prefix: str) -> dict[str, str]:
    """A namespace in which everything has happened; returns one id for each status."""
    ids = {"failed": queue.submit_task(Task(task_type="invoice", payload={"account": 77}, max_retries=0))}
    hands.claim()
    hands.end(ids["failed"], "fail", error="ValueError: account 77 has no address")
    ids["completed"] = queue.submit_task(Task(task_type="mail.send", payload={"to": "ada@example.com"}))
    hands.claim()
    hands.end(ids["completed"])
    ids["retry"] = queue.submit_task(Task(task_type="mail.send"))
    hands.claim()
    hands.end(ids["retry"], "retry", error="TimeoutError: no answer", delay_ms=3_600_000)
    ids["running"] = queue.submit_task(Task(task_type="report", payload={"pages": 9}))
    hands.claim()
    fence = hands.held[ids["running"]].fence
    hands.run(hands.protocol.progress(ids["running"], fence, '{"value":0.4,"message":"page 4"}'))
    first, ids["waiting"] = queue.chain(Task(task_type="step", queue="mail"), Task(task_type="step"))
    ids["pending"] = first
    ids["scheduled"] = TaskScheduler(queue).schedule_task_in(Task(task_type="later"), 3600)
    ids["cancelled"] = queue.submit_task(Task(task_type="step"))
    queue.cancel_task(ids["cancelled"])
    TaskScheduler(queue).schedule_cron("nightly", "0 3 * * *", Task(task_type="report", payload={}))
    queue.set_limit("smtp", concurrency=10, rate="100/m", burst=20)
    queue.set_circuit("host", failures=3)
    queue.open_circuit("host:a.example", 3600)
    queue.pause(task_type="newsletter")
    ids["saga"] = stuck_saga(queue, hands)
    minute = int(time.time()) // 60
    for ago in (3, 2, 1):
        done = f"{60 - ago} {50 - ago} 1 0 0 0 0"
        redis_client.rpush(f"{prefix}:history", f"{(minute - ago) * 60_000} {done} 8 1 1 1 1 1 1 4000 1 2 3 2")
    redis_client.expire(f"{prefix}:history", 60)
    hands.run(hands.protocol.remember())
    return ids


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium."""
    return chromium_or_skip()


# not for the whole session: the tools keep an event loop running in this thread, and others want one of their own
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of a new browser; what its console says, and what it asks others for, fails the test."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(40_000)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    context.close()
    told = [text for text in said if "404" not in text and "ERR_" not in text]
    assert not told, told
