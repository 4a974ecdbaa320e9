"""Random histories of a namespace: calls in any order, repeated, late, with a jumping clock; an audit after each."""

from __future__ import annotations

import itertools
import os
from typing import Any

import redis
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from taskq.model.limit import Limit
from taskq.model.uniqueness import Uniqueness, UniquePolicy
from taskq.protocol.keys import lists_of
from taskq.protocol.operation import Operation
from taskq.protocol.replies import Claim, Settlement, TurnReply
from taskq.protocol.submits import Submission
from taskq.states import LIVE, TERMINAL
from tests.state import LIMITS, LISTS, TIMES, TTL_MS, UUID, Bench, changes, settle, task

# few, so that they meet
ID = st.sampled_from([f"t{n}" for n in range(8)])
IDS = st.lists(ID, min_size=1, max_size=3)
WORKER = st.sampled_from(["w1", "w1", "w2", "w3"])
ALL_LISTS = [*LISTS, *lists_of("mail")]
LIST = st.sampled_from(ALL_LISTS)
OUTCOME = st.sampled_from(["complete", "complete", "fail", "cancel", "retry", "retry", "snooze", "release"])
TWICE = st.booleans()
LIMIT = st.sampled_from([1, 100])
RATE = st.sampled_from([None, None, "1/m", "3/m"])
# by task: limit keys stand in the envelope, and one id has one envelope
LIMITED = dict(zip((f"t{n}" for n in range(8)), ["", "", "a", "b:1", "b:2", "a b:1", "", "a"], strict=True))
KEY = st.sampled_from(["", "", "k1", "k2"])
# what is said about a unique key: nothing, or a policy, a time to let go of it and one to keep it after the completion
RULES = st.one_of(
    st.just(Uniqueness()),
    st.builds(
        lambda policy, ttl, kept: Uniqueness(
            policy, ttl, 20 if policy in (UniquePolicy.DEBOUNCE, UniquePolicy.THROTTLE) else None, kept
        ),
        st.sampled_from(UniquePolicy),
        st.sampled_from([None, None, 12]),  # not 15: it is shown rounded to tens
        st.sampled_from([None, None, 30]),
    ),
)


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
        self.sent: list[Operation[TurnReply]] = []
        # the latest time that a clock has shown which was set back then
        self.latest_ms = 0

    def teardown(self) -> None:
        try:
            self.drain()
        finally:
            self.bench.wipe()
            self.bench.close()

    @rule(data=st.data())
    def anything(self, data: st.DataObject) -> None:
        action = data.draw(st.sampled_from(ACTIONS))
        getattr(self, action)(data.draw)

    def token(self, worker: str) -> str:
        return f"{worker}-{self.lives[worker]}"

    def run(self, draw: Any, operation: Operation[Any], *, whole: bool = True) -> Any:
        """Run an operation, perhaps twice; the repetition of one that does all there is to do changes nothing."""
        reply = self.bench.run(operation)
        note(f"{operation.script.name} {operation.args} -> {reply}")
        if draw(TWICE):
            before = self.bench.state()
            self.bench.run(operation)
            assert not whole or changes(before, self.bench.state()) == {}
        return reply

    # -- clients --

    def submit(self, draw: Any) -> None:
        """One id always has the same body, whatever else it is submitted with.

        An id whose tombstone stands in a list still, when all that was known of it has expired, is not used again here:
        it would have two entries. A claim drops what is too many, the audit counts it.
        """
        client = self.bench.client
        left = {
            i for i in client.smembers(self.bench.key("tombstones")) if not client.exists(self.bench.key("task", i))
        }
        priority, queue = (
            draw(st.sampled_from(["urgent", "normal", "low"])),
            draw(st.sampled_from([None, None, "mail"])),
        )
        due = draw(st.sampled_from(["0", "0", "0", "+30000"]))
        tasks = [
            self.unique(
                draw, task(task_id, priority, queue=queue, due=due, ordering=draw(KEY), limits=LIMITED[task_id])
            )
            for task_id in draw(IDS)
            if task_id not in left
        ]
        if not tasks:
            return
        reply = self.run(draw, self.bench.protocol.submit(tasks, draw(st.sampled_from([0, 0, 3]))))
        assert len(reply.ids) == len(tasks) or reply.full or reply.crowded or reply.duplicate

    def unique(self, draw: Any, one: Submission) -> Submission:
        """Give a task a unique key, perhaps; what may wait for the key has no ordering key."""
        key = draw(KEY)
        if not key:
            return one
        said = draw(RULES)
        waits = said.policy in (UniquePolicy.REPLACE, UniquePolicy.QUEUE_ONE, UniquePolicy.DEBOUNCE)
        return one._replace(unique_key=key, ordering_key="" if waits else one.ordering_key, rules=said.rules(TTL_MS))

    def cancel(self, draw: Any) -> None:
        self.run(draw, self.bench.protocol.cancel(draw(ID), "{}", TTL_MS))

    def await_result(self, draw: Any) -> None:
        self.run(draw, self.bench.protocol.await_result(draw(ID), "me", 600_000))

    def lose_ended(self, draw: Any) -> None:
        """The keys of an ended task expire early, or the janitor is late."""
        state, task_id = self.bench.state(), draw(ID)
        if any(task_id in state.get(f"status:{status}", ()) for status in TERMINAL):
            self.bench.expire(task_id)

    def set_limit(self, draw: Any) -> None:
        name, most, rate = draw(st.sampled_from(["a", "b", "b:1"])), draw(st.integers(0, 3)), draw(RATE)
        # a limit counts whoever starts after it was set, which the audit cannot tell of one that started "later"
        if (most or rate) and self.bench.now_ms() < self.latest_ms:
            return
        if most or rate:
            limit = Limit(name, concurrency=most or None, rate=rate, sliding=rate is not None and draw(st.booleans()))
            self.run(draw, self.bench.protocol.set_limit(limit))
        else:
            self.run(draw, self.bench.protocol.remove_limit(name), whole=False)

    # -- workers --

    def register(self, draw: Any) -> str:
        """Come, or come again; a worker that was lost comes back with another token."""
        worker: str = draw(WORKER)
        card = self.bench.entries().get(f"worker:{worker}")
        if card is None or card.content["token"] != self.token(worker):
            self.lives[worker] += 1
            self.seqs[worker] = 0
        self.run(draw, self.bench.protocol.register(worker, self.token(worker), TIMES, UUID, {}))
        return worker

    def turn(self, draw: Any) -> None:
        worker = self.register(draw) if draw(st.integers(0, 3)) else draw(WORKER)
        believed = self.held[worker]
        ended = draw(st.lists(st.sampled_from(sorted(believed)), unique=True)) if believed else []
        settles = [self.settlement(draw, believed.pop(task_id)) for task_id in ended]
        accepted = self.accepted(settles)
        self.seqs[worker] += 1
        want = draw(st.integers(0, 4))
        operation = self.bench.protocol.turn(worker, self.token(worker), self.seqs[worker], want, ALL_LISTS, settles)
        reply: TurnReply = self.run(draw, operation)
        if reply.registered:
            assert len(reply.claims) <= want
            assert {s.task_id for s in settles} - set(reply.refused) == accepted
        believed |= {claim.task_id: claim for claim in reply.claims}
        self.sent.append(operation)

    def settlement(self, draw: Any, claim: Claim) -> Settlement:
        outcome = draw(OUTCOME)
        number = draw(st.sampled_from([0, 20_000])) if outcome in ("retry", "snooze") else TTL_MS
        return settle(claim, outcome, number=number)

    def accepted(self, settles: list[Settlement]) -> set[str]:
        """Return the ids whose fence is the one in Redis."""
        found = self.bench.run(self.bench.protocol.inspect([s.task_id for s in settles]))
        return {s.task_id for s, one in zip(settles, found, strict=True) if one.state.get("fence") == s.fence}

    def late_turn(self, draw: Any) -> None:
        """A request that was on its way when the worker had long sent others."""
        if self.sent:
            operation = self.sent[draw(st.integers(0, len(self.sent) - 1))]
            worker, token, seq = operation.args[:3]
            before = self.bench.state()
            reply = self.bench.run(operation)
            assert changes(before, self.bench.state()) == {}
            last = self.seqs[str(worker)]
            assert not reply.claims or (token == self.token(str(worker)) and seq in (last - 1, last))

    def any_claim(self, draw: Any) -> Claim | None:
        claims = [claim for held in self.held.values() for claim in held.values()]
        return claims[draw(st.integers(0, len(claims) - 1))] if claims else None

    def settle_outside(self, draw: Any) -> None:
        if claim := self.any_claim(draw):
            settlement = self.settlement(draw, claim)
            self.bench.run(self.bench.protocol.sweep())  # every settle sweeps a little, a refused one too
            accepted = self.accepted([settlement])
            refused = self.run(draw, self.bench.protocol.settle([settlement]))
            assert set(refused) == {claim.task_id} - accepted

    def progress(self, draw: Any) -> None:
        if claim := self.any_claim(draw):
            self.run(draw, self.bench.protocol.progress(claim.task_id, claim.fence, "1"))

    def beat(self, draw: Any) -> None:
        workers = draw(st.lists(WORKER, unique=True))
        self.run(draw, self.bench.protocol.beat(TIMES, [(w, self.token(w)) for w in workers]))

    def repair(self, draw: Any) -> None:
        worker = draw(WORKER)
        held = sorted(self.held[worker]) if draw(st.booleans()) else []
        self.run(draw, self.bench.protocol.repair(worker, self.token(worker), TIMES, held))

    # -- time --

    def time_passes(self, draw: Any) -> None:
        self.latest_ms = max(self.latest_ms, self.bench.now_ms())
        self.bench.move_clock(draw(st.sampled_from([1, 10, 25, 25, 70, 200, -200, -0.5])))

    def reap(self, draw: Any) -> None:
        limit = draw(LIMIT)
        self.run(draw, self.bench.protocol.reap(TIMES, limit, LIMITS), whole=limit > 1)

    def silence(self, draw: Any) -> None:
        """All but one worker say nothing for longer than a lease, then a reaper comes."""
        loud = draw(WORKER)
        for _ in range(4):
            self.bench.move_clock(20)
            self.bench.run(self.bench.protocol.beat(TIMES, [(loud, self.token(loud))]))
        self.reap(draw)

    def promote(self, draw: Any) -> None:
        limit = draw(LIMIT)
        self.run(draw, self.bench.protocol.promote(limit), whole=limit > 1)

    def sweep(self, draw: Any) -> None:
        self.run(draw, self.bench.protocol.sweep(draw(LIMIT)), whole=False)

    # -- supervisors and operators --

    def evict(self, draw: Any) -> None:
        limit = draw(LIMIT)
        self.run(draw, self.bench.protocol.evict(draw(WORKER), draw(st.booleans()), limit, LIMITS), whole=limit > 1)

    def replay(self, draw: Any) -> None:
        self.run(draw, self.bench.protocol.replay([(task_id, "normal") for task_id in draw(IDS)]))

    def discard(self, draw: Any) -> None:
        self.run(draw, self.bench.protocol.discard(draw(IDS)))

    def purge(self, draw: Any) -> None:
        limit = draw(LIMIT)
        self.run(draw, self.bench.protocol.purge(draw(LIST), limit), whole=False)
        if draw(st.booleans()):
            self.run(draw, self.bench.protocol.purge_waiting("0", draw(st.lists(LIST)), limit), whole=False)

    def pause(self, draw: Any) -> None:
        self.run(draw, self.bench.protocol.pause(draw(st.booleans()), draw(st.lists(LIST, unique=True, max_size=3))))

    # -- the end of every history --

    def drain(self) -> None:
        """Whatever has happened, one good worker can run everything that is left."""
        bench = self.bench
        bench.run(bench.protocol.pause(False, ALL_LISTS))
        for worker in self.held:
            bench.run(bench.protocol.evict(worker, False, 100, LIMITS))
        bench.move_clock(100_000)
        bench.register("last")
        for _ in range(20):
            while claims := bench.claim("last", 10, ALL_LISTS):
                bench.end("last", *(settle(claim) for claim in claims))
            bench.move_clock(60)  # for the rates
        state = bench.state()
        assert not [name for name in state if name in {f"status:{status}" for status in LIVE}]
        assert not [
            name
            for name in state
            if name.startswith(
                (
                    "queue:",
                    "processing:",
                    "scheduled",
                    "unique:",
                    "successor:",
                    "sequence:",
                    "permits",
                    "blocked:",
                    "jams",
                )
            )
        ]


WEIGHTS = {"submit": 8, "turn": 10, "cancel": 3, "silence": 2, "evict": 2, "replay": 3, "settle_outside": 2}
ACTIONS = [
    action
    for action in (
        *("submit", "turn", "late_turn", "settle_outside", "progress", "beat", "repair", "register"),
        *("cancel", "set_limit", "await_result", "lose_ended", "time_passes", "reap", "silence", "promote", "sweep"),
        *("evict", "replay", "discard", "purge", "pause"),
    )
    for _ in range(WEIGHTS.get(action, 1))
]


# The history that fails is printed whole. Against a server a shorter one takes minutes to find: add Phase.shrink then.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


def test_no_history_breaks_an_invariant(redis_url: str, prefix: str, redis_client: redis.Redis) -> None:
    Machine.url, Machine.prefix, Machine.client = redis_url, prefix, redis_client
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=60,
            # new histories wherever somebody looks at what they find, the same where a build must not depend on luck
            derandomize=bool(os.environ.get("CI")),
            stateful_step_count=40,
            deadline=None,
            phases=PHASES,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
