"""The bell of an event loop: a wait that nobody looked at is not forgotten."""

from __future__ import annotations

import asyncio

import redis

from taskq.settings import Settings
from taskq.transport.concurrent_bell import AsyncBell
from taskq.transport.endpoint import Endpoint

PATIENCE_SECONDS = 10.0


def test_a_hint_ends_the_wait_and_is_kept_until_it_is_heeded(
    redis_url: str, prefix: str, redis_client: redis.Redis
) -> None:
    key = f"{prefix}:bell:normal"

    async def listen() -> None:
        bell = AsyncBell(Endpoint(redis_url, Settings(redis_url=redis_url)), [key])
        first = bell.arm(PATIENCE_SECONDS)
        assert bell.arm(PATIENCE_SECONDS) is first
        bell.heed()
        assert bell.arm(PATIENCE_SECONDS) is first, "it is under way"
        await asyncio.to_thread(redis_client.rpush, key, "1")
        await asyncio.wait_for(asyncio.shield(first), PATIENCE_SECONDS)
        assert bell.arm(PATIENCE_SECONDS) is first, "it took a hint that nobody knows of"
        bell.heed()
        second = bell.arm(PATIENCE_SECONDS)
        assert second is not first
        assert not second.done()
        await bell.close()
        assert second.cancelled()

    asyncio.run(listen())


def test_a_wait_without_a_hint_ends_by_itself(redis_url: str, prefix: str) -> None:
    async def listen() -> None:
        bell = AsyncBell(Endpoint(redis_url, Settings(redis_url=redis_url)), [f"{prefix}:bell:normal"])
        await bell.arm(0.01)
        bell.heed()
        await bell.close()

    asyncio.run(listen())


def test_a_server_that_is_away_is_a_reason_to_look() -> None:
    async def listen() -> None:
        url = "redis://127.0.0.1:1/0"
        bell = AsyncBell(Endpoint(url, Settings(redis_url=url)), ["bell"])
        await asyncio.wait_for(bell.arm(PATIENCE_SECONDS), PATIENCE_SECONDS)
        await bell.close()

    asyncio.run(listen())
