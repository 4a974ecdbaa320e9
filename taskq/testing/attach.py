"""Give the queue of an application, made when its module was imported, another server for the time of a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from taskq.queue import TaskQueue


@contextmanager
def attached(queue: TaskQueue, redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    """Let a queue work on another namespace; its decorated functions stay with it.

    Args:
        queue: such as the ``app = TaskQueue()`` of an application. Nothing may be running on it.
        redis_url: the server.
        prefix: the namespace.
    """
    before, registry = vars(queue).copy(), queue.registry
    settings = replace(queue.settings, redis_url=redis_url, prefix=prefix, partitions=1)
    # the object has to stay the same, since decorators and other modules hold on to it
    TaskQueue.__init__(queue, settings=settings)
    queue.registry = registry
    try:
        yield queue
    finally:
        queue.close()
        vars(queue).clear()
        vars(queue).update(before)
