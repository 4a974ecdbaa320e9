"""Handlers by task type, and the decorator that makes a function a task."""

from __future__ import annotations

import difflib
import functools
import inspect
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

from taskq.errors import InvalidTask, SchemaMismatch
from taskq.middleware import Middleware
from taskq.model.arguments import Arguments, Misfit, arguments_of
from taskq.model.names import check_name, check_version, plain_type
from taskq.model.retry import Discard, RetryPolicy
from taskq.model.schema import Shape, shape_of
from taskq.model.task import Task

P = ParamSpec("P")
C = ParamSpec("C")
R = TypeVar("R")
H = TypeVar("H")

Handler = Callable[..., Any]
Upcast = TypeVar("Upcast", bound=Callable[[Any], Any])


@dataclass(frozen=True, slots=True)
class HandlerSpec:
    """How tasks of one type are run.

    Attributes:
        task_type: the type.
        function: what to call.
        is_async: whether it is awaited on the event loop instead of called on a thread.
        wants_context: whether it takes ``(task, ctx)``.
        spreads: whether the payload holds ``args`` and ``kwargs`` for it (a decorated function).
        policy: what to do when it raises.
        version: of the payloads that it takes.
        upcasts: what is done to the payload before, in this order: makes one of an older version fit.
        defaults: of the ``Task``, where a decorated function has some.
        arguments: what the function takes, if it ``spreads`` and that can be told without a call.
    """

    task_type: str
    function: Handler
    is_async: bool = False
    wants_context: bool = False
    spreads: bool = False
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    version: int = 1
    upcasts: tuple[Callable[[Any], Any], ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict, compare=False)
    arguments: Arguments | None = field(default=None, compare=False)

    def call(self, task: Task, ctx: Any) -> Any:
        """Call the function as it wants to be called; returns an awaitable if ``is_async``.

        Raises:
            Misfit: if it cannot be called with what the payload holds.
        """
        if self.upcasts:
            for upcast in self.upcasts:
                task.payload = upcast(task.payload)
            task.version = self.version  # a copy that the handler submits is not made to fit once more
        if self.spreads:
            args, kwargs = spread(task.payload)
            if self.arguments is not None:
                self.arguments.check(args, kwargs, Misfit)
            return self.function(ctx, *args, **kwargs) if self.wants_context else self.function(*args, **kwargs)
        return self.function(task, ctx) if self.wants_context else self.function(task)


