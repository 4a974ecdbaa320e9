"""A running task that is cancelled is told so, and ends as cancelled if it listens."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from taskq import Settings, Task, TaskCancelled, TaskContext, TaskQueue, TaskTimeout, TaskWorker
from tests.servers import ServerProcess
from tests.waiting import eventually
from tests.worker.background import Background, findings


class Scene:
    """A worker with one handler, and what the handler has seen."""

    def __init__(self, queue: TaskQueue, concurrency: int) -> None:
        self.queue = queue
        self.worker = TaskWorker(queue, concurrency=concurrency)
        self.entered = threading.Event()
        self.release = threading.Event()
        self.seen: list[Any] = []

    def cancel_while_it_runs(self, handler: Callable[..., Any]) -> dict[str, Any]:
        """Run a task, cancel it in the middle, and return its result."""
        self.worker.register_handler("long", handler)
        task_id = self.queue.submit_task(Task(task_type="long"))
        run = Background(self.worker.run_until_empty)
        assert self.entered.wait(10)
        assert self.queue.cancel_task(task_id) == "requested"
        run.join()
        result = self.queue.get_task_result(task_id)
        assert result is not None
        return result


@pytest.fixture(params=[1, 4], ids=["one slot", "four slots"])
def scene(queue: TaskQueue, request: pytest.FixtureRequest) -> Iterator[Scene]:
    scene = Scene(queue, request.param)
    yield scene
    scene.release.set()


def test_a_plain_handler_sees_it_in_its_context(scene: Scene) -> None:
    def handler(task: Task, ctx: TaskContext) -> None:
        scene.entered.set()
        eventually(lambda: ctx.cancelled, what="ctx.cancelled")
        ctx.raise_if_cancelled()

    result = scene.cancel_while_it_runs(handler)

    assert (result["status"], result["error"]) == ("cancelled", "cancelled while it ran")
    assert scene.queue.get_queue_stats().cancelled_tasks == 1
    assert scene.queue.list_dead() == []


def test_progress_tells_a_handler_without_waiting_for_the_next_beat(scene: Scene) -> None:
    def handler(task: Task, ctx: TaskContext) -> None:
        ctx.progress(0)
        scene.entered.set()
        assert eventually(lambda: ctx.progress(1) and ctx.cancelled)
        raise TaskCancelled("I have cleaned up")

    result = scene.cancel_while_it_runs(handler)

    assert (result["status"], result["error"]) == ("cancelled", "I have cleaned up")


def test_a_plain_handler_that_does_not_listen_completes(scene: Scene) -> None:
    def handler(task: Task, ctx: TaskContext) -> str:
        scene.entered.set()
        eventually(lambda: ctx.cancelled, what="ctx.cancelled")
        return "finished all the same"

    result = scene.cancel_while_it_runs(handler)

    assert (result["status"], result["result"]) == ("completed", "finished all the same")


def test_a_coroutine_is_cancelled_where_it_waits(scene: Scene) -> None:
    async def handler(task: Task) -> None:
        scene.entered.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            scene.seen.append("cleaned up")
            raise

    result = scene.cancel_while_it_runs(handler)

    assert scene.seen == ["cleaned up"]
    assert (result["status"], result["error"]) == ("cancelled", "cancelled while it ran")


def test_a_coroutine_may_finish_what_it_does(scene: Scene) -> None:
    async def handler(task: Task, ctx: TaskContext) -> list[Any]:
        scene.entered.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            return ["saved", ctx.cancelled]
        return []

    result = scene.cancel_while_it_runs(handler)

    assert (result["status"], result["result"]) == ("completed", ["saved", True])


def test_a_coroutine_that_cancels_itself_has_failed(queue: TaskQueue) -> None:
    async def handler(task: Task) -> None:
        raise asyncio.CancelledError

    worker = TaskWorker(queue)
    worker.register_handler("odd", handler)
    task_id = queue.submit_task(Task(task_type="odd", max_retries=0))
    Background(worker.run_until_empty).join()

    result = queue.get_task_result(task_id)
    assert result is not None
    assert result["status"] == "failed"
    assert "cancelled from within" in result["error"]


def test_a_task_that_waits_is_cancelled_at_once_and_never_runs(queue: TaskQueue) -> None:
    ran: list[int] = []
    worker = TaskWorker(queue)
    worker.register_handler("one", lambda task: ran.append(task.payload))
    ids = queue.submit_batch([Task(task_type="one", payload=n) for n in range(3)])

    assert queue.cancel_task(ids[1]) == "cancelled"
    worker.run_until_empty()

    assert sorted(ran) == [0, 2]
    result = queue.get_task_result(ids[1])
    assert result is not None
    assert (result["status"], result["error"]) == ("cancelled", "cancelled while it waited")
    assert queue.cancel_task(ids[1]) == "cancelled"
    assert queue.cancel_task(ids[0]) == "completed"


def test_only_the_one_that_is_meant_is_cancelled(queue: TaskQueue) -> None:
    entered, release = threading.Semaphore(0), threading.Event()

    def handler(task: Task, ctx: TaskContext) -> str:
        entered.release()
        eventually(lambda: ctx.cancelled or release.is_set())
        ctx.raise_if_cancelled()
        return "whole"

    worker = TaskWorker(queue)
    worker.register_handler("long", handler)
    ids = queue.submit_batch([Task(task_type="long") for _ in range(3)])
    run = Background(worker.run_until_empty)
    for _ in ids:
        assert entered.acquire(timeout=10)
    queue.cancel_task(ids[1])
    assert queue.wait_for_result(ids[1], timeout=10)["status"] == "cancelled"
    release.set()
    run.join()

    assert [queue.get_task_status(i)["status"] for i in ids] == ["completed", "cancelled", "completed"]


def stop_when_asked(task: Task, ctx: TaskContext) -> str:
    """Do as the documentation says: look now and then, and raise if somebody wants the end."""
    eventually(lambda: ctx.cancelled, what="ctx.cancelled")
    ctx.raise_if_cancelled()
    return "never asked"


def test_a_task_that_stops_because_its_time_is_over_has_timed_out(queue: TaskQueue) -> None:
    def deaf(task: Task, ctx: TaskContext) -> None:
        with contextlib.suppress(TaskTimeout):
            eventually(lambda: False)
        stop_when_asked(task, ctx)

    worker = TaskWorker(queue, concurrency=2)
    worker.register_handler("deaf", deaf)
    task_id = queue.submit_task(Task(task_type="deaf", timeout=0.2, max_retries=0))
    Background(worker.run_until_empty).join()

    result = queue.get_task_result(task_id)
    assert result is not None
    assert result["status"] == "failed"
    assert result["error"].startswith("TaskTimeout: it did not end within its timeout of 0.2 s")


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_task_that_stops_because_its_worker_does_goes_back(
    queue: TaskQueue, started: Callable[[TaskWorker], Background], concurrency: int
) -> None:
    worker = TaskWorker(queue, concurrency=concurrency)

    def attentive(task: Task, ctx: TaskContext) -> None:
        while not ctx.cancelled:
            time.sleep(0)
        ctx.raise_if_cancelled()

    worker.register_handler("polite", attentive)
    for _ in range(3):  # whose word comes first, that of the handler or that of the worker, is a matter of chance
        run = started(worker)
        task_id = queue.submit_task(Task(task_type="polite"))
        eventually(lambda i=task_id: queue.get_task_status(i)["status"] == "running")  # type: ignore[misc]
        worker.stop(grace_seconds=0.0)
        run.join()
        status = queue.get_task_status(task_id)
        assert (status["status"], status["retry_count"]) == ("pending", 0)
        queue.purge()


def test_a_task_that_stops_because_the_server_was_away_runs_again(settings: Settings, server: ServerProcess) -> None:
    hasty = replace(settings, redis_url=server.url, heartbeat_interval_seconds=0.25, lease_seconds=1.5)
    runs: list[int] = []
    gave_up = threading.Event()

    def handler(task: Task, ctx: TaskContext) -> str:
        runs.append(ctx.attempt)
        try:
            return stop_when_asked(task, ctx) if len(runs) == 1 else "whole"
        finally:
            gave_up.set()

    with TaskQueue(settings=hasty) as queue:
        worker = TaskWorker(queue, concurrency=2)
        worker.register_handler("polite", handler)
        task_id = queue.submit_task(Task(task_type="polite", max_retries=0))
        run = Background(worker.run_until_empty)
        eventually(lambda: runs)
        server.pause()
        assert gave_up.wait(6)
        server.resume()
        run.join(10)

        result = queue.get_task_result(task_id)
        assert result is not None
        assert (result["status"], result["result"], result["attempts"]) == ("completed", "whole", 1)
        assert runs == [1, 1]
        assert findings(queue) == []
