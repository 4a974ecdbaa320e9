"""Workers: their life, their death, and what they take over."""

from __future__ import annotations

from typing import Any

from taskq.model.wish import DRAIN, Wish
from taskq.protocol.operation import Operation
from taskq.protocol.replies import Witness
from tests.lua.scenarios.beginnings import WAIT_MS, Scenario, something_of_everything
from tests.state import LIMITS, TIMES, TTL_MS, UUID, Bench, settle, task


def register(bench: Bench) -> Operation[Any]:
    return bench.protocol.register("w1", "tok-w1", TIMES, UUID, {"host": "h"})


def beat(bench: Bench) -> Operation[Any]:
    bench.claim_one("a")
    bench.claim_one("b", "w2")
    bench.run(bench.protocol.cancel("b", "{}", TTL_MS))
    bench.end("w1", settle(bench.claim_one("c"), "fail"))
    bench.move_clock(20)
    return bench.protocol.beat(TIMES, [("w1", "tok-w1"), ("w2", "tok-w2")])


def beat_after_a_loss(bench: Bench) -> Operation[Any]:
    bench.claim_one("a")
    return bench.protocol.beat(TIMES, [("w1", "tok-w1")], Witness(UUID, bench.now_ms() + 5_000, frozenset()))


def _poison_in_its_last_run(bench: Bench) -> None:
    bench.submit(task("poison", unique="k"))
    for n in range(2):
        bench.register(f"dying{n}")
        bench.claim(f"dying{n}", 1)
        bench.evict(f"dying{n}", charge=True)
    bench.register("w1")
    bench.claim("w1", 1)
    bench.run(bench.protocol.await_result("poison", "me", WAIT_MS))


def reap(bench: Bench) -> Operation[Any]:
    _poison_in_its_last_run(bench)
    bench.claim_one("a", "w2")
    bench.register("w3")
    for _ in range(4):
        bench.move_clock(20)
        bench.run(bench.protocol.beat(TIMES, [("w3", "tok-w3")]))
    return bench.protocol.reap(TIMES, 100, LIMITS)


def evict_charged(bench: Bench) -> Operation[Any]:
    _poison_in_its_last_run(bench)
    return bench.protocol.evict("w1", True, 10, LIMITS)


def evict_charged_without_a_death(bench: Bench) -> Operation[Any]:
    bench.claim_one("a")
    return bench.protocol.evict("w1", True, 10, LIMITS)


def evict_uncharged(bench: Bench) -> Operation[Any]:
    bench.claim_one("a")
    bench.claim_one("b")
    return bench.protocol.evict("w1", False, 10, LIMITS)


def repair(bench: Bench) -> Operation[Any]:
    bench.claim_one("a")
    bench.claim_one("b")
    bench.move_clock(20)
    return bench.protocol.repair("w1", "tok-w1", TIMES, ["b"])


def takeover_of_idle(bench: Bench) -> Operation[Any]:
    """One of each that it can meet: a new task, one with a history, one that was settled, one that is to stop."""
    bench.register("w2")
    bench.end("w2", settle(bench.claim_one("mine", "w2"), "release"))
    bench.claim("w2", 1)
    bench.end("w1", settle(bench.claim_one("b"), "retry", number=0))
    bench.submit_ids("a", "gone", "asked")
    claims = bench.claim("w1", 4)
    bench.run(bench.protocol.cancel("asked", "{}", TTL_MS))
    bench.end("w1", settle(next(claim for claim in claims if claim.task_id == "gone")))
    bench.move_clock(20)
    return bench.takeover_op("w2", 10_000, claims)


def takeover_of_nothing(bench: Bench) -> Operation[Any]:
    bench.register("w2")
    return bench.takeover_op("w2", 10_000, [bench.claim_one("a")])


def cards(bench: Bench) -> Operation[Any]:
    something_of_everything(bench)
    return bench.protocol.cards()


def mend_worker(bench: Bench) -> Operation[Any]:
    bench.register("w1")
    bench.client.srem(bench.key("workers"), "w1")
    return bench.protocol.mend_place("workers", "w1", "", TIMES.lease_ms)


def notice(bench: Bench) -> Operation[Any]:
    bench.submit_ids("a")
    return bench.protocol.notice("nonce", 2)


def wish(bench: Bench) -> Operation[Any]:
    bench.register("w1")
    bench.run(bench.protocol.wish("w1", Wish(concurrency=3)))
    return bench.protocol.wish("w1", Wish(DRAIN))


def card(bench: Bench) -> Operation[Any]:
    bench.register("w1")
    return bench.protocol.card("w1", "tok-w1", {"state": "draining", "granted": "drain 3 -"})


SCENARIOS: tuple[Scenario, ...] = (
    beat_after_a_loss,
    register,
    beat,
    reap,
    evict_charged,
    evict_charged_without_a_death,
    evict_uncharged,
    repair,
    takeover_of_idle,
    takeover_of_nothing,
    cards,
    mend_worker,
    notice,
    wish,
    card,
)
