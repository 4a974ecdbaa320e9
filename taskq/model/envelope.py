"""What is stored for a task: its envelope, and what can be read of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from taskq.errors import CannotDecrypt, CorruptTask, InvalidTask, PayloadTooLarge
from taskq.model.codec import checksum, checksums, decode, decode_at, encode, encode_each
from taskq.model.crypto import Seal, reveal
from taskq.model.moment import iso_utc, parse_iso
from taskq.model.names import check_name
from taskq.model.task import DEFAULT_QUEUE, EXISTING, MAX_RETRIES, RETRY_DELAY_SECONDS, Task
from taskq.states import TaskPriority

UNREADABLE = "unreadable"

_NORMAL = TaskPriority.NORMAL
_PAYLOAD = '"payload":'
_BEFORE = len(_PAYLOAD)
# An encrypted envelope has no payload, so that a program without keys cannot take the one for the other.
_SEALED = '"sealed":"'
# how many fields stand in every envelope: id, type, created_at, checksum, payload
_ALWAYS = 5
_BY_LABEL = {priority.label: priority for priority in TaskPriority}


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
    start = f'{{"id":"{task.task_id}","type":"{task.task_type}","created_at":"{task.created_at}",'
    said = "" if _says_nothing_else(task) else _options(task)
    if seal is None or not seal.encrypts:
        tail = f',"metadata":{encode(task.metadata, "metadata")}}}' if task.metadata else "}"
        text = f'{start}{said}"checksum":"{checksum(payload)}",{_PAYLOAD}{payload}{tail}'
    else:
        contents = f"[{payload},{encode(task.metadata, 'metadata')}]"
        sealed = seal.encrypt(contents, *_context(task.task_id, task.task_type, task.queue))
        text = f'{start}{said}{_SEALED}{sealed}"}}'
    if seal is not None:
        text = seal.sign(text)
    if len(text) * 4 > max_bytes:
        _check_size(task, text, max_bytes)
    return text


def to_plain_envelopes(tasks: Sequence[Task], max_bytes: int) -> list[str] | None:
    """Return what ``to_envelope`` makes of each of many tasks without a seal, step by step for all of them, which takes
    two thirds of the time; None if one of them says more than its type and payload.

    Args:
        tasks: the tasks.
        max_bytes: the largest envelope that is accepted.

    Raises:
        InvalidTask, PayloadTooLarge: as ``to_envelope``.
    """
    if not all(_says_nothing_else(task) and not task.metadata for task in tasks):
        return None
    payloads = encode_each([task.payload for task in tasks], "payload")
    envelopes = [
        f'{{"id":"{task.task_id}","type":"{task.task_type}","created_at":"{task.created_at}",'
        f'"checksum":"{sum_}",{_PAYLOAD}{payload}}}'
        for task, sum_, payload in zip(tasks, checksums(payloads), payloads, strict=True)
    ]
    if max(map(len, envelopes), default=0) * 4 > max_bytes:
        for task, text in zip(tasks, envelopes, strict=True):
            _check_size(task, text, max_bytes)
    return envelopes


def _check_size(task: Task, text: str, max_bytes: int) -> None:
    if len(text.encode()) > max_bytes:
        raise PayloadTooLarge(
            f"task {task.task_id} is {len(text.encode()):,} bytes, more than the {max_bytes:,} allowed: store the data "
            "elsewhere and send a reference, or raise TASKQ_MAX_MESSAGE_SIZE on every client and worker"
        )


def _says_nothing_else(task: Task) -> bool:
    """Return whether a task has no option that stands in its envelope: most have none."""
    return (
        task.priority is _NORMAL
        and task.queue is None
        and task.timeout is None
        and task.expires_in is None
        and task.result_ttl is None
        and task.unique_key is None
        and task.ordering_key is None
        and task.group_key is None
        and task.version == 1
        and task.max_retries == MAX_RETRIES
        and task.retry_delay == RETRY_DELAY_SECONDS
        and not task.limit_keys
        and not task.depends_on
    )


def _options(task: Task) -> str:
    text = ""
    if task.limit_keys:
        # always here, as the group key: scripts look for them (lua/lib/counted.lua, groups.lua)
        text += f'"limit_keys":{encode(list(task.limit_keys), "limit_keys")},'
    if task.group_key is not None:
        text += f'"group_key":"{task.group_key}",'
    if task.version != 1:
        text += f'"version":{task.version},'
    if task.priority is not TaskPriority.NORMAL:
        text += f'"priority":"{task.priority.label}",'
    if task.queue is not None:
        text += f'"queue":"{task.queue}",'
    if task.max_retries != MAX_RETRIES:
        text += f'"max_retries":{task.max_retries},'
    if task.retry_delay != RETRY_DELAY_SECONDS:
        text += f'"retry_delay":{task.retry_delay!r},'
    if not (task.timeout is task.expires_in is task.result_ttl is None):
        text += _times(task)
    if task.depends_on:
        text += f'"depends_on":{encode(list(task.depends_on), "depends_on")},"run_when":"{task.run_when}",'
    return text + _keys_json(task)


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
    start = text.find(_PAYLOAD) + _BEFORE
    if start < _BEFORE:
        return _from_sealed(text, seal)
    task = _read_at_once(text, start) if verify else None
    if task is not None:
        return task
    try:
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


def _read_at_once(text: str, start: int) -> Task | None:
    """Return the task of an envelope in which the payload stands last; None: it takes a closer look."""
    try:
        fields = decode(text, "envelope")
        if fields["checksum"] != checksum(text[start:-1]):
            return None
        return _from_fields(fields, fields["payload"], plain=len(fields) == _ALWAYS)
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


def unusual(task: Task) -> bool:
    """Return whether an envelope holds what a ``Task`` checks when it is made: another program may have written it."""
    return (
        task.timeout is not None
        or task.expires_in is not None
        or task.result_ttl is not None
        or task.idempotency is not None
        or task.max_retries != MAX_RETRIES
        or task.retry_delay != RETRY_DELAY_SECONDS
        or bool(task.metadata)
    )


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


def _from_fields(fields: dict[str, Any], payload: Any, plain: bool = False) -> Task:
    """Build a task without the checks that it passed at the submit; ``plain``: all else is as by default."""
    task = Task.__new__(Task)
    task.task_type = fields["type"]
    task.payload = payload
    if plain:  # nearly always
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
    task.unique_policy, task.version = get("unique_policy", EXISTING), get("version", 1)
    task.metadata, task.limit_keys, task.group_key = get("metadata", {}), get("limit_keys", ()), get("group_key")
    task.depends_on, task.run_when = get("depends_on", ()), get("run_when", "completed")


def _set_defaults(task: Task) -> None:
    task.priority, task.max_retries, task.retry_delay = _NORMAL, MAX_RETRIES, RETRY_DELAY_SECONDS
    task.timeout = task.expires_in = task.result_ttl = task.queue = task.group_key = None
    task.unique_key = task.unique_ttl = task.unique_window = task.idempotency = task.ordering_key = None
    task.metadata, task.unique_policy, task.limit_keys, task.version = {}, EXISTING, (), 1
    task.depends_on, task.run_when = (), "completed"
