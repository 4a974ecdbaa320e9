"""Whether the lists of a namespace and the groups of tasks that take turns there agree. No I/O here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from taskq.protocol.view import GROUP_ENTRY, View


def check_groups(view: View) -> Iterator[str]:
    """Yield what is wrong: each group has one entry in its list, and those behind are counted."""
    groups, behind = dict(view.all("group")), Counter[str]()
    entries = Counter(
        f"{name}/{entry[1:]}" for name, line in view.all("queue") for entry in line if entry.startswith(GROUP_ENTRY)
    )
    for name in groups.keys() | entries.keys():
        behind[name.partition("/")[0]] += len(groups.get(name, ())) - 1
        if entries[name] != (name in groups):
            yield f"I1: the group {name} has {entries[name]} entries in its list instead of {int(name in groups)}"
    noted = {name: int(number) for name, number in view.get("grouped", {}).items() if name != GROUP_ENTRY}
    for name in noted.keys() | behind.keys():
        if noted.get(name, 0) != behind[name]:
            yield f"grouped tells of {noted.get(name, 0)} tasks behind in groups of {name}, not {behind[name]}"
