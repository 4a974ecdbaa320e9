"""What changes is sent to whoever looks, and costs one look however many there are."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from taskq import Task, TaskQueue
from taskq.errors import ServerUnavailable, TaskNotFound
from taskq.settings import Settings
from taskq.web import DashboardOptions, create_app
from taskq.web.live import Hub
from tests.conformance.clients import Hands
from tests.servers import ServerProcess
from tests.web.conftest import Site, serving


def events(response: httpx.Response) -> Any:
    kind = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            kind = line[7:]
        elif line.startswith("data: "):
            yield kind, json.loads(line[6:])


def test_progress_arrives(site: Site, queue: TaskQueue, hands: Hands) -> None:
    task_id = queue.submit_task(Task())
    hands.claim()
    fence = hands.held[task_id].fence
    with site.http.stream("GET", f"/live?topic=task:{task_id}&topic=nav&topic=<b>") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        seen = []
        for kind, data in events(response):
            if data["topic"] != f"task:{task_id}":
                continue
            seen.append(data["html"])
            assert kind == "part"
            if len(seen) == 1:
                hands.run(hands.protocol.progress(task_id, fence, '{"value":0.7,"message":"<b>"}'))
            if "70 %" in data["html"]:
                assert "<b>&" not in data["html"]
                assert "&lt;b&gt;" in data["html"]
                break
    assert "70 %" not in seen[0]


@pytest.mark.parametrize(
    "topic",
    ["overview:60", "overview:9", "queues", "workers", "schedules", "limits", "circuits", "bulk",
    "nav", "tasks:status=failed&type=in*",
    "sagas:", "sagas:stuck", "groups:", "letters:", "letters:0123456789abcdef"],
)  # fmt: skip
def test_every_topic(site: Site, busy: dict[str, str], topic: str) -> None:
    with site.http.stream("GET", "/live", params={"topic": topic}) as response:
        kind, data = next(events(response))
    assert (kind, data["topic"]) == ("part", topic)
    assert len(data["html"]) > 50


def test_an_outage_is_said_and_its_end(server: ServerProcess, prefix: str) -> None:
    settings = Settings(redis_url=server.url, prefix=prefix, call_timeout_seconds=0.3)
    options = DashboardOptions(trusted=True, interval_seconds=0.2)
    with (
        serving(create_app(settings, options)) as url,
        httpx.stream("GET", f"{url}/live?topic=nav", timeout=30) as stream,
    ):
        told = events(stream)
        assert next(told)[0] == "part"
        server.stop()
        kind, data = next(told)
        assert kind == "away"
        assert "does not answer" in data["why"] or "unavailable" in data["why"] or "127.0.0.1" in data["why"]
        server.start()
        assert any(kind == "back" for kind, _ in told)


class Looks:
    """Counts how often a topic is rendered."""

    def __init__(self) -> None:
        self.number = 0
        self.error: Exception | None = None
        self.looked = asyncio.Condition()

    async def until(self, number: int) -> None:
        async with self.looked:
            await self.looked.wait_for(lambda: self.number >= number)

    async def __call__(self, topic: str) -> str:
        async with self.looked:
            self.number += 1
            self.looked.notify_all()
        if self.error is not None:
            raise self.error
        return f"{topic} {self.number}"


async def take(stream: AsyncIterator[str]) -> str:
    async with asyncio.timeout(5):
        return await anext(stream)


def test_fifty_visitors_cost_one_look() -> None:
    assert DashboardOptions(trusted=True).interval_seconds == 2, "as docs/dashboard.md says"

    async def run() -> None:
        looks = Looks()
        hub = Hub(looks, 0.05)
        streams = [hub.stream(("|nav",)) for _ in range(50)]
        assert [await take(stream) for stream in streams] == ["retry: 2000\n\n"] * 50
        first = [await take(stream) for stream in streams]
        assert len(set(first)) == 1
        assert looks.number <= 3
        for stream in streams:
            await stream.aclose()
        await asyncio.wait_for(hub._loop, 5)  # type: ignore[arg-type]  # nobody looks any more: it has ended by itself
        await hub.close()

    asyncio.run(run())


def test_what_is_gone_and_what_fails_is_said_once() -> None:
    async def run() -> None:
        looks = Looks()
        looks.error = TaskNotFound("forgotten")
        hub = Hub(looks, 0.02)
        stream = hub.stream(("|task:x",))
        await take(stream)
        assert '"gone"' in await take(stream)
        looks.error = ServerUnavailable("no answer")
        assert "event: away" in await take(stream)
        looks.error = ValueError("a defect of ours")
        await looks.until(8)
        looks.error = None
        found = await take(stream)
        while "event: part" not in found:
            found = await take(stream)
        await stream.aclose()
        await hub.close()

    asyncio.run(run())


def test_a_visitor_who_takes_nothing_fills_no_memory() -> None:
    async def run() -> None:
        looks = Looks()
        hub = Hub(looks, 0.001)
        stream = hub.stream(("|nav",))
        await take(stream)
        await looks.until(60)
        (visitor,) = hub._visitors
        assert visitor.mail.qsize() <= 20
        await stream.aclose()
        await hub.close()

    asyncio.run(run())


def test_what_takes_long_is_looked_at_less_often() -> None:
    asyncio.run(_looks_of_a_slow_topic())


async def _looks_of_a_slow_topic() -> None:
    looks = {"slow": 0, "quick": 0}
    enough = asyncio.Event()

    async def render(topic: str) -> str:
        looks[topic] += 1
        if topic == "slow":
            await asyncio.to_thread(asyncio.run, asyncio.sleep(0.1))
        if looks["quick"] == 10:
            enough.set()
        return f"{topic} {looks[topic]}"

    hub = Hub(render, 0.01)
    stream = hub.stream(("slow", "quick"))
    await anext(stream)
    await asyncio.wait_for(enough.wait(), 10)
    assert looks["slow"] == 1, "it rests ten times as long as it took"
    await hub.close()
