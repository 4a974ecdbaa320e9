"""Never more tasks at a time than slots, and nothing is claimed that cannot start at once."""

from __future__ import annotations

import asyncio
import threading

import pytest
import redis

from taskq import Task, TaskQueue, TaskWorker
from tests.waiting import eventually
from tests.worker.background import Background


class Crowd:
    """Handlers that wait at a gate and count how many of them are inside."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self._lock = threading.Lock()
        self.inside = 0
        self.most = 0

    def enter(self) -> None:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)

    def leave(self) -> None:
        with self._lock:
            self.inside -= 1

    def wait(self, task: Task) -> None:
        self.enter()
        self.gate.wait(20)
        self.leave()

    async def async_wait(self, task: Task) -> None:
        self.enter()
        while not self.gate.is_set():  # noqa: ASYNC110 - the gate belongs to threads as well
            await asyncio.sleep(0.005)
        self.leave()


def held_ids(redis_client: redis.Redis, prefix: str) -> list[str]:
    """Return what stands in the processing lists, as ``redis-cli`` would show it."""
    keys = redis_client.scan_iter(match=f"{prefix}:processing:*", count=1000)
    return [task_id for key in keys for task_id in redis_client.lrange(key, 0, -1)]


@pytest.mark.parametrize("kinds", [("wait",), ("async_wait",), ("wait", "async_wait")], ids="+".join)
@pytest.mark.parametrize("slots", [1, 3, 8])
def test_a_worker_holds_as_many_tasks_as_it_has_slots(
    queue: TaskQueue, redis_client: redis.Redis, prefix: str, slots: int, kinds: tuple[str, ...]
) -> None:
    crowd = Crowd()
    worker = TaskWorker(queue, concurrency=slots)
    for kind in kinds:
        worker.register_handler(kind, getattr(crowd, kind))
    queue.submit_batch([Task(task_type=kinds[n % len(kinds)]) for n in range(3 * slots)])

    run = Background(worker.run_until_empty)
    eventually(lambda: crowd.inside == slots, what="every slot is taken")

    assert len(held_ids(redis_client, prefix)) == slots
    stats = queue.get_queue_stats()
    assert (stats.running_tasks, stats.pending_tasks) == (slots, 2 * slots)
    crowd.gate.set()
    assert run.join() == 3 * slots
    assert crowd.most == slots


def test_a_slot_that_becomes_free_is_filled_while_the_others_are_busy(queue: TaskQueue) -> None:
    crowd = Crowd()
    short: list[str] = []
    worker = TaskWorker(queue, concurrency=2)
    worker.register_handler("wait", crowd.wait)
    worker.register_handler("short", lambda task: short.append(task.task_id))
    ids = queue.submit_batch([Task(task_type="wait"), *(Task(task_type="short") for _ in range(20))])

    run = Background(worker.run_until_empty)
    eventually(lambda: len(short) == 20, what="the tasks that pass the busy slot")

    assert short == ids[1:]
    assert crowd.inside == 1
    crowd.gate.set()
    assert run.join() == 21


def test_thousands_of_slots_settle_and_claim_in_pieces_the_server_can_take(
    queue: TaskQueue, redis_client: redis.Redis
) -> None:
    # a Lua script can pass on about 8,000 arguments; all of these would end in one turn
    crowd = Crowd()
    worker = TaskWorker(queue, concurrency=10_000)
    worker.register_handler("async_wait", crowd.async_wait)
    queue.submit_batch([Task(task_type="async_wait") for _ in range(10_000)])

    run = Background(worker.run_until_empty)
    eventually(lambda: crowd.inside == 10_000, 30, "ten thousand coroutines at once")
    redis_client.client_pause(1_500)
    crowd.gate.set()
    eventually(lambda: crowd.inside == 0, 30, "the end of all, while the server takes no outcome")

    assert run.join(40) == 10_000
    assert queue.get_queue_stats().counters["completed"] == 10_000
