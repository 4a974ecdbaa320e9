"""Turns, and settles without a turn."""

from __future__ import annotations

from typing import Any

from taskq.protocol.keys import lists_of
from taskq.protocol.operation import Operation
from tests.lua.scenarios.beginnings import WAIT_MS, Scenario, ended_and_expired
from tests.state import LISTS, TTL_MS, Bench, settle, task


def turn_claims(bench: Bench) -> Operation[Any]:
    bench.submit(task("a"), task("t"), task("c", "low"), task("due", due=bench.at(60)))
    bench.run(bench.protocol.cancel("t", "{}", TTL_MS))
    bench.run(bench.protocol.pause(True, ["high"]))
    bench.move_clock(60)
    bench.register("w1")
    return bench.turn_op("w1", 3)


def turn_claims_one(bench: Bench) -> Operation[Any]:
    bench.submit_ids("a")
    bench.register("w1")
    return bench.turn_op("w1", 1)


def _six_attempts(bench: Bench) -> list[Any]:
    ended_and_expired(bench)
    outcomes = ("complete", "fail", "cancel", "retry", "snooze", "release")
    bench.submit(*(task(outcome, unique=f"k-{outcome}") for outcome in outcomes))
    bench.register("w1")
    claims = bench.claim("w1", 6)
    for outcome in outcomes:
        bench.run(bench.protocol.await_result(outcome, "me", WAIT_MS))
    return [settle(claim, claim.task_id) for claim in claims]


def turn_settles(bench: Bench) -> Operation[Any]:
    settles = _six_attempts(bench)
    bench.submit(task("due", queue="mail", due="+20000"))
    bench.move_clock(20)
    return bench.turn_op("w1", 0, settles)


def turn_of_new_tasks(bench: Bench) -> Operation[Any]:
    """The short way, claims alone: something is there already, and something is left."""
    bench.end("w1", settle(bench.claim_one("c")))
    bench.claim_one("r")
    bench.submit(task("a"), task("b"), task("m", queue="mail"), task("due", due=bench.at(60)))
    return bench.turn_op("w1", 2, (), [*lists_of("mail"), *LISTS])


def turn_of_completions(bench: Bench) -> Operation[Any]:
    """The short way with all that it can do."""
    bench.end("w1", settle(bench.claim_one("c")))
    bench.submit(*(task(n) for n in ("r1", "r2", "r3", "r4")))
    claims = bench.claim("w1", 4)
    bench.submit(task("a"), task("b", "high"), task("left"), task("due", due=bench.at(60)))
    for waiter in ("me", "you"):
        bench.run(bench.protocol.await_result("r3", waiter, WAIT_MS))
    return bench.turn_op("w1", 2, [settle(claims[2]), settle(claims[0])])


def turn_promotes(bench: Bench) -> Operation[Any]:
    """Nothing stands in a list when the turn begins."""
    bench.submit(task("a", due=bench.at(60)))
    bench.move_clock(60)
    bench.register("w1")
    return bench.turn_op("w1", 3)


def turn_goes_on_to_another_list(bench: Bench) -> Operation[Any]:
    """In the first one stands as much as is wanted, but it is a tombstone."""
    bench.submit(task("t"), task("a", "low"))
    bench.run(bench.protocol.cancel("t", "{}", TTL_MS))
    bench.register("w1")
    return bench.turn_op("w1", 1)


def turn_retries_at_once(bench: Bench) -> Operation[Any]:
    """What ends falls due in the same turn, and nothing else is there to claim but in the list of somebody else."""
    claim = bench.claim_one("a")
    bench.submit(task("other", queue="mail"))
    return bench.turn_op("w1", 1, [settle(claim, "retry", number=0)])


def turn_drops(bench: Bench) -> Operation[Any]:
    """What a foreign hand has left in a list: what has ended, what runs, what stands there twice and what is lost."""
    bench.end("w1", settle(bench.claim_one("ended")))
    bench.claim_one("running")
    bench.submit(task("a"), task("lost", unique="k"))
    bench.client.rpush(bench.key("queue", "normal"), "ended", "a", "running", "unknown")
    bench.client.delete(bench.key("task", "lost"))
    return bench.turn_op("w1", 3)


def turn_drops_strays(bench: Bench) -> Operation[Any]:
    """Nothing but strays: the short way notices them when it has written already, and takes that back."""
    bench.end("w1", settle(bench.claim_one("ended")))
    bench.claim_one("running")
    bench.submit_ids("a")
    bench.client.rpush(bench.key("queue", "normal"), "ended", "a", "running")
    return bench.turn_op("w1", 5)


def settle_all(bench: Bench) -> Operation[Any]:
    return bench.protocol.settle(_six_attempts(bench))


def _settles_one(outcome: str) -> Scenario:
    """Settle one attempt alone: what other outcomes check is not checked for it."""

    def scenario(bench: Bench) -> Operation[Any]:
        return bench.turn_op("w1", 0, [settle(bench.claim_one("a"), outcome)])

    scenario.__name__ = f"turn_settles_one_{outcome}"
    return scenario


SCENARIOS: tuple[Scenario, ...] = (
    turn_claims,
    turn_claims_one,
    turn_settles,
    turn_of_new_tasks,
    turn_of_completions,
    turn_promotes,
    turn_goes_on_to_another_list,
    turn_retries_at_once,
    turn_drops,
    turn_drops_strays,
    settle_all,
    *(_settles_one(outcome) for outcome in ("complete", "fail", "cancel", "retry", "snooze", "release")),
)
