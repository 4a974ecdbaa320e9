"""Whoever beats watches over the thresholds; where there are none it costs a call a minute."""

from __future__ import annotations

from typing import Any

from taskq import Task, TaskQueue
from taskq.errors import AccessDenied
from taskq.protocol.keys import Keys
from taskq.protocol.operation import Operation
from taskq.protocol.operations import Protocol
from taskq.scheduler.janitor import Janitor
from taskq.settings import Settings
from taskq.transport.vigil import Vigil
from taskq.worker.guardian import guardian_of
from tests.waiting import eventually

BEAT_MS = 5_000


class Server:
    """Notes what it is asked; says whether there are thresholds, or refuses."""

    def __init__(self, *answers: bool | None) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self, operation: Operation[Any], /) -> Any:
        self.asked += 1
        answer = self.answers.pop(0)
        if answer is None:
            raise AccessDenied("no")
        return answer


def beats(server: Server, minutes: int) -> int:
    vigil = Vigil(server, Protocol(Keys("p")), BEAT_MS)
    for now_ms in range(0, minutes * 60_000, BEAT_MS):
        vigil.step(now_ms)
    return server.asked


def test_without_thresholds_one_call_a_minute() -> None:
    assert beats(Server(False, False, False), 3) == 3


def test_with_thresholds_one_call_a_beat() -> None:
    assert beats(Server(*[True] * 24), 2) == 24


def test_it_does_not_ask_again_where_it_may_not() -> None:
    assert beats(Server(None), 3) == 1


def broken(queue: TaskQueue) -> int:
    return queue.get_queue_stats().counters.get("sla_breaches", 0)


def late(url: str, prefix: str) -> TaskQueue:
    queue = TaskQueue(settings=Settings(redis_url=url, prefix=prefix))
    queue.set_sla("normal", age=5)
    queue.submit_task(Task(created_at="2026-01-01T00:00:00.000Z"))
    return queue


def test_a_scheduler_watches(redis_url: str, prefix: str) -> None:
    with late(redis_url, prefix) as queue:
        Janitor(queue.transport.run, queue.namespace.protocol, queue.settings).step()
        assert broken(queue) == 1


def test_a_worker_watches(redis_url: str, prefix: str) -> None:
    with late(redis_url, prefix) as queue:
        guardian = guardian_of(queue)
        guardian.start()
        eventually(lambda: broken(queue) == 1, what="the breach")
        guardian.stop()
