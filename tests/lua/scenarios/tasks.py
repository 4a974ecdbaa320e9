"""What is done with tasks that wait, run or have ended."""

from __future__ import annotations

from typing import Any

from taskq.protocol.operation import Operation
from tests.lua.scenarios.beginnings import WAIT_MS, Scenario, ended_and_expired
from tests.state import LISTS, TTL_MS, Bench, settle, task


def promote(bench: Bench) -> Operation[Any]:
    bench.submit(task("a", due=bench.at(60)))
    bench.end("w1", settle(bench.claim_one("b"), "retry", number=60_000))
    bench.move_clock(70)
    return bench.protocol.promote()


def sweep(bench: Bench) -> Operation[Any]:
    ended_and_expired(bench)
    return bench.protocol.sweep()


def cancel_pending(bench: Bench) -> Operation[Any]:
    bench.submit(task("a", unique="k"))
    bench.run(bench.protocol.await_result("a", "me", WAIT_MS))
    return bench.protocol.cancel("a", "{}", TTL_MS)


def cancel_scheduled(bench: Bench) -> Operation[Any]:
    bench.submit(task("a", due=bench.at(60)))
    return bench.protocol.cancel("a", "{}", TTL_MS)


def cancel_running(bench: Bench) -> Operation[Any]:
    bench.claim_one("a")
    return bench.protocol.cancel("a", "{}", TTL_MS)


def replay(bench: Bench) -> Operation[Any]:
    bench.submit(task("a", unique="k"), task("b"))
    bench.register("w1")
    (claim,) = bench.claim("w1", 1)
    bench.end("w1", settle(claim, "fail"))
    bench.run(bench.protocol.cancel("b", "{}", TTL_MS))
    return bench.protocol.replay([("a", "normal"), ("b", "normal")])


def discard(bench: Bench) -> Operation[Any]:
    for outcome in ("complete", "fail", "cancel"):
        bench.end("w1", settle(bench.claim_one(outcome), outcome))
    return bench.protocol.discard(["complete", "fail", "cancel"])


def purge(bench: Bench) -> Operation[Any]:
    bench.submit(task("a", unique="k"), task("b"))
    bench.run(bench.protocol.cancel("b", "{}", TTL_MS))
    return bench.protocol.purge("normal", 10)


def pause(bench: Bench) -> Operation[Any]:
    return bench.protocol.pause(True, LISTS)


def resume(bench: Bench) -> Operation[Any]:
    bench.submit_ids("a")
    bench.run(bench.protocol.pause(True, LISTS))
    return bench.protocol.pause(False, LISTS)


def await_result(bench: Bench) -> Operation[Any]:
    bench.submit_ids("a")
    return bench.protocol.await_result("a", "me", WAIT_MS)


def progress(bench: Bench) -> Operation[Any]:
    return bench.protocol.progress("a", bench.claim_one("a").fence, "1")


SCENARIOS: tuple[Scenario, ...] = (
    promote,
    sweep,
    cancel_pending,
    cancel_scheduled,
    cancel_running,
    replay,
    discard,
    purge,
    pause,
    resume,
    await_result,
    progress,
)
