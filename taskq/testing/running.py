"""Run tasks in the test's own thread, through the real path: submit, claim, run, settle, on a real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from taskq.queue import TaskQueue
from taskq.registry import Handler
from taskq.worker import TaskWorker

_SUBMITS = ("submit_task", "submit_batch")


def drain(queue: TaskQueue, handlers: Mapping[str, Handler] | None = None, *, queues: Sequence[str] = ()) -> int:
    """Run what waits, and what that submits, until nothing is left to run now; return how many tasks were run.

    Args:
        queue: whose tasks; its decorated functions are known.
        handlers: other handlers by type.
        queues: names of the queues to serve; none: the default queue.
    """
    return _worker(queue, handlers, queues).run_until_empty()


@contextmanager
def inline(
    queue: TaskQueue, handlers: Mapping[str, Handler] | None = None, *, queues: Sequence[str] = ()
) -> Iterator[TaskQueue]:
    """Let each submit run its tasks before it returns: ``.delay(...)`` comes back with the work done.

    A task that raises does not raise here: it is retried or ends as a dead letter, as in production.

    Args:
        queue: whose submits.
        handlers: besides its decorated functions, by type.
        queues: names of the queues to serve; none: the default queue.
    """
    worker = _worker(queue, handlers, queues)
    running = False

    def running_at_once(submit: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal running
            ids = submit(*args, **kwargs)
            if not running:  # what a handler submits is run by the round that runs the handler
                running = True
                try:
                    worker.run_until_empty()
                finally:
                    running = False
            return ids

        return run

    for name in _SUBMITS:
        setattr(queue, name, running_at_once(getattr(queue, name)))
    try:
        yield queue
    finally:
        for name in _SUBMITS:
            delattr(queue, name)


def _worker(queue: TaskQueue, handlers: Mapping[str, Handler] | None, queues: Sequence[str]) -> TaskWorker:
    # one slot: tasks run one after the other, in order of priority
    worker = TaskWorker(queue, concurrency=1, queues=queues)
    for task_type, handler in (handlers or {}).items():
        worker.register_handler(task_type, handler)
    return worker
