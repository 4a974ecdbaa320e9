"""What has ended, as the words of a call: outcomes of a kind travel together."""

from __future__ import annotations

from collections.abc import Sequence

from taskq.protocol.operation import Argument
from taskq.protocol.replies import Settlement


def settle_words(settles: Sequence[Settlement]) -> tuple[int, int, list[Argument]]:
    """Return the number of groups, of other outcomes, and the words for them; see lua/lib/settle.lua."""
    groups: dict[tuple[str, int], list[Argument]] = {}
    others: list[Argument] = []
    for settle in settles:
        if settle.outcome == "complete":
            group = (settle.fence, settle.number)
            if group not in groups:
                groups[group] = []
            groups[group] += (settle.task_id, settle.body)
        else:
            others += settle
    words: list[Argument] = []
    for (fence, ttl_ms), pairs_of_words in groups.items():
        words += (fence, ttl_ms, len(pairs_of_words) // 2, *pairs_of_words)
    return len(groups), len(others) // 5, words + others
