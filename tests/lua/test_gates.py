"""Pauses and circuits against claims, crashes and lost replies: nobody starts past a closed gate, nobody is lost."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable

import pytest

from taskq.model.circuit import Circuit
from taskq.protocol.operation import Operation
from taskq.protocol.operations import Submission
from taskq.protocol.replies import Claim
from taskq.settings import Settings
from taskq.transport.blocking import Transport
from taskq.transport.endpoint import Endpoint
from tests.state import Bench, envelope, settle, task

KEY = "type:mail"


def typed(task_id: str, kind: str) -> Submission:
    return task(task_id, body=envelope(task_id, kind))


class Story:
    """Workers that claim, settle and die at random, with replies that are lost now and then."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.bench = bench
        self.dice = random.Random(seed)
        self.held: dict[str, list[Claim]] = {}
        self.done: Counter[str] = Counter()
        self.born = 0

    def send(self, operation: Operation[object]) -> object:
        """Run an operation; now and then its reply is lost, and it is sent again."""
        run: Callable[[Operation[object]], object] = self.bench.run
        reply = run(operation)
        return run(operation) if self.dice.random() < 0.2 else reply

    def worker(self) -> str:
        if len(self.held) < 3:
            self.born += 1
            self.held[f"w{self.born}"] = []
            self.bench.register(f"w{self.born}")
        return self.dice.choice(sorted(self.held))

    def step(self) -> None:
        worker = self.worker()
        what = self.dice.random()
        if what < 0.5:
            reply = self.send(self.bench.turn_op(worker, self.dice.randint(1, 3)))
            self.held[worker] += reply.claims  # type: ignore[attr-defined]  # of a turn
        elif what < 0.9 and self.held[worker]:
            claim = self.held[worker].pop(self.dice.randrange(len(self.held[worker])))
            outcome = self.dice.choices(["complete", "retry", "snooze", "release"], [6, 3, 1, 1])[0]
            self.send(self.bench.protocol.settle([settle(claim, outcome, number=10_000)]))
            self.done[claim.task_id] += outcome == "complete"
        elif what < 0.95:
            self.held.pop(worker)
            self.bench.evict(worker)  # as the supervisor of a process that was killed
        else:
            self.bench.move_clock(self.dice.choice([1, 5, 10]))

    def finish(self, ids: list[str]) -> None:
        """Let everything end."""
        for worker in list(self.held):
            self.held.pop(worker)
            self.bench.evict(worker)
        self.bench.register("last")
        for _ in range(200):
            self.bench.move_clock(10)
            for claim in self.bench.claim("last", 5):
                self.bench.end("last", settle(claim))
                self.done[claim.task_id] += 1
            if all(self.done[task_id] for task_id in ids):
                break
        assert {task_id: self.done[task_id] for task_id in ids} == dict.fromkeys(ids, 1)


def with_the_key(bench: Bench) -> set[str]:
    """Return who runs and holds a permit."""
    records = bench.client.hgetall(bench.key("running"))
    return {task_id for task_id, record in records.items() if f" {KEY} " in record}


@pytest.mark.parametrize("seed", range(8))
def test_a_circuit_lets_one_at_a_time_try_and_none_past_it(bench: Bench, seed: int) -> None:
    story = Story(bench, seed)
    bench.run(bench.protocol.set_circuit(Circuit(KEY, failures=3, within=60, open_for=10)))
    ids = [f"m{n}" for n in range(12)]
    bench.submit(*(typed(task_id, "mail") for task_id in ids))
    tries = 0
    for _ in range(60):
        gate = bench.client.hget(bench.key("gates"), f"!{KEY}") or ""
        before = with_the_key(bench)
        story.step()
        if gate:
            after = with_the_key(bench)
            begun = after - before
            assert len(begun) <= 1 or not bench.client.hget(bench.key("gates"), f"!{KEY}"), "one probe at a time"
            tries += len(begun)
            if gate.startswith("half ") and gate.split()[1] in after & before:
                assert not begun, "while a probe runs nobody else starts"
    story.finish(ids)
    assert KEY not in bench.state().get("permits", {})


@pytest.mark.parametrize("seed", range(4))
def test_a_paused_type_starts_nobody_and_loses_nobody(bench: Bench, seed: int) -> None:
    story = Story(bench, seed)
    ids = [f"m{n}" for n in range(10)]
    others = [f"o{n}" for n in range(5)]
    bench.submit(*(typed(task_id, "mail") for task_id in ids))
    bench.submit(*(typed(task_id, "other") for task_id in others))
    paused = False
    for _ in range(60):
        if story.dice.random() < 0.2:
            paused = not paused
            story.send(bench.protocol.gate(paused, KEY))
        running = set(bench.client.hkeys(bench.key("running")))
        story.step()
        begun = set(bench.client.hkeys(bench.key("running"))) - running
        assert not (paused and begun & set(ids))
    story.send(bench.protocol.gate(False, KEY))
    story.finish(ids + others)


@pytest.mark.parametrize("what", ["list", "type", "everything"])
def test_pause_against_claim_a_thousand_times(bench: Bench, redis_url: str, what: str) -> None:
    """Each race has one outcome: the pause came first and nobody starts, or the claim did and the task runs."""
    bench.audited = False
    bench.register("w1")
    settings = Settings(redis_url=redis_url, prefix=bench.prefix)
    protocol, other = bench.protocol, Transport(Endpoint(redis_url, settings), settings)
    pauses = {
        "list": lambda on: protocol.pause(on, ["normal"]),
        "type": lambda on: protocol.gate(on, KEY),
        "everything": lambda on: protocol.pause(on, ["*"]),
    }
    outcomes: Counter[bool] = Counter()
    for n in range(334):
        bench.submit(typed(f"m{n}", "mail"))
        start = threading.Barrier(2)
        claimed: list[Claim] = []

        def claim(start: threading.Barrier = start, claimed: list[Claim] = claimed) -> None:
            start.wait(10)
            claimed += bench.claim("w1", 1)

        thread = threading.Thread(target=claim)
        thread.start()
        start.wait(10)
        other.run(pauses[what](True))
        thread.join(10)
        assert bench.claim("w1", 1) == ()
        outcomes[bool(claimed)] += 1
        bench.run(pauses[what](False))
        late = () if claimed else bench.claim("w1", 1)
        assert [one.task_id for one in (*claimed, *late)] == [f"m{n}"]
        bench.end("w1", *(settle(one) for one in (*claimed, *late)))
    other.close()
    bench.audited = True
    bench.check()
    assert outcomes[True] + outcomes[False] == 334
