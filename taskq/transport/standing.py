"""In how many places of the lists an id stands: found out in pages, while others take from them and add to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from taskq.model.envelope import outline
from taskq.protocol.integrity import Facts, Member, as_shown
from taskq.protocol.keys import list_name
from taskq.protocol.operations import Protocol
from taskq.protocol.walks import each_page
from taskq.transport.upkeep import Run

# such that no call takes 5 ms, on a slow core either
PAGE = 25
_ENTRIES = 100


class Misplaced(NamedTuple):
    """A task that stands in too many or too few places of the lists.

    Attributes:
        expected: in how many it should, its tombstone included.
        lists: where it stands, once for each entry.
    """

    facts: Facts
    expected: int
    lists: tuple[str, ...]

    @property
    def surplus(self) -> int:
        """How many entries there are too many."""
        return max(0, len(self.lists) - self.expected)

    @property
    def trail(self) -> str:
        """What shows that it has moved, in the words of ``mend_place.lua``."""
        facts = self.facts
        return f"{facts.pending:d} {facts.tombstone:d} {facts.state.get('started', '')} {facts.record}"


class Lists:
    """Walks through lists from their tails.

    What is taken from a head meanwhile moves nothing. What comes to a tail pushes what was seen before into the next
    page; each page overlaps the one before by an entry, so that this is noticed, and every entry that stands in a list
    during the whole walk is met exactly once.

    Args:
        run: runs an operation.
        protocol: the operations of the namespace.
    """

    def __init__(self, run: Run, protocol: Protocol) -> None:
        self._run = run
        self._protocol = protocol

    def pages(self, list_name: str) -> Iterator[list[Member]]:
        """Yield the entries of a priority list, page by page, from its tail."""
        for _, fresh in self.numbered_pages(list_name):
            yield fresh

    def numbered_pages(self, list_name: str) -> Iterator[tuple[int, list[Member]]]:
        """Yield the pages, and how far from the tail each of them has begun."""
        offset, anchor, cursor = 0, "", "1"
        while cursor != "0":
            cursor, page = self._run(self._protocol.entries(list_name, str(offset), _ENTRIES))
            fresh = page
            if anchor:
                # nowhere: the page shows only what has been seen, or came later
                fresh = page[: max((n for n, entry in enumerate(page) if entry.task_id == anchor), default=0)]
            yield offset, fresh
            offset += _ENTRIES - 1
            anchor = fresh[0].task_id if fresh else anchor

    def unknown(self, ids: Sequence[str]) -> list[str]:
        """Return those of some ids that no status set has."""
        found: list[str] = []
        for at in range(0, len(ids), _ENTRIES):
            found += self._run(self._protocol.strangers(ids[at : at + _ENTRIES]))[1]
        return found

    def retained(self, slot: str) -> Iterator[list[str]]:
        """Yield the ids in a retained list, some perhaps twice."""
        for _, page in each_page(self._run, partial(self._protocol.names, "retained", slot)):
            yield page

    def slots(self) -> list[str]:
        """Return the retained lists, the ones that expire last first; there are as many as tens of seconds to keep."""
        pages = each_page(self._run, partial(self._protocol.names, "retention", ""))
        slots = {slot for _, page in pages for slot in page}
        return sorted(slots, key=lambda slot: (len(slot), slot), reverse=True)

    def facts(self, ids: Sequence[str]) -> dict[str, Facts]:
        """Return what is known of some ids."""
        found: dict[str, Facts] = {}
        for at in range(0, len(ids), PAGE):
            _, page = self._run(self._protocol.check("ids", ids=ids[at : at + PAGE]))
            found.update((facts.task_id, facts) for facts in page)
        return found

    def misplaced(self, suspects: Sequence[str], list_names: Sequence[str]) -> list[Misplaced]:
        """Count the entries of some ids in all lists, and return those of which there are too many or too few.

        A task that was moved or ended meanwhile is left out: its trail tells.
        """
        before = self.facts(suspects)
        counts: Counter[tuple[str, str]] = Counter()
        # one that has begun since those names were gathered, too
        list_names = sorted({*list_names, *self._groups_of(suspects)})
        for name in list_names:
            for page in self.pages(name):
                counts.update((entry.task_id, name) for entry in page if entry.task_id in before)
        after = self.facts(suspects)
        found = []
        for task_id, facts in before.items():
            expected = int(facts.pending) + int(facts.tombstone)
            places = tuple(name for name in list_names for _ in range(counts[task_id, name]))
            if len(places) != expected and after[task_id].trail == facts.trail:
                found.append(Misplaced(facts, expected, places))
        return found

    def surplus(self, found: Sequence[Misplaced]) -> Iterator[tuple[Misplaced, str, int]]:
        """Yield for each entry too many its task, its list, and how far from the tail its page has begun."""
        left = {misplaced.facts.task_id: misplaced for misplaced in found if misplaced.surplus}
        counts = Counter({task_id: misplaced.surplus for task_id, misplaced in left.items()})
        for name in dict.fromkeys(name for misplaced in left.values() for name in reversed(misplaced.lists)):
            for offset, page in self.numbered_pages(name):
                for entry in reversed(page):
                    if counts[entry.task_id] > 0:
                        counts[entry.task_id] -= 1
                        yield left[entry.task_id], name, offset

    def _groups_of(self, ids: Sequence[str]) -> Iterator[str]:
        """Yield the names under which the groups of tasks are walked like lists."""
        known = [task_id for task_id in ids if as_shown(task_id) == task_id]
        for at in range(0, len(known), PAGE):
            page = known[at : at + PAGE]
            found = self._run(self._protocol.rows(page))
            for task_id, (item, _) in zip(page, found, strict=True):
                task = outline(item.envelope or b"", task_id)
                if task.group_key:
                    yield f"{item.state.get('list') or list_name(task.queue, task.priority)}/{task.group_key}"

    def unretained(self, suspects: Sequence[str]) -> list[str]:
        """Return those of some ended ids that stand in no retained list."""
        missing = dict.fromkeys(suspects)
        before = self.facts(suspects)
        for slot in self.slots():
            for page in self.retained(slot):
                for task_id in page:
                    missing.pop(task_id, None)
            if not missing:
                return []
        after = self.facts(list(missing))
        return [
            i for i in missing if after[i].statuses == before[i].statuses and any(s.terminal for s in after[i].statuses)
        ]
