"""What the transports need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from taskq.protocol.keys import Keys
from taskq.protocol.operations import Protocol
from taskq.settings import Settings
from taskq.testing.faults.proxy import Proxy
from taskq.transport.endpoint import Endpoint


@pytest.fixture
def settings(redis_url: str, prefix: str) -> Settings:
    return Settings(redis_url=redis_url, prefix=prefix, call_timeout_seconds=5.0, socket_timeout_seconds=1.0)


@pytest.fixture
def protocol(prefix: str) -> Protocol:
    return Protocol(Keys(prefix))


@pytest.fixture
def endpoint(redis_url: str, settings: Settings) -> Endpoint:
    return Endpoint(redis_url, settings)


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    with Proxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
def far(proxy: Proxy, settings: Settings) -> Endpoint:
    """The address of the proxy."""
    return Endpoint(proxy.url, settings)
