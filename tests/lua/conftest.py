"""Benches for the tests of the scripts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
import redis

from tests.state import Bench


@pytest.fixture
def bench(redis_url: str, prefix: str, redis_client: redis.Redis) -> Iterator[Bench]:
    bench = Bench(redis_url, prefix, redis_client)
    yield bench
    bench.close()


@pytest.fixture
def new_bench(redis_url: str, prefix: str, redis_client: redis.Redis) -> Iterator[Callable[[], Bench]]:
    """For tests that compare namespaces: a function that makes another one."""
    with ExitStack() as stack:
        names = iter(range(1000))

        def new() -> Bench:
            return stack.enter_context(closing(Bench(redis_url, f"{prefix}.{next(names)}", redis_client)))

        yield new
