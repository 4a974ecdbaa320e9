"""A recurring schedule as it is stored: when it is due, and what task it then submits. Pure values, no I/O.

The scripts compare definitions as text, so one definition must always give the same text. Two numbers are set when a
schedule is first added and kept from then on, ``added_ms`` and the anchor of an interval: a program that adds its
schedules at every start must neither shift them nor lose a slot that fell due while nothing was running.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

from taskq.errors import BadSignature, CorruptTask, InvalidTask
from taskq.model.codec import decode
from taskq.model.crypto import Seal, reveal
from taskq.model.moment import iso_utc
from taskq.model.recurrence import Cron, Every, Recurrence, from_json
from taskq.model.task import Task
from taskq.model.uniqueness import FIELDS as UNIQUENESS
from taskq.states import TaskPriority

# Each run has its own id and time of creation; see ``template_of`` for the key.
_PER_RUN = frozenset({"task_id", "created_at", "unique_key", "ordering_key", *UNIQUENESS})
# As the envelope calls it.
_STORED_NAMES = {"task_type": "type"}
_TEMPLATE_FIELDS = tuple(field for field in fields(Task) if field.init and field.name not in _PER_RUN)


@dataclass(frozen=True, slots=True)
class Definition:
    """One recurring schedule.

    Attributes:
        recurrence: when it is due.
        template: what each run is a copy of.
        added_ms: server time at which it was added, or resumed; no slot up to then is due.
        paused: whether it is not fired for the time being.
    """

    recurrence: Recurrence
    template: Task
    added_ms: int
    paused: bool = False

    def text(self) -> str:
        """Return the JSON that is stored; ``parse`` reads it back.

        ASCII only: the text is compared byte by byte, and ``HGETALL`` stays readable in every terminal.
        """
        recurrence = self.recurrence.to_json()
        # There, and not beside it: a scheduler that knows of no pause understands no more of it, and does not fire it.
        definition = {
            "recurrence": {**recurrence, "paused": True} if self.paused else recurrence,
            "added_ms": self.added_ms,
            "task": _template_json(self.template),
        }
        return json.dumps(definition, allow_nan=False, separators=(",", ":"))

    def next_slot(self, last_ms: int | None) -> int:
        """Return the first slot that has not been fired, be it past or to come.

        Args:
            last_ms: the last slot that was fired; None: none yet.

        Raises:
            InvalidTask: if there is none in the next 50 years.
        """
        return self.recurrence.next_after(self._earliest(last_ms))

    def due_slot(self, now_ms: int, last_ms: int | None) -> int | None:
        """Return the latest slot that is due and has not been fired; None if there is none.

        Only the latest counts: after a downtime a job runs once, not once for each slot that was missed. A paused one
        has none.

        Args:
            now_ms: server time.
            last_ms: the last slot that was fired; None: none yet.
        """
        return None if self.paused else self.recurrence.latest_at_or_before(now_ms, self._earliest(last_ms))

    def _earliest(self, last_ms: int | None) -> int:
        return max(self.added_ms, last_ms or 0)

    def run_of(self, prefix: str, name: str, slot_ms: int, now_ms: int) -> Task:
        """Return the task of a slot, which is the same one whoever asks.

        Args:
            prefix: of the namespace.
            name: of the schedule.
            slot_ms: the slot.
            now_ms: server time; ``expires_in`` counts from here, so that a run made up for is not born expired.
        """
        return replace(
            self.template,
            task_id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"taskq:{prefix}:{name}:{slot_ms}")),
            created_at=iso_utc(now_ms),
            metadata={**self.template.metadata, "schedule": name, "slot": iso_utc(slot_ms)},
        )

    def after(self, stored: Definition, last_ms: int | None) -> Definition:
        """Return what to store in the place of ``stored``; ``stored`` itself if nothing has changed.

        With the same rhythm the slots go on, and one that is due but not fired yet is not lost with the change of,
        say, the payload. A new rhythm begins now. What is paused stays so: a program that starts anew resumes nothing.

        Args:
            stored: the present definition of that name.
            last_ms: its last slot that was fired; None: none yet.
        """
        if not _same_rhythm(self.recurrence, stored.recurrence):
            return replace(self, paused=True) if stored.paused else self
        going_on = replace(self, recurrence=stored.recurrence, added_ms=stored.added_ms, paused=stored.paused)
        if _canonical(going_on.text()) == _canonical(stored.text()):
            return stored
        return replace(going_on, added_ms=stored._earliest(last_ms))


def template_of(task: Task) -> Task:
    """Return ``task`` if it can be repeated.

    Raises:
        InvalidTask: if it is no task, has a unique or ordering key, or depends on others.
    """
    if not isinstance(task, Task):
        raise InvalidTask(f"a Task is scheduled, not a {type(task).__name__}: Task(payload=...)")
    if task.unique_key is not None:
        raise InvalidTask(
            f"a recurring task cannot have a unique_key ({task.unique_key!r}): each slot is one task already, however "
            "many schedulers run. Leave unique_key out"
        )
    if task.ordering_key is not None:
        raise InvalidTask(
            f"a recurring task cannot have an ordering_key ({task.ordering_key!r}): if a run takes longer than "
            "the time between two slots, ever more would wait. Let the run submit a task with the key"
        )
    if task.depends_on:
        raise InvalidTask(
            "a recurring task cannot have depends_on: it starts at its slot, whatever has become of others. Let the "
            "run submit a task with depends_on"
        )
    return task


def to_stored(definition: Definition, name: str, seal: Seal | None) -> str:
    """Return the text that is stored under a name: as ``Definition.text``, signed and encrypted if there are keys.

    Whoever could write a definition of his own would have the scheduler sign its tasks.
    """
    text = definition.text()
    if seal is None:
        return text
    stored = json.loads(text)
    task = stored["task"]
    if seal.encrypts:
        contents = json.dumps([task.pop("payload"), task.pop("metadata", {})], separators=(",", ":"))
        task["sealed"] = seal.encrypt(contents, "schedule", name, task["type"])
    if seal.signs:
        stored["name"] = name
    return seal.sign(json.dumps(stored, separators=(",", ":")))


def parse(text: str, name: str = "", seal: Seal | None = None) -> Definition:
    """Return the definition that a text stands for.

    Args:
        text: as it is stored.
        name: under which it is stored.
        seal: checks the signature and decrypts, if there are keys.

    Raises:
        BadSignature: if signatures are asked for, and it has no good one.
        CannotDecrypt: if it is encrypted, and not with a key of this process.
        CorruptTask: if it cannot be understood.
    """
    if seal is not None:
        seal.check(text, "schedule")
    if "\ufffd" in text:  # never in what is written here: it stands for bytes that are no UTF-8
        raise CorruptTask("the stored schedule is not UTF-8: something else than taskq has written it")
    try:
        stored = decode(text, "schedule")
        added_ms = stored["added_ms"]
        if type(added_ms) is not int or not 0 <= added_ms < 10**14:
            raise InvalidTask(f"added_ms is {added_ms!r:.40}, not a moment in ms")
        if seal is not None and seal.signs and stored["name"] != name:
            raise BadSignature(f"the schedule was signed under another name, {stored['name']!r:.140}")
        task = _opened(stored["task"], name, seal)
        recurrence = dict(stored["recurrence"])
        paused = recurrence.pop("paused", False) is True
        return Definition(from_json(recurrence), _template(task), added_ms, paused)
    except KeyError as error:
        raise CorruptTask(f"the stored schedule has no {error}") from None
    except (InvalidTask, TypeError, ValueError, AttributeError) as error:
        raise CorruptTask(f"the stored schedule cannot be used: {error}") from None


def _opened(task: dict[str, Any], name: str, seal: Seal | None) -> dict[str, Any]:
    if "sealed" not in task:
        return task
    opened = {field: value for field, value in task.items() if field != "sealed"}
    contents = reveal(seal, str(task["sealed"]), "schedule", name, str(task.get("type")))
    opened["payload"], opened["metadata"] = decode(contents, "schedule")
    return opened


def parse_or_none(text: str | None, name: str = "", seal: Seal | None = None) -> Definition | None:
    """Return the definition that a text stands for; None if there is none, or it cannot be understood."""
    try:
        return None if text is None else parse(text, name, seal)
    except CorruptTask:
        return None


def _template_json(task: Task) -> dict[str, Any]:
    stored: dict[str, Any] = {}
    for field in _TEMPLATE_FIELDS:
        value = getattr(task, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if field.name in ("task_type", "payload", "priority") or value != default:
            stored[_STORED_NAMES.get(field.name, field.name)] = (
                value.label if isinstance(value, TaskPriority) else value
            )
    return stored


def _template(stored: dict[str, Any]) -> Task:
    names = {_STORED_NAMES.get(field.name, field.name): field.name for field in _TEMPLATE_FIELDS}
    unknown = [name for name in stored if name not in names]
    if unknown:
        raise InvalidTask(f"its task has fields of a newer version, or misspelt ones: {', '.join(map(repr, unknown))}")
    return Task(**{names[name]: value for name, value in stored.items()})


def _same_rhythm(one: Recurrence, other: Recurrence) -> bool:
    if isinstance(one, Every) and isinstance(other, Every):
        return one.interval_ms == other.interval_ms
    return isinstance(one, Cron) and one == other


def _canonical(text: str) -> str:
    # as text, because Python takes True for 1 and 1.0; the order of names means nothing
    return json.dumps(json.loads(text), sort_keys=True)
