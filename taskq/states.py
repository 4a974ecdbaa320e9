"""Priorities, statuses, types and the legal transitions of a task, as data."""

from __future__ import annotations

from enum import IntEnum, StrEnum

from taskq.errors import InvalidTask


class TaskPriority(IntEnum):
    """Which of the four lists a task waits on; the higher, the sooner."""

    LOW = 0
    NORMAL = 5
    HIGH = 10
    URGENT = 15

    label: str
    """The lower-case name, as it stands in keys, JSON and on the command line."""

    def __init__(self, _: int) -> None:
        self.label = self._name_.lower()  # read for every task, and a property that asks an enum is slow

    @classmethod
    def parse(cls, value: TaskPriority | int | str) -> TaskPriority:
        """Return the priority meant by a member, its number or its name.

        Raises:
            InvalidTask: for anything else; the message lists what is accepted.
        """
        try:
            if isinstance(value, str):
                return cls[value.strip().upper()]
            return cls(value)
        except (KeyError, ValueError):
            names = ", ".join(f"{p.label} ({p.value})" for p in reversed(cls))
            raise InvalidTask(f"unknown priority {value!r}: use one of {names}") from None


# The order in which a claim walks the lists.
PRIORITIES: tuple[TaskPriority, ...] = tuple(sorted(TaskPriority, reverse=True))


class TaskStatus(StrEnum):
    """Where a task is in its life; the lower-case value is what Redis and JSON show."""

    PENDING = "pending"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    RETRY = "retry"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """Whether the task is over: it is in no list and its keys expire."""
        return self in TERMINAL


TERMINAL = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED})
LIVE = frozenset(set(TaskStatus) - TERMINAL)


class TaskType(StrEnum):
    """Types with a meaning of their own; any other string that fits the name pattern is a type too."""

    AGENT_QUERY = "agent_query"
    BATCH_QUERY = "batch_query"
    CUSTOM = "custom"


class Durability(StrEnum):
    """How safe a task must be before its submit returns."""

    MEMORY = "memory"
    REPLICATED = "replicated"
    FSYNC = "fsync"


class Outcome(StrEnum):
    """How an attempt ended: the word that the settle step of a turn acts on; ``crash`` is for reap and evict alone."""

    COMPLETE = "complete"
    RETRY = "retry"
    FAIL = "fail"
    CRASH = "crash"
    RELEASE = "release"
    SNOOZE = "snooze"
    WAIT = "wait"
    PASS = "pass"  # noqa: S105 - a word, no password
    CANCEL = "cancel"
    EXPIRE = "expire"


# Every way a task can move. docs/states.md is written from this table and a test compares them.
TRANSITIONS: dict[tuple[TaskStatus | None, str], tuple[TaskStatus, ...]] = {
    (None, "graph"): (TaskStatus.WAITING, TaskStatus.PENDING),
    (None, "submit"): (TaskStatus.PENDING, TaskStatus.SCHEDULED, TaskStatus.WAITING),
    (TaskStatus.PENDING, "claim"): (TaskStatus.RUNNING, TaskStatus.WAITING),
    (TaskStatus.PENDING, "cancel"): (TaskStatus.CANCELLED,),
    (TaskStatus.SCHEDULED, "promote"): (TaskStatus.PENDING,),
    (TaskStatus.SCHEDULED, "cancel"): (TaskStatus.CANCELLED,),
    (TaskStatus.RETRY, "promote"): (TaskStatus.PENDING,),
    (TaskStatus.RETRY, "cancel"): (TaskStatus.CANCELLED,),
    (TaskStatus.RUNNING, Outcome.COMPLETE): (TaskStatus.COMPLETED,),
    (TaskStatus.RUNNING, Outcome.RETRY): (TaskStatus.RETRY,),
    (TaskStatus.RUNNING, Outcome.FAIL): (TaskStatus.FAILED,),
    (TaskStatus.RUNNING, Outcome.CRASH): (TaskStatus.PENDING, TaskStatus.FAILED),
    (TaskStatus.RUNNING, Outcome.RELEASE): (TaskStatus.PENDING,),
    (TaskStatus.RUNNING, Outcome.SNOOZE): (TaskStatus.SCHEDULED,),
    (TaskStatus.RUNNING, Outcome.WAIT): (TaskStatus.WAITING, TaskStatus.PENDING),
    (TaskStatus.RUNNING, Outcome.PASS): (TaskStatus.WAITING, TaskStatus.SCHEDULED),
    (TaskStatus.WAITING, "fan-in"): (TaskStatus.PENDING,),
    (TaskStatus.WAITING, "signal"): (TaskStatus.PENDING,),
    (TaskStatus.WAITING, "promote"): (TaskStatus.PENDING,),
    (TaskStatus.WAITING, "limit"): (TaskStatus.PENDING,),
    (TaskStatus.WAITING, "sequence"): (TaskStatus.PENDING, TaskStatus.SCHEDULED),
    (TaskStatus.WAITING, "unique"): (TaskStatus.PENDING, TaskStatus.SCHEDULED),
    (TaskStatus.WAITING, "cancel"): (TaskStatus.CANCELLED,),
    (TaskStatus.RUNNING, Outcome.CANCEL): (TaskStatus.CANCELLED,),
    (TaskStatus.RUNNING, Outcome.EXPIRE): (TaskStatus.CANCELLED,),
    (TaskStatus.RUNNING, "reap"): (TaskStatus.PENDING, TaskStatus.FAILED),
    (TaskStatus.FAILED, "replay"): (TaskStatus.PENDING, TaskStatus.WAITING),
    (TaskStatus.CANCELLED, "replay"): (TaskStatus.PENDING, TaskStatus.WAITING),
}
