"""All rules of admission at once, with crashes in between: none is ever broken, and nobody who may start stands still.

A history is a row of random calls, some of them sent twice; what they answer is held against ``Rules``, which works out
alone who may start. Each call is followed by an audit. The seed is in the name of the test;
``TASKQ_TEST_HISTORIES=500`` plays so many of them.
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
import redis

from taskq.model.circuit import Circuit
from taskq.model.limit import Limit
from taskq.model.uniqueness import Uniqueness
from taskq.protocol.operation import Operation
from taskq.protocol.replies import Claim, Settlement
from taskq.protocol.walks import all_circuits
from tests.lua.scenarios.sidings import passed, worker_that_knows
from tests.properties.admission import INTO_A_TENTH, Rules
from tests.state import LIMITS, LISTS, TIMES, TTL_MS, Bench, envelope, settle, task

WORKERS = ("w1", "w2", "w3")
# one of an older release passes over what it does not know
KNOWN = {"w3": ("mail", "sms")}
TYPES = ("mail", "pdf", "pdf", "sms")
GROUPS = ("", "", "g1", "g2")
KEYS = ("", "", "a", "b:1", "b:2", "a b:1", "c", "c a")
LIMITED = ("a", "b", "b:1", "type", "type:mail")
# times that lie between two seconds, as no event does
CIRCUITS = (Circuit("c", 2, 39.5, 9.5), Circuit("type:pdf", 1, 39.5, 9.5), Circuit("a", 2, 40, 9.5, share=0.6))
OUTCOMES = ("complete",) * 4 + ("retry",) * 2 + ("fail", "cancel", "snooze", "release")
MOST_LIVE, STEPS = 14, 45
WEIGHTS = {
    **{"submit": 8, "turn": 12, "settle": 5, "late": 1, "cancel": 1, "time": 3},
    **{"kill": 2, "silence": 1, "limit": 3, "circuit": 2, "pause_type": 2, "pause_list": 1, "stand_still": 1},
}


class History:
    """Clients, workers and an operator."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.bench, self.dice, self.rules = bench, random.Random(seed), Rules()
        tenth = 4  # seconds, of the circuit that opens by a share
        bench.move_clock((INTO_A_TENTH - bench.now_ms() / 1000) % tenth)
        self.zero_ms = bench.now_ms()
        # few, so that they meet, and others in each history
        self.types, self.keys = self.dice.sample(TYPES, 2), self.dice.sample(KEYS, 4)
        self.outcomes = self.dice.choice([OUTCOMES, ("complete", "complete", "retry", "fail", "release")])
        # in one of four only keys of one name are counted, of tasks that are alike and new: some hold them alone
        self.lone = seed % 4 == 3
        if self.lone:
            self.types, self.keys = ["mail", "mail"], [f"b:{n}" for n in range(12)]
            self.outcomes = (*["complete"] * 8, "retry", "release")
        self.held: dict[str, Claim] = {}
        self.lost: list[Claim] = []
        self.known: set[str] = set()
        self.born = 0

    def play(self) -> None:
        for _ in range(2):
            self.limit()
            self.circuit()
        actions = self.dice.choices(list(WEIGHTS), list(WEIGHTS.values()), k=STEPS)
        for action in actions:
            if self.bench.now_ms() - self.zero_ms - self.rules.now * 1000 > 200:
                self.tick(0)
            getattr(self, action)()
            self.look_at_circuits()
            if action in ("limit", "circuit", "pause_type", "silence", "kill") and self.dice.random() < 0.5:
                self.stand_still()
        self.drain()

    def send(self, operation: Operation[Any]) -> Any:
        """Send a call, or send it twice, as if the first reply had been lost."""
        reply = self.bench.run(operation)
        if self.dice.random() < 0.25:
            again = self.bench.run(operation)
            if operation.script.name == "turn":
                assert again.claims == reply.claims
        return reply

    def tick(self, seconds: float) -> None:
        """Move the clock, less what the calls have taken."""
        self.rules.now += seconds
        self.bench.move_clock((self.zero_ms + self.rules.now * 1000 - self.bench.now_ms()) / 1000)

    def time(self) -> None:
        self.tick(self.dice.choice([1, 1, 3, 5, 10, 20, 61]))

    # -- clients --

    def submit(self) -> None:
        for _ in range(self.dice.randint(1, 4)):
            if len(self.rules.tasks) < MOST_LIVE:
                self.submit_one()

    def submit_one(self) -> None:
        self.born += 1
        task_id, kind, limits = f"t{self.born}", self.dice.choice(self.types), self.dice.choice(self.keys)
        key, delay = self.dice.choice(["", "", "", "o", "u"]), self.dice.choice([0, 0, 0, 20])
        if self.lone:
            key, delay = "", 0
        one = task(
            task_id, self.dice.choice(["urgent", "normal", "normal", "low"]), due=f"+{delay}000" if delay else "0"
        )
        group = self.dice.choice(GROUPS)
        one = one._replace(envelope=envelope(task_id, kind, limits, group), group_key=group)
        if key == "o":
            one = one._replace(ordering_key=self.dice.choice(["o1", "o2"]))
        elif key == "u":
            policy = self.dice.choice(["existing", "reject", "replace", "queue_one"])
            one = one._replace(unique_key=self.dice.choice(["u1", "u2"]), rules=Uniqueness(policy).rules(TTL_MS))
        reply = self.bench.run(self.bench.protocol.submit([one], 0))
        if reply.ids == (task_id,):
            for other in list(self.rules.lines[f"u {one.unique_key}"]) if key == "u" else ():
                if self.bench.client.hget(self.bench.key("state", other), "status") == "cancelled":
                    self.rules.ended(other)
            self.rules.stored(one, (f"type:{kind}", *limits.split()), self.rules.now + delay)
        else:
            assert key == "u"

    def cancel(self) -> None:
        if self.rules.tasks:
            task_id = self.dice.choice(list(self.rules.tasks))
            if self.send(self.bench.protocol.cancel(task_id, "{}", TTL_MS)) == "cancelled":
                self.rules.ended(task_id)

    # -- workers --

    def worker(self, *, able: bool = False) -> str:
        name = self.dice.choice([name for name in WORKERS if name not in KNOWN or not able])
        if name not in self.known:
            worker_that_knows(self.bench, name, " ".join(f"{kind}@1-1" for kind in KNOWN.get(name, TYPES)))
            self.known.add(name)
        return name

    def turn(self) -> None:
        worker = self.worker()
        mine = [one for one in self.held.values() if self.rules.tasks[one.task_id].worker == worker]
        ends = [self.ending(one) for one in self.dice.sample(mine, self.dice.randint(0, len(mine)))]
        self.take(worker, self.dice.randint(0, 4), ends)

    def take(self, worker: str, want: int, ends: list[Settlement]) -> tuple[Claim, ...]:
        reply = self.send(self.bench.turn_op(worker, want, ends))
        assert reply.registered
        assert not reply.refused
        # of one turn the completions are settled first
        for end in sorted(ends, key=lambda end: end.outcome != "complete"):
            self.end(end)
        claims: tuple[Claim, ...] = reply.claims
        for claim in claims:
            self.rules.claimed(claim.task_id, worker)
            self.held[claim.task_id] = claim
        for claim in claims:
            kind = self.rules.tasks[claim.task_id].keys[0].partition(":")[2]
            if kind not in KNOWN.get(worker, TYPES):
                over = passed(claim, f"{kind}@1")
                assert self.bench.run(self.bench.protocol.settle([over])) == ()
                self.end(over)
        return claims

    def ending(self, claim: Claim) -> Settlement:
        outcome = self.dice.choice(self.outcomes)
        delay = self.dice.choice([0, 20_000]) if outcome in ("retry", "snooze") else TTL_MS
        return settle(claim, outcome, number=delay)

    def end(self, end: Settlement) -> None:
        later = end.number / 1000 if end.outcome in ("retry", "snooze") else 0
        del self.held[end.task_id]
        self.rules.run_over(end.task_id, end.outcome, self.rules.now + later)

    def settle(self) -> None:
        if self.held:
            end = self.ending(self.dice.choice(list(self.held.values())))
            self.bench.run(self.bench.protocol.settle([end]))
            self.end(end)

    def late(self) -> None:
        """What a worker says that was taken for dead is refused."""
        if self.lost:
            claim = self.dice.choice(self.lost)
            assert self.send(self.bench.protocol.settle([self.ending(claim)])) == (claim.task_id,)

    def gone(self, workers: set[str], crashes: int) -> None:
        self.known -= workers
        for task_id, claim in list(self.held.items()):
            live = self.rules.tasks[task_id]
            if live.worker in workers:
                live.crashes += crashes
                self.lost.append(self.held.pop(task_id))
                self.rules.run_over(claim.task_id, "lost")

    def kill(self, worker: str = "") -> None:
        """Killed, and its supervisor tells."""
        worker = worker or self.dice.choice(WORKERS)
        if worker in self.known:
            self.bench.evict(worker)
            self.gone({worker}, 0)

    def silence(self) -> None:
        """All but one are killed with whatever supervises them; no task twice, which would make it a suspect."""
        loud = self.worker()
        silent = self.known - {loud}
        runs = [self.rules.tasks[task_id] for task_id in self.held]
        if any(live.crashes and live.worker in silent for live in runs):
            return
        for _ in range(4):
            self.tick(20)
            self.bench.run(self.bench.protocol.beat(TIMES, [(loud, f"tok-{loud}")]))
        assert self.send(self.bench.protocol.reap(TIMES, 100, LIMITS))[3] is False
        for worker in silent:
            assert not self.bench.client.exists(self.bench.key("worker", worker))
            self.bench.forget(worker)
        self.gone(silent, 1)

    # -- an operator --

    def limit(self) -> None:
        name = "b" if self.lone else self.dice.choice([*LIMITED, *self.rules.limits, *self.rules.limits])
        most = self.dice.randint(1, 3)
        limit = (
            Limit(name, concurrency=most)
            if self.lone
            else self.dice.choice(
                [
                    None,
                    *(Limit(name, concurrency=most) for most in (1, 1, 2, 3)),
                    Limit(name, rate="6/m", burst=self.dice.choice([1, 2])),
                    *[Limit(name, rate="2/20s", sliding=True, concurrency=self.dice.choice([None, 2]))] * 2,
                ]
            )
        )
        protocol = self.bench.protocol
        self.send(protocol.set_limit(limit) if limit else protocol.remove_limit(name))
        self.rules.limited(name, limit)

    def circuit(self) -> None:
        circuit = self.dice.choice(CIRCUITS)
        if self.lone:
            return
        if circuit.name not in self.rules.circuits:
            self.send(self.bench.protocol.set_circuit(circuit))
            self.rules.circuits[circuit.name] = circuit
        elif self.dice.random() < 0.3:
            self.send(self.bench.protocol.remove_circuit(circuit.name))
            self.rules.uncircled(circuit.name)

    def look_at_circuits(self) -> None:
        infos, _ = self.bench.walk(all_circuits(self.bench.protocol))
        assert {info.circuit.name for info in infos if info.state != "closed"} == self.rules.gates.keys()
        for info in infos:
            if info.circuit.share:
                assert (info.attempts, info.failed) == self.rules.tally(info.circuit)

    def pause_type(self) -> None:
        key = f"type:{self.dice.choice(self.types)}"
        if self.lone:
            return
        self.send(self.bench.protocol.gate(key not in self.rules.closed_types, key))
        self.rules.closed_types ^= {key}

    def pause_list(self) -> None:
        if self.lone:
            return
        name = self.dice.choice(["low", "urgent"])
        self.send(self.bench.protocol.pause(name not in self.rules.closed_lists, [name]))
        self.rules.closed_lists ^= {name}

    # -- what has to come of it --

    def stand_still(self) -> None:
        """One worker takes all there is; whoever then waits has a reason.

        One that comes back and meets another full limit costs its neighbours a second each.
        """
        worker, quiet = self.worker(able=True), 0
        while True:
            quiet = 0 if self.take(worker, 30, []) else quiet + 1
            waiting = [task_id for task_id, live in self.rules.tasks.items() if not live.worker]
            free = [task_id for task_id in waiting if self.rules.held_back(task_id, surely=True) is None]
            if quiet and not free:
                return
            assert quiet <= len(waiting) + 2, f"{free} may start and do not"
            self.tick(1)

    def drain(self) -> None:
        """Whatever has happened, one good worker can run everything that is left, and the limits stay."""
        for name in sorted(self.rules.closed_types):
            self.send(self.bench.protocol.gate(False, name))
        self.send(self.bench.protocol.pause(False, LISTS))
        self.rules.closed_types, self.rules.closed_lists = set(), set()
        for worker in WORKERS:
            self.kill(worker)
        for _ in range(300):
            self.stand_still()
            worker = self.worker()
            self.take(worker, 0, [])
            for claim in list(self.held.values()):
                end = settle(claim)
                self.bench.run(self.bench.protocol.settle([end]))
                self.end(end)
            if not self.rules.tasks:
                break
            self.tick(5)
        assert not self.rules.tasks
        self.tick(61)
        self.take(worker, 1, [])  # which finds that there is nothing to look at any more
        left = [name for name, content in self.bench.state().items() if name.partition(":")[0] in LEFT and content]
        assert not left


LEFT = (
    "queue",
    "group",
    "processing",
    "scheduled",
    "unique",
    "successor",
    "sequence",
    "permits",
    "blocked",
    "jams",
    "woken",
)


@pytest.mark.parametrize("seed", range(int(os.environ.get("TASKQ_TEST_HISTORIES", "40"))))
def test_no_rule_is_broken_and_nobody_stands_still(
    redis_url: str, prefix: str, redis_client: redis.Redis, seed: int
) -> None:
    bench = Bench(redis_url, prefix, redis_client)
    try:
        History(bench, seed).play()
    finally:
        bench.close()
