"""Every test of this folder runs once with each client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from taskq.settings import Settings
from tests.conformance.agents import Asked
from tests.conformance.clients import AsyncClient, Client, Hands, NewClient, SyncClient


@pytest.fixture(params=[SyncClient, AsyncClient], ids=["sync", "async"])
def new_client(request: pytest.FixtureRequest, redis_url: str, prefix: str) -> Iterator[NewClient]:
    """Function that makes a client; settings are given by name."""
    with ExitStack() as stack:

        def new(**settings: Any) -> Client:
            chosen = {"redis_url": redis_url, "prefix": prefix, "call_timeout_seconds": 5.0, **settings}
            return stack.enter_context(closing(request.param(Settings(**chosen))))

        yield new


@pytest.fixture
def client(new_client: NewClient) -> Client:
    return new_client()


@pytest.fixture
def hands(redis_url: str, prefix: str) -> Iterator[Hands]:
    with closing(Hands(redis_url, prefix)) as hands:
        yield hands


@pytest.fixture
def asked(new_client: NewClient) -> Callable[..., Asked]:
    """Function that makes an executor; what begins with ``max_`` or ``encryption`` is a setting."""

    def new(handler: Any = None, settings: dict[str, Any] | None = None, **options: Any) -> Asked:
        return Asked(new_client(**(settings or {})), handler, **options)

    return new
