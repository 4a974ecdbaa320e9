"""taskq in Flask: one queue for the application, tasks that run inside its context.

tasks = Taskq()


@tasks.task(timeout=60)
def invoice(order: int) -> None:
    render(Order.query.get(order), current_app.config["LOGO"])


def create_app() -> Flask:
    app = Flask(__name__)
    tasks.init_app(app)
    return app
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ParamSpec, TypeVar, overload

from flask import Flask, current_app

from taskq.handle import TaskHandle
from taskq.model.retry import RetryPolicy
from taskq.queue import TaskQueue
from taskq.registry import Registry, TaskDefinition, TaskOptions, define
from taskq.settings import FIELDS, Settings

P = ParamSpec("P")
R = TypeVar("R")


class Taskq:
    """The extension.

    Args:
        app: the application; None: it comes later, by ``init_app``.

    Attributes:
        registry: the decorated tasks.
    """

    def __init__(self, app: Flask | None = None) -> None:
        self.registry = Registry()
        self._app = app
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Make the queue of an application, from ``app.config``.

        ``TASKQ_PREFIX``, ``REDIS_URL`` and so on: the names that the settings have in the environment, which has its
        say where the configuration has none.

        Args:
            app: the application.

        Raises:
            SettingsError: if a setting cannot be used.
        """
        given = {
            spec.name: next((app.config[name] for name in spec.env if app.config.get(name) is not None), None)
            for spec in FIELDS
        }
        app.extensions["taskq"] = TaskQueue(settings=Settings.load(**given))
        self._app = app

    @property
    def queue(self) -> TaskQueue:
        """The queue of the current application, or of the one that was initialised last.

        Raises:
            RuntimeError: before ``init_app``.
        """
        app = current_app or self._app
        if app is None or "taskq" not in app.extensions:
            raise RuntimeError("taskq has no application yet: call taskq.init_app(app)")
        queue: TaskQueue = app.extensions["taskq"]
        return queue

    @overload
    def task(self, function: Callable[P, R], /) -> TaskDefinition[P, R, TaskHandle, P]: ...

    @overload
    def task(
        self, /, *, name: str | None = None, policy: RetryPolicy | None = None, **defaults: Any
    ) -> Callable[[Callable[P, R]], TaskDefinition[P, R, TaskHandle, P]]: ...

    def task(
        self,
        function: Any = None,
        /,
        *,
        name: str | None = None,
        policy: RetryPolicy | None = None,
        **defaults: Any,
    ) -> Any:
        """Make a function a task that runs inside the context of the application; as ``TaskQueue.task``.

        Args:
            function: the function, plain or async.
            name: type of its tasks; None: module and name of the function.
            policy: what to do when it raises.
            defaults: arguments of ``Task``: priority, max_retries, timeout, ...

        Raises:
            InvalidTask: if a name or a default cannot be used.
        """
        options = TaskOptions(name, policy=policy or RetryPolicy())

        def decorate(function: Callable[P, R]) -> TaskDefinition[P, R, TaskHandle, P]:
            return define(self.registry, self._in_context(function), self._send, options, defaults)

        return decorate if function is None else decorate(function)

    def register(self, worker: Any) -> None:
        """Tell a worker of the decorated tasks: ``register = taskq.register`` in the module that it loads."""
        worker.registry.update(self.registry)

    def _send(self, task: Any) -> TaskHandle:
        return TaskHandle(self.queue, self.queue.submit_task(task))

    def _in_context(self, function: Callable[P, R]) -> Callable[P, R]:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: P.args, **kwargs: P.kwargs) -> Any:
                with self._context():
                    return await function(*args, **kwargs)

            return run_async  # type: ignore[return-value]  # a coroutine function of the same signature

        @functools.wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            with self._context():
                return function(*args, **kwargs)

        return run

    def _context(self) -> AbstractContextManager[Any]:
        """Return the context to run in: where there is one already, a call from a view for instance, that one."""
        if current_app:
            return nullcontext()
        if self._app is None:
            raise RuntimeError(
                "taskq has no application: the module that the worker loads has to make it, such as "
                "`app = create_app(); register = taskq.register`"
            )
        return self._app.app_context()
