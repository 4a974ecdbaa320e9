"""What programs hang on submits and runs: metrics, traces, logs of their own.

A middleware is an observer with one right: before a submit it may write into the metadata of the task. It changes
neither what runs nor how a run ends, and an error in it is logged, never more.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from taskq.model.moment import parse_iso
from taskq.model.task import Task

log = logging.getLogger("taskq.middleware")


@dataclass(slots=True, eq=False)
class Run:
    """One attempt at a task, as a middleware sees it.

    Attributes:
        task: as it was submitted.
        attempt: 1 for the first.
        worker_id: who runs it.
        started_ms: when it was claimed, ms since the epoch, by the server's clock.
        seconds: how long the handler took; 0 before ``after_run``.
        outcome: how it ended, a word of ``taskq.states.Outcome``; empty before ``after_run``. ``retry`` and ``fail``
            follow an error: the task runs again, or is a dead letter now.
        error: what the handler raised; None if it returned.
        notes: what a middleware wants to find again in ``after_run``; use the middleware as key.
    """

    task: Task
    attempt: int
    worker_id: str
    started_ms: int
    seconds: float = 0.0
    outcome: str = ""
    error: BaseException | None = None
    notes: dict[Any, Any] = field(default_factory=dict)

    @property
    def waited_seconds(self) -> float:
        """From the submit of the task to the start of this attempt; a delay counts as waiting."""
        return max(0, self.started_ms - parse_iso(self.task.created_at)) / 1000


class Middleware:
    """The hooks. Override those you need; they are plain functions for both clients and both kinds of handlers.

    A hook runs on the thread, or the event loop, of the code around which it stands: it must not block.
    """

    def before_submit(self, task: Task) -> None:
        """Look at a task that is about to be stored, and write into its metadata if need be.

        It is called again if the same ``Task`` is submitted again, which must lead to the same envelope: leave a key
        that is there already.

        Args:
            task: not encoded yet. Its ``metadata`` may be shared with other tasks: replace the dict, do not change it.
        """

    def around_run(self, run: Run) -> AbstractContextManager[object] | None:
        """Return what is to be entered before the handler is called, and left after it, on its thread or in its
        coroutine; context variables that are set there are seen by the handler.

        Args:
            run: about to begin.
        """
        return None

    def after_run(self, run: Run) -> None:
        """Look at how a run has ended, before the server is told; it may still refuse it, if the lease was lost.

        Args:
            run: with ``outcome``, ``seconds`` and ``error``.
        """


class Installs:
    """What queues and workers have in common: a middleware can be installed."""

    registry: Any

    def install(self, middleware: Middleware) -> None:
        """Call a middleware for every submit of this queue, and for every run of a worker that takes its handlers.

        Args:
            middleware: called in the order of installation; install it before the worker starts.
        """
        self.registry.middleware = (*self.registry.middleware, middleware)


def before_submit(middleware: Sequence[Middleware], task: Task) -> None:
    """Call the hooks of a submit."""
    for one in middleware:
        try:
            one.before_submit(task)
        except Exception:
            log.exception("%s: before_submit has failed for task %s", type(one).__name__, task.task_id)


def after_run(middleware: Sequence[Middleware], run: Run) -> None:
    """Call the hooks at the end of a run, the last installed first."""
    for one in reversed(middleware):
        try:
            one.after_run(run)
        except Exception:
            log.exception("%s: after_run has failed for task %s", type(one).__name__, run.task.task_id)


class Around:
    """Enters and leaves what ``around_run`` of each middleware returns; none of them can end or change the run.

    Args:
        middleware: the last one is the innermost.
        run: about to begin.
    """

    def __init__(self, middleware: Sequence[Middleware], run: Run) -> None:
        self._middleware = middleware
        self._run = run
        self._entered: list[tuple[Middleware, AbstractContextManager[object]]] = []

    def __enter__(self) -> None:
        for one in self._middleware:
            try:
                manager = one.around_run(self._run)
                if manager is not None:
                    manager.__enter__()
                    self._entered.append((one, manager))
            except Exception:
                log.exception("%s: around_run has failed for task %s", type(one).__name__, self._run.task.task_id)

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        self._run.error = error
        for one, manager in reversed(self._entered):
            try:
                manager.__exit__(kind, error, trace)
            except Exception:
                log.exception("%s: around_run has failed for task %s", type(one).__name__, self._run.task.task_id)
