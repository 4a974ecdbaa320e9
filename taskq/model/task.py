"""The unit of work."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from taskq.errors import InvalidTask
from taskq.model.dependencies import check_depends_on
from taskq.model.limit import check_limit_keys
from taskq.model.moment import END_OF_TIME_MS, iso_utc, parse_iso, plain_seconds
from taskq.model.names import check_keys, check_name, check_version, checked_type, in_words, new_id, plain_type
from taskq.model.uniqueness import FIELDS, Uniqueness, UniquePolicy
from taskq.states import TaskPriority, TaskType

MAX_RETRIES = 3
RETRY_DELAY_SECONDS = 60.0
DEFAULT_QUEUE = "default"

EXISTING = UniquePolicy.EXISTING.value


@dataclass(slots=True, kw_only=True)
class Task:
    """A unit of work.

    Args:
        task_type: which handler runs it; ``TaskType`` or any other name.
        payload: what the handler needs, as JSON can say it.
        priority: ``TaskPriority`` or its name.
        max_retries: how many times it is run again after a failure, 0 or more.
        retry_delay: seconds before the first retry; later ones wait longer.
        timeout: seconds that one attempt may take; None: as long as it likes.
        expires_in: seconds after the submit at which it is no longer worth running; None: never. One that waits for its
            children or a signal by then, is a saga that has done a step, or is replayed, goes on.
        queue: name of the queue; None: the default queue.
        metadata: notes for people and tools, as JSON can say it; not covered by the checksum.
        task_id: a UUID is made up if it is None.
        unique_key: while a task with this key is live, another one with it is not accepted; the submit returns the id
            of the first, unless ``unique_policy`` says otherwise.
        unique_policy: what becomes of it if the key is held: ``existing``, ``reject``, ``replace``, ``queue_one``,
            ``debounce`` or ``throttle``; see ``UniquePolicy``.
        unique_ttl: seconds after which it lets go of the key, even if it is live still; None: when it has ended.
        unique_window: seconds of ``debounce`` or ``throttle``.
        idempotency: seconds after its completion for which a submit with the same key returns its id; None: none. Its
            result is kept at least as long.
        ordering_key: tasks with the same key start in the order of their submits, each when the one before it has come
            to its end, retries and delays included; until then they are ``waiting``.
        group_key: tasks with the same one, say those of one customer, take turns with all others in their list.
        limit_keys: up to 4 names of limits that it is counted by, or ``<name>:<more>`` for one of many that have the
            same limit; see ``TaskQueue.set_limit``.
        result_ttl: seconds for which the result is kept; None: as configured.
        partition_key: in a queue of several partitions, tasks with the same key go to the same one, and so start in the
            order in which they were submitted; None: ``ordering_key``, ``unique_key`` or the first of ``limit_keys``,
            else any. It is not stored.
        depends_on: ids of up to 1,000 tasks that have to end first; it is ``waiting`` until then.
        run_when: what has to become of them: ``completed`` (all of them), ``failed`` (one at least) or ``ended``; else
            it is cancelled.
        version: of the payload, if its type has had others: only workers that know it run the task; see
            ``TaskQueue.upcast``.
        created_at: when it was made, UTC, ISO 8601.

    Attributes:
        fresh_id: whether the id was made up here and has never been sent, so that nothing of an earlier task of that
            id needs to be looked for.

    Raises:
        InvalidTask: for a name, number or priority that cannot be used.
    """

    task_type: str = TaskType.AGENT_QUERY.value
    payload: Any = None
    # names and numbers are accepted, and are members from then on
    priority: TaskPriority | Any = TaskPriority.NORMAL
    max_retries: int = MAX_RETRIES
    retry_delay: float = RETRY_DELAY_SECONDS
    timeout: float | None = None
    expires_in: float | None = None
    queue: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    task_id: str = ""
    unique_key: str | None = None
    unique_policy: str = EXISTING
    unique_ttl: float | None = None
    unique_window: float | None = None
    idempotency: float | None = None
    ordering_key: str | None = None
    group_key: str | None = None
    limit_keys: Sequence[str] = ()
    result_ttl: float | None = None
    depends_on: Sequence[str] = ()
    run_when: str = "completed"
    version: int = 1
    created_at: str = ""
    partition_key: str | None = field(default=None, compare=False)
    fresh_id: bool = field(default=False, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.task_type = checked_type(self.task_type) if type(self.task_type) is str else plain_type(self.task_type)
        if type(self.priority) is not TaskPriority:
            self.priority = TaskPriority.parse(self.priority)
        if self.task_id in ("", None):
            self.task_id = new_id()
            self.fresh_id = True
        else:
            check_name(self.task_id, "task id")
        if self.queue is not None:
            self.queue = None if self.queue == DEFAULT_QUEUE else check_name(self.queue, "queue name")
        # what a caller gives is written anew: it goes into JSON and into keys' heads without escaping
        self.created_at = iso_utc(parse_iso(self.created_at) if self.created_at else time.time_ns() // 1_000_000)
        self._check_numbers()
        # one by one: a chain of comparisons takes twice as long, and this runs for every task
        if not (
            self.unique_key is None
            and self.ordering_key is None
            and self.group_key is None
            and self.partition_key is None
            and self.unique_ttl is None
            and self.unique_window is None
            and self.idempotency is None
            and self.unique_policy == EXISTING
            and self.limit_keys == ()
            and self.depends_on == ()
            and self.run_when == "completed"
        ):
            self._check_ties()

    def _check_ties(self) -> None:
        """Check what is said of others: tasks with the same key, limits, what it depends on."""
        check_keys(
            unique_key=self.unique_key,
            ordering_key=self.ordering_key,
            group_key=self.group_key,
            partition_key=self.partition_key,
        )
        if not (self.unique_ttl is self.unique_window is self.idempotency is None and self.unique_policy == EXISTING):
            self._check_uniqueness()
        if self.limit_keys:
            self.limit_keys = check_limit_keys(self.limit_keys)
        if self.depends_on or self.run_when != "completed":
            self.check_dependencies()

    @property
    def uniqueness(self) -> Uniqueness:
        """What is said about the unique key."""
        return Uniqueness(self.unique_policy, self.unique_ttl, self.unique_window, self.idempotency)

    def _check_uniqueness(self) -> None:
        self.uniqueness.check(self.unique_key, self.ordering_key)
        self.unique_policy = str(self.unique_policy)
        for name in FIELDS[1:]:
            value = getattr(self, name)
            setattr(self, name, None if value is None else plain_seconds(value, name))

    def check_dependencies(self) -> None:
        """Check what the task depends on, as for a new one.

        Raises:
            InvalidTask: if it cannot depend on that.
        """
        self.depends_on = check_depends_on(self.task_id, self.depends_on, self.run_when)

    def _check_numbers(self) -> None:
        if type(self.version) is not int or self.version != 1:
            check_version(self.version)
        if type(self.max_retries) is not int or not 0 <= self.max_retries <= 1_000_000:
            raise InvalidTask(f"max_retries is {self.max_retries!r:.60}: use a whole number from 0 to 1,000,000")
        if self.retry_delay != RETRY_DELAY_SECONDS:
            self.retry_delay = plain_seconds(self.retry_delay, "retry_delay")
        if not (self.timeout is self.expires_in is self.result_ttl is None):
            self._check_times()
        if not isinstance(self.metadata, dict):
            raise InvalidTask(f"metadata is a {type(self.metadata).__name__}: use a dict")

    def _check_times(self) -> None:
        for name in ("timeout", "expires_in", "result_ttl"):
            value = getattr(self, name)
            if value is not None:
                seconds = plain_seconds(value, name)
                if seconds == 0:
                    raise InvalidTask(f"{name} is {in_words(value)}: use a number of seconds above 0, or leave it out")
                setattr(self, name, seconds)
        # of the longest time that is accepted
        if self.expires_in is not None and self.created_at > "9899" and (self.deadline_ms or 0) > END_OF_TIME_MS:
            raise InvalidTask(
                f"expires_in is {in_words(self.expires_in)} from {self.created_at}, past the year 9999: leave one out"
            )

    @property
    def deadline_ms(self) -> int | None:
        """When the task expires, ms since the epoch; None if it never does."""
        if self.expires_in is None:
            return None
        return parse_iso(self.created_at) + round(self.expires_in * 1000)


def AgentTask(**options: Any) -> Task:
    """Return a ``Task`` of type ``agent_query``; takes the arguments of ``Task``."""
    return Task(task_type=TaskType.AGENT_QUERY.value, **options)


def alike(pattern: Task, payload: Any) -> Task:
    """Return a new task that differs from a checked one only in its id and payload, at a fraction of the price."""
    task = Task.__new__(Task)
    task.depends_on, task.run_when = (), "completed"
    task.task_type, task.payload, task.priority = pattern.task_type, payload, pattern.priority
    task.max_retries, task.retry_delay = pattern.max_retries, pattern.retry_delay
    task.timeout, task.expires_in, task.result_ttl = pattern.timeout, pattern.expires_in, pattern.result_ttl
    task.queue, task.metadata, task.unique_key = pattern.queue, pattern.metadata, pattern.unique_key
    task.partition_key, task.created_at = pattern.partition_key, pattern.created_at
    task.ordering_key, task.limit_keys = pattern.ordering_key, pattern.limit_keys
    task.unique_policy, task.unique_ttl = pattern.unique_policy, pattern.unique_ttl
    task.unique_window, task.idempotency = pattern.unique_window, pattern.idempotency
    task.version, task.group_key = pattern.version, pattern.group_key
    task.task_id, task.fresh_id = new_id(), True
    return task
