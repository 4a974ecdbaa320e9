"""A bench for each test of a script."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests.state import Bench


@pytest.fixture
def bench(redis_url: str, prefix: str, redis_client: redis.Redis) -> Iterator[Bench]:
    bench = Bench(redis_url, prefix, redis_client)
    yield bench
    bench.close()
