"""Submit the task of each recurring slot that has fallen due.

What is due is decided by the server's clock, as the listing of the schedules tells it, and a slot is claimed by the
script that submits its task; so neither the clock of this machine nor the number of schedulers matters.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from taskq import flows
from taskq.errors import ServerError, ServerUnavailable, TaskqError
from taskq.scheduler.complaints import Complaints
from taskq.scheduler.definition import Definition, parse
from taskq.transport.upkeep import Run

# Hints also tell of delayed tasks, which can be many; a new schedule is seen after this at the latest.
_HINT_PAUSE_SECONDS = 0.05
_RETRY_SECONDS = 1.0


@dataclass(slots=True)
class _Entry:
    """One schedule as it was last listed: its text, what that means, and the next slot, worked out once."""

    text: str
    definition: Definition
    last_ms: int | None = None
    next_ms: int = 0


class Recurring:
    """Recurring schedules as a service of the loop.

    Args:
        run: runs an operation.
        context: the operations of the namespace, and the settings for the size of a task.
        check_interval_seconds: how often the schedules are listed when there is no reason to.

    Attributes:
        fired: slots whose task was submitted here so far.
        refused: what the server said against the task of a slot at the last look, by name; those are tried again.
    """

    name = "recurring schedules"

    def __init__(self, run: Run, context: flows.Context, check_interval_seconds: float) -> None:
        self._run = run
        self._context = context
        self._check_interval = check_interval_seconds
        self._book: dict[str, _Entry] = {}
        self._complaints = Complaints()
        self._looked_at = self._look_at = time.monotonic()
        self.fired = 0
        self.refused: dict[str, ServerError] = {}

    def hint(self) -> None:
        """Take note that a schedule may have been added or changed."""
        self._look_at = min(self._look_at, self._looked_at + _HINT_PAUSE_SECONDS)

    def step(self) -> float:
        """Fire what is due, if it is time to look; return the seconds until the next look."""
        if (wait := self._look_at - time.monotonic()) > 0:
            return wait
        now_ms, texts, slots = self._run(self._context.protocol.list_schedules())
        self._looked_at = time.monotonic()
        self.refused = {}
        self._book = {name: entry for name, entry in self._book.items() if name in texts}
        self._complaints.keep({_subject(name) for name in texts})
        wait = self._check_interval
        for name, text in sorted(texts.items()):
            wait = min(wait, self._attend_to(name, text, slots.get(name), now_ms))
        self._look_at = self._looked_at + wait
        return max(0.0, self._look_at - time.monotonic())

    def _attend_to(self, name: str, text: str, last_ms: int | None, now_ms: int) -> float:
        """Fire a slot if one is due; return the seconds from ``now_ms`` until the next look at this schedule."""
        subject = _subject(name)
        try:
            wait = self._fire_due(name, text, last_ms, now_ms)
        except ServerUnavailable:
            raise  # the loop is being stopped
        except ServerError as error:
            self.refused[name] = error
            self._complaints.say(subject, error)
            return _RETRY_SECONDS
        except TaskqError as error:
            self._complaints.say(subject, error)
            return self._check_interval
        except Exception as error:  # one schedule must not stop the others, whatever stands in Redis
            self._complaints.say(subject, error, traceback=True)
            return self._check_interval
        self._complaints.over(subject)
        return wait

    def _fire_due(self, name: str, text: str, last_ms: int | None, now_ms: int) -> float:
        entry = self._entry(name, text, last_ms)
        if entry.next_ms > now_ms:
            return (entry.next_ms - now_ms) / 1000
        slot_ms = entry.definition.due_slot(now_ms, last_ms)
        if slot_ms is not None:
            task = entry.definition.run_of(self._context.settings.prefix, name, slot_ms, now_ms)
            submission = flows.submission(self._context, task)
            fired = self._run(self._context.protocol.fire(name, text, slot_ms, submission))
            if fired < 0:
                return _HINT_PAUSE_SECONDS  # changed or removed since it was listed
            self.fired += fired
            entry.last_ms = slot_ms
        entry.next_ms = entry.definition.recurrence.next_after(now_ms)
        return (entry.next_ms - now_ms) / 1000

    def _entry(self, name: str, text: str, last_ms: int | None) -> _Entry:
        entry = self._book.get(name)
        if entry is None or entry.text != text:
            entry = _Entry(text, parse(text))
            entry.next_ms = entry.definition.next_slot(last_ms)
        elif entry.last_ms != last_ms:
            entry.next_ms = entry.definition.next_slot(last_ms)
        entry.last_ms = last_ms
        self._book[name] = entry
        return entry


def _subject(name: str) -> str:
    return f"schedule {name!r:.140}"
