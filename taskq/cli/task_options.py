"""The options that describe a task: for ``submit`` and ``schedule add``."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from taskq.cli import values
from taskq.model.names import check_name
from taskq.model.task import MAX_RETRIES, RETRY_DELAY_SECONDS, Task
from taskq.model.uniqueness import FIELDS as UNIQUENESS
from taskq.registry import HandlerSpec, Registry, spread
from taskq.states import TaskType

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--handlers",
        multiple=True,
        metavar="MODULE[:ATTR]",
        help="Where TYPE is declared, as for the worker: what @app.task says of it holds, but for what is said here.",
    ),
    click.option(
        "--priority", type=values.priority, default="normal", show_default=True, help="urgent, high, normal, low."
    ),
    click.option("--queue", metavar="NAME", help="Queue; without it the default one."),
    click.option(
        "--max-retries",
        type=values.WholeNumber(0, 1_000_000),
        metavar="N",
        default=MAX_RETRIES,
        show_default=True,
        help="Runs after a failed one.",
    ),
    click.option(
        "--retry-delay",
        type=values.duration,
        default=RETRY_DELAY_SECONDS,
        help="Wait before the first retry.  [default: 60s]",
    ),
    click.option("--timeout", type=values.duration, help="Longest run of one attempt, such as 30s."),
    click.option("--expires-in", type=values.duration, help="Do not run it later than this after its submit."),
    click.option(
        "--metadata", type=values.json_object, metavar="JSON", help="Notes as a JSON object, kept with the task."
    ),
)


_FIELDS = (
    "priority",
    "queue",
    "max_retries",
    "retry_delay",
    "timeout",
    "expires_in",
    "metadata",
)


def task_options(function: F) -> F:
    """Add the options that describe a task."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def build_task(
    words: tuple[str, ...],
    registry: Registry | None = None,
    *,
    task_id: str | None = None,
    unique_key: str | None = None,
    ordering_key: str | None = None,
    group_key: str | None = None,
    limit_keys: tuple[str, ...] = (),
    **options: Any,
) -> Task:
    """Return the task that a command line describes.

    Args:
        words: the arguments ``[TYPE] [PAYLOAD]``.
        registry: in which the type is declared; None: nothing is known of it.
        task_id: None: one is made up.
        unique_key, ordering_key, group_key: None: none.
        limit_keys: of the limits that it is counted by.
        options: those of ``task_options``, and what is said about the unique key; others are not looked at.

    Raises:
        InvalidTask: for a value that cannot be used.
        click.UsageError: for arguments that cannot be understood.
    """
    task_type, text = type_and_payload(words)
    payload = values.read_payload(text)
    spec = None if registry is None else _declared(registry, task_type)
    if spec is not None and spec.spreads:  # as ``.delay`` sends it, and a schema wants it
        args, kwargs = spread(payload)
        if spec.arguments is not None:
            spec.arguments.check(args, kwargs)
        payload = {"args": args, "kwargs": kwargs}
    fields = {} if spec is None else dict(spec.defaults)
    said = (name for name in (*_FIELDS, *UNIQUENESS) if options.get(name) is not None)
    fields |= {name: options[name] for name in said if spec is None or _is_said(name)}
    keys = {"unique_key": unique_key, "ordering_key": ordering_key, "group_key": group_key, "limit_keys": limit_keys}
    fields |= {name: key for name, key in keys.items() if key not in (None, ())}
    if task_id is not None:  # an empty one would be made up
        fields["task_id"] = check_name(task_id, "task id")
    return Task(task_type=task_type, payload=payload, **fields)


def _is_said(name: str) -> bool:
    """Return whether somebody has given an option, and not left it at its default."""
    return click.get_current_context().get_parameter_source(name) is not ParameterSource.DEFAULT


def _declared(registry: Registry, task_type: str) -> HandlerSpec:
    spec = registry.get(task_type)
    if spec is None:
        near = difflib.get_close_matches(task_type, registry.types, n=1)
        near = near or [name for name in registry.types if name.rpartition(".")[2] == task_type]
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(registry.types[:10])}"
        raise click.UsageError(f"What --handlers names has no type {task_type}: {hint}")
    return spec


def known_types(targets: tuple[str, ...]) -> Registry | None:
    """Return what ``--handlers`` names; None if it is not given."""
    if not targets:
        return None
    from taskq.worker.handlers import load_handlers

    return load_handlers(targets)


def type_and_payload(words: tuple[str, ...]) -> tuple[str, str | None]:
    """Return the type and the payload text of the arguments ``[TYPE] [PAYLOAD]``.

    A single argument that can only be a payload is one, for a task of the default type.

    Raises:
        click.UsageError: for no argument, or more than two.
    """
    if not words:
        raise click.UsageError('Nothing to submit: name the type and the payload, as in: echo \'{"hello": "world"}\'')
    if len(words) > 2:
        raise click.UsageError(
            f"Too many arguments: {' '.join(words[2:])!r}. Put single quotes around the whole payload, as in: "
            'echo \'{"hello": "world"}\''
        )
    if len(words) == 1 and words[0].lstrip()[:1] in ("{", "[", '"', "-"):
        return TaskType.AGENT_QUERY.value, words[0]
    return words[0], words[1] if len(words) == 2 else None
