"""Look at some tasks every few minutes, so that damage is noticed before somebody misses a task; part of the upkeep."""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable, Sequence

from taskq.errors import AccessDenied
from taskq.protocol.integrity import as_shown, judge, misplaced_number
from taskq.protocol.operations import Protocol
from taskq.states import TaskStatus
from taskq.transport.upkeep import Run

log = logging.getLogger("taskq")

PERIOD_SECONDS = 180.0
_SAMPLE = 50
# most of what can go wrong goes wrong with tasks that move
_STATUSES = (TaskStatus.RUNNING, TaskStatus.PENDING, *TaskStatus)
# beside ids, the number of entries, and the permits of keys of limits
_LISTS = "the lists"
_PERMITS = "permits of "


class Sampler:
    """Takes a sample when it is time, and looks at what seems wrong once more at the next call.

    Args:
        run: runs an operation.
        protocol: the operations of the namespace.
        clock: tells the time in seconds.

    Attributes:
        violations: how many were found so far.
    """

    def __init__(self, run: Run, protocol: Protocol, clock: Callable[[], float] = time.monotonic) -> None:
        self._run = run
        self._protocol = protocol
        self._clock = clock
        self._suspects: tuple[str, ...] = ()
        self._enabled = True
        self.violations = 0
        self._put_off()

    def _put_off(self) -> None:
        # not all workers at the same time
        self._next = self._clock() + PERIOD_SECONDS * random.uniform(0.5, 1.5)  # noqa: S311 - no secret

    def step(self) -> None:
        """Take a sample if it is time; at most a few short calls.

        Raises:
            TaskqError: as ``run`` does.
        """
        if not self._enabled or not (self._suspects or self._clock() >= self._next):
            return
        suspects, self._suspects = self._suspects, ()
        try:
            if suspects:
                self._confirm(suspects)
            else:
                self._put_off()
                self._suspects = self._take()
        except AccessDenied as error:
            self._enabled = False
            log.info("tasks are not sampled for violations: %s", error)

    def _take(self) -> tuple[str, ...]:
        """Return what seems wrong in a sample of one status, in permits, and in the number of entries of all lists."""
        status = random.choice(_STATUSES)  # noqa: S311 - no secret
        _, page = self._run(self._protocol.check("sample", status, count=_SAMPLE))
        wrong = [facts.task_id for facts in page if judge(facts)]
        if misplaced_number(self._run(self._protocol.stats())):
            wrong.append(_LISTS)
        held = {key for facts in page for key in facts.held_keys}
        for source in ("permits", "sole"):
            held.update(self._run(self._protocol.names(source, count=_SAMPLE))[1])
        return (*wrong, *(_PERMITS + key for key, _ in self._miscounts(sorted(held))))

    def _miscounts(self, keys: Sequence[str]) -> list[tuple[str, str]]:
        """Return which of some keys of limits have another number of permits than runs, and what is wrong."""
        _, words = self._run(self._protocol.miscounts(keys)) if keys else ("", [])
        return [(key, word) for key, word in zip(keys, words, strict=True) if word]

    def _confirm(self, suspects: tuple[str, ...]) -> None:
        keys = [suspect.removeprefix(_PERMITS) for suspect in suspects if suspect.startswith(_PERMITS)]
        ids = [suspect for suspect in suspects if suspect != _LISTS and not suspect.startswith(_PERMITS)]
        found: list[str] = []
        if ids:
            _, page = self._run(self._protocol.check("ids", ids=ids))
            found += [f"{facts.task_id}: {sentence}" for facts in page for sentence in judge(facts)[:1]]
        found += [f"permits of {key}: {word}" for key, word in self._miscounts(keys)]
        if _LISTS in suspects and (number := misplaced_number(self._run(self._protocol.stats()))):
            found.append(f"the lists hold {abs(number)} ids too {'many' if number > 0 else 'few'}")
        if not found:
            return
        self.violations += len(found)
        self._run(self._protocol.notice(uuid.uuid4().hex, len(found)))
        log.warning(
            "%d of the tasks looked at in passing are not where they belong; the first: %s. Something else than taskq "
            "may have changed keys. Look at all of them: taskq fsck",
            len(found),
            as_shown(found[0]),
        )
