"""Every conformance test of this folder runs once with each kind of client; the audit runs when it has ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from taskq.settings import Settings
from tests.channels.faces import AsyncFace, Face, SyncFace
from tests.worker.background import findings

NewFace = Callable[..., Face]


@pytest.fixture(params=[SyncFace, AsyncFace], ids=["sync", "async"])
def new_face(request: pytest.FixtureRequest, redis_url: str, prefix: str) -> Iterator[NewFace]:
    """Function that makes a face; settings are given by name."""
    with ExitStack() as stack:

        def new(**settings: Any) -> Face:
            chosen = {"redis_url": redis_url, "prefix": prefix, "call_timeout_seconds": 5.0, **settings}
            return stack.enter_context(closing(request.param(Settings(**chosen))))

        yield new


@pytest.fixture
def face(new_face: NewFace) -> Iterator[Face]:
    face = new_face()
    yield face
    assert findings(face.queue) == []
