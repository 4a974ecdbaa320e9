"""What a submit through a decorated task returns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing

import pytest

from taskq.aio import AsyncTaskQueue
from taskq.errors import ResultTimeout, TaskFailed, TaskNotFound
from taskq.handle import AsyncTaskHandle, TaskHandle, value_of
from taskq.queue import TaskQueue
from taskq.settings import Settings
from tests.conformance.clients import Hands


@pytest.fixture
def settings(redis_url: str, prefix: str) -> Settings:
    return Settings(redis_url=redis_url, prefix=prefix)


@pytest.fixture
def queue(settings: Settings) -> Iterator[TaskQueue]:
    with TaskQueue(settings=settings) as queue:
        yield queue


@pytest.fixture
def hands(redis_url: str, prefix: str) -> Iterator[Hands]:
    with closing(Hands(redis_url, prefix)) as hands:
        yield hands


def test_value_of_a_result() -> None:
    assert value_of({"status": "completed", "result": [1]}) == [1]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (
            {"task_id": "a", "status": "failed", "error": 'Traceback\n  File "x", line 1\nValueError: no\n'},
            "task a failed: ValueError: no",
        ),
        (
            {"task_id": "a", "status": "failed", "error": "poison: 3 workers died"},
            "task a failed: poison: 3 workers died",
        ),
        ({"task_id": "a", "status": "cancelled", "error": None}, "task a cancelled: "),
        ({"task_id": "a", "status": "failed", "error": " \n"}, "task a failed: "),
    ],
)
def test_an_end_without_a_value_is_an_error(result: dict[str, object], message: str) -> None:
    with pytest.raises(TaskFailed) as caught:
        value_of(result)
    assert str(caught.value) == message
    assert caught.value.result is result


def test_a_handle_of_a_decorated_task(queue: TaskQueue, hands: Hands) -> None:
    @queue.task(priority="high")
    def add(a: int, b: int) -> int:
        return a + b

    assert add(1, 2) == 3
    handle = add.delay(1, b=2)
    assert isinstance(handle, TaskHandle)
    assert handle.status() == "pending"
    with pytest.raises(ResultTimeout):
        handle.result(timeout=0)
    hands.work()
    assert handle.result(timeout=5) == {"args": [1], "kwargs": {"b": 2}}
    assert (handle.status(), handle.cancel()) == ("completed", "completed")
    assert repr(handle) == f"<TaskHandle {handle.id}>"
    assert queue.handle(handle.id).result() == handle.result()


def test_from_an_event_loop(queue: TaskQueue, hands: Hands) -> None:
    @queue.task
    def job() -> None: ...

    async def main() -> tuple[object, int]:
        handle = job.delay()
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.001)

        ticking = asyncio.create_task(tick())
        waiting = asyncio.create_task(handle.aresult(timeout=10))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(hands.work)
        result = await waiting
        ticking.cancel()
        return result, ticks

    result, ticks = asyncio.run(main())
    assert result == {"args": [], "kwargs": {}}
    assert ticks > 5, "the loop is not blocked by the wait"


def test_a_failure_is_raised(queue: TaskQueue, hands: Hands) -> None:
    @queue.task
    def job() -> None: ...

    handle = job.submit()
    hands.work("fail", error="ValueError: no")
    with pytest.raises(TaskFailed, match="ValueError: no") as caught:
        handle.result(5)
    assert caught.value.result["attempts"] == 1


def test_of_an_async_queue(settings: Settings, hands: Hands) -> None:
    async def main() -> None:
        async with AsyncTaskQueue(settings=settings) as queue:

            @queue.task(name="add")
            async def add(a: int) -> int:
                return a

            assert await add(1) == 1
            handle = await add.delay(5)
            assert isinstance(handle, AsyncTaskHandle)
            assert await handle.status() == "pending"
            await asyncio.to_thread(hands.work)
            assert await handle.result(timeout=5) == await handle.aresult() == {"args": [5], "kwargs": {}}
            assert await handle.cancel() == "completed"
            assert repr(handle) == f"<AsyncTaskHandle {handle.id}>"

    asyncio.run(main())


def test_of_nothing(queue: TaskQueue) -> None:
    with pytest.raises(TaskNotFound):
        queue.handle("nothing").result(1)
