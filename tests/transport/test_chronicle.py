"""Whoever beats keeps the numbers of a minute: once for all of them, and at no further cost."""

from __future__ import annotations

from typing import Any

from taskq.errors import AccessDenied
from taskq.protocol.keys import Keys
from taskq.protocol.operation import Operation
from taskq.protocol.operations import Protocol
from taskq.queue import TaskQueue
from taskq.scheduler.janitor import Janitor
from taskq.settings import Settings
from taskq.transport.chronicle import Chronicle
from taskq.worker.guardian import guardian_of
from tests.waiting import eventually

MINUTE_MS = 60_000


class Server:
    """Notes what it is asked; refuses if told to."""

    def __init__(self, refuses: bool = False) -> None:
        self.asked: list[str] = []
        self.refuses = refuses

    def __call__(self, operation: Operation[Any], /) -> Any:
        self.asked.append(operation.script.name)
        if self.refuses:
            raise AccessDenied("no")
        return 1


def test_one_call_a_minute() -> None:
    server = Server()
    chronicle = Chronicle(server, Protocol(Keys("p")))
    for now_ms in (5 * MINUTE_MS + 59_999, 6 * MINUTE_MS, 6 * MINUTE_MS + 5_000, 6 * MINUTE_MS + 59_999, 7 * MINUTE_MS):
        chronicle.step(now_ms)
    assert server.asked == ["remember"] * 3


def test_it_does_not_ask_again_where_it_may_not() -> None:
    server = Server(refuses=True)
    chronicle = Chronicle(server, Protocol(Keys("p")))
    for minute in range(3):
        chronicle.step(minute * MINUTE_MS)
    assert server.asked == ["remember"]


def test_a_scheduler_keeps_the_minute(redis_url: str, prefix: str) -> None:
    with TaskQueue(redis_url, prefix=prefix) as queue:
        janitor = Janitor(queue.transport.run, queue.namespace.protocol, queue.settings)
        janitor.step()
        assert len(queue.get_history()) == 1


def test_a_worker_keeps_the_minute(redis_url: str, prefix: str) -> None:
    with TaskQueue(settings=Settings(redis_url=redis_url, prefix=prefix)) as queue:
        guardian = guardian_of(queue)
        guardian.start()
        eventually(queue.get_history, what="the numbers of the first minute")
        guardian.stop()
