"""Nobody waits longer for other groups than he has to, whatever is killed, cancelled or comes back meanwhile.

A history is a row of random calls. Each task that comes to a list in which nobody of its group waits is told how many
may go before it: those without a group, and one of each other group. Whoever has come back to the head of a list is not
counted: he has had his turn. Each call is followed by an audit. The seed is in the name of the test;
``TASKQ_TEST_HISTORIES=500`` plays so many of them.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass

import pytest
import redis

from taskq.protocol.replies import Claim
from tests.lua.ways import limit
from tests.state import TTL_MS, Bench, settle, task

GROUPS = ("", "", "a", "a", "a", "b", "c", "d")
WORKERS = ("w1", "w2")
STEPS = 40


@dataclass
class Waiting:
    """A task in line, or behind others of its group.

    Attributes:
        first: whether nobody of its group was in the list when it came; else there is no bound for it.
        left: how many may go before it.
        fresh: whether it has not come back to the head.
    """

    group: str
    first: bool
    left: int
    fresh: bool = True


class History:
    """Submits, cancels, turns and deaths, and what follows from the bound."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.bench, self.dice = bench, random.Random(seed)
        self.waiting: dict[str, Waiting] = {}
        self.groups: dict[str, str] = {}
        self.held: dict[str, list[Claim]] = {}
        self.order: dict[str, list[str]] = {}
        self.born = 0

    def play(self) -> None:
        if self.dice.random() < 0.3:
            limit(self.bench, "few", concurrency=2)
        for _ in range(STEPS):
            getattr(self, self.dice.choice(["submit", "submit", "turn", "turn", "kill", "cancel", "retry", "purge"]))()
        for worker in list(self.held):
            self.settle_all(worker)
        for _ in range(100):
            self.turn(8)
            self.settle_all("w1")
            self.settle_all("w2")
        assert self.bench.state().get("status:pending") is None
        assert not [name for name in self.bench.state() if name.partition(":")[0] in ("queue", "group", "tombstones")]

    def come(self, task_id: str) -> None:
        """It comes to the tail of the list."""
        group = self.groups[task_id]
        others = {one.group for one in self.waiting.values() if one.fresh} - {"", group}
        alone = sum(not one.group for one in self.waiting.values() if one.fresh)
        first = not group or not any(one.group == group and one.fresh for one in self.waiting.values())
        self.waiting[task_id] = Waiting(group, first, alone + len(others))

    def submit(self) -> None:
        for _ in range(self.dice.randint(1, 5)):
            self.born += 1
            task_id = f"t{self.born}"
            self.groups[task_id] = self.dice.choice(GROUPS)
            self.bench.submit(task(task_id, group=self.groups[task_id], limits=self.dice.choice(["", "", "few"])))
            self.come(task_id)
            self.order.setdefault(self.groups[task_id], []).append(task_id)

    def turn(self, want: int = 0) -> None:
        worker = self.dice.choice(WORKERS)
        if worker not in self.held:
            self.bench.register(worker)
            self.held[worker] = []
        claims = self.bench.claim(worker, want or self.dice.randint(1, 6))
        # whoever has met a full limit has had its turn, too, and comes back to the head
        for task_id, one in self.waiting.items():
            one.fresh = one.fresh and not self.bench.client.hexists(self.bench.key("state", task_id), "since")
        for claim in claims:
            self.started(claim.task_id)
        self.held[worker] += claims

    def started(self, task_id: str) -> None:
        one = self.waiting.pop(task_id)
        if not one.fresh:
            return
        order = self.order[one.group]
        for other_id, other in self.waiting.items():
            if other.fresh and one.group and other.group == one.group:
                assert order.index(other_id) > order.index(task_id), f"{task_id} has overtaken {other_id}"
            elif other.fresh and other.first:
                other.left -= 1
                assert other.left >= 0, f"{other_id} has waited for more than it had to"

    def settle_all(self, worker: str) -> None:
        claims = self.held.get(worker, [])
        if claims:
            self.bench.end(worker, *(settle(claim) for claim in claims))
            self.held[worker] = []

    def kill(self) -> None:
        worker = self.dice.choice(WORKERS)
        if worker in self.held:
            self.bench.evict(worker)
            for claim in self.held.pop(worker):
                self.waiting[claim.task_id] = Waiting(self.groups[claim.task_id], False, 0, fresh=False)

    def retry(self) -> None:
        """It is due at once, and goes behind those of its group."""
        worker = self.dice.choice(WORKERS)
        if self.held.get(worker):
            claim = self.held[worker].pop()
            self.bench.end(worker, settle(claim, "retry", number=0))
            order = self.order[self.groups[claim.task_id]]
            order.remove(claim.task_id)
            order.append(claim.task_id)
            self.come(claim.task_id)

    def cancel(self) -> None:
        if self.waiting:
            task_id = self.dice.choice(list(self.waiting))
            assert self.bench.run(self.bench.protocol.cancel(task_id, "{}", TTL_MS)) == "cancelled"
            del self.waiting[task_id]

    def purge(self) -> None:
        """Now and then, and with what waits for room."""
        if self.dice.random() < 0.2:
            while self.bench.run(self.bench.protocol.purge("normal", 3))[1]:
                pass
            for task_id in list(self.waiting):
                if not self.bench.client.exists(self.bench.key("task", task_id)):
                    del self.waiting[task_id]


@pytest.mark.parametrize("seed", range(int(os.environ.get("TASKQ_TEST_HISTORIES", "25"))))
def test_nobody_waits_for_more_than_one_of_each_other_group(
    redis_url: str, prefix: str, redis_client: redis.Redis, seed: int
) -> None:
    bench = Bench(redis_url, prefix, redis_client)
    bench.all_hints_kept = False
    try:
        History(bench, seed).play()
    finally:
        bench.close()
