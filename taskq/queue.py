"""The queue for code that may block."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, overload

from taskq import flows, partitions
from taskq.admission.verbs import AdmissionVerbs
from taskq.flows import Context, Flow, Mail, Room
from taskq.handle import TaskHandle
from taskq.model.retry import RetryPolicy
from taskq.model.task import Task
from taskq.model.views import QueueStats, WorkerInfo
from taskq.observe.verbs import ObserveVerbs
from taskq.operate.verbs import OperateVerbs
from taskq.partitions import Spread
from taskq.protocol.operation import Operation
from taskq.registry import Registry, TaskDefinition, TaskOptions, Upcast, define
from taskq.settings import Settings
from taskq.states import TaskPriority
from taskq.transport.blocking import Transport
from taskq.transport.durable import run_durable
from taskq.transport.mailbox import await_hint, new_address, receive
from taskq.transport.namespace import Namespace
from taskq.transport.subscription import Message, Subscription
from taskq.workflow import graphs
from taskq.workflow.verbs import WorkflowVerbs

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
X = TypeVar("X")
Priority = TaskPriority | str | int


class TaskQueue(WorkflowVerbs, ObserveVerbs, OperateVerbs, AdmissionVerbs):
    """One namespace on one server. Safe for threads and across fork; connects when first used.

    Args:
        redis_url: the server; None: ``REDIS_URL`` and the other settings, else the server on this machine.
        prefix: name of the namespace; None: as configured, ``agent_queue`` by default.
        settings: all settings at once, instead of the two above.

    Raises:
        SettingsError: if a setting cannot be used.
    """

    def __init__(
        self, redis_url: str | None = None, *, prefix: str | None = None, settings: Settings | None = None
    ) -> None:
        self.settings = settings or Settings.load(redis_url=redis_url, prefix=prefix)
        self.namespace = Namespace(self.settings)
        self.registry = Registry()
        self.spread: Spread[TaskQueue] = Spread(self.settings.partitions, self)
        self._whole: TaskQueue = self
        self._lock = threading.Lock()
        self._transport: Transport | None = None

    def __repr__(self) -> str:
        return f"<TaskQueue {self.settings.prefix!r}>"

    def __enter__(self) -> TaskQueue:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def transport(self) -> Transport:
        """The connections, opened when first used."""
        if self._transport is None:
            with self._lock:
                self._transport = self._transport or Transport(self.namespace.endpoint, self.settings)
        return self._transport

    @property
    def context(self) -> Context:
        """What the flows of this queue need."""
        space, known = self.namespace, self.registry
        return Context(space.protocol, self.settings, space.seal, space.partition, known.middleware, known.shapes)

    def partition(self, index: int) -> TaskQueue:
        """Return this queue with its looks confined to one partition, for what works on a single namespace.

        Args:
            index: which one. Submits go through the whole queue all the same.
        """
        return self.spread.client(index)

    def run_flow(self, flow: Flow[T]) -> T:
        """Drive a flow of ``taskq.flows`` to its end and return its value."""
        try:
            step = next(flow)
            while True:
                at = self.spread.at(step)
                if isinstance(step, Operation):
                    reply = at.transport.run(step)
                elif isinstance(step, Mail):
                    reply = receive(at.transport, at.namespace.protocol, step.address, step.task_id, step.seconds)
                elif isinstance(step, Room):
                    await_hint(at.transport, step.key, step.seconds)
                    reply = None
                else:
                    reply = run_durable(at.transport, step)
                step = flow.send(reply)
        except StopIteration as end:
            value: T = end.value
            return value

    def submit_task(self, task: Task, *, durability: str | None = None) -> str:
        """Store a task and put it at the end of its list.

        May be repeated with the same task after any error: it is stored once.

        Args:
            task: what to run.
            durability: what to wait for: ``memory``, ``replicated`` or ``fsync``; None: as configured.

        Returns:
            The id of the task; if its ``unique_key`` is held, the id of the task that stands for it.

        Raises:
            InvalidTask: if the task cannot be encoded or is larger than allowed.
            DuplicateTask: if its ``unique_key`` is held, and its ``unique_policy`` is ``reject``.
            QueueFull: if its list is as long as it may be, or its queue holds as many tasks as it may.
            TaskConflict: if its id belongs to a different task.
            ServerUnavailable, ServerFull: if the server cannot take it.
            UnsupportedDurability: if the server cannot make it that durable; nothing was submitted.
            NotDurable: if it is accepted, but was not that durable in time.
        """
        return self._whole.run_flow(graphs.submit_one(self._whole.spread, task, durability))

    def submit_batch(self, tasks: Sequence[Task], *, durability: str | None = None) -> list[str]:
        """Store many tasks in one atomic call: all of them or none.

        One call is up to 250 tasks (125 if some have a unique or an ordering key) and two million characters. More
        are stored in several, each all or none: if one fails, its error says how many are stored. In a queue of several
        partitions it is one for each that the keys or ids of tasks name. Repeated with the same tasks, it stores what
        is missing.

        Args:
            tasks: any number.
            durability: as ``submit_task``; one wait for each call.

        Returns:
            Their ids, in order.

        Raises:
            TaskqError: all that ``submit_task`` raises.
        """
        return self._whole.run_flow(graphs.submit(self._whole.spread, tasks, durability))

    def submit_later(self, task: Task, due: str) -> str:
        """Store a task that is to start in the future and return its id; ``TaskScheduler`` has the friendlier forms.

        Args:
            task: what to run.
            due: as ``taskq.flows.due_in`` or ``due_at`` return it.

        Raises:
            InvalidTask, QueueFull, TaskConflict, ServerUnavailable, ServerFull: as ``submit_task``.
        """
        return self._whole.run_flow(partitions.submit_one(self._whole.spread, task, due))

    def cancel_task(self, task_id: str) -> str:
        """Cancel a task: at once if it waits, on request if it runs.

        Args:
            task_id: which one.

        Returns:
            ``cancelled``; ``requested`` if it is running, its ``ctx.cancelled`` turns true; or the status it had
            ended with before.

        Raises:
            TaskNotFound: if there is no such task.
        """
        return self.run_flow(flows.cancel(self.spread.of(task_id), task_id))

    def get_task(self, task_id: str) -> Task:
        """Return a task as it was submitted.

        Args:
            task_id: which one.

        Raises:
            TaskNotFound: if there is no such task.
        """
        return self.run_flow(flows.get_task(self.spread.of(task_id), task_id))

    def get_task_status(self, task_id: str) -> dict[str, Any]:
        """Return where a task is in its life.

        Args:
            task_id: which one.

        Returns:
            A dict with task_id, status, created_at, started_at, completed_at, worker_id, retry_count, priority,
            queue, progress; besides type, error and reason. Times are ISO 8601, UTC.

        Raises:
            TaskNotFound: if there is no such task.
        """
        return self.run_flow(flows.get_status(self.spread.of(task_id), task_id))

    def get_task_result(self, task_id: str) -> dict[str, Any] | None:
        """Return how a task ended, None while it has not.

        Args:
            task_id: which one.

        Returns:
            A dict with task_id, status, result, error, duration (seconds), worker_id, attempts, completed_at.

        Raises:
            TaskNotFound: if there is no such task, or its result has expired.
        """
        return self.run_flow(flows.get_result(self.spread.of(task_id), task_id))

    def wait_for_result(self, task_id: str, timeout: float | None = None) -> dict[str, Any]:
        """Wait until a task has ended. The server sends the result; nothing polls.

        Args:
            task_id: which one.
            timeout: seconds; None: as long as it takes.

        Returns:
            The result dict, as ``get_task_result`` returns it.

        Raises:
            ResultTimeout: if it has not ended in time; it goes on.
            TaskNotFound: if there is no such task.
        """
        return self.run_flow(flows.wait_for_result(self.spread.of(task_id), new_address(), task_id, timeout))

    def list_tasks(self, status: str, limit: int = 100) -> list[dict[str, Any]]:
        """Return the status dicts of tasks that have a status, in no particular order.

        Args:
            status: a ``TaskStatus`` or its word.
            limit: how many at most.

        Raises:
            InvalidTask: if there is no such status.
        """
        return self.run_flow(partitions.list_tasks(self.spread, status, limit))

    def get_queue_stats(self) -> QueueStats:
        """Return the numbers of the namespace, as of one instant."""
        return self.run_flow(partitions.stats(self.spread))

    def list_workers(self) -> list[WorkerInfo]:
        """Return the registered workers."""
        return self.run_flow(partitions.workers(self.spread))

    def subscribe_to_events(self, callback: Callable[[Message], object], *, block: bool = False) -> Subscription:
        """Call a function for each event of the namespace.

        Args:
            callback: gets the pub/sub message; ``json.loads(message["data"])`` is the event, with type, data and
                timestamp. It is called on a thread of the subscription.
            block: whether to stay here until the subscription is stopped, or Ctrl+C.

        Returns:
            The subscription; ``stop()`` ends it.
        """
        channels = [context.protocol.events_channel for context in self.spread.contexts]
        subscription = Subscription(self.namespace.endpoint, channels, callback).start()
        if block:
            subscription.join()
        return subscription

    def set_schema(self, task_type: str, schema: Any) -> None:
        """Say what the payload of a type has to look like: it is checked at every submit of this queue, and before
        every run of a worker of this queue.

        Args:
            task_type: the type. The payload of a decorated function is ``{"args": [...], "kwargs": {...}}``.
            schema: a JSON Schema as a dict, a ``msgspec.Struct`` or a pydantic model; with a class, an instance of it
                may be given as payload.

        Raises:
            InvalidTask: if the name or the schema cannot be used.
            SettingsError: if the library for it is not installed.
        """
        self.registry.set_schema(task_type, schema)

    def upcast(self, task_type: str, *, from_version: int) -> Callable[[Upcast], Upcast]:
        """Make a function say how a payload of one version becomes one of the next; several make a chain.

        Workers that have this queue run tasks of that version too, when ``@app.task(version=...)`` says a later one.
        The function takes the payload and returns the new one. That of a decorated task is a dict of ``args`` and
        ``kwargs``.

        Args:
            task_type: the type.
            from_version: the version of the payloads that the function takes.

        Raises:
            InvalidTask: if the name or the version cannot be used.
        """
        decorate: Callable[[Upcast], Upcast] = self.registry.upcaster(task_type, from_version)
        return decorate

    def handle(self, task_id: str) -> TaskHandle:
        """Return the handle of a task that was submitted somewhere else.

        Args:
            task_id: which one.
        """
        return TaskHandle(self, task_id)

    @overload
    def task(self, function: Callable[P, R], /) -> TaskDefinition[P, R, TaskHandle, P]: ...

    @overload
    def task(
        self,
        /,
        *,
        name: str | None = None,
        pass_ctx: Literal[False] = False,
        policy: RetryPolicy | None = None,
        **defaults: Any,
    ) -> Callable[[Callable[P, R]], TaskDefinition[P, R, TaskHandle, P]]: ...

    @overload
    def task(
        self, /, *, name: str | None = None, pass_ctx: Literal[True], policy: RetryPolicy | None = None, **defaults: Any
    ) -> Callable[[Callable[Concatenate[X, P], R]], TaskDefinition[P, R, TaskHandle, Concatenate[X, P]]]: ...

    def task(
        self,
        function: Any = None,
        /,
        *,
        name: str | None = None,
        pass_ctx: bool = False,
        policy: RetryPolicy | None = None,
        **defaults: Any,
    ) -> Any:
        """Make a function a task: ``@app.task`` or ``@app.task(priority="high")``.

        A plain call runs it here and now; ``.delay(...)`` or ``.submit(...)`` enqueue the call and return a handle.

        Args:
            function: the function, plain or async; its arguments must be JSON.
            name: type of its tasks; None: module and name of the function.
            pass_ctx: whether its first argument is the context of the attempt.
            policy: what to do when it raises.
            defaults: arguments of ``Task``: priority, max_retries, timeout, ...

        Raises:
            InvalidTask: if a name or a default cannot be used.
        """
        options = TaskOptions(name, pass_ctx, policy or RetryPolicy())
        decorate = functools.partial(define, self.registry, send=self._send, options=options, defaults=defaults)
        return decorate(function=function) if function is not None else lambda f: decorate(function=f)

    def _send(self, task: Task) -> TaskHandle:
        return TaskHandle(self, self.submit_task(task))

    def close(self) -> None:
        """Close the connections; the queue can be used again."""
        for part in self.spread.clients.values():
            part.close()
        if self._transport is not None:
            self._transport.close()
