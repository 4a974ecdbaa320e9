"""Coroutines that are cancelled in the middle of a consume: what had been claimed for them comes with the next call."""

from __future__ import annotations

import asyncio
import random

import pytest

from taskq import AsyncConsumer, AsyncPublisher, AsyncTaskQueue, TaskQueue
from taskq.settings import Settings
from tests.worker.background import findings

COUNT = 200


async def consume_and_be_cancelled(settings: Settings, chance: random.Random) -> tuple[list[int], int]:
    """Return what was consumed, and how many calls were cancelled."""
    queue = AsyncTaskQueue(settings=settings)
    got: list[int] = []
    cancelled = 0
    async with AsyncConsumer("orders", queue) as consumer:
        await consumer.consume()
        for number in range(COUNT):
            waiting = asyncio.create_task(consumer.consume(1, block_ms=None))
            publishing = asyncio.create_task(AsyncPublisher(queue).publish("orders", number))
            for _ in range(chance.randrange(12)):
                await asyncio.sleep(0)
            if chance.random() < 0.3:
                await publishing
            waiting.cancel()
            try:
                got += [message.data for message in await waiting]
            except asyncio.CancelledError:
                cancelled += 1
            await publishing
        got += [message.data for message in await consumer.consume(COUNT)]
        assert (await consumer.get_consumer_info())["pending"] == COUNT
    await queue.close()
    return got, cancelled


@pytest.mark.parametrize("seed", range(3))
def test_a_cancelled_consume_loses_nothing(redis_url: str, prefix: str, seed: int) -> None:
    settings = Settings(redis_url=redis_url, prefix=prefix)
    got, cancelled = asyncio.run(consume_and_be_cancelled(settings, random.Random(seed)))
    assert sorted(got) == list(range(COUNT))
    assert cancelled > COUNT / 4
    with TaskQueue(settings=settings) as queue:
        assert findings(queue) == []
        assert queue.get_queue_stats().pending_tasks == COUNT, "the close has handed them back"
