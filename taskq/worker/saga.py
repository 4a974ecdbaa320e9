"""``Saga``: ordered steps with compensations, on one task. What is done is noted after each step, with the fence."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from taskq.errors import InvalidTask
from taskq.model.names import check_name
from taskq.model.retry import RetryPolicy
from taskq.model.task import Task
from taskq.worker.context import TaskContext
from taskq.worker.course import PAYLOAD, Call, Course, Step, StepFunction

# of the task as a whole: what is not the fault of a step, such as a server that is away
_OF_THE_TASK = RetryPolicy(max_retries=20, delay_seconds=1.0, max_delay_seconds=60.0)


class Registers(Protocol):
    """A worker, or what the function ``register(worker)`` of a module is given."""

    @property
    def register_handler(self) -> Callable[..., None]: ...


@dataclass(frozen=True, slots=True)
class StepOptions:
    """How a step of a saga is tried and undone.

    Attributes:
        policy: how often the step is tried; None: as the saga says.
        undo_policy: how often its compensation is tried; None: as the saga says.
        undo_failed: whether the step is also undone when it has failed itself, because it may have had an effect.
    """

    policy: RetryPolicy | None = None
    undo_policy: RetryPolicy | None = None
    undo_failed: bool = False


@dataclass(slots=True, eq=False)
class Saga:
    """Ordered steps with compensations, that survive a crash at any point.

        order = Saga("order")
        order.step("reserve", reserve, undo=release)
        order.step("charge", charge, undo=refund)
        order.step("ship", ship)

        order.register(worker)
        queue.submit_task(order.task({"order": 7}))

    A step is a function ``(ctx, data)``, plain or async; what it returns is noted, as JSON, with its name. ``data`` is
    a dict with the ``payload`` of the task and, by their names, what the steps before have returned. When a step fails
    for good, what has been done is undone in reverse by the compensations, which are called in the same way. A crash
    repeats the step or compensation that was under way, never one that was noted. The task completes with a dict of
    what the steps have returned. If it was compensated, it is cancelled, with the error of the step that failed. A
    compensation that keeps failing makes the saga stuck, a dead letter: ``taskq saga`` shows and drives it.

    Attributes:
        name: of the saga: the type of its tasks.
        policy: how often a step is tried, if it does not say otherwise.
        undo_policy: how often a compensation is tried, if its step does not say otherwise.

    Raises:
        InvalidTask: if the name cannot be used.
    """

    name: str
    policy: RetryPolicy = field(default_factory=lambda: RetryPolicy(delay_seconds=1.0))
    undo_policy: RetryPolicy = field(default_factory=lambda: RetryPolicy(max_retries=10, delay_seconds=1.0))
    _steps: list[Step] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        check_name(self.name, "name of a saga")

    def step(
        self, name: str, run: StepFunction, undo: StepFunction | None = None, options: StepOptions | None = None
    ) -> Saga:
        """Add a step behind the ones there are.

        Args:
            name: of the step.
            run: does it. One that raises must have had no effect, or be safe to repeat, or ``undo_failed``.
            undo: compensates it; safe to repeat. None: nothing has to be undone.
            options: how often it is tried.

        Returns:
            The saga, so that calls can be chained.

        Raises:
            InvalidTask: if the name cannot be used, or is that of another step.
        """
        check_name(name, "name of a step")
        if name == PAYLOAD or any(step.name == name for step in self._steps):
            raise InvalidTask(f"a step of the saga {self.name!r} cannot be called {name!r}: the name is taken")
        chosen = options or StepOptions()
        policies = chosen.policy or self.policy, chosen.undo_policy or self.undo_policy
        self._steps.append(Step(name, run, undo, *policies, chosen.undo_failed))
        return self

    def task(self, payload: Any = None, **options: Any) -> Task:
        """Return a task that runs this saga.

        Args:
            payload: what the steps find as ``data["payload"]``.
            options: as for ``Task``: priority, queue, task_id, ...
        """
        return Task(task_type=self.name, payload=payload, **options)

    def register(self, worker: Registers) -> None:
        """Let a worker run this saga.

        Args:
            worker: a ``TaskWorker``, or what ``register(worker)`` of a module is given.

        Raises:
            InvalidTask: if it has no steps.
        """
        if not self._steps:
            raise InvalidTask(f"the saga {self.name!r} has no steps")
        functions = [function for step in self._steps for function in (step.run, step.undo) if function is not None]
        awaited = any(inspect.iscoroutinefunction(function) for function in functions)
        worker.register_handler(self.name, self._awaited if awaited else self._plain, _OF_THE_TASK)

    # -- the handler --

    def _plain(self, task: Task, ctx: TaskContext) -> None:
        course = Course(self._steps, task, ctx).run()
        go_on: Callable[[], Call] = partial(next, course)
        while True:
            try:
                call = go_on()
            except StopIteration:
                return
            try:
                go_on = partial(course.send, call.function(*call.arguments))
            except Exception as error:
                go_on = partial(course.throw, error)

    async def _awaited(self, task: Task, ctx: TaskContext) -> None:
        course = Course(self._steps, task, ctx).run()
        go_on: Callable[[], Call] = partial(next, course)
        while True:
            try:
                call = go_on()
            except StopIteration:
                return
            try:
                if inspect.iscoroutinefunction(call.function):
                    value = await call.function(*call.arguments)
                else:
                    value = await asyncio.to_thread(call.function, *call.arguments)
                go_on = partial(course.send, value)
            except (Exception, asyncio.CancelledError) as error:
                go_on = partial(course.throw, error)
