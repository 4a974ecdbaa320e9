"""What a worker is told, and how one of its processes is configured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from taskq.errors import SettingsError
from taskq.model.names import check_name, in_words
from taskq.model.task import DEFAULT_QUEUE
from taskq.protocol.keys import list_name
from taskq.settings import FIELDS, Settings
from taskq.states import PRIORITIES, TaskPriority
from taskq.worker.plan import MOST_WEIGHT, check_numbers

_SHORTEST_AGING_SECONDS = 0.1
_SHORTEST_HUNG_SECONDS = 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What a worker serves, and how.

    Args:
        handlers: ``module[:attr]`` each; none: ``handlers.py`` of the current folder, if there is one.
        queues: names; none: the default queue.
        priorities: names of the lists to serve; none: all four.
        concurrency: tasks that one process runs at a time.
        processes: how many processes.
        burst: whether to end when the lists are empty.
        grace_seconds: how long running tasks may go on after a stop before they are handed back.
        max_tasks: tasks after which a process is replaced by a fresh one.
        max_memory_bytes: resident memory above which a process is replaced.
        name: of the worker, for people; None: one is made up.
        timeout_grace_seconds: how long a task that ignores its timeout may hold on before its process is killed.
        cancel_grace_seconds: how long a task that was cancelled may go on before its process is killed; None: for ever.
        partitions: numbers of the partitions to serve; none: all.
        weights: parts of the tasks by name of the priority; None: strict priority.
        reserve: slots of each process that are kept for a priority and those above it, by name.
        aging_seconds: of waiting after which a task goes first, whatever its priority; None: priority alone counts.
        metrics_address: ``host:port`` of metrics and probes; None: none are served and nothing is measured.
        hung_seconds: silence of the claim loop after which the probe ``/livez`` fails.

    Raises:
        SettingsError, InvalidTask: if a value cannot be used.
    """

    handlers: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    priorities: tuple[str, ...] = ()
    concurrency: int = 10
    processes: int = 1
    burst: bool = False
    grace_seconds: float = 30.0
    max_tasks: int | None = None
    max_memory_bytes: int | None = None
    name: str | None = None
    timeout_grace_seconds: float = 2.0
    cancel_grace_seconds: float | None = None
    partitions: tuple[int, ...] = ()
    weights: dict[str, int] | None = None
    reserve: dict[str, int] = field(default_factory=dict)
    aging_seconds: float | None = None
    metrics_address: str | None = None
    hung_seconds: float = 15.0

    def __post_init__(self) -> None:
        for option, most in (("concurrency", 10_000), ("processes", 1_000)):
            value = getattr(self, option)
            if not isinstance(value, int) or not 1 <= value <= most:
                raise SettingsError(f"{option} is {value!r}: use a whole number from 1 to {most:,}")
        if self.hung_seconds < _SHORTEST_HUNG_SECONDS:
            raise SettingsError(
                f"hung_seconds is {self.hung_seconds:g}: an idle claim loop takes a turn every three seconds or so, "
                f"use {_SHORTEST_HUNG_SECONDS:g} s or more"
            )
        for queue in self.queues:
            check_name(queue, "queue name")
        if self.name is not None:
            check_name(self.name, "worker name")
        _ = self.lists
        if self.weights is not None:
            check_numbers(self.weights, "weight", MOST_WEIGHT)
        check_numbers(self.reserve, "reserve", max(1, self.concurrency - 1))
        if self.aging_seconds is not None and not self.aging_seconds >= _SHORTEST_AGING_SECONDS:
            raise SettingsError(
                f"aging is {in_words(self.aging_seconds)}: use {_SHORTEST_AGING_SECONDS:g} s or more, or leave it out"
            )
        if self.reserve and self.concurrency <= sum(self.reserve.values()):
            raise SettingsError(
                f"{sum(self.reserve.values())} of {self.concurrency} slots are reserved, and at least one must be left "
                "for all priorities: raise the concurrency"
            )

    @property
    def lists(self) -> tuple[str, ...]:
        """The lists to walk, in order: of the most urgent priority first, queues as given."""
        wanted = {TaskPriority.parse(priority) for priority in self.priorities} or set(PRIORITIES)
        queues = [None if queue == DEFAULT_QUEUE else queue for queue in self.queues] or [None]
        return tuple(list_name(queue, priority) for priority in PRIORITIES if priority in wanted for queue in queues)


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What an engine serves.

    Attributes:
        lists: to walk, in order.
        slots: tasks at a time.
        burst: whether to end when the lists are empty.
        max_tasks: claims after which it ends.
        name: of the worker.
        card: what the worker's card shows besides.
        timeout_grace_seconds: how long a task that ignores its timeout may hold on.
        cancel_grace_seconds: how long one that was cancelled may go on; None: for ever.
        weights: of the priorities, by name; None: strict priority.
        reserve: slots that are kept for a priority and those above it, by name.
        aging_seconds: of waiting after which a task goes first; None: priority alone counts.
    """

    lists: Sequence[str]
    slots: int
    burst: bool = False
    max_tasks: int | None = None
    name: str | None = None
    card: Mapping[str, str] = field(default_factory=dict)
    timeout_grace_seconds: float = 2.0
    cancel_grace_seconds: float | None = None
    weights: Mapping[str, int] | None = None
    reserve: Mapping[str, int] = field(default_factory=dict)
    aging_seconds: float | None = None


def to_wire(settings: Settings, options: WorkerOptions) -> dict[str, Any]:
    """Return settings and options as JSON can say them; they go to a child through a socket, never its arguments."""
    values = {spec.name: getattr(settings, spec.name) for spec in FIELDS}
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}
    return {"settings": plain, "options": asdict(options)}


def from_wire(message: dict[str, Any]) -> tuple[Settings, WorkerOptions]:
    """Return what ``to_wire`` was given."""
    options: dict[str, Any] = {
        item.name: tuple(value) if isinstance(value := message["options"][item.name], list) else value
        for item in fields(WorkerOptions)
    }
    return Settings(**message["settings"]), WorkerOptions(**options)


def dumps(message: dict[str, Any]) -> bytes:
    """Return a message as one line."""
    return json.dumps(message).encode() + b"\n"
