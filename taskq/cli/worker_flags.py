"""Flags that ``taskq worker`` and ``taskq pool`` have in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, TypeVar

import click

from taskq.cli import values
from taskq.worker import WorkerOptions

F = TypeVar("F", bound=Callable[..., Any])

_DEFAULTS = WorkerOptions()
_FLAGS = (
    click.option(
        "--handlers",
        multiple=True,
        metavar="MODULE[:ATTR]",
        help="Where the handlers are; may be repeated. Without it: handlers.py of the current folder, if there is one.",
    ),
    click.option(
        "--queues", type=values.names, multiple=True, metavar="A,B", help="Queues to serve; without it the default one."
    ),
    click.option(
        "--priorities", type=values.names, multiple=True, metavar="A,B", help="Only the lists of these priorities."
    ),
    click.option(
        "--concurrency",
        type=values.WholeNumber(1, 10_000),
        metavar="N",
        default=_DEFAULTS.concurrency,
        show_default=True,
        help="Tasks that one process runs at a time.",
    ),
    click.option(
        "--grace",
        type=values.duration,
        default=_DEFAULTS.grace_seconds,
        help="How long running tasks may go on after a stop.  [default: 30s]",
    ),
    click.option(
        "--cancel-grace",
        type=values.duration,
        help="Kill the process of a task that goes on for longer than this after it was cancelled.",
    ),
    click.option(
        "--max-tasks", type=values.WholeNumber(1), metavar="N", help="Replace a process after this many tasks."
    ),
    click.option(
        "--max-memory",
        type=values.memory,
        metavar="SIZE",
        help="Replace a process that uses more memory, such as 512MB.",
    ),
    click.option(
        "--partitions", type=values.numbers, default=(), metavar="0-3,7", help="Partitions to serve; without it all."
    ),
    click.option(
        "--weights",
        type=values.weights,
        metavar="urgent=8,low=1",
        help="Give each priority its part instead of strict priority; `default` is urgent=8,high=4,normal=2,low=1.",
    ),
    click.option(
        "--reserve",
        type=values.by_name,
        metavar="urgent=1",
        help="Keep slots of each process for a priority and those above it.",
    ),
    click.option(
        "--aging",
        type=values.duration,
        metavar="30s",
        help="Start what has waited longer first, whatever its priority.",
    ),
    click.option("--name", metavar="NAME", help="Name of the worker; without it one is made up."),
    click.option(
        "--metrics-port", type=values.address, metavar="[HOST:]PORT", help="Serve /metrics, /livez and /readyz there."
    ),
    click.option(
        "--hung-after",
        "hung_seconds",
        type=values.duration,
        default=_DEFAULTS.hung_seconds,
        help="Silence of the claim loop that fails /livez.  [default: 15s]",
    ),
)


def worker_flags(function: F) -> F:
    """Give a command the flags that say what a worker process serves."""
    return reduce(lambda wrapped, flag: flag(wrapped), reversed(_FLAGS), function)


def worker_options(**flags: Any) -> WorkerOptions:
    """Return what the flags say; others than those of ``worker_flags`` are left out."""
    return WorkerOptions(
        handlers=flags["handlers"],
        queues=_flat(flags["queues"]),
        priorities=_flat(flags["priorities"]),
        concurrency=flags["concurrency"],
        grace_seconds=flags["grace"],
        cancel_grace_seconds=flags["cancel_grace"],
        max_tasks=flags["max_tasks"],
        max_memory_bytes=flags["max_memory"],
        name=flags["name"],
        partitions=flags["partitions"],
        weights=flags["weights"],
        reserve=flags["reserve"] or {},
        aging_seconds=flags["aging"],
        metrics_address=flags["metrics_port"],
        hung_seconds=flags["hung_seconds"],
    )


def _flat(names: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    return tuple(name for group in names for name in group)
