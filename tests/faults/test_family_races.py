"""The last two children end at the same instant, and twice: their parent goes on once."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from taskq import Settings, TaskQueue
from taskq.protocol.operation import Operation
from taskq.protocol.operations import CrashLimits, LeaseTimes
from taskq.protocol.replies import Settlement
from taskq.protocol.workflow import Child, FamilyPlan
from tests.worker.background import findings

RACES = 1000
TTL_MS = 60_000


class Races:
    """Parents that wait for two children each, which one worker holds."""

    def __init__(self, queue: TaskQueue, count: int) -> None:
        self._queue = queue
        self._protocol = queue.namespace.protocol
        self._seq = 0
        self.names = [f"p{n}/1" for n in range(count)]
        self.run(self._protocol.register("racer", "t", LeaseTimes(3_000, 500), "uuid", {}))

    def run(self, operation: Operation[Any]) -> Any:
        return self._queue.transport.run(operation)

    def claim(self, list_name: str) -> list[Any]:
        """Claim up to 1,000 tasks of a list."""
        self._seq += 1
        return list(self.run(self._protocol.turn("racer", "t", self._seq, 1000, [list_name])).claims)

    def prepare(self) -> list[tuple[Operation[Any], Operation[Any]]]:
        """Return for each parent the two settles of its children."""
        bodies = [Child(name.partition("/")[0], "{}", "normal") for name in self.names]
        for start in range(0, len(bodies), 500):
            part = bodies[start : start + 500]
            plan = FamilyPlan(f"all{start}", len(part), "wait_all", ttl_ms=TTL_MS)
            self.run(self._protocol.fanout(plan, 0, part, 0))
        parents = self.claim("normal")
        for parent in parents:
            plan = FamilyPlan(f"{parent.task_id}/1", 2, "wait_all", 0, parent.task_id, parent.fence)
            children = [Child(f"{parent.task_id}-{side}", "{}", "low") for side in (0, 1)]
            self.run(self._protocol.fanout(plan, 0, children, 0))
        waits = [Settlement(parent.task_id, parent.fence, "wait", f"{parent.task_id}/1", 0) for parent in parents]
        for start in range(0, len(waits), 200):
            assert self.run(self._protocol.settle(waits[start : start + 200])) == ()
        claims = {claim.task_id: claim for _ in range(2) for claim in self.claim("low")}
        return [
            tuple(
                self._protocol.settle([Settlement(child, claims[child].fence, "complete", f"of {child}", TTL_MS)])
                for child in (f"{name.partition('/')[0]}-0", f"{name.partition('/')[0]}-1")
            )
            for name in self.names
        ]  # type: ignore[misc]  # two of them


@pytest.mark.timeout(120)
def test_a_thousand_races(settings: Settings, queue: TaskQueue) -> None:
    races, start = Races(queue, RACES), threading.Barrier(2)
    pairs = races.prepare()
    assert queue.get_queue_stats().waiting_tasks == RACES

    def race(side: int) -> None:
        with TaskQueue(settings=settings) as own:
            for pair in pairs:
                start.wait(30)
                for _ in range(2):  # as if each reply had been lost once
                    own.transport.run(pair[side])

    threads = [threading.Thread(target=race, args=(side,)) for side in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not start.broken
    protocol = queue.namespace.protocol
    done = [races.run(protocol.gather(name, 0, 2)) for name in races.names]
    assert {(family.completed, family.failed, family.done) for family in done} == {(2, 0, "completed")}
    assert [family.results for family in done] == [
        tuple(f"of {child}".encode() for child in family.ids) for family in done
    ]
    woken = [claim.task_id for claim in races.claim("normal")]
    assert sorted(woken) == sorted(name.partition("/")[0] for name in races.names), "each of them once"
    assert races.claim("normal") == []
    assert queue.get_queue_stats().waiting_tasks == 0
    assert findings(queue) == []
    races.run(protocol.evict("racer", False, 2 * RACES, CrashLimits(3, TTL_MS)))
