"""Fixtures for pytest, there as soon as taskq is installed: a server, a queue, the application's queue on that server.

They are loaded by every pytest of the environment, so nothing else is imported before one of them is asked for.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from taskq.queue import TaskQueue


@pytest.fixture(scope="session")
def taskq_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server for the tests: ``TASKQ_TEST_REDIS_URL``, else one that is started for this session."""
    given = os.environ.get("TASKQ_TEST_REDIS_URL")
    if given:
        yield given
        return
    from taskq.testing.faults import ServerProcess

    server = ServerProcess(tmp_path_factory.mktemp("taskq-server")).start()
    yield server.url
    server.stop()


@pytest.fixture
def taskq_prefix() -> str:
    """Prefix of this test alone."""
    return f"test-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def taskq_queue(taskq_url: str, taskq_prefix: str) -> Iterator[TaskQueue]:
    """An empty queue, whose keys are removed after the test."""
    from taskq.queue import TaskQueue
    from taskq.testing.namespace import delete_keys

    with TaskQueue(taskq_url, prefix=taskq_prefix) as queue:
        yield queue
        delete_keys(queue)


@pytest.fixture
def taskq_attach(taskq_queue: TaskQueue) -> Iterator[Callable[[TaskQueue], TaskQueue]]:
    """Function that gives the queue of an application the namespace of this test until the test ends."""
    from taskq.testing.attach import attached

    with ExitStack() as stack:
        settings = taskq_queue.settings
        yield lambda queue: stack.enter_context(attached(queue, settings.redis_url or "", settings.prefix))
