"""In which order the lists are walked, turn by turn: by priority, or with weights so that none starves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from taskq.errors import SettingsError
from taskq.protocol.keys import split_list_name
from taskq.states import PRIORITIES, TaskPriority

MOST_WEIGHT = 1000
WEIGHTS = {TaskPriority.URGENT: 8, TaskPriority.HIGH: 4, TaskPriority.NORMAL: 2, TaskPriority.LOW: 1}


@dataclass(frozen=True, slots=True)
class Fairness:
    """How a worker treats priorities, if not strictly one after the other.

    Args:
        weights: parts of the tasks that are started, by name of the priority, such as ``{"urgent": 8, "low": 1}``; a
            priority that is not named has its usual weight, 8, 4, 2 or 1. None: strict priority.
        reserve: slots of each process that are kept for a priority and those above it, such as ``{"urgent": 1}``.
        aging: seconds of waiting after which a task goes first, whatever its priority; None: priority alone counts.
    """

    weights: dict[str, int] | None = None
    reserve: dict[str, int] = field(default_factory=dict)
    aging: float | None = None


class StrictPlan:
    """Always the same order: whoever is more urgent goes first, however long others wait.

    Args:
        lists: names, in order.

    Attributes:
        learns: whether it wants to know what turns have claimed.
    """

    learns = False

    def __init__(self, lists: Sequence[str]) -> None:
        self._lists = lists

    def order(self) -> Sequence[str]:
        """Return the lists in the order of the next turn."""
        return self._lists

    def note(self, order: Sequence[str], want: int, claimed: Sequence[TaskPriority]) -> None:
        """Nothing that was claimed changes the order."""


class WeightedPlan:
    """Deficit round robin over the priorities: of the tasks that are claimed each gets its part while it has any.

    A turn goes to the priority with the most credit, and what that leaves to the others in the order of theirs. Each
    task that is claimed is paid by its own priority, to all that still have tasks, by their weights. A list that was
    found empty has neither credit nor debt: it holds up nobody, and does not flood the worker when it fills.

    M. Shreedhar and G. Varghese, "Efficient Fair Queueing using Deficit Round Robin", 1995; turns stand for packets.

    Args:
        lists: names, in order of priority.
        weights: by priority; one that is not named has its weight of ``WEIGHTS``.
    """

    learns = True

    def __init__(self, lists: Sequence[str], weights: Mapping[TaskPriority, int]) -> None:
        self._by_priority: dict[TaskPriority, list[str]] = {}
        for name in lists:
            self._by_priority.setdefault(split_list_name(name)[1], []).append(name)
        self._weights = {priority: weights.get(priority, WEIGHTS[priority]) for priority in self._by_priority}
        self._credit = dict.fromkeys(self._by_priority, 0.0)

    def order(self) -> Sequence[str]:
        """Return the lists in the order of the next turn."""
        # at the same credit whoever weighs more; sorted keeps the order of priority among equals
        first = sorted(self._by_priority, key=lambda priority: (-self._credit[priority], -self._weights[priority]))
        return [name for priority in first for name in self._by_priority[priority]]

    def note(self, order: Sequence[str], want: int, claimed: Sequence[TaskPriority]) -> None:
        """Take note of what a turn has claimed.

        Args:
            order: of the lists in that turn.
            want: how many tasks it asked for.
            claimed: the priority of each task that it got.
        """
        walked = list(dict.fromkeys(split_list_name(name)[1] for name in order))
        counts = Counter(claimed)
        # a turn goes on to the next list when it has come to the end of one
        last = max((walked.index(priority) for priority in counts), default=0) if len(claimed) >= want else len(walked)
        for priority in walked[:last]:
            self._credit[priority] = 0.0
        left = walked[last:]
        taken, weight = sum(counts[priority] for priority in left), sum(self._weights[priority] for priority in left)
        for priority in left:
            self._credit[priority] += taken * self._weights[priority] / weight - counts[priority]


Plan = StrictPlan | WeightedPlan


def plan_of(lists: Sequence[str], weights: Mapping[str, int] | None) -> Plan:
    """Return the plan for a worker.

    Args:
        lists: names, in order of priority.
        weights: by name of the priority; None: strict priority.
    """
    if weights is None:
        return StrictPlan(lists)
    return WeightedPlan(lists, {TaskPriority.parse(name): weight for name, weight in weights.items()})


def check_numbers(numbers: Mapping[str, int], what: str, most: int) -> dict[str, int]:
    """Return numbers by the name of a priority, checked.

    Args:
        numbers: as a user gave them.
        what: they are, for the message.
        most: the largest that is accepted.

    Raises:
        SettingsError: for a name or a number that cannot be used.
    """
    names = [priority.label for priority in PRIORITIES]
    for name, number in numbers.items():
        if name not in names or type(number) is not int or not 1 <= number <= most:
            raise SettingsError(
                f"{what} {name}={number}: use {', '.join(names)} with whole numbers from 1 to {most:,}, such as "
                "urgent=8,low=1"
            )
    return dict(numbers)
