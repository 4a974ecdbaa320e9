"""A namespace of the test's own, and schedulers that run in it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import redis

from taskq import flows, submitting
from taskq.model.recurrence import Every, Recurrence
from taskq.model.task import Task
from taskq.queue import TaskQueue
from taskq.scheduler import TaskScheduler
from taskq.scheduler.definition import Definition
from taskq.scheduler.loop import SchedulerLoop
from taskq.settings import Settings

HOUR_MS = 3_600_000


@dataclass(slots=True)
class Space:
    """One namespace: the clients of users, and a plain look at what is stored."""

    queue: TaskQueue
    redis: redis.Redis

    @property
    def prefix(self) -> str:
        return self.queue.settings.prefix

    @property
    def scheduler(self) -> TaskScheduler:
        return TaskScheduler(self.queue)

    def key(self, name: str) -> str:
        return f"{self.prefix}:{name}"

    def now_ms(self) -> int:
        seconds, microseconds = self.redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    def pending(self, name: str = "normal") -> list[str]:
        return self.redis.lrange(self.key(f"queue:{name}"), 0, -1)

    def slots_of(self, name: str) -> list[str]:
        """Return the slots of the tasks that a schedule has submitted and nobody has claimed, in their order."""
        tasks = [json.loads(self.redis.get(self.key(f"task:{task_id}"))) for task_id in self.pending()]
        return [task["metadata"]["slot"] for task in tasks if task.get("metadata", {}).get("schedule") == name]

    def submitted(self) -> int:
        return int(self.redis.hget(self.key("counters"), "submitted") or 0)

    def submit_due(self, count: int) -> list[str]:
        """Submit delayed tasks that have all fallen due; return their ids in the order in which they have."""
        context = self.queue.context
        delayed = [Task(payload=number) for number in range(count)]
        ids = self.queue.run_flow(submitting.submit(context, delayed, flows.due_in(3600)))
        self.redis.zadd(self.key("scheduled"), {task_id: 1000 + place for place, task_id in enumerate(ids)})
        return ids

    def store(self, name: str, text: str) -> None:
        """Store a definition as it is, behind the back of the API."""
        self.queue.transport.run(self.queue.context.protocol.add_schedule(name, text))

    def store_overdue(self, name: str, recurrence: Recurrence | None = None, by_ms: int = 5 * HOUR_MS) -> Definition:
        """Store a schedule that was added some time ago and has not been fired since; by default an hourly one."""
        added_ms = self.now_ms() - by_ms
        definition = Definition(recurrence or Every(3600, added_ms), Task(payload={"of": name}), added_ms)
        self.store(name, definition.text())
        return definition

    @contextmanager
    def running(self, check_interval_seconds: float = 10.0) -> Iterator[SchedulerLoop]:
        """Run a scheduler on a thread."""
        stop = threading.Event()
        loop = SchedulerLoop(self.queue, stop, check_interval_seconds)
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            yield loop
        finally:
            stop.set()
            thread.join(10)
        assert not thread.is_alive(), "the loop has not ended after its stop"


@contextmanager
def open_space(url: str, prefix: str, client: redis.Redis, **settings: object) -> Iterator[Space]:
    """Yield a namespace with settings of its own."""
    with TaskQueue(settings=Settings(redis_url=url, prefix=prefix, **settings)) as queue:
        yield Space(queue, client)


@pytest.fixture
def space(redis_url: str, prefix: str, redis_client: redis.Redis) -> Iterator[Space]:
    with open_space(redis_url, prefix, redis_client) as space:
        yield space