def spread(payload: Any) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments that a payload holds for a decorated function.

    A payload of ``args`` and ``kwargs`` comes from ``.delay``; any other dict, from ``taskq submit`` for instance, is
    taken as keyword arguments, and anything else as the only argument.
    """
    if isinstance(payload, dict) and payload.keys() <= {"args", "kwargs"} and payload:
        return payload.get("args", []), payload.get("kwargs", {})
    if isinstance(payload, dict):
        return [], payload
    return ([] if payload is None else [payload]), {}


class Registry:
    """The handlers that one worker, or one ``TaskQueue`` with decorated tasks, knows."""

    def __init__(self) -> None:
        self._specs: dict[str, HandlerSpec] = {}
        self._upcasts: dict[tuple[str, int], Callable[[Any], Any]] = {}
        self.shapes: dict[str, Shape] = {}
        self.middleware: tuple[Middleware, ...] = ()

    def add(self, spec: HandlerSpec) -> None:
        """Add a handler; a later one for the same type replaces it."""
        self._specs[spec.task_type] = spec

    def register(
        self,
        task_type: str,
        function: Handler,
        policy: RetryPolicy | None = None,
        schema: Any = None,
        version: int = 1,
    ) -> None:
        """Add a handler of the form ``fn(task)`` or ``fn(task, ctx)``, plain or async.

        Args:
            task_type: which tasks it runs.
            function: the handler.
            policy: what to do when it raises; by default retries with exponential backoff.
            schema: what the payload has to look like; see ``set_schema``. None: as it was set for the type, if it was.
            version: of the payloads that it takes, from 1; see ``add_upcast`` for older ones.

        Raises:
            InvalidTask: if the name, the function or the schema cannot be used.
            SettingsError: if the library for the schema is not installed.
        """
        name = plain_type(task_type)
        if schema is not None:
            self.set_schema(name, schema)
        if not callable(function):
            raise InvalidTask(f"the handler of {name!r} is a {type(function).__name__}, not a function")
        self.add(
            HandlerSpec(
                name,
                function,
                is_async(function),
                takes_two(function, name),
                policy=policy or RetryPolicy(),
                version=check_version(version),
            )
        )

    def add_upcast(self, task_type: str, from_version: int, function: Callable[[Any], Any]) -> None:
        """Say how a payload of one version becomes one of the next; several make a chain.

        Args:
            task_type: the type.
            from_version: the version of the payloads that the function takes.
            function: takes the payload, returns that of the next version.

        Raises:
            InvalidTask: if the name, the version or the function cannot be used.
        """
        if not callable(function):
            raise InvalidTask(f"the up-caster of {task_type!r} is a {type(function).__name__}, not a function")
        if is_async(function):
            raise InvalidTask(f"the up-caster of {task_type!r} is async: nobody awaits it. Make it a plain function")
        self._upcasts[plain_type(task_type), check_version(from_version)] = function

    def set_schema(self, task_type: str, schema: Any) -> None:
        """Say what the payload of a type has to look like: it is checked at every submit here, and before every run.

        Args:
            task_type: the type.
            schema: a JSON Schema as a dict, a ``msgspec.Struct`` or a pydantic model.

        Raises:
            InvalidTask: if the name or the schema cannot be used.
            SettingsError: if the library for it is not installed.
        """
        name = plain_type(task_type)
        self.shapes[name] = shape_of(schema, f"the task type {name}")

    def update(self, other: Registry) -> None:
        """Add all handlers of another registry, its schemas and its middleware."""
        self._specs.update(other._specs)
        self._upcasts.update(other._upcasts)
        self.shapes.update(other.shapes)
        self.middleware += tuple(one for one in other.middleware if one not in self.middleware)

    def get(self, task_type: str) -> HandlerSpec | None:
        """Return the handler of a type, None if there is none."""
        return self._specs.get(task_type)

    def upcaster(self, task_type: str, from_version: int) -> Callable[[Upcast], Upcast]:
        """Return a decorator that adds a function as ``add_upcast`` does."""

        def add(function: Upcast) -> Upcast:
            self.add_upcast(task_type, from_version, function)
            return function

        return add

    def versions(self, task_type: str) -> range:
        """Return which versions of the payloads of a type can be run here; none if the type is not known."""
        spec = self._specs.get(task_type)
        if spec is None:
            return range(0)
        lowest = spec.version
        while (task_type, lowest - 1) in self._upcasts:
            lowest -= 1
        return range(lowest, spec.version + 1)

    def taking(self, task_type: str, version: int) -> HandlerSpec | None:
        """Return the handler for a payload of a version, with what makes it fit; None if it cannot be run here."""
        spec = self._specs.get(task_type)
        if spec is None or version == spec.version:
            return spec
        if version not in self.versions(task_type):
            return None
        shape = self.shapes.get(task_type)
        steps = [self._upcasts[task_type, step] for step in range(version, spec.version)]
        return replace(spec, upcasts=(*steps, *([functools.partial(_fitting, shape)] if shape is not None else [])))

    def __iter__(self) -> Iterator[HandlerSpec]:
        return iter(self._specs.values())

    def __len__(self) -> int:
        return len(self._specs)

    @property
    def types(self) -> list[str]:
        """The known types, sorted."""
        return sorted(self._specs)


def _fitting(shape: Shape, payload: Any) -> Any:
    try:
        return shape.load(payload)
    except SchemaMismatch as error:
        raise Discard(f"SchemaMismatch: {error}") from error


class HandlerSource(ABC):
    """What a module given to ``taskq worker --handlers`` may hold besides a ``TaskQueue``: something with handlers."""

    @property
    @abstractmethod
    def registry(self) -> Registry:
        """The handlers."""


def is_async(function: Handler) -> bool:
    """Return whether a function, or an object that can be called, has to be awaited."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004 - an object with an async __call__


