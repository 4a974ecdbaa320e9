"""Every page, with tasks in every state, with none, and with a server that is away."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import httpx
import pytest
import redis
from starlette.applications import Starlette
from starlette.routing import Mount

from taskq import Task, TaskQueue, TaskWorker
from taskq.settings import Settings
from taskq.states import TaskStatus
from taskq.web import DashboardOptions, create_app
from tests.conformance.clients import Hands
from tests.servers import ServerProcess
from tests.waiting import eventually
from tests.web.conftest import NewSite, Site, serving
from tests.web.reader import Reader

PATHS = ["/", "/queues", "/tasks", "/workers", "/schedules", "/limits", "/sagas", "/dead"]


@pytest.mark.parametrize("path", PATHS)
def test_an_empty_namespace(site: Site, path: str) -> None:
    text = site.text(path)
    empty = {"/workers": "No worker runs.", "/schedules": "There is no schedule.", "/dead": "No dead letters."}
    assert empty.get(path, "taskq") in text
    Reader(text)


def test_every_page_is_sound(acting: Site, busy: dict[str, str]) -> None:
    """Elements are closed, ids are there once, forms have labels, and every link of a page leads somewhere."""
    seen, todo = set(), [*PATHS, *(f"/tasks/{task_id}" for task_id in busy.values())]
    while todo:
        path = todo.pop()
        if path in seen or len(seen) > 80:
            continue
        seen.add(path)
        page = Reader(acting.text(path))
        assert page.open == [], path
        assert len(page.ids) == len(set(page.ids)), path
        names = [tag for tag, _ in page.elements]
        assert (names.count("h1"), names.count("main"), names.count("header")) == (1, 1, 1), path
        assert not [found for _, found in page.elements if "style" in found or any(n.startswith("on") for n in found)]
        for tag, found in page.elements:
            if tag == "input" and found.get("type") not in ("hidden",):
                labelled = "aria-label" in found or found.get("id") == "find" or found.get("name") != "id"
                assert labelled, (path, found)
        todo += [link.replace("&amp;", "&") if link.startswith("/") else path.partition("?")[0] + link
                 for link in page.links if not link.startswith("#")]  # fmt: skip
    assert len(seen) > 30


def test_the_overview_has_its_numbers(site: Site, busy: dict[str, str]) -> None:
    text = site.text("/?range=360")
    for words in ("Throughput", "Oldest waiting", "ValueError: account 77", "report", "Running longest"):
        assert words in text
    points = json.loads(re.findall(r"data-chart='([^']+)'", text)[0])
    assert len(points["at"]) == 4
    assert points["texts"]["completed"][:2] == ["–", "0.02"]


@pytest.mark.parametrize("status", list(TaskStatus))
def test_tasks_of_each_status(site: Site, busy: dict[str, str], status: TaskStatus) -> None:
    text = site.text(f"/tasks?status={status}")
    shown = set(re.findall(r'title="([0-9a-f-]{36})"', text))
    assert busy[status.value] in shown
    others = {task_id for word, task_id in busy.items() if word != status}
    assert not shown & (others - {busy["saga"]} if status == "failed" else others)


def test_filters_and_pages(site: Site, queue: TaskQueue) -> None:
    ids = queue.submit_batch([Task(task_type="mail.send", priority="low") for _ in range(60)])
    queue.submit_task(Task(task_type="other", queue="else"))
    first = site.text("/tasks?status=pending&type=mail.*&priority=low")
    assert first.count("<tr data-row ") == 50
    link = next(link for link in Reader(first).links if "cursor=" in link)
    second = site.text(link)
    assert second.count("<tr data-row ") == 10
    assert ids[0] in first
    assert ids[59] in second
    assert "No task here is pending and fits the filter." in site.text("/tasks?status=pending&type=nothing")
    assert site.text("/tasks?status=pending&queue=else").count("<tr data-row ") == 1
    assert site.text("/tasks?status=pending&since=2999-01-01T00:00").count("<tr data-row ") == 0


@pytest.mark.parametrize(
    ("query", "words"),
    [("since=yesterday", "is not a time"), ("cursor=x", "is no cursor"), ("priority=soon", "unknown priority"),
     ("id=unknown", "There is no task unknown"), ("id=%00", "There is no task"), ("id=0123abcd", "must be complete")],
)  # fmt: skip
def test_what_cannot_be_looked_for_is_said(site: Site, query: str, words: str) -> None:
    assert words in site.text(f"/tasks?status=pending&{query}")


def test_a_task_that_waits_says_why(site: Site, queue: TaskQueue) -> None:
    task_id = queue.submit_task(Task(task_type="echo"))
    assert "Why it waits" in site.text(f"/tasks/{task_id}")
    assert "no live worker" in site.text(f"/tasks/{task_id}")
    queue.cancel_task(task_id)
    assert "Why it waits" not in site.text(f"/tasks/{task_id}")


def test_until_when_a_task_keeps_its_unique_key(site: Site, queue: TaskQueue, hands: Hands) -> None:
    kept = queue.submit_task(Task(unique_key="a", idempotency=600))
    plain = queue.submit_task(Task(unique_key="b"))
    hands.work()
    text = site.text(f"/tasks/{kept}")
    assert "<h2>Its unique key</h2>" in text
    assert re.search(r"it keeps the unique key a until 20\S+Z<", text)
    assert "<h2>Its unique key</h2>" not in site.text(f"/tasks/{plain}"), "nothing is known but its end"


def test_an_id_leads_to_its_task(site: Site, busy: dict[str, str]) -> None:
    response = site.get(f"/tasks?id=%20{busy['completed']}")
    assert (response.status_code, response.headers["location"]) == (303, f"/tasks/{busy['completed']}")


class TestTask:
    def test_one_that_runs(self, site: Site, busy: dict[str, str]) -> None:
        text = site.text(f"/tasks/{busy['running']}")
        for words in ("40 %", "page 4", "&#34;pages&#34;: 9", "hands", "Submitted"):
            assert words in text

    def test_one_that_failed(self, site: Site, busy: dict[str, str]) -> None:
        assert "ValueError: account 77 has no address" in site.text(f"/tasks/{busy['failed']}")

    def test_relatives(self, site: Site, busy: dict[str, str]) -> None:
        text = site.text(f"/tasks/{busy['waiting']}")
        assert "Waits for" in text
        assert f"/tasks/{busy['pending']}" in text
        assert f"/tasks/{busy['waiting']}" in site.text(f"/tasks/{busy['pending']}")

    @pytest.mark.parametrize(
        "path", ["/tasks/unknown", "/tasks/%3Cb%3E", "/tasks/..%2f", "/nowhere", "/static/none.js"]
    )
    def test_unknown(self, site: Site, path: str) -> None:
        response = site.get(path)
        assert response.status_code == 404
        assert "Not found" in response.text


def test_dead_letters_are_grouped(site: Site, queue: TaskQueue, hands: Hands) -> None:
    for n in range(5):
        queue.submit_task(Task(task_type=f"t{n % 2}"))
        hands.work("fail", error=f"ValueError: account {n} at 0x7f{n}a has no address" if n else "KeyError: 'x'")
    text = site.text("/dead")
    assert "ValueError: account … at … has no address" in text
    assert text.index("ValueError: account …") < text.index("KeyError: &#39;x&#39;")
    link = next(link for link in Reader(text).links if "group=" in link)
    assert site.text(link).count('scope="row" data-label="Task"') == 4


def test_schedules_that_cannot_run_say_why(site: Site, redis_client: object, prefix: str) -> None:
    redis_client.hset(f"{prefix}:schedules", "broken", "<b>{")  # type: ignore[attr-defined]
    assert "is not run:" in site.text("/schedules")


def test_a_server_that_is_away_is_said(server: ServerProcess, prefix: str) -> None:
    settings = Settings(redis_url=server.url, prefix=prefix, call_timeout_seconds=0.3)
    with serving(create_app(settings, DashboardOptions(trusted=True))) as url:
        assert httpx.get(f"{url}/").status_code == 200
        server.stop()
        response = httpx.get(f"{url}/", timeout=20)
        assert response.status_code == 503
        assert "The server does not answer" in response.text
        assert "tries again" in response.text


def test_mounted_in_another_app(settings: Settings, busy: dict[str, str]) -> None:
    app = Starlette(
        routes=[Mount("/ops/tasks", create_app(settings, DashboardOptions(trusted=True, allow_actions=True)))]
    )
    with serving(app) as url:
        site = Site(f"{url}/ops/tasks")
        page = Reader(site.text("/"))
        assert page.links
        assert all(link.startswith(("/ops/tasks/", "#")) for link in page.links)
        assert all(
            (found.get("src") or found.get("href") or found.get("action") or "/ops/tasks").startswith(
                ("/ops/tasks", "#")
            )
            for _, found in page.elements
        )
        assert httpx.get(f"{url}/ops/tasks/static/style.css").status_code == 200
        sent = {"origin": url}
        response = site.http.post("/queues/pause", data={"csrf": site.csrf, "queue": "mail"}, headers=sent)
        assert (response.status_code, response.headers["location"]) == (303, "/ops/tasks/queues?done=paused")
        cookie = next(iter(site.http.cookies.jar))
        assert cookie.path == "/ops/tasks"
        with httpx.stream("GET", f"{url}/ops/tasks/live?topic=nav", timeout=10) as stream:
            event = next(line for line in stream.iter_lines() if line.startswith("data: "))
        assert "/ops/tasks/queues" in event


def test_a_path_of_the_proxy_is_no_place_for_tags(new_site: NewSite) -> None:
    assert "<script>" not in new_site().get("/", headers={"x-forwarded-prefix": "<script>"}).text.split("<head>")[0]


def test_limits_and_what_waits_for_them(site: Site, queue: TaskQueue, hands: Hands) -> None:
    queue.set_limit("customer", concurrency=1)
    queue.submit_batch([Task(limit_keys=[f"customer:{name}"]) for name in ("ada", "ada", "bob", "bob", "bob")])
    for _ in range(3):
        hands.claim()
    text = site.text("/limits")
    assert text.index("customer:bob") < text.index("customer:ada"), "most waiting first"
    assert "1 run, 2 wait" in text


def test_circuits_that_hold_back_come_first(
    site: Site, queue: TaskQueue, redis_client: redis.Redis, prefix: str
) -> None:
    redis_client.hset(f"{prefix}:circuits", "no name of ours", "5 60000 30000")
    queue.set_circuit("api", failures=3)
    queue.set_circuit("host")
    for name in ("a", "b"):
        queue.open_circuit(f"host:{name}", 600)
    text = site.text("/limits").split('id="circuits"')[1]
    assert text.index(">host<") < text.index(">host:a<") < text.index(">host:b<") < text.index(">api<")
    assert text.count("s-failed") == 3, "the circuit, and both of its keys"
    assert 'method="post"' not in text, "it only shows"


def test_sagas_and_their_steps(site: Site, busy: dict[str, str]) -> None:
    assert busy["saga"] in site.text("/sagas")
    assert busy["saga"] in site.text("/sagas?state=stuck")
    assert busy["saga"] not in site.text("/sagas?state=running")
    assert "is no cursor" in site.text("/sagas?cursor=x")
    text = site.text(f"/tasks/{busy['saga']}")
    for words in ("<b>reserve</b>", 'class="step-stuck"', "ValueError: no money", "&#34;seat&#34;: &#34;7a&#34;"):
        assert words in text


def test_a_tree_of_tasks(site: Site, queue: TaskQueue) -> None:
    ids = queue.chain(*(Task(task_type=f"step{n}") for n in range(4)))
    text = site.text(f"/tasks/{ids[3]}")
    assert text.count('<ul class="below">') == 2
    for task_id in ids[:3]:
        assert f"/tasks/{task_id}" in text


def test_partitions_are_summed(settings: Settings) -> None:
    spread = replace(settings, partitions=2)
    app = create_app(spread, DashboardOptions(trusted=True, interval_seconds=0.2))
    with TaskQueue(settings=spread) as queue, serving(app) as url:
        queue.submit_batch([Task(task_type="novel") for _ in range(40)])
        queue.set_sla("normal", age=3600)
        site = Site(url)
        assert '<td class="n" data-label="Waiting"><b>40</b></td>' in site.text("/queues")
        for index in range(2):
            TaskWorker(queue, partitions=[index]).run_until_empty()
        eventually(lambda: "40 × novel, version 1" in site.text("/queues"), what="those of both partitions")
        text = site.text("/queues")
        assert text.count('<span class="status s-failed">no worker knows it</span>') == 1
        assert text.count('<span class="status s-completed">kept</span>') == 1
        assert f"<b>{settings.prefix}</b> × 2" in text
