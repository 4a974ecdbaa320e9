"""Check the invariants of a namespace that is at work, and mend what is damaged: ``taskq fsck``.

Everything goes page by page, each page one short script, and what is remembered is bounded. What looks wrong is looked
at again a moment later before it counts.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from taskq.errors import AccessDenied, ServerError
from taskq.model.envelope import outline
from taskq.model.moment import seconds_to_ms
from taskq.protocol.audit import expires
from taskq.protocol.integrity import Facts, Sieve, as_shown, judge, judge_totals
from taskq.protocol.keys import FAMILIES, list_name
from taskq.protocol.operations import Protocol
from taskq.protocol.view import GROUP_ENTRY, KINDS, family_of
from taskq.protocol.walks import all_sizes, each_page, follow
from taskq.settings import Settings
from taskq.states import LIVE, TERMINAL, TaskPriority, TaskStatus
from taskq.transport.beside import OF_KEYS, Beside
from taskq.transport.findings import Report, Violation
from taskq.transport.lineups import Lineups
from taskq.transport.scales import Scales
from taskq.transport.standing import PAGE, Lists, Misplaced
from taskq.transport.upkeep import Run, lease_times

_NOT_WALKED = (
    "the keys were not walked: no role may SCAN, because that shows the names of all keys on the server. Keys that no "
    "index leads to are found when an administrator runs this"
)
_BATCH = 1000
_PASSING_MS = 60_000
_OF_TASKS = ("task", "state", "result", "checkpoint", "signals")
# the order in which statuses are looked at: what is mended may become pending, and the lists come with the pending ones
_AFTER_LISTS = tuple(status for status in TaskStatus if status in LIVE and status != TaskStatus.PENDING)

Progress = Callable[[str, int], None]


class Fsck:
    """One run over one namespace.

    Args:
        run: runs an operation.
        protocol: the operations of the namespace.
        settings: for lease times and for how long an end is kept.
        repair: whether to mend what can be mended.
        progress: is told the name of each step, and how many things it has looked at so far.
        pause_seconds: before what looks wrong is looked at again.
    """

    def __init__(
        self,
        run: Run,
        protocol: Protocol,
        settings: Settings,
        *,
        repair: bool = False,
        progress: Progress | None = None,
        pause_seconds: float = 0.2,
    ) -> None:
        self._run, self._protocol, self._repair = run, protocol, repair
        self._times = lease_times(settings)
        self._ttl_ms = seconds_to_ms(settings.result_ttl_seconds, "result_ttl_seconds")
        self._progress = progress or (lambda step, checked: None)
        self._pause_seconds = pause_seconds
        self._lists = Lists(run, protocol)
        self._report = Report()
        self._beside = Beside(run, protocol, self._times, self._report, repair=repair, pause=self._pause)
        self._lineups = Lineups(run, protocol, self._lists, self._report, self._beside.place if repair else None)
        self._scales = Scales(run, protocol, self._report, repair=repair, pause=self._pause)
        self._step = ""
        self._workers: set[str] = set()
        self._list_names: set[str] = set()

    def check(self) -> Report:
        """Look at everything once.

        Raises:
            ServerUnavailable, AccessDenied: if the server cannot be asked.
        """
        began = time.monotonic()
        steps: tuple[tuple[str, Callable[[], None]], ...] = (
            ("keys", self._check_keys),
            ("workers", self._check_workers),
            ("limits and schedules", self._beside.check_listed),
            ("ended tasks", self._check_ended),
            ("lists", self._check_lists),
            ("live tasks", self._check_live),
            ("bytes", self._scales.check),
            ("counters", self._check_totals),
        )
        for self._step, step in steps:
            self._count(0)
            try:
                step()
            except AccessDenied as error:
                if step != self._check_keys:
                    raise
                self._report.notes.append(f"{_NOT_WALKED} ({error})")
            except ServerError as error:
                self._report.add(Violation("key", self._step, f"could not be checked: {error}"))
        self._report.seconds = time.monotonic() - began
        return self._report

    def _count(self, number: int) -> None:
        self._report.checked += number
        self._progress(self._step, self._report.checked)

    # -- keys, workers and indexes --

    def _check_keys(self) -> None:
        orphans: list[str] = []
        for _, page in each_page(self._run, self._protocol.survey):
            names: dict[str, set[str]] = {}
            for key, kind, ttl_ms in page:
                family = family_of(key)
                if family is None or KINDS[family] != kind:
                    self._check_foreign(key)
                    continue
                names.setdefault(family, set()).add(key[len(FAMILIES[family]) :])
                self._check_expiry(family, key, ttl_ms)
            self._count(len(page))
            ids = sorted(set().union(*(names.get(family, set()) for family in _OF_TASKS)))
            orphans += self._lists.unknown(ids)
            self._workers |= names.get("processing", set()) | names.get("worker", set())
            self._list_names |= names.get("queue", set()) | names.get("group", set())
            for family, found in names.items():
                if family in OF_KEYS:
                    self._beside.check(OF_KEYS[family], sorted(found))
                self._beside.check_members(family, sorted(found))
            if len(orphans) >= _BATCH:
                self._judge_ids(orphans)
                orphans = []
        self._judge_ids(orphans)

    def _check_foreign(self, key: str) -> None:
        self._report.add(Violation("key", key, "is of no family of taskq, or of the wrong type for its family"))

    def _check_expiry(self, family: str, key: str, ttl_ms: int) -> None:
        must = expires(family)
        if must is None or must == (ttl_ms >= 0):
            return
        name = key[len(FAMILIES[family]) :]
        done = self._run(self._protocol.mend_expiry(family, name, _PASSING_MS)) if self._repair else ()
        self._report.add(Violation("I5", key, f"has {'no' if must else 'a'} TTL", done, not done))

    def _check_workers(self) -> None:
        for source in ("workers", "leases"):
            for page in self._beside.pages(source):
                self._workers.update(page)
                self._beside.check("workers", page)

    # -- tasks --

    def _fact_pages(self, source: str, name: str = "") -> Iterator[list[Facts]]:
        for ids in self._beside.pages(source, name):
            self._count(0)
            for at in range(0, len(ids), PAGE):
                yield list(self._lists.facts(ids[at : at + PAGE]).values())

    def _held_pages(self, worker: str) -> Iterator[list[Facts]]:
        """Yield what a worker holds: entries and facts as of one instant, since what has just ended leaves the list."""
        for _, page in each_page(self._run, partial(self._protocol.check, "processing", worker, count=PAGE)):
            self._count(len(page))
            yield page

    def _pause(self) -> None:
        time.sleep(self._pause_seconds)

    def _judge_pages(self, pages: Iterable[list[Facts]]) -> None:
        suspects: list[str] = []
        for page in pages:
            suspects += [facts.task_id for facts in page if judge(facts)]
            if len(suspects) >= _BATCH:
                self._judge_ids(suspects)
                suspects = []
        self._judge_ids(suspects)

    def _judge_ids(self, suspects: Sequence[str], holder: str | None = None) -> None:
        """Look at ids once more, report what is still wrong and mend it."""
        if not suspects:
            return
        self._pause()
        for facts in self._lists.facts(list(dict.fromkeys(suspects))).values():
            wrong = judge(facts)
            if holder is not None and not (facts.held and facts.worker == holder):
                wrong.append(f"I3: stands in the processing list of {holder}, who does not run it")
            if wrong:
                self._found(facts, wrong, (holder,) if holder else ())

    def _found(self, facts: Facts, wrong: Sequence[str], holders: Sequence[str]) -> None:
        done: tuple[str, ...] = ()
        left = set(wrong)
        if self._repair:
            done = self._run(self._protocol.mend(facts.task_id, self._list_of(facts.task_id), self._ttl_ms, holders))
            left = set(judge(self._lists.facts([facts.task_id])[facts.task_id]))
        for sentence in wrong:
            invariant, _, message = sentence.partition(": ")
            self._report.add(Violation(invariant, facts.task_id, message, done, sentence in left))

    def _list_of(self, task_id: str) -> str:
        if as_shown(task_id) != task_id:  # no UTF-8: it was never submitted
            return list_name(None, TaskPriority.NORMAL)
        (item,) = self._run(self._protocol.inspect([task_id]))
        task = outline(item.envelope or b"", task_id)
        return item.state.get("list") or list_name(task.queue, task.priority)

    def _check_ended(self) -> None:
        sieve = Sieve()
        for slot in self._lists.slots():
            for page in self._lists.retained(slot):
                for task_id in page:
                    sieve.add(task_id)
        for status in sorted(TERMINAL):
            suspects: list[str] = []
            unretained: list[str] = []
            for facts_page in self._fact_pages("status", status):
                suspects += [facts.task_id for facts in facts_page if judge(facts)]
                unretained += [facts.task_id for facts in facts_page if facts.task_id not in sieve]
                if len(suspects) + len(unretained) >= _BATCH:
                    self._settle_ended(suspects, unretained)
                    suspects, unretained = [], []
            self._settle_ended(suspects, unretained)

    def _settle_ended(self, suspects: list[str], unretained: list[str]) -> None:
        self._judge_ids(suspects)
        for task_id in self._lists.unretained(unretained) if unretained else ():
            done = self._beside.place("retain", task_id, "") if self._repair else ()
            self._report.add(
                Violation(
                    "I5", task_id, "has ended and stands in no retained list: nothing will forget it", done, not done
                )
            )

    def _check_lists(self) -> None:
        names = sorted(self._list_names | self._known_lists())
        groups = {name for name in names if "/" in name}
        doubtful: set[str] = set()
        sieve = Sieve()
        suspects: dict[str, None] = {}
        for name in names:  # to which groups are added
            for entries in self._lists.pages(name):
                self._count(len(entries))
                for entry in entries:
                    if entry.task_id.startswith(GROUP_ENTRY):
                        group = f"{name}/{entry.task_id[1:]}"
                        if sieve.add(group):
                            doubtful.add(group)
                        if group not in groups:
                            doubtful.add(group)
                            groups.add(group)
                            names.append(group)
                    elif sieve.add(entry.task_id) or not entry.expected:
                        suspects[entry.task_id] = None
                self._settle_places(suspects, names, _BATCH)
        for page in self._fact_pages("status", TaskStatus.PENDING):
            wrong = [facts.task_id for facts in page if judge(facts)]
            self._judge_ids(wrong)
            # what was mended may not belong into its list any more
            suspects.update(dict.fromkeys(wrong))
            suspects.update((facts.task_id, None) for facts in page if facts.task_id not in sieve)
            self._settle_places(suspects, names, _BATCH)
        for page in self._fact_pages("tombstones"):
            suspects.update((facts.task_id, None) for facts in page if facts.pending or facts.task_id not in sieve)
            self._settle_places(suspects, names, _BATCH)
        self._settle_places(suspects, names, 1)
        doubtful |= {name for name in groups if name not in sieve}
        self._lineups.check_entries(doubtful)
        for name in names:
            if "/" not in name:
                self._lineups.check_number(name)

    def _known_lists(self) -> set[str]:
        return {depth.name for depth in follow(self._run, all_sizes(self._protocol)).lists}

    def _settle_places(self, suspects: dict[str, None], names: Sequence[str], enough: int) -> None:
        if len(suspects) < enough:
            return
        found = self._lists.misplaced(list(suspects), names)
        buried = self._bury(found) if self._repair else {}
        for misplaced in found:
            done = buried.get(misplaced.facts.task_id, ())
            left = len(done) < misplaced.surplus
            if self._repair and not misplaced.surplus:
                done = self._fill_place(misplaced)
                left = not done
            self._report.add(Violation("I1", misplaced.facts.task_id, _said(misplaced), done, left or not self._repair))
        suspects.clear()

    def _bury(self, found: Sequence[Misplaced]) -> dict[str, tuple[str, ...]]:
        """Put a tombstone in place of each entry too many; return what was done to each task."""
        done: dict[str, tuple[str, ...]] = {}
        for misplaced, name, offset in self._lists.surplus(found):
            task_id = misplaced.facts.task_id
            detail = f"{name} {offset} {uuid.uuid4().hex} {misplaced.trail}"
            done[task_id] = done.get(task_id, ()) + self._beside.place("bury", task_id, detail)
        return done

    def _fill_place(self, misplaced: Misplaced) -> tuple[str, ...]:
        task_id = misplaced.facts.task_id
        if misplaced.facts.pending and not misplaced.lists:
            return self._beside.place("push", task_id, self._list_of(task_id))
        return self._beside.place("unbury", task_id, "")

    def _check_live(self) -> None:
        for status in _AFTER_LISTS:
            self._judge_pages(self._fact_pages("status", status))
        for source in ("running", "scheduled", "dead"):
            self._judge_pages(self._fact_pages(source))
        for worker in sorted(self._workers):
            for page in self._held_pages(worker):
                strangers = [facts.task_id for facts in page if not (facts.held and facts.worker == worker)]
                self._judge_ids(strangers, worker)

    def _check_totals(self) -> None:
        for sentence in judge_totals(self._run(self._protocol.stats())):
            invariant, _, message = sentence.partition(": ")
            self._report.add(Violation(invariant, "counters", message))


def _said(misplaced: Misplaced) -> str:
    facts, number = misplaced.facts, len(misplaced.lists)
    what = "is pending" if facts.pending else "is not pending"
    what += " and has a tombstone" if facts.tombstone else ""
    where = f" ({', '.join(misplaced.lists)})" if number else ""
    return f"{what} and stands in {number} places of the lists{where} instead of {misplaced.expected}"
