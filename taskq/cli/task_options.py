"""The options that describe a task: for ``submit`` and ``schedule add``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from taskq.cli import values
from taskq.model.task import MAX_RETRIES, RETRY_DELAY_SECONDS, Task
from taskq.model.uniqueness import FIELDS as UNIQUENESS
from taskq.states import TaskType

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--priority", type=values.priority, default="normal", show_default=True, help="urgent, high, normal, low."
    ),
    click.option("--queue", metavar="NAME", help="Queue; without it the default one."),
    click.option(
        "--max-retries",
        type=click.IntRange(0, 1_000_000),
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
        task_id: None: one is made up.
        unique_key, ordering_key, group_key: None: none.
        limit_keys: of the limits that it is counted by.
        options: those of ``task_options``, and what is said about the unique key; others are not looked at.

    Raises:
        InvalidTask: for a value that cannot be used.
        click.UsageError: for arguments that cannot be understood.
    """
    task_type, payload = type_and_payload(words)
    fields = {name: options[name] for name in _FIELDS if options[name] is not None}
    fields |= {name: options[name] for name in UNIQUENESS if options.get(name) is not None}
    fields |= {"task_id": task_id or "", "unique_key": unique_key, "ordering_key": ordering_key}
    fields |= {"group_key": group_key, "limit_keys": limit_keys}
    return Task(task_type=task_type, payload=values.read_payload(payload), **fields)


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