def takes_two(function: Handler, name: str, first: str = "task") -> bool:
    """Return whether a handler takes the context of the attempt besides its first argument.

    Args:
        function: the handler.
        name: its type, for the message.
        first: what its first argument is, for the message.

    Raises:
        InvalidTask: if it takes none, or too many.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # a builtin without a signature
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    required = [p for p in positional if p.default is p.empty]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return len(required) >= 2
    if not positional or len(required) > 2:
        raise InvalidTask(
            f"the handler of {name!r} takes {len(required)} arguments: write it as fn({first}) or fn({first}, ctx)"
        )
    return len(required) == 2 or (len(positional) >= 2 and positional[1].name == "ctx")


_OPTIONS = frozenset(known.name for known in fields(Task) if known.init) - {"task_type", "payload"}
_LATER = ("delay", "countdown", "eta", "delay_seconds", "at")
_FOR_LATER = ". For later: TaskScheduler(queue).schedule_task_in(function.task([argument], {}), seconds)"


class TaskDefinition(Generic[P, R, H, C]):
    """A function that is also a task.

    Calling it runs it here and now; ``delay`` and ``submit`` enqueue a call. For type checkers ``P`` is what these take
    and ``C`` what a plain call takes: the same, or with ``pass_ctx=True`` the context before it.

    Args:
        function: what it runs.
        task_type: the type under which workers know it.
        send: takes a ``Task`` and returns what ``delay`` returns: a handle, or for an async queue an awaitable of one.
        options: defaults of the ``Task``.
        arguments: what ``delay`` takes; None: it is left to the run to tell.
    """

    def __init__(
        self,
        function: Callable[C, R],
        task_type: str,
        send: Callable[[Task], H],
        options: dict[str, Any],
        arguments: Arguments | None = None,
    ) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._send = send
        self._options = options
        self._arguments = arguments
        self.task_type = task_type

    def __call__(self, *args: C.args, **kwargs: C.kwargs) -> R:
        return self._function(*args, **kwargs)

    def delay(self, *args: P.args, **kwargs: P.kwargs) -> H:
        """Enqueue a call with these arguments and return its handle.

        Raises:
            WrongArguments: if the function does not take them.
        """
        return self._send(self.task(list(args), dict(kwargs)))

    def submit(self, *args: P.args, **kwargs: P.kwargs) -> H:
        """The same as ``delay``."""
        return self.delay(*args, **kwargs)

    def options(self, **options: Any) -> TaskDefinition[P, R, H, C]:
        """Return the same task with other defaults: ``send.options(priority="high").delay(1)``.

        Args:
            options: arguments of ``Task``.

        Raises:
            InvalidTask: if ``Task`` has no such argument.
        """
        for name in options.keys() - _OPTIONS:
            likely = difflib.get_close_matches(name, _OPTIONS, 1)
            raise InvalidTask(
                f"a task has no option {name!r}"
                + (f": did you mean {likely[0]!r}?" if likely else "")
                + (_FOR_LATER if name in _LATER else "")
            )
        return TaskDefinition(self._function, self.task_type, self._send, {**self._options, **options}, self._arguments)

    def task(self, args: list[Any], kwargs: dict[str, Any]) -> Task:
        """Return the ``Task`` of a call, not submitted yet.

        Raises:
            WrongArguments: if the function does not take these arguments.
        """
        if self._arguments is not None:
            self._arguments.check(args, kwargs)
        payload = {"args": args, "kwargs": kwargs}
        return Task(task_type=self.task_type, payload=payload, **self._options)


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """What ``@app.task`` was told, besides the defaults of the ``Task``."""

    name: str | None = None
    pass_ctx: bool = False
    policy: RetryPolicy = field(default_factory=RetryPolicy)


def _type_of(function: Callable[..., Any]) -> str:
    """Return module and name of a function; a file that is run as a program counts as the module workers import."""
    module = function.__module__
    if module == "__main__":
        module = Path(getattr(sys.modules["__main__"], "__file__", None) or "__main__").stem
    return f"{module}.{function.__qualname__}".replace("<locals>.", "")


def define(
    registry: Registry,
    function: Callable[P, R],
    send: Callable[[Task], H],
    options: TaskOptions,
    defaults: dict[str, Any],
) -> TaskDefinition[P, R, H, P]:
    """Register a decorated function and return its definition."""
    name = check_name(options.name or _type_of(function), "task type")
    Task(task_type=name, **defaults)  # a wrong default is better reported where it stands
    arguments = arguments_of(function, after_context=options.pass_ctx)
    registry.add(
        HandlerSpec(
            name,
            function,
            is_async=is_async(function),
            wants_context=options.pass_ctx,
            spreads=True,
            policy=options.policy,
            version=defaults.get("version", 1),
            defaults=defaults,
            arguments=arguments,
        )
    )
    return TaskDefinition(function, name, send, defaults, arguments)
