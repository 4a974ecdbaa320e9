"""What is known of a job of another queue, and how it becomes a task."""

from __future__ import annotations

import json
import uuid
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from taskq.errors import InvalidTask, SettingsError
from taskq.migrate.plain import read_plain
from taskq.model.codec import MAX_DEPTH
from taskq.model.names import NAME, check_name
from taskq.model.task import Task
from taskq.states import TaskPriority
from taskq.transport.foreign import Entry, OldServer, Source

# a job that unpacks to more is refused before it takes the memory
_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Job:
    """A job that can be moved.

    Attributes:
        entry: where it stands.
        task: what it becomes.
        keys: further keys of the old server that belong to it and go with it.
    """

    entry: Entry
    task: Task
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A job that stays where it is.

    Attributes:
        job_id: its id in the old queue; empty if it cannot be read.
        name: of the function that it calls; empty likewise.
        reason: why it cannot be moved.
    """

    job_id: str
    name: str
    reason: str


class CannotMove(InvalidTask):
    """The job cannot be moved; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How jobs are translated.

    Attributes:
        queues: the queues of the old system to empty; empty: those that are known.
        into: name of a list of the old system -> queue and priority of taskq.
        rename: name of a function there -> type of the task.
        max_retries: of the tasks; None: what the job says, else the default of a task.
    """

    queues: Sequence[str] = ()
    into: Mapping[str, tuple[str, TaskPriority]] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    max_retries: int | None = None

    def target(self, source: str, queue: str, priority: TaskPriority) -> dict[str, Any]:
        """Return queue and priority of the tasks from one list.

        Args:
            source: name of the list in the old system.
            queue: where they go unless told otherwise.
            priority: likewise.

        Raises:
            SettingsError: if the name cannot be used here and no other one was given.
        """
        queue, priority = self.into.get(source, (queue, priority))
        try:
            return {"queue": check_name(queue, "queue name"), "priority": priority}
        except InvalidTask as error:
            raise SettingsError(f"{error}. Say where its jobs go: --into {source}=QUEUE") from None

    def type_of(self, name: str) -> str:
        """Return the type of the tasks that call a function.

        Raises:
            CannotMove: if its name cannot be used here and no other one was given.
        """
        found = self.rename.get(name, name)
        if NAME.match(found) is None:
            raise CannotMove(f"{found[:80]!r} cannot be a task type: name another one with --rename")
        return found

    def retries(self, of_job: int | None) -> dict[str, Any]:
        """Return the ``max_retries`` of a task, if it is not to be the default."""
        number = of_job if self.max_retries is None else self.max_retries
        return {} if number is None else {"max_retries": number}


class OldJobs(ABC):
    """The jobs that wait in another queue.

    Args:
        server: where they are.
        plan: how they are translated.
    """

    kind: str

    def __init__(self, server: OldServer, plan: Plan) -> None:
        self.server = server
        self.plan = plan

    @abstractmethod
    def sources(self) -> list[Source]:
        """Return the lists to be emptied, in the order in which their jobs would start."""

    @abstractmethod
    def read(self, source: Source, entries: Sequence[Entry]) -> list[Job | Refusal]:
        """Return what the entries of one list are, in their order."""

    @abstractmethod
    def remarks(self) -> list[str]:
        """Return what else there is that does not get moved."""


def task_id_of(kind: str, job_id: str) -> str:
    """Return the id of the task for a job: its own, or where that cannot be used one that is always the same for it."""
    return job_id if NAME.match(job_id) else str(uuid.uuid5(uuid.NAMESPACE_URL, f"{kind}:{job_id}"))


def unpack(data: bytes) -> bytes:
    """Return what zlib has packed.

    Raises:
        CannotMove: if it is damaged, or would be too large.
    """
    machine = zlib.decompressobj()
    try:
        unpacked = machine.decompress(data, _MOST_BYTES)
    except zlib.error as error:
        raise CannotMove(f"its data cannot be unpacked: {error}") from None
    if machine.unconsumed_tail or not machine.eof:
        raise CannotMove("its data is cut short" if not machine.unconsumed_tail else "its data is far too large")
    return unpacked


def read_json(data: bytes | str) -> Any:
    """Return the value of a JSON text.

    Raises:
        CannotMove: if it is none, or holds a type that kombu has written into it.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CannotMove(f"its data is no JSON: {error}") from None
    return _without_types(value)


def read_data(data: bytes) -> Any:
    """Return the value of what may be JSON or a pickle of plain data.

    Raises:
        CannotMove, NotPlain: if it is neither.
    """
    return read_plain(data) if data[:1] == b"\x80" else read_json(data)


def _without_types(value: Any, depth: int = 0) -> Any:
    if depth > MAX_DEPTH:
        raise CannotMove("its data is nested too deeply")
    if isinstance(value, dict):
        if "__type__" in value:
            raise CannotMove(f"an argument is a {value['__type__']!s:.40}, which a task can only carry as text")
        for inner in value.values():
            _without_types(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _without_types(inner, depth + 1)
    return value
