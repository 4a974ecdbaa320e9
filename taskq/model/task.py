"""The unit of work, and its envelope in Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from taskq.errors import CannotDecrypt, CorruptTask, InvalidTask, PayloadTooLarge
from taskq.model.codec import checksum, decode, decode_at, encode
from taskq.model.crypto import Seal, reveal
from taskq.model.dependencies import check_depends_on
from taskq.model.limit import check_limit_keys
from taskq.model.moment import iso_utc, parse_iso, plain_seconds
from taskq.model.names import check_name, check_version, checked_type, new_id
from taskq.model.uniqueness import FIELDS, Uniqueness, UniquePolicy
from taskq.states import TaskPriority, TaskType

MAX_RETRIES = 3
RETRY_DELAY_SECONDS = 60.0
DEFAULT_QUEUE = "default"
UNREADABLE = "unreadable"

_EXISTING = UniquePolicy.EXISTING.value
_PAYLOAD = '"payload":'
# An encrypted envelope has no payload, so that a program without keys cannot take the one for the other.
_SEALED = '"sealed":"'


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
        expires_in: seconds after the submit at which it is no longer worth running; None: never.
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
    unique_policy: str = _EXISTING
    unique_ttl: float | None = None
    unique_window: float | None = None
    idempotency: float | None = None
    ordering_key: str | None = None
    limit_keys: Sequence[str] = ()
    result_ttl: float | None = None
    depends_on: Sequence[str] = ()
    run_when: str = "completed"
    version: int = 1
    created_at: str = ""
    partition_key: str | None = field(default=None, compare=False)
    fresh_id: bool = field(default=False, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.task_type = checked_type(str(self.task_type))
        if type(self.priority) is not TaskPriority:
            self.priority = TaskPriority.parse(self.priority)
        if not self.task_id:
            self.task_id = new_id()
            self.fresh_id = True
        else:
            check_name(self.task_id, "task id")
        if self.queue == DEFAULT_QUEUE:
            self.queue = None
        if self.queue is not None:
            check_name(self.queue, "queue name")
        if self.unique_key is not None:
            check_name(self.unique_key, "unique key")
        if self.ordering_key is not None:
            check_name(self.ordering_key, "ordering key")
        if not (self.unique_ttl is self.unique_window is self.idempotency is None and self.unique_policy == _EXISTING):
            self._check_uniqueness()
        if self.limit_keys:
            self.limit_keys = check_limit_keys(self.limit_keys)
        if type(self.version) is not int or self.version != 1:
            check_version(self.version)
        if self.partition_key is not None:
            check_name(self.partition_key, "partition key")
        if self.depends_on or self.run_when != "completed":
            self.check_dependencies()
        # what a caller gives is written anew: it goes into JSON and into keys' heads without escaping
        created_ms = parse_iso(self.created_at) if self.created_at else time.time_ns() // 1_000_000
        self.created_at = iso_utc(created_ms)
        self._check_numbers()

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
                    raise InvalidTask(f"{name} is {value!r:.60}: use a number of seconds above 0, or None")
                setattr(self, name, seconds)

    @property
    def deadline_ms(self) -> int | None:
        """When the task expires, ms since the epoch; None if it never does."""
        if self.expires_in is None:
            return None
        return int((datetime.fromisoformat(self.created_at) + timedelta(seconds=self.expires_in)).timestamp() * 1000)


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
    task.version = pattern.version
    task.task_id, task.fresh_id = new_id(), True
    return task


def to_envelope(task: Task, max_bytes: int, seal: Seal | None = None) -> str:
    """Return the JSON that is stored for a task.

    What taskq needs comes first, so that the beginning of a large envelope is enough to list it; names fit a pattern
    that needs no escaping; what is as by default is left out.

    Args:
        task: the task.
        max_bytes: the largest envelope that is accepted.
        seal: signs and encrypts, if there are keys.

    Raises:
        InvalidTask: if payload or metadata is not JSON.
        PayloadTooLarge: if the envelope is larger than ``max_bytes``.
    """
    payload = encode(task.payload, "payload")
    head = f'{{"id":"{task.task_id}","type":"{task.task_type}","created_at":"{task.created_at}",'
    if task.limit_keys:
        # always here: scripts look for them (lua/lib/room.lua)
        head += f'"limit_keys":{encode(list(task.limit_keys), "limit_keys")},'
    if task.version != 1:
        head += f'"version":{task.version},'
    if task.priority is not TaskPriority.NORMAL:
        head += f'"priority":"{task.priority.label}",'
    if task.queue is not None:
        head += f'"queue":"{task.queue}",'
    if task.max_retries != MAX_RETRIES:
        head += f'"max_retries":{task.max_retries},'
    if task.retry_delay != RETRY_DELAY_SECONDS:
        head += f'"retry_delay":{task.retry_delay!r},'
    if not (task.timeout is task.expires_in is task.result_ttl is None):
        head += _times(task)
    if task.depends_on:
        head += f'"depends_on":{encode(list(task.depends_on), "depends_on")},"run_when":"{task.run_when}",'
    head += _keys_json(task)
    if seal is None or not seal.encrypts:
        tail = f',"metadata":{encode(task.metadata, "metadata")}}}' if task.metadata else "}"
        text = f'{head}"checksum":"{checksum(payload)}",{_PAYLOAD}{payload}{tail}'
    else:
        contents = f"[{payload},{encode(task.metadata, 'metadata')}]"
        text = f'{head}{_SEALED}{seal.encrypt(contents, *_context(task.task_id, task.task_type, task.queue))}"}}'
    if seal is not None:
        text = seal.sign(text)
    if len(text) > max_bytes or (len(text) * 4 > max_bytes and len(text.encode()) > max_bytes):
        raise PayloadTooLarge(
            f"task {task.task_id} is {len(text.encode()):,} bytes, more than the {max_bytes:,} allowed: store the data "
            "elsewhere and send a reference, or raise TASKQ_MAX_MESSAGE_SIZE on every client and worker"
        )
    return text


def _times(task: Task) -> str:
    values = {name: getattr(task, name) for name in ("timeout", "expires_in", "result_ttl")}
    return "".join([f'"{name}":{value!r},' for name, value in values.items() if value is not None])


def _keys_json(task: Task) -> str:
    text = ""
    if task.unique_key is not None:
        text = f'"unique_key":"{task.unique_key}",{task.uniqueness.json()}'
    return text if task.ordering_key is None else f'{text}"ordering_key":"{task.ordering_key}",'


def _context(task_id: str, task_type: str, queue: str | None) -> tuple[str, ...]:
    """Return what the contents of a task are bound to."""
    return ("payload", task_id, task_type, queue or DEFAULT_QUEUE)


def from_envelope(stored: bytes | str, *, verify: bool = True, seal: Seal | None = None) -> Task:
    """Return the task that an envelope holds.

    Args:
        stored: the envelope.
        verify: whether to compare the payload with its checksum, and to ask for a signature where there are keys.
        seal: checks signatures and decrypts, if there are keys.

    Raises:
        BadSignature: if signatures are asked for, and it has no good one.
        CannotDecrypt: if it is encrypted, and not with a key of this process.
        CorruptTask: if it is no envelope, or the payload is not what was submitted.
    """
    text = stored if isinstance(stored, str) else _decoded(stored)
    if seal is not None and verify:
        seal.check(text, "task")
    start = text.find(_PAYLOAD) + len(_PAYLOAD)
    if start < len(_PAYLOAD):
        return _from_sealed(text, seal)
    fields = _read_at_once(text, start) if verify else None
    try:
        if fields is not None:
            return _from_fields(fields, fields["payload"])
        payload, end = decode_at(text, start, "payload")
        fields = decode(f"{text[:start]}0{text[end:]}", "envelope")
        if verify and fields["checksum"] != checksum(text[start:end]):
            raise CorruptTask(
                f"the payload of task {fields['id']} does not match its SHA-256 checksum: it was changed or cut after "
                "the submit; the envelope is kept as it is for inspection"
            )
        return _from_fields(fields, payload)
    except (KeyError, TypeError, InvalidTask) as error:
        raise CorruptTask(f"the stored envelope cannot be used: {error}") from None


def _read_at_once(text: str, start: int) -> dict[str, Any] | None:
    """Return the fields of an envelope in which the payload stands last; None: it takes a closer look."""
    try:
        fields = decode(text, "envelope")
        return fields if fields["checksum"] == checksum(text[start:-1]) and "payload" in fields else None
    except (CorruptTask, KeyError, TypeError):
        return None


def _decoded(stored: bytes) -> str:
    try:
        return stored.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorruptTask(f"the stored envelope is not UTF-8: {error}") from None


def _from_sealed(text: str, seal: Seal | None) -> Task:
    if _SEALED not in text:
        raise CorruptTask("the stored envelope has no payload")
    fields = decode(text, "envelope")
    try:
        context = _context(fields["id"], fields["type"], fields.get("queue"))
        contents = decode(reveal(seal, fields["sealed"], *context), "payload")
        payload, fields["metadata"] = contents
        return _from_fields(fields, payload)
    except CannotDecrypt:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptTask(f"the stored envelope cannot be used: {error}") from None


def outline(stored: bytes | str, task_id: str) -> Task:
    """Return what can be read of a task without its payload, whatever the envelope looks like. Never raises.

    For lists: one damaged or encrypted task must not hide all the others.

    Args:
        stored: the envelope.
        task_id: under which it is stored.
    """
    try:
        text = stored if isinstance(stored, str) else _decoded(stored)
        end = max(text.find(_PAYLOAD), text.find(_SEALED))
        fields = decode(f'{text[:end]}"_":0}}', "envelope") if end > 0 else {}
        for name in ("type", "queue"):
            if fields.get(name) is not None:
                check_name(fields[name], name)
        task = _from_fields({**fields, "created_at": iso_utc(parse_iso(fields["created_at"]))}, None)
    except (CorruptTask, KeyError, TypeError, ValueError, AttributeError):
        task = Task(task_type=UNREADABLE, created_at="1970-01-01T00:00:00Z")
    task.task_id = task_id
    return task


def _from_fields(fields: dict[str, Any], payload: Any) -> Task:
    """Build a task without the checks that it passed at the submit."""
    task = Task.__new__(Task)
    task.task_type = fields["type"]
    task.payload = payload
    if fields.keys() == _PLAIN:  # nearly always
        _set_defaults(task)
    else:
        _set_others(task, fields.get)
    task.task_id = fields["id"]
    task.fresh_id = False
    task.created_at = fields["created_at"]
    task.partition_key = None
    return task


def _set_others(task: Task, get: Callable[..., Any]) -> None:
    task.priority = _BY_LABEL[get("priority", "normal")]
    task.max_retries, task.retry_delay = get("max_retries", MAX_RETRIES), get("retry_delay", RETRY_DELAY_SECONDS)
    task.timeout, task.expires_in, task.result_ttl = get("timeout"), get("expires_in"), get("result_ttl")
    task.queue, task.unique_key, task.ordering_key = get("queue"), get("unique_key"), get("ordering_key")
    task.unique_ttl, task.unique_window, task.idempotency = get("unique_ttl"), get("unique_window"), get("idempotency")
    task.unique_policy, task.version = get("unique_policy", _EXISTING), get("version", 1)
    task.metadata, task.limit_keys = get("metadata", {}), get("limit_keys", ())
    task.depends_on, task.run_when = get("depends_on", ()), get("run_when", "completed")


def _set_defaults(task: Task) -> None:
    task.priority, task.max_retries, task.retry_delay = TaskPriority.NORMAL, MAX_RETRIES, RETRY_DELAY_SECONDS
    task.timeout = task.expires_in = task.result_ttl = task.queue = None
    task.unique_key = task.unique_ttl = task.unique_window = task.idempotency = task.ordering_key = None
    task.metadata, task.unique_policy, task.limit_keys, task.version = {}, _EXISTING, (), 1
    task.depends_on, task.run_when = (), "completed"


# the fields of an envelope in which all else is as by default
_PLAIN = frozenset(("id", "type", "created_at", "checksum", "payload"))
_BY_LABEL = {priority.label: priority for priority in TaskPriority}
