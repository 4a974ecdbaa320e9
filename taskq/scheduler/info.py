"""What users are shown of a recurring schedule."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from typing import Any

from taskq.errors import InvalidTask, TaskqError
from taskq.model.crypto import Seal
from taskq.model.moment import iso_utc
from taskq.model.task import DEFAULT_QUEUE
from taskq.scheduler.definition import Definition, parse

_MOST_UPCOMING = 3


@dataclass(frozen=True, slots=True)
class ScheduleInfo:
    """One recurring schedule.

    Attributes:
        name: of the schedule.
        description: when it is due, in words.
        task_type: of its tasks.
        queue: of its tasks.
        priority: name of the priority of its tasks.
        next_run: the slot that is fired next, ISO 8601, UTC; it lies in the past while no scheduler runs. None while it
            is paused.
        last_run: the slot that was fired last; None before the first, and after the definition was replaced.
        problem: why it is not fired; None if nothing is wrong.
        paused: whether it is not fired until ``resume_schedule``.
        upcoming: the slots after ``next_run``, three at most.
    """

    name: str
    description: str
    task_type: str
    queue: str
    priority: str
    next_run: str | None
    last_run: str | None
    problem: str | None = None
    paused: bool = False
    upcoming: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the schedule as a dict that JSON can say."""
        return asdict(self)


def info_of(name: str, text: str, last_ms: int | None, now_ms: int, seal: Seal | None = None) -> ScheduleInfo:
    """Return what to show of a stored schedule; one that cannot be understood is shown with its problem.

    Args:
        name: of the schedule.
        text: as it is stored.
        last_ms: the last slot that was fired; None: none yet.
        now_ms: server time.
        seal: checks the signature and decrypts, if there are keys.
    """
    try:
        last_run = iso_utc(last_ms) if last_ms is not None else None
        definition = parse(text, name, seal)
        next_ms = definition.due_slot(now_ms, last_ms) or definition.next_slot(last_ms)
        upcoming = () if definition.paused else tuple(map(iso_utc, _after(definition, max(next_ms, now_ms))))
    except TaskqError as error:
        return ScheduleInfo(name, "", "", "", "", None, None, str(error))
    task = definition.template
    return ScheduleInfo(
        name,
        definition.recurrence.describe(),
        task.task_type,
        task.queue or DEFAULT_QUEUE,
        task.priority.label,
        None if definition.paused else iso_utc(next_ms),
        last_run,
        paused=definition.paused,
        upcoming=upcoming,
    )


def _after(definition: Definition, epoch_ms: int) -> list[int]:
    """Return the slots after a moment, fewer if there are no more in the next 50 years."""
    found: list[int] = []
    with contextlib.suppress(InvalidTask):
        for _ in range(_MOST_UPCOMING):
            epoch_ms = definition.recurrence.next_after(epoch_ms)
            found.append(epoch_ms)
    return found
