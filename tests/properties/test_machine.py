"""Random histories of a namespace: calls in any order, repeated, late, with a jumping clock; an audit after each."""

from __future__ import annotations

import itertools
from typing import Any

import redis
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from taskq.protocol.keys import lists_of
from taskq.protocol.operation import Operation
from taskq.protocol.replies import Claim, Settlement, TurnReply
from taskq.states import LIVE
from tests.state import LIMITS, LISTS, TIMES, TTL_MS, UUID, Bench, changes, settle, task

# few, so that they meet
IDS = st.sampled_from([f"t{n}" for n in range(12)])
WORKERS = st.sampled_from(["w1", "w2", "w3"])
OUTCOMES = st.sampled_from(["complete", "complete", "fail", "cancel", "retry", "snooze", "release"])
TWICE = st.booleans()
ALL_LISTS = [*LISTS, *lists_of("mail")]


class Machine(RuleBasedStateMachine):
    """Clients, workers, reapers and an operator, all of whom may be late and may repeat themselves."""

    url: str
    prefix: str
    client: redis.Redis
    numbers = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(self.url, f"{self.prefix}.{next(self.numbers)}", self.client)
        # what each worker believes to hold; it may have lost it long ago
        self.held: dict[str, dict[str, Claim]] = {"w1": {}, "w2": {}, "w3": {}}
        self.seqs = {"w1": 0, "w2": 0, "w3": 0}
        self.lives = {"w1": 0, "w2": 0, "w3": 0}
        self.late: list[Operation[TurnReply]] = []

    def teardown(self) -> None:
        try:
            self.drain()
        finally:
            self.bench.wipe()
            self.bench.close()

    def token(self, worker: str) -> str:
        return f"{worker}-{self.lives[worker]}"

    def run(self, operation: Operation[Any], twice: bool, *, settled: bool = True) -> Any:
        """Run an operation; a repetition must answer alike and, if one call does all there is to do, change nothing."""
        reply = self.bench.run(operation)
        note(f"{operation.script.name} {operation.args} -> {reply}")
        if twice:
            before = self.bench.state()
            self.bench.run(operation)
            if settled:
                assert changes(before, self.bench.state()) == {}
        return reply

    @initialize()
    def first_worker(self) -> None:
        self.register("w1", False)

    # -- clients --

    @rule(
        ids=st.lists(IDS, min_size=1, max_size=4),
        priority=st.sampled_from(["urgent", "normal", "low"]),
        queue=st.sampled_from([None, None, "mail"]),
        due=st.sampled_from(["0", "0", "0", "+30000", "+90000"]),
        unique=st.sampled_from(["", "", "", "k1", "k2"]),
        limit=st.sampled_from([0, 0, 3]),
        twice=TWICE,
    )
    def submit(
        self, ids: list[str], priority: str, queue: str | None, due: str, unique: str, limit: int, twice: bool
    ) -> None:
        # one body for an id, whatever else it is submitted with
        tasks = [task(i, priority, queue=queue, due=due, unique=unique) for i in ids]
        reply = self.run(self.bench.protocol.submit(tasks, limit), twice)
        assert len(reply.ids) == len(ids) or reply.full

    @rule(task_id=IDS, twice=TWICE)
    def cancel(self, task_id: str, twice: bool) -> None:
        self.run(self.bench.protocol.cancel(task_id, "{}", TTL_MS), twice)

    @rule(task_id=IDS, twice=TWICE)
    def await_result(self, task_id: str, twice: bool) -> None:
        self.run(self.bench.protocol.await_result(task_id, "me", 600_000), twice)

    @rule(task_id=IDS)
    def retention_ends(self, task_id: str) -> None:
        if any(task_id in self.bench.state().get(f"status:{s}", ()) for s in ("completed", "failed", "cancelled")):
            self.bench.expire(task_id)

    # -- workers --

    @rule(worker=WORKERS, twice=TWICE)
    def register(self, worker: str, twice: bool) -> None:
        """Come, or come again; a worker that was lost comes back with another token."""
        card = self.bench.entries().get(f"worker:{worker}")
        if card is None or card.content["token"] != self.token(worker):
            self.lives[worker] += 1
            self.seqs[worker] = 0
        self.run(self.bench.protocol.register(worker, self.token(worker), TIMES, UUID, {}), twice)

    @rule(worker=WORKERS, want=st.integers(0, 4), data=st.data(), twice=TWICE)
    def turn(self, worker: str, want: int, data: st.DataObject, twice: bool) -> None:
        believed = self.held[worker]
        ended = data.draw(st.lists(st.sampled_from(sorted(believed)), unique=True)) if believed else []
        settles = [self.settlement(believed.pop(i), data) for i in ended]
        accepted = self.accepted(settles)
        self.seqs[worker] += 1
        operation = self.bench.protocol.turn(worker, self.token(worker), self.seqs[worker], want, ALL_LISTS, settles)
        reply: TurnReply = self.run(operation, twice)
        if reply.registered and not reply.superseded:
            assert len(reply.claims) <= want
            assert {s.task_id for s in settles} - set(reply.refused) == accepted
        believed |= {claim.task_id: claim for claim in reply.claims}
        self.late.append(operation)

    def settlement(self, claim: Claim, data: st.DataObject) -> Settlement:
        outcome = data.draw(OUTCOMES)
        delay_ms = data.draw(st.sampled_from([0, 20_000, 60_000]))
        return settle(claim, outcome, number=delay_ms if outcome in ("retry", "snooze") else TTL_MS)

    def accepted(self, settles: list[Settlement]) -> set[str]:
        """Return the ids whose fence is the one in Redis."""
        entries = self.bench.entries()
        states = {s.task_id: entries.get(f"state:{s.task_id}") for s in settles}
        return {s.task_id for s in settles if (state := states[s.task_id]) and state.content.get("fence") == s.fence}

    @rule(data=st.data())
    def a_turn_arrives_late(self, data: st.DataObject) -> None:
        """A request that was on its way when the worker had long sent others."""
        if self.late:
            operation = self.late[data.draw(st.integers(0, len(self.late) - 1))]
            worker, token, seq = operation.args[:3]
            before = self.bench.state()
            reply = self.bench.run(operation)
            assert changes(before, self.bench.state()) == {}, "it was answered before, or never will be"
            assert not reply.claims or (token, seq) == (self.token(str(worker)), self.seqs[str(worker)])

    @rule(worker=WORKERS, data=st.data(), twice=TWICE)
    def settle_outside(self, worker: str, data: st.DataObject, twice: bool) -> None:
        if self.held[worker]:
            claim = self.held[worker][data.draw(st.sampled_from(sorted(self.held[worker])))]
            settlement = self.settlement(claim, data)
            accepted = self.accepted([settlement])
            refused = self.run(self.bench.protocol.settle([settlement]), twice)
            assert set(refused) == {claim.task_id} - accepted

    @rule(workers=st.lists(WORKERS, unique=True), twice=TWICE)
    def beat(self, workers: list[str], twice: bool) -> None:
        self.run(self.bench.protocol.beat(TIMES, [(w, self.token(w)) for w in workers]), twice)

    @rule(worker=WORKERS, keep=st.booleans(), twice=TWICE)
    def repair(self, worker: str, keep: bool, twice: bool) -> None:
        held = sorted(self.held[worker]) if keep else []
        self.run(self.bench.protocol.repair(worker, self.token(worker), TIMES, held), twice)

    @rule(worker=WORKERS, data=st.data())
    def progress(self, worker: str, data: st.DataObject) -> None:
        if self.held[worker]:
            claim = self.held[worker][data.draw(st.sampled_from(sorted(self.held[worker])))]
            self.run(self.bench.protocol.progress(claim.task_id, claim.fence, "1"), True)

    # -- time --

    @rule(seconds=st.sampled_from([1, 10, 25, 25, 25, 70, 500, -500, -0.5]))
    def time_passes(self, seconds: float) -> None:
        self.bench.move_clock(seconds)

    @rule(limit=st.sampled_from([1, 3, 100]), twice=TWICE)
    def reap(self, limit: int, twice: bool) -> None:
        self.run(self.bench.protocol.reap(TIMES, limit, LIMITS), twice, settled=limit == 100)

    @rule(limit=st.sampled_from([1, 100]), twice=TWICE)
    def promote(self, limit: int, twice: bool) -> None:
        self.run(self.bench.protocol.promote(limit), twice, settled=limit == 100)

    @rule(limit=st.sampled_from([1, 5, 100]), twice=TWICE)
    def sweep(self, limit: int, twice: bool) -> None:
        self.run(self.bench.protocol.sweep(limit), twice, settled=False)

    # -- supervisors and operators --

    @rule(worker=WORKERS, charge=st.booleans(), limit=st.sampled_from([1, 100]), twice=TWICE)
    def evict(self, worker: str, charge: bool, limit: int, twice: bool) -> None:
        self.run(self.bench.protocol.evict(worker, charge, limit, LIMITS), twice, settled=limit == 100)

    @rule(ids=st.lists(IDS, min_size=1, max_size=3), twice=TWICE)
    def replay(self, ids: list[str], twice: bool) -> None:
        self.run(self.bench.protocol.replay([(i, "normal") for i in ids]), twice)

    @rule(ids=st.lists(IDS, min_size=1, max_size=3), twice=TWICE)
    def discard(self, ids: list[str], twice: bool) -> None:
        self.run(self.bench.protocol.discard(ids), twice)

    @rule(name=st.sampled_from(ALL_LISTS), limit=st.sampled_from([1, 100]), twice=TWICE)
    def purge(self, name: str, limit: int, twice: bool) -> None:
        self.run(self.bench.protocol.purge(name, limit), twice, settled=limit == 100)

    @rule(paused=st.booleans(), lists=st.lists(st.sampled_from(ALL_LISTS), unique=True, max_size=3), twice=TWICE)
    def pause(self, paused: bool, lists: list[str], twice: bool) -> None:
        self.run(self.bench.protocol.pause(paused, lists), twice)

    # -- the end of every history --

    def drain(self) -> None:
        """Whatever has happened, one good worker can run everything that is left."""
        bench = self.bench
        bench.run(bench.protocol.pause(False, ALL_LISTS))
        for worker in self.held:
            bench.run(bench.protocol.evict(worker, False, 100, LIMITS))
        bench.move_clock(100_000)
        bench.register("last")
        for _ in range(100):
            claims = bench.claim("last", 10, ALL_LISTS)
            if not claims:
                break
            bench.end("last", *(settle(claim) for claim in claims))
        state = bench.state()
        assert not [name for name in state if name in {f"status:{status}" for status in LIVE}]
        assert not [name for name in state if name.startswith(("queue:", "processing:", "scheduled", "unique:"))]


def test_no_history_breaks_an_invariant(redis_url: str, prefix: str, redis_client: redis.Redis) -> None:
    Machine.url, Machine.prefix, Machine.client = redis_url, prefix, redis_client
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
