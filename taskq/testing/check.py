"""The judge: does what the queue says agree with what was noted outside of Redis?"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from taskq.errors import TaskNotFound
from taskq.queue import TaskQueue
from taskq.states import TERMINAL, TaskStatus
from taskq.testing.ledger import ACCEPTED, AGAIN, END, SENT, START, SUBMIT, Ledger, Note


@dataclass(frozen=True, slots=True)
class Limits:
    """What is still right.

    Attributes:
        second_runs: how many attempts may have been started that neither a retry or snooze explains nor the
            loss of a worker that the queue has counted (``recovered``). None: not checked.
        frozen: whether workers were frozen: one that thaws may start an attempt after its successor was started.
        unsure: whether a submit may have failed for its caller and still have been accepted.
        all_ended: whether no task may be live any more.
        forgotten: whether ended tasks may have expired, so that their starts and the counters speak for them.
    """

    second_runs: int | None = None
    frozen: bool = False
    unsure: bool = False
    all_ended: bool = False
    forgotten: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found.

    Attributes:
        tasks: accepted submits.
        completed, dead, cancelled, live: where they are.
        lost: accepted tasks that are nowhere, or live although everything should have ended.
        double: tasks of which more than one completion was accepted.
        second_runs: starts that nobody has asked for, most of them because a worker was lost.
        violations: what cannot be true, one sentence each.
    """

    tasks: int
    completed: int
    dead: int
    cancelled: int
    live: int
    lost: int
    double: int
    second_runs: int
    violations: tuple[str, ...]


def check(ledger: Ledger, queue: TaskQueue, limits: Limits | None = None) -> Verdict:
    """Compare a ledger with a queue in which nothing happens any more.

    Args:
        ledger: everything that was submitted to this namespace and run by its workers.
        queue: of the namespace.
        limits: what is still right; by default, what holds for any queue.

    Returns:
        Conservation (submitted = completed + dead + cancelled + live), at most one accepted completion per task, one
        end per attempt, fences that grow, and counters that agree. The audit of the keys is another check.
    """
    return _Check(ledger.notes(), queue, limits or Limits()).verdict()


class _Check:
    def __init__(self, notes: Sequence[Note], queue: TaskQueue, limits: Limits) -> None:
        self._notes = notes
        self._queue = queue
        self._limits = limits
        self._submitted = {note.task_id for note in notes if note.what == SUBMIT}
        self._sent = {note.task_id for note in notes if note.what == SENT}
        self._starts = [note for note in notes if note.what == START]
        self._ends = Counter((note.task_id, note.fence) for note in notes if note.what == END)
        self._places: Counter[str] = Counter()
        self._counters = Counter(queue.get_queue_stats().counters)
        self._lost: list[str] = []
        self._asked_runs = self._counters["retried"] + sum(note.what == AGAIN for note in notes)

    def verdict(self) -> Verdict:
        accepted = Counter(note.task_id for note in self._notes if note.what == ACCEPTED)
        double = [task_id for task_id, n in accepted.items() if n > 1]
        violations = [*self._conservation(), *self._attempts()]
        violations += [f"{accepted[task_id]} completions of {task_id} were accepted" for task_id in double]
        violations += self._fences()
        second_runs = self._second_runs()
        explained = self._counters["recovered"] + (self._limits.second_runs or 0)
        if self._limits.second_runs is not None and second_runs > explained:
            violations.append(
                f"{second_runs} attempts were started that nobody had asked for, {explained} are explained"
            )
        violations += self._totals()
        live = sum(n for status, n in self._places.items() if status not in TERMINAL)
        return Verdict(
            tasks=max(len(self._submitted), sum(self._places.values())),
            completed=self._places[TaskStatus.COMPLETED],
            dead=self._places[TaskStatus.FAILED],
            cancelled=self._places[TaskStatus.CANCELLED],
            live=live,
            lost=len(self._lost),
            double=len(double),
            second_runs=second_runs,
            violations=tuple(violations),
        )

    def _conservation(self) -> Iterator[str]:
        known = sorted(self._submitted | (self._sent if self._limits.unsure else set()))
        started = {note.task_id for note in self._starts}
        for task_id in known:
            try:
                status = self._queue.get_task_status(task_id)["status"]
            except TaskNotFound:
                if task_id in self._submitted and not (self._limits.forgotten and task_id in started):
                    self._lost.append(task_id)
                    yield f"{task_id} was accepted, and the queue does not know it"
                continue
            self._places[status] += 1
            if self._limits.all_ended and status not in TERMINAL:
                self._lost.append(task_id)
                yield f"{task_id} should have ended, and is {status}"
            if status == TaskStatus.COMPLETED:
                yield from self._check_result(task_id)

    def _check_result(self, task_id: str) -> Iterator[str]:
        result = self._queue.get_task_result(task_id)
        if result is not None and not self._ends[task_id, result["result"]]:
            yield f"{task_id} has completed, but the attempt of its result has never ended"

    def _attempts(self) -> Iterator[str]:
        for (task_id, fence), n in self._ends.items():
            if n > 1:
                yield f"{task_id}: attempt {fence} ended {n} times"

    def _fences(self) -> Iterator[str]:
        """Every start belongs to a task that was sent, and its fence is larger than the ones before it."""
        known, seen = self._submitted | self._sent, set[tuple[str, int]]()
        last: Counter[str] = Counter()
        for note in self._starts:
            if note.task_id not in known:
                yield f"{note.task_id} was started and never submitted"
            if (note.task_id, note.fence) in seen:
                yield f"{note.task_id} was started twice with the same fence"
            elif note.fence <= last[note.task_id] and not self._limits.frozen:
                yield f"{note.task_id} was started with a fence that is not larger than the one before"
            seen.add((note.task_id, note.fence))
            last[note.task_id] = note.fence

    def _second_runs(self) -> int:
        tasks = {note.task_id for note in self._starts}
        return max(0, len(self._starts) - len(tasks) - self._asked_runs)

    def _totals(self) -> Iterator[str]:
        counters, places = self._counters, self._places
        for status in TERMINAL:
            if counters[status] != places[status] and not self._limits.forgotten:
                yield f"the counter {status} says {counters[status]}, {places[status]} tasks are {status}"
        ends = sum(counters[status] for status in TERMINAL)
        if self._limits.all_ended and ends != counters["submitted"]:
            yield f"{counters['submitted']} tasks were accepted, {ends} have ended"
        least, most = len(self._submitted), len(self._submitted | self._sent)
        if not self._limits.unsure:
            most = least
        if not least <= counters["submitted"] <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            yield f"{wanted} tasks were submitted, the counter says {counters['submitted']}"


def check_order(starts: Iterable[Note], ids: Sequence[str]) -> list[str]:
    """Return which of some tasks of one list, in the order of their submission, were started out of order.

    Only first attempts are compared: what came back from a dead worker goes to the head of its list.

    Args:
        starts: notes of starts, with the number of the attempt.
        ids: the tasks.
    """
    wanted = set(ids)
    first: dict[str, Note] = {}
    again: set[str] = set()
    for note in starts:
        if note.task_id in wanted and note.task_id in first:
            again.add(note.task_id)
        elif note.task_id in wanted:
            first[note.task_id] = note
    seen = [first[i] for i in ids if i in first and i not in again and first[i].attempt <= 1]
    return [
        f"{later.task_id} was submitted after {earlier.task_id} and claimed before it"
        for earlier, later in itertools.pairwise(seen)
        if later.fence < earlier.fence
    ]
