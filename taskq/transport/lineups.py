"""Whether the groups of a list agree with it: found out in pages, while others take from them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence

from taskq.protocol.operations import Protocol
from taskq.protocol.view import GROUP_ENTRY
from taskq.transport.findings import Report, Violation
from taskq.transport.standing import PAGE, Lists
from taskq.transport.upkeep import Run

_BATCH = 1000


class Lineups:
    """Looks at groups, and mends what is wrong with them if asked to.

    Args:
        run: runs an operation.
        protocol: the operations of the namespace.
        lists: walks through lists.
        report: what was found goes there.
        place: mends one thing and returns what was done; None: nothing is mended.
    """

    def __init__(
        self,
        run: Run,
        protocol: Protocol,
        lists: Lists,
        report: Report,
        place: Callable[[str, str, str], tuple[str, ...]] | None,
    ) -> None:
        self._run, self._protocol, self._lists = run, protocol, lists
        self._report, self._place = report, place
        self._crooked: set[str] = set()

    def check_entries(self, groups: Iterable[str]) -> None:
        """Look whether each of some groups, ``<list>/<key>``, has one entry in its list, or none if empty."""
        keys_of: dict[str, list[str]] = {}
        for group in sorted(groups):
            list_name, _, key = group.partition("/")
            keys_of.setdefault(list_name, []).append(key)
        for list_name, keys in keys_of.items():
            for at in range(0, len(keys), _BATCH):
                self._check_batch(list_name, keys[at : at + _BATCH])

    def _check_batch(self, list_name: str, keys: Sequence[str]) -> None:
        before = self._firsts(list_name, keys)
        places: dict[str, list[int]] = {key: [] for key in keys}
        for offset, page in self._lists.numbered_pages(list_name):
            for entry in page:
                if entry.task_id.startswith(GROUP_ENTRY) and entry.task_id[1:] in places:
                    places[entry.task_id[1:]].append(offset)
        after = self._firsts(list_name, keys)
        for key, offsets in places.items():
            # whoever takes an entry takes the first of the group, too
            if len(offsets) != bool(before[key]) and after[key] == before[key]:
                self._found(f"{list_name}/{key}", before[key], offsets)

    def _firsts(self, list_name: str, keys: Sequence[str]) -> dict[str, str]:
        firsts = {}
        for at in range(0, len(keys), PAGE):
            page = keys[at : at + PAGE]
            _, found = self._run(self._protocol.lineup(list_name, page))
            firsts.update({key: first for key, (first, _) in zip(page, found, strict=True)})
        return firsts

    def _found(self, group: str, first: str, offsets: Sequence[int]) -> None:
        wanted = int(bool(first))
        message = f"{len(offsets)} entries stand for it in its list instead of {wanted}"
        if not offsets:
            mends = [f"- - {first}"]
        else:
            mends = [f"{offset} {uuid.uuid4().hex} {first}" for offset in offsets[: len(offsets) - wanted]]
        done: tuple[str, ...] = ()
        for detail in mends if self._place else ():
            done += self._place("group", group, detail) if self._place else ()
        left = len(done) < len(mends)
        if left:
            self._crooked.add(group.partition("/")[0])
        self._report.add(Violation("index", group, message, done, left))

    def check_number(self, list_name: str) -> None:
        """Look whether as many tasks of a list have no entry of their own as is noted, if it stands still meanwhile."""
        if list_name in self._crooked:
            return
        stood, _ = self._run(self._protocol.lineup(list_name, ()))
        counted = 0
        for page in self._lists.pages(list_name):
            keys = [entry.task_id[1:] for entry in page if entry.task_id.startswith(GROUP_ENTRY)]
            for at in range(0, len(keys), PAGE):
                _, found = self._run(self._protocol.lineup(list_name, keys[at : at + PAGE]))
                counted += sum(max(0, length - 1) for _, length in found)
        noted = stood.partition(" ")[0]
        if noted == str(counted) or stood != self._run(self._protocol.lineup(list_name, ()))[0]:
            return
        message = f"{noted} of its tasks are said to have no entry of their own, {counted} have none"
        done = self._place("grouped", list_name, f"{stood} {counted}") if self._place else ()
        self._report.add(Violation("index", list_name, message, done, not done))
