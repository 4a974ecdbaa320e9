"""What changes on a page while it is open: one look at the server for all visitors, sent to each of them."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from taskq.errors import TaskNotFound, TaskqError

log = logging.getLogger("taskq.web")

MOST_VISITORS = 500
MOST_TOPICS = 200
_QUIET_SECONDS = 15.0
_MOST_WAITING = 20
_REST = 10

Render = Callable[[str], Awaitable[str]]


class Visitor:
    """One open page: which topics it shows, and what is on its way to it."""

    def __init__(self, topics: tuple[str, ...]) -> None:
        self.topics = topics
        self.seen: dict[str, str] = {}
        self.mail: asyncio.Queue[str | None] = asyncio.Queue(_MOST_WAITING)

    def tell(self, event: str, **data: Any) -> None:
        """Send an event, unless the visitor does not take what was sent before."""
        if not self.mail.full():
            self.mail.put_nowait(f"event: {event}\ndata: {json.dumps(data)}\n\n")

    def end(self) -> None:
        """End the stream, after what is on its way if there is room."""
        if self.mail.full():
            self.mail.get_nowait()
        self.mail.put_nowait(None)


class Hub:
    """Renders each topic that somebody looks at, once in an interval, and sends what has changed.

    Args:
        render: returns the HTML of a topic.
        interval_seconds: between two looks.
    """

    def __init__(self, render: Render, interval_seconds: float) -> None:
        self._render = render
        self._interval = interval_seconds
        self._visitors: set[Visitor] = set()
        self._loop: asyncio.Task[None] | None = None
        self._away = False
        self._ended = False
        self._rests_until: dict[str, float] = {}

    @property
    def full(self) -> bool:
        """Whether no further visitor is let in."""
        return len(self._visitors) >= MOST_VISITORS

    async def stream(self, topics: tuple[str, ...]) -> AsyncIterator[str]:
        """Yield server-sent events until the visitor goes."""
        visitor = Visitor(topics)
        self._visitors.add(visitor)
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._run(), name="taskq dashboard")
        try:
            yield "retry: 2000\n\n"
            while not self._ended:
                try:
                    async with asyncio.timeout(_QUIET_SECONDS):
                        event = await visitor.mail.get()
                except TimeoutError:
                    event = ": still here\n\n"  # so that a proxy does not close a quiet connection
                if event is None:
                    return
                yield event
        finally:
            self._visitors.discard(visitor)

    async def _run(self) -> None:
        while self._visitors:
            await self._look()
            await asyncio.sleep(self._interval)

    async def _look(self) -> None:
        topics = list(dict.fromkeys(topic for visitor in self._visitors for topic in visitor.topics))
        now = time.monotonic()
        self._rests_until = {topic: self._rests_until.get(topic, 0.0) for topic in topics[:MOST_TOPICS]}
        for topic, rests_until in list(self._rests_until.items()):
            if rests_until > now:
                continue
            begun = time.monotonic()
            try:
                html = await self._render(topic)
            except TaskNotFound as error:
                self._tell(topic, "gone", str(error))
                continue
            except TaskqError as error:
                self._away = True
                for visitor in self._visitors:
                    visitor.tell("away", why=str(error))
                return
            except Exception:
                log.exception("dashboard: %s cannot be shown", topic)
                continue
            # what takes long, such as a filter that lets little through, is looked at less often
            self._rests_until[topic] = time.monotonic() + _REST * (time.monotonic() - begun)
            self._tell(topic, "html", html)
        if self._away:
            self._away = False
            for visitor in self._visitors:
                visitor.tell("back")

    def _tell(self, topic: str, kind: str, text: str) -> None:
        for visitor in self._visitors:
            if topic in visitor.topics and visitor.seen.get(topic) != text:
                visitor.seen[topic] = text
                # the page knows its topics without the root path of the app
                visitor.tell("part", topic=topic.rpartition("|")[2], **{kind: text})

    def end(self) -> None:
        """End all streams: a server that stops waits for them."""
        self._ended = True
        for visitor in self._visitors:
            visitor.end()

    async def close(self) -> None:
        """End the looking."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
