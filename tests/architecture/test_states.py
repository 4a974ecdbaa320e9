"""The table of transitions and the scripts agree: each row is tried on a server, and nothing else moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from taskq.model.limit import Limit
from taskq.protocol.replies import Settlement
from taskq.protocol.workflow import Child, FamilyPlan, Node
from taskq.states import LIVE, TERMINAL, TRANSITIONS, Outcome, TaskStatus
from tests.state import LIMITS, TIMES, TTL_MS, Bench, settle, task

ROOT = Path(__file__).parents[2]
Move = Callable[[Bench], object]


@pytest.fixture
def bench(redis_url: str, prefix: str, redis_client: redis.Redis) -> Iterator[Bench]:
    with closing(Bench(redis_url, prefix, redis_client)) as bench:
        yield bench


def status_of(bench: Bench) -> TaskStatus | None:
    sets = {name.partition(":")[2] for name, ids in bench.state().items() if name.startswith("status:") and "a" in ids}
    return TaskStatus(sets.pop()) if sets else None


def wait(bench: Bench) -> None:
    """Let task ``a``, which runs, wait for a child ``c`` of its own."""
    (inspection,) = bench.run(bench.protocol.inspect(["a"]))
    fence = inspection.state.get("fence", "")
    plan = FamilyPlan("a/1", 1, "wait_all", owner="a", fence=fence)
    bench.run(bench.protocol.fanout(plan, 0, [Child("c", "body of c", "low")], 0))
    bench.run(bench.protocol.settle([Settlement("a", fence, "wait", "a/1", 0)]))


def wait_in_vain(bench: Bench) -> None:
    """Let it wait for what has come to its end already."""
    (inspection,) = bench.run(bench.protocol.inspect(["a"]))
    bench.run(bench.protocol.settle([Settlement("a", inspection.state.get("fence", ""), "wait", "a/1", 0)]))


def depend(bench: Bench) -> None:
    bench.submit_ids("need", priority="low")
    bench.run(bench.protocol.graph([Node("a", "body of a", "normal", "fail_fast", ("need",))], 0))


def depend_on_what_has_ended(bench: Bench) -> None:
    bench.submit_ids("need", priority="low")
    bench.run(bench.protocol.cancel("need", "{}", TTL_MS))
    bench.run(bench.protocol.graph([Node("a", "body of a", "normal", "fail_fast", ("need",))], 0))


def fan_in(bench: Bench) -> None:
    bench.run(bench.protocol.cancel("c", "{}", TTL_MS))


def signal(bench: Bench) -> None:
    bench.run(bench.protocol.signal("a", "go", "1", 9))


def submit_behind(bench: Bench) -> None:
    """Let task ``a`` wait for one before it with the same ordering key."""
    bench.submit(task("ahead", "low", ordering="k"), task("a", ordering="k"))


def submit_behind_and_delayed(bench: Bench) -> None:
    bench.submit(task("ahead", "low", ordering="k"), task("a", ordering="k", due=bench.at(60)))


def sequence(submit: Move) -> Move:
    """The one before it, with the same ordering key, is cancelled."""

    def move(bench: Bench) -> None:
        if status_of(bench) is not TaskStatus.WAITING:
            return
        bench.wipe()
        submit(bench)
        assert status_of(bench) is TaskStatus.WAITING
        bench.run(bench.protocol.cancel("ahead", "{}", TTL_MS))

    return move


def succeed(due: str) -> Move:
    """The holder of its unique key ends."""

    def move(bench: Bench) -> None:
        if status_of(bench) is not TaskStatus.WAITING:
            return
        bench.wipe()
        bench.submit(task("holder", unique="k"))
        bench.register("w2")
        (claim,) = bench.claim("w2", 1)
        bench.submit(task("a", unique="k", due=due)._replace(rules="queue_one 0 0 0 60000"))
        assert status_of(bench) is TaskStatus.WAITING
        bench.end("w2", settle(claim))

    return move


def claim_in_vain(bench: Bench) -> None:
    """Its limit is full."""
    if status_of(bench) is TaskStatus.PENDING:
        bench.wipe()
        block(bench)


def block(bench: Bench) -> None:
    bench.run(bench.protocol.set_limit(Limit("k", concurrency=1)))
    bench.submit(task("ahead", limits="k"), task("a", limits="k"))
    bench.register("w2")
    bench.claim("w2", 2)


def make_room(bench: Bench) -> None:
    if status_of(bench) is not TaskStatus.WAITING:
        return
    bench.wipe()
    block(bench)
    assert status_of(bench) is TaskStatus.WAITING
    bench.evict("w2")
    bench.run(bench.protocol.remove_limit("k"))
    bench.run(bench.protocol.promote())


def replay_behind(bench: Bench) -> None:
    """It goes behind one with the same ordering key."""
    status = status_of(bench)
    if status not in (TaskStatus.FAILED, TaskStatus.CANCELLED):
        return
    bench.wipe()
    bench.submit(task("a", ordering="k"))
    bench.register("w1")
    (claimed,) = bench.claim("w1", 1)
    bench.end("w1", settle(claimed, "fail" if status is TaskStatus.FAILED else "cancel"))
    bench.submit(task("ahead", ordering="k"))
    assert status_of(bench) is status
    bench.run(bench.protocol.replay([("a", "normal")]))


def bring(bench: Bench, status: TaskStatus | None, verb: str = "") -> None:
    """Bring task ``a`` into a status, for a verb; whoever runs it is w1."""
    if status is None:
        return
    if status is TaskStatus.SCHEDULED:
        bench.submit(task("a", due=bench.at(60)))
        return
    if status is TaskStatus.PENDING:
        bench.submit_ids("a")
        return
    claim = bench.claim_one("a")
    if status is TaskStatus.WAITING and verb in ("signal", "promote"):
        bench.end("w1", settle(claim, "wait", "1 go", 60_000))
        return
    if status is TaskStatus.WAITING:
        wait(bench)
        return
    outcome = {
        TaskStatus.RETRY: "retry",
        TaskStatus.COMPLETED: "complete",
        TaskStatus.FAILED: "fail",
        TaskStatus.CANCELLED: "cancel",
    }.get(status)
    if outcome is not None:
        bench.end("w1", settle(claim, outcome, number=60_000 if outcome == "retry" else TTL_MS))


def end(outcome: Outcome) -> Move:
    def move(bench: Bench) -> None:
        (inspection,) = bench.run(bench.protocol.inspect(["a"]))
        fence = inspection.state.get("fence", "")
        bench.run(bench.protocol.settle([Settlement("a", fence, outcome.value, "{}", TTL_MS)]))

    return move


def pass_over(knows: str) -> Move:
    """Let a worker that says what it knows pass it over."""

    def move(bench: Bench) -> None:
        card = bench.key("worker", "w1")
        if bench.client.exists(card):
            bench.client.hset(card, mapping={"lists": "normal", "knows": knows, "bell": "@x"})
        (inspection,) = bench.run(bench.protocol.inspect(["a"]))
        bench.run(bench.protocol.settle([Settlement("a", inspection.state.get("fence", ""), "pass", "x@1", TTL_MS)]))

    return move


def crash(times: int) -> Move:
    def move(bench: Bench) -> None:
        for n in range(times):
            bench.evict("w1", charge=True)
            if n + 1 < times:
                bench.register("w1")
                bench.claim("w1", 1)

    return move


def reap(times: int) -> Move:
    def move(bench: Bench) -> None:
        bench.register("witness")
        for n in range(times):
            for _ in range(4):
                bench.move_clock(20)
                bench.run(bench.protocol.beat(TIMES, [("witness", "tok-witness")]))
            bench.run(bench.protocol.reap(TIMES, 10, LIMITS))
            if n + 1 < times:
                bench.register("w1")
                bench.claim("w1", 1)

    return move


def promote(bench: Bench) -> None:
    bench.move_clock(120)
    bench.run(bench.protocol.promote())


def claim(bench: Bench) -> None:
    bench.register("w2")
    bench.claim("w2", 1)


MOVES: dict[str, list[Move]] = {
    "submit": [lambda b: b.submit_ids("a"), lambda b: b.submit(task("a", due=b.at(60))), submit_behind],
    "claim": [claim, claim_in_vain],
    "limit": [make_room],
    "cancel": [lambda b: b.run(b.protocol.cancel("a", "{}", TTL_MS))],
    "promote": [promote],
    "replay": [lambda b: b.run(b.protocol.replay([("a", "normal")])), replay_behind],
    "sequence": [sequence(submit_behind), sequence(submit_behind_and_delayed)],
    "unique": [succeed("0"), succeed("+60000")],
    "reap": [reap(1), reap(3)],
    **{
        outcome: [end(outcome)]
        for outcome in Outcome
        if outcome not in (Outcome.CRASH, Outcome.CANCEL, Outcome.WAIT, Outcome.PASS)
    },
    Outcome.PASS: [pass_over("y@1-1"), pass_over("x@1-1")],
    Outcome.WAIT: [wait, wait_in_vain],
    "fan-in": [fan_in],
    "signal": [signal],
    "graph": [depend, depend_on_what_has_ended],
    Outcome.CRASH: [crash(1), crash(3)],
}


def moves(status: TaskStatus | None, verb: str) -> list[Move]:
    """Return what makes a row happen. The verb ``cancel`` asks a running task to stop; its outcome is the move."""
    if (status, verb) == (TaskStatus.RUNNING, Outcome.CANCEL):
        return [end(Outcome.CANCEL)]
    return MOVES[verb]


@pytest.mark.parametrize(("status", "verb"), TRANSITIONS)
def test_each_row_happens(bench: Bench, status: TaskStatus | None, verb: str) -> None:
    reached = []
    for move in moves(status, verb):
        bring(bench, status, verb)
        assert status_of(bench) is status
        move(bench)
        reached.append(status_of(bench))
        bench.wipe()
    assert tuple(reached) == TRANSITIONS[status, verb]


@pytest.mark.parametrize("verb", MOVES)
@pytest.mark.parametrize("status", TaskStatus)
def test_nothing_else_moves(bench: Bench, status: TaskStatus, verb: str) -> None:
    if (status, verb) in TRANSITIONS and (status, verb) != (TaskStatus.RUNNING, "cancel"):
        return
    bring(bench, status)
    MOVES[verb][0](bench)
    assert status_of(bench) is status


def test_every_status_is_live_or_terminal() -> None:
    assert set(TaskStatus) == LIVE | TERMINAL
    assert not LIVE & TERMINAL


def test_every_live_status_has_a_way_out() -> None:
    left = {status for status, _ in TRANSITIONS if status is not None}
    reached = {status for row in TRANSITIONS.values() for status in row}
    assert left & reached >= LIVE
