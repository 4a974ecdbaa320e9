"""What taskq wants to reach beside its peers, and whether a run has reached it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.compare import figures
from bench.compare.catalogue import OURS, PEERS, Peer

Readings = dict[str, dict[str, list[dict[str, Any]]]]

# These push a task and keep nothing else about it; a state for each is work that they do not have.
WITHOUT_STATES = ("huey", "wakaq", "taskiq_list")
THEIRS = tuple(peer for peer in PEERS if peer.name not in OURS)
PYTHON = tuple(peer for peer in THEIRS if peer.registry == "pypi")
SAFE = tuple(peer for peer in THEIRS if peer.recovery_seconds is not None)
NODE = tuple(peer for peer in THEIRS if peer.name == "bullmq_node")
BARE = tuple(peer for peer in PEERS if peer.name == "bare")
STATEFUL = tuple(peer for peer in THEIRS if peer.name not in WITHOUT_STATES)


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio to the best of some peers, or to a plain number.

    Args:
        title: the figure, for people.
        work: where it was measured.
        key: in the figures of that work.
        limit: the ratio to reach; at least, if more is better, else at most.
        more_is_better: which way.
        peers: whose best counts; none: the limit is an absolute figure.
        among: who they are, for people.
        of: another work of taskq whose median is the measure, instead of peers.
    """

    title: str
    work: str
    key: str
    limit: float
    more_is_better: bool = True
    peers: Sequence[Peer] = ()
    among: str = ""
    of: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a run says about a goal.

    Attributes:
        goal: which.
        value: the ratio, or the figure where there is nobody to compare with; None if it was not measured.
        best: the title of the best of the peers.
    """

    goal: Goal
    value: float | None
    best: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether it was; None if that was not measured."""
        if self.value is None:
            return None
        return self.value >= self.goal.limit if self.goal.more_is_better else self.value <= self.goal.limit


_SAFE_PYTHON = tuple(peer for peer in SAFE if peer in PYTHON)
GOALS = (
    Goal("no-op, one process", "drain_noop", "rate", 1.5, True, NODE, "BullMQ on Node"),
    Goal("no-op, one process", "drain_noop", "rate", 3, True, PYTHON, "any Python peer"),
    Goal("no-op, one process", "drain_noop", "rate", 5, True, _SAFE_PYTHON, "Python peers that recover"),
    Goal("no-op, one process", "drain_noop", "rate", 0.6, True, BARE, "the bare yardstick"),
    Goal("submit one by one", "submit", "rate", 1.2, True, THEIRS, "any peer"),
    Goal("submit one by one", "submit", "rate", 2, True, STATEFUL, "peers with a state per task"),
    Goal("100 at once, async", "together", "rate", 1.5, True, PYTHON, "any Python peer"),
    Goal("100 at once, async", "together", "rate", 1, True, NODE, "BullMQ on Node"),
    Goal("batches of 100", "batch", "rate", 4, True, THEIRS, "any peer"),
    Goal("submit to result, idle, p50", "round_trip", "p50", 0.7, False, THEIRS, "any peer"),
    Goal("submit to result, idle, p99", "round_trip", "p99", 0.6, False, THEIRS, "any peer"),
    Goal("submit to result, idle, p50", "round_trip", "p50", 2, False, BARE, "the bare yardstick"),
    Goal("submit to handler, idle, p50", "round_trip", "start_p50", 1.5, False, BARE, "the bare yardstick"),
    Goal("server's processor time per task", "drain_noop", "server_us", 0.5, False, SAFE, "peers that recover"),
    Goal("worker's processor time per task", "drain_noop", "worker_us", 1, False, NODE, "BullMQ on Node"),
    Goal("bytes per pending task", "memory", "pending", 500, False),
    Goal("bytes per completed task", "memory", "completed", 900, False),
    Goal("1 ms of CPU, two processes", "two_cpu", "rate", 1.6, True, of="drain_cpu", among="one process"),
    Goal("1 ms of sleep, slots as it likes", "drain_sleep", "rate", 0.8, True, BARE, "the bare yardstick, 50 threads"),
    Goal("seconds until a lost machine's task runs", "recovery", "seconds", 35, False),
    Goal("seconds until a killed child's task runs", "child", "seconds", 1, False),
)


def stand(goal: Goal, readings: Readings) -> Standing:
    """Return what the readings of a run say about a goal."""
    ours = _values(readings, goal.work, "taskq", goal.key)
    known = [value for value in ours if value is not None]
    if not known:
        return Standing(goal, None)
    if goal.of:
        return Standing(goal, figures.ratio(ours, _values(readings, goal.of, "taskq", goal.key)))
    if not goal.peers:
        return Standing(goal, figures.spread(known).median)
    found = []
    for peer in goal.peers:
        value = figures.ratio(ours, _values(readings, goal.work, peer.name, goal.key))
        if value is not None:
            found.append((value, peer.title))
    choose: Callable[..., tuple[float, str]] = min if goal.more_is_better else max
    value, best = choose(found, default=(None, ""))
    return Standing(goal, value, best)


def standings(readings: Readings) -> list[Standing]:
    """Return all goals that the run says something about."""
    return [standing for goal in GOALS if (standing := stand(goal, readings)).value is not None]


def row(standing: Standing) -> list[str]:
    """Return the cells of a goal."""
    goal = standing.goal
    compared = bool(goal.peers or goal.of)
    sign, times = "≥" if goal.more_is_better else "≤", " ×" if compared else ""
    assert standing.value is not None
    against = standing.best if standing.best and len(goal.peers) > 1 else ""
    return [
        goal.title,
        f"{sign} {goal.limit:g}{times} {goal.among}".strip(),
        f"{figures.short(standing.value)}{times} {against}".strip(),
        "reached" if standing.reached else "**not reached**",
    ]


def _values(readings: Readings, work: str, name: str, key: str) -> list[float | None]:
    return [entry.get(key) for entry in readings.get(work, {}).get(name, [])]
