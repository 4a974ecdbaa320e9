"""How much dearer a task is beside many than beside few: two servers, measured in turns.

A curve is measured from its first point to its last, which takes a minute, and meanwhile the machine becomes faster or
slower by more than what is looked for. Here both ends of it are there at a time.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bench.measures import PAYLOAD
from bench.scale.axes import Place, Row, measured, row_of
from bench.scale.hands import BATCH, Bare, Hands, fill, new_queue
from bench.scale.meter import Cost, together
from bench.scale.tables import come_to_rest
from taskq import TaskQueue

FEW = 1_000
COSTS = ("submit", "run", "bare_submit", "bare_run")
AT_ONCE = BATCH * 20


@dataclass(slots=True)
class End:
    """One end of a curve.

    Args:
        place: its server.
        queue: with the backlog.
        hands: which run tasks of it.
        bare: the same for the baseline.
        size: of the backlog.
    """

    place: Place
    queue: TaskQueue
    hands: Hands
    bare: Bare
    size: int

    def passed(self, count: int) -> tuple[Cost, ...]:
        """Return what it costs to submit so many tasks and to run so many, as taskq does and as the baseline does."""
        meter = self.place.meter
        ours = measured(self.place, self.queue, self.hands, count, PAYLOAD)
        put = meter.cost(count, lambda: self.bare.fill(count, 1))
        return *ours, put, meter.cost(count, lambda: self.bare.work(count))


@contextmanager
def end(place: Place, size: int) -> Iterator[End]:
    """Make a backlog of pending tasks, and wait until the server has moved its tables."""
    queue, bare = new_queue(place.url), Bare(place.admin)
    for _ in range(0, size, AT_ONCE):
        fill(queue, min(AT_ONCE, size))
        bare.fill(min(AT_ONCE, size))
    one = End(place, queue, Hands(queue), bare, size)
    one.passed(1)
    come_to_rest(place.admin, [f"{queue.settings.prefix}:status:pending", f"{bare.root}pending"])
    place.say(f"growth: {size:,} are there")
    yield one
    queue.close()


def growth(places: Sequence[Place], most: int, rounds: int) -> list[Row]:
    """Return a row for each end, the last one with the ratios of each round.

    Args:
        places: two, whose servers have the same core.
        most: tasks of the larger backlog.
        rounds: how often both are measured.
    """
    with end(places[0], FEW) as few, end(places[1], most) as many:
        taken: list[tuple[tuple[Cost, ...], tuple[Cost, ...]]] = []
        count = max(1, places[0].tasks // 8)
        for number in range(rounds):
            # who comes second finds the caches of the other
            order = (few, many) if number % 2 else (many, few)
            costs = {one.size: one.passed(count) for one in order}
            taken.append((costs[few.size], costs[many.size]))
        rows = [_row(one.size, [costs[at] for costs in taken]) for at, one in enumerate((few, many))]
    ratios = {what: [theirs[n].us / ours[n].us for ours, theirs in taken] for n, what in enumerate(COSTS)}
    return [rows[0], rows[1] | {"ratios": ratios}]


def _row(size: int, passes: Sequence[tuple[Cost, ...]]) -> Row:
    submit, run, put, take = (together(costs, statistics.median) for costs in zip(*passes, strict=True))
    return row_of(size, (submit, run), (put, take))
