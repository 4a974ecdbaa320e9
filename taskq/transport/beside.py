"""What stands beside the tasks of a namespace: workers, unique keys, limits and their gates, schedules, ..."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from taskq.protocol.checks import LeaseTimes
from taskq.protocol.integrity import as_sent
from taskq.protocol.operations import Protocol
from taskq.protocol.walks import each_page
from taskq.protocol.workflow import Family
from taskq.states import TaskStatus
from taskq.transport.findings import Report, Violation
from taskq.transport.standing import PAGE
from taskq.transport.upkeep import Run

# what a walk through the keys finds, by the family of the key
OF_KEYS = {
    "worker": "workers",
    **dict.fromkeys(("family", "children", "gathered"), "remains"),
    **{name: name for name in ("unique", "successor", "sequence", "retained", "queue", "bell")},
}
# what can be listed without such a walk
_LISTED = ("slots", "sagas", "jams", "gates", "woken", "limits", "circuits", "bounds", "sla", "schedules")
_INVARIANT = {
    "workers": "I8",
    "retained": "I5",
    "bell": "I7",
    **dict.fromkeys(("family", "sums", "children", "remains"), "I10"),
    "sequence": "I11",
    **dict.fromkeys(("permits", "blocked", "jams"), "I12"),
    **dict.fromkeys(("gates", "limited", "woken"), "I13"),
    **dict.fromkeys(("limits", "circuits", "bounds", "sla", "schedules"), "I14"),
}
# a page of results that are longer may cost the server more than a few ms: each of those is asked for alone
_LONG_BYTES, _LONGEST_BYTES = 65_536, 2**31
_TRIES = 2


class _Counts(NamedTuple):
    """How many children a family has, and how many of them have ended as it counts them."""

    stored: int
    completed: int
    failed: int

    def differs(self, told: Counter[str]) -> bool:
        """Return whether it must have miscounted, however those ended of which that is not known."""
        completed, total = told[TaskStatus.COMPLETED], told.total()
        failed = total - completed - told["?"]
        return self.completed + self.failed != total or completed > self.completed or failed > self.failed


class Beside:
    """Looks at names page by page, at what looks wrong a second time, and mends it if asked to.

    Args:
        run: runs an operation.
        protocol: the operations of the namespace.
        times: how long a lease lasts.
        report: what was found goes there.
        repair: whether to mend what can be mended.
        pause: called before what looks wrong is looked at again.
    """

    def __init__(
        self,
        run: Run,
        protocol: Protocol,
        times: LeaseTimes,
        report: Report,
        *,
        repair: bool,
        pause: Callable[[], None],
    ) -> None:
        self._run, self._protocol, self._times = run, protocol, times
        self._report, self._repair, self._pause = report, repair, pause

    def check_listed(self) -> None:
        """Look at all that is listed somewhere."""
        for source in _LISTED:
            for page in self.pages(source):
                self.check(source, page)
        self.check("limited", ["limited"])
        known: set[str] = set()
        for source in ("permits", "sole", "held"):
            for page in self.pages(source):
                self.check("permits", sorted(set(page) - known))
                known.update(page)

    def check_members(self, family: str, keys: Sequence[str]) -> None:
        """Look at each of those who are blocked by some keys, and at some families."""
        for name in keys if family == "family" else ():
            self._check_family(name)
        for key in keys if family == "blocked" else ():
            for page in self.pages(family, key):
                self.check(f"{family} {key}", page)
        if family == "blocked":
            self.check("jams", keys)

    def _check_family(self, name: str) -> None:
        wrong = self._check_sums(name)
        # with the right sums, so that it is not done too early
        self.check("family", [name])
        for page in self.pages("children", name) if wrong else ():
            self.check(f"children {name}", page)

    def _check_sums(self, name: str) -> bool:
        """Compare what a family has counted with what it was told; return whether a child of it looks wrong.

        While children end both of it changes, and nothing can be said.
        """
        for _ in range(_TRIES):
            before = self._counts(name)
            told, wrong = self._told(name)
            if not before.differs(told):
                return wrong
            self._pause()
        if self._counts(name) != before:
            return wrong
        failed = sum(told.values()) - told[TaskStatus.COMPLETED] - told["?"]
        completed = told[TaskStatus.COMPLETED] + told["?"]
        done: tuple[str, ...] = ()
        if self._repair:
            done = self.place("sums", name, f"{completed} {failed} {before.completed} {before.failed}")
        message = (
            f"counts {before.completed} completed and {before.failed} other children, and was told {told.total()} ends"
        )
        self._report.add(Violation("I10", name, f"sums: {message}", done, not done))
        return wrong

    def _counts(self, name: str) -> _Counts:
        family: Family = self._run(self._protocol.gather(as_sent(name)))
        return _Counts(family.stored, family.completed, family.failed)

    def _told(self, name: str) -> tuple[Counter[str], bool]:
        """Return how many children ended with each status ('?': not known), and whether one of them looks wrong."""
        told: Counter[str] = Counter()
        wrong = False
        for page in self.pages("children", name):
            for at in range(0, len(page), PAGE):
                ids = page[at : at + PAGE]
                _, words = self._run(self._protocol.told(name, ids, _LONG_BYTES))
                for task_id, word in zip(ids, words, strict=True):
                    alone = self._protocol.told(name, [task_id], _LONGEST_BYTES)
                    told.update(filter(None, self._run(alone)[1] if word == "?" else [word]))
                wrong = wrong or bool(self._wrong(f"children {name}", ids))
        return told, wrong

    def check(self, source: str, names: Sequence[str]) -> None:
        """Look at some names; sources: see ``indexes.lua``."""
        for at in range(0, len(names), PAGE):
            suspects = self._wrong(source, names[at : at + PAGE])
            if suspects:
                self._pause()
            for name, word in self._wrong(source, list(suspects)).items():
                self._found(source, name, word)

    def _wrong(self, source: str, names: Sequence[str]) -> dict[str, str]:
        words = self._run(self._protocol.indexes(self._times, source, names)) if names else ()
        return {name: word for name, word in zip(names, words, strict=True) if word}

    def _found(self, source: str, name: str, word: str) -> None:
        kind, _, key = source.partition(" ")
        what = f"held by {word}, which is not live or does not know of it" if kind == "unique" else word
        done: tuple[str, ...] = ()
        if self._repair and _INVARIANT.get(kind) != "I14":
            done = self.place(kind, name, key)
        left = not self._repair or bool(self._wrong(source, [name]))
        self._report.add(Violation(_INVARIANT.get(kind, "index"), key or name, f"{kind}: {what}", done, left))

    def place(self, verb: str, name: str, detail: str) -> tuple[str, ...]:
        """Mend one thing; return what was done."""
        return self._run(self._protocol.mend_place(verb, name, detail, self._times.lease_ms))

    def pages(self, source: str, name: str = "") -> Iterator[list[str]]:
        """Yield the names of a source, page by page."""
        for _, page in each_page(self._run, partial(self._protocol.names, source, name)):
            self._report.checked += len(page)
            yield page
