"""Submit the task of each recurring slot that has fallen due.

What is due is decided by the server's clock, as the listing of the schedules tells it, and a slot is claimed by the
script that submits its task; so neither the clock of this machine nor the number of schedulers matters.
"""

from __future__ import annotations

import time
from bisect import bisect
from dataclasses import dataclass

from taskq import flows, submitting
from taskq.errors import ServerError, ServerUnavailable, TaskqError
from taskq.scheduler.complaints import Complaints
from taskq.scheduler.definition import Definition, parse
from taskq.transport.upkeep import Run

# Hints also tell of delayed tasks, which can be many; a new schedule is seen after this at the latest.
_HINT_PAUSE_SECONDS = 0.05
_RETRY_SECONDS = 1.0
# Schedules that one step may read or fire: when a thousand are due at midnight, promotion must not wait for them all.
_WORK_PER_STEP = 50


@dataclass(slots=True)
class _Entry:
    """One schedule as it was last listed: its text, and what has been worked out from it."""

    text: str
    definition: Definition | None = None
    next_ms: int = 0
    retry_at: float = 0.0


class Recurring:
    """Recurring schedules as a service of the loop.

    Args:
        run: runs an operation.
        context: the operations of the namespace, and the settings for the size of a task.
        check_interval_seconds: how often the schedules are listed when there is no reason to.

    Attributes:
        fired: slots whose task was submitted here so far.
        refused: what the server last said against the task of a slot, by name; those are tried again.
        cut_short: whether the last step has left something for the next one.
    """

    name = "recurring schedules"

    def __init__(self, run: Run, context: flows.Context, check_interval_seconds: float) -> None:
        self._run = run
        self._context = context
        self._check_interval = check_interval_seconds
        self._book: dict[str, _Entry] = {}
        self._complaints = Complaints()
        self._looked_at = self._look_at = time.monotonic()
        self._work_left = 0
        self._came_to = ""
        self.fired = 0
        self.refused: dict[str, ServerError] = {}
        self.cut_short = False

    def hint(self) -> None:
        """Take note that a schedule may have been added or changed."""
        self._look_at = min(self._look_at, self._looked_at + _HINT_PAUSE_SECONDS)

    def step(self) -> float:
        """Fire what is due, or a good part of it, if it is time to look; return the seconds until the next look."""
        if (wait := self._look_at - time.monotonic()) > 0:
            return wait
        now_ms, texts, slots = self._run(self._context.protocol.list_schedules())
        self._looked_at = time.monotonic()
        self._forget_all_but(set(texts))
        self._work_left = _WORK_PER_STEP
        wait = self._check_interval
        for name in self._in_turn(texts):
            if self._work_left <= 0:
                self.cut_short, wait = True, 0.0
                break
            wait = min(wait, self._attend_to(name, texts[name], slots.get(name), now_ms))
            self._came_to = name
        else:
            self.cut_short = False
        self._look_at = self._looked_at + wait
        return max(0.0, self._look_at - time.monotonic())

    def _in_turn(self, texts: dict[str, str]) -> list[str]:
        """Return the names, beginning where the last step was cut short, so that each has its turn."""
        names = sorted(texts)
        start = bisect(names, self._came_to) if self.cut_short else 0
        return names[start:] + names[:start]

    def _forget_all_but(self, names: set[str]) -> None:
        self._book = {name: entry for name, entry in self._book.items() if name in names}
        self.refused = {name: error for name, error in self.refused.items() if name in names}
        self._complaints.keep({_subject(name) for name in names})

    def _attend_to(self, name: str, text: str, last_ms: int | None, now_ms: int) -> float:
        """Fire a slot if one is due; return the seconds from now until the next look at this schedule."""
        entry = self._book.get(name)
        if entry is None or entry.text != text:
            entry = self._book[name] = _Entry(text)
        elif (wait := entry.retry_at - time.monotonic()) > 0:
            return wait
        try:
            wait = self._fire_due(name, entry, last_ms, now_ms)
        except ServerUnavailable:
            raise  # the loop is being stopped
        except Exception as error:  # one schedule must not stop the others, whatever stands in Redis
            return self._put_off(name, entry, error)
        self.refused.pop(name, None)
        self._complaints.over(_subject(name))
        return wait

    def _put_off(self, name: str, entry: _Entry, error: Exception) -> float:
        wait = self._check_interval
        if isinstance(error, ServerError):
            self.refused[name] = error
            wait = _RETRY_SECONDS
        self._complaints.say(_subject(name), error, traceback=not isinstance(error, TaskqError))
        entry.retry_at = time.monotonic() + wait
        return wait

    def _fire_due(self, name: str, entry: _Entry, last_ms: int | None, now_ms: int) -> float:
        definition = self._read(name, entry, last_ms)
        if definition.paused:
            return self._check_interval
        if entry.next_ms > now_ms:
            return (entry.next_ms - now_ms) / 1000
        self._work_left -= 1
        slot_ms = definition.due_slot(now_ms, last_ms)
        if slot_ms is not None:
            task = definition.run_of(self._context.settings.prefix, name, slot_ms, now_ms)
            submission = submitting.submission(self._context, task)
            fired = self._run(self._context.protocol.fire(name, entry.text, slot_ms, submission))
            if fired < 0:
                return _HINT_PAUSE_SECONDS  # changed or removed since it was listed
            self.fired += fired
        entry.next_ms = definition.recurrence.next_after(now_ms)
        return (entry.next_ms - now_ms) / 1000

    def _read(self, name: str, entry: _Entry, last_ms: int | None) -> Definition:
        """Work out what the text means and when the next slot is, unless it is known from an earlier look."""
        if entry.definition is None:
            self._work_left -= 1
            definition = parse(entry.text, name, self._context.seal)
            entry.next_ms = definition.next_slot(last_ms)
            entry.definition = definition
        return entry.definition


def _subject(name: str) -> str:
    return f"schedule {name!r:.140}"
