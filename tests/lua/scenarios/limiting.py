"""Limits, and tasks that wait for room."""

from __future__ import annotations

from typing import Any

from taskq.model.circuit import Circuit
from taskq.model.limit import Limit
from taskq.model.task import Task
from taskq.protocol.operation import Operation
from tests.lua.lone_keys import lone, nobody_comes
from tests.lua.scenarios.beginnings import Scenario
from tests.state import LIMITS, TIMES, TTL_MS, Bench, settle, task


def _limited(bench: Bench, count: int, **options: Any) -> None:
    """Set a limit of the key k and submit tasks with it."""
    bench.run(bench.protocol.set_limit(Limit("k", **options)))
    bench.submit(*(task(f"l{n}", limits="k") for n in range(count)))
    bench.register("w1")


def submit_limited(bench: Bench) -> Operation[Any]:
    return bench.protocol.submit([task("a", limits="k m"), task("b", limits="k", ordering="o", unique="u")], 0)


def turn_meets_a_full_limit(bench: Bench) -> Operation[Any]:
    _limited(bench, 4, concurrency=2, rate="1/h", burst=3)
    return bench.turn_op("w1", 5)


def turn_meets_a_full_window(bench: Bench) -> Operation[Any]:
    _limited(bench, 3, rate="2/h", sliding=True)
    bench.claim("w1", 1)
    return bench.turn_op("w1", 5)


def turn_makes_room(bench: Bench) -> Operation[Any]:
    _limited(bench, 4, concurrency=2)
    return bench.turn_op("w1", 5, [settle(claim) for claim in bench.claim("w1", 5)])


def turn_gives_a_permit_back(bench: Bench) -> Operation[Any]:
    """And finds nothing to claim."""
    _limited(bench, 2, concurrency=2)
    first, _ = bench.claim("w1", 5)
    return bench.turn_op("w1", 5, [settle(first)])


def settle_makes_room(bench: Bench) -> Operation[Any]:
    _limited(bench, 5, concurrency=3)
    outcomes = ("fail", "retry", "release")
    return bench.protocol.settle([settle(c, o) for c, o in zip(bench.claim("w1", 5), outcomes, strict=True)])


def settle_completes_and_makes_room(bench: Bench) -> Operation[Any]:
    _limited(bench, 2, concurrency=1)
    return bench.protocol.settle([settle(claim) for claim in bench.claim("w1", 5)])


def settle_after_its_limit_is_gone(bench: Bench) -> Operation[Any]:
    _limited(bench, 1, concurrency=1)
    claims = bench.claim("w1", 5)
    bench.run(bench.protocol.remove_limit("k"))
    return bench.protocol.settle([settle(claim) for claim in claims])


def evict_gives_permits_back(bench: Bench) -> Operation[Any]:
    _limited(bench, 3, concurrency=1)
    bench.claim("w1", 5)
    return bench.protocol.evict("w1", True, 10, LIMITS)


def repair_gives_permits_back(bench: Bench) -> Operation[Any]:
    _limited(bench, 3, concurrency=1)
    bench.claim("w1", 5)
    bench.move_clock(20)
    return bench.protocol.repair("w1", "tok-w1", TIMES, [])


def promote_lets_in(bench: Bench) -> Operation[Any]:
    _limited(bench, 3, rate="2/m", burst=1)
    bench.claim("w1", 5)
    bench.move_clock(30)
    return bench.protocol.promote()


def cancel_a_blocked_one(bench: Bench) -> Operation[Any]:
    """The last one that a portion of a hundred has left behind."""
    _limited(bench, 2, concurrency=1)
    bench.claim("w1", 5)
    bench.client.hset(bench.key("woken"), "k", "the hundredth")
    return bench.protocol.cancel("l1", "{}", TTL_MS)


def set_limit(bench: Bench) -> Operation[Any]:
    _limited(bench, 2, concurrency=1)
    bench.claim("w1", 5)
    return bench.protocol.set_limit(Limit("k", concurrency=2))


def remove_limit(bench: Bench) -> Operation[Any]:
    bench.run(bench.protocol.set_limit(Limit("type:echo", concurrency=2)))
    return bench.protocol.remove_limit("type:echo")


def look_at_ages(bench: Bench) -> Operation[Any]:
    bench.submit(task("a", "low"), task("b", due=bench.at(10)))
    bench.move_clock(20)
    bench.run(bench.protocol.promote())
    return bench.protocol.ages(["urgent", "normal", "low"])


def list_limits(bench: Bench) -> Operation[Any]:
    _limited(bench, 2, concurrency=1)
    bench.claim("w1", 5)
    return bench.protocol.list_limits()


def explain(bench: Bench) -> Operation[Any]:
    _limited(bench, 2, concurrency=1)
    bench.claim("w1", 5)
    return bench.protocol.explain(Task(task_id="l1", task_type="custom", limit_keys=["k"], unique_key="u"), TTL_MS)


def mend_permits(bench: Bench) -> Operation[Any]:
    _limited(bench, 2, concurrency=1)
    bench.claim("w1", 5)
    bench.client.delete(bench.key("permits"))
    return bench.protocol.mend_place("permits", "k", "", TIMES.lease_ms)


def mend_a_run_that_is_over(bench: Bench) -> Operation[Any]:
    """Its permit is for one that waits."""
    _limited(bench, 2, concurrency=1)
    bench.claim("w1", 5)
    bench.client.delete(bench.key("processing", "w1"))
    return bench.protocol.mend("l0", "normal", TTL_MS)


def mend_a_jam(bench: Bench) -> Operation[Any]:
    _limited(bench, 2, concurrency=1)
    bench.claim("w1", 5)
    bench.client.delete(bench.key("jams"))
    return bench.protocol.mend_place("jams", "k", "", TIMES.lease_ms)


def mend_one_that_does_not_wait(bench: Bench) -> Operation[Any]:
    """The only one of those who wait for room, and it runs."""
    _limited(bench, 1, concurrency=1)
    bench.claim("w1", 5)
    bench.client.zadd(bench.key("blocked", "k"), {"l0": 1})
    bench.client.zadd(bench.key("jams"), {"k": bench.at(60)})
    return bench.protocol.mend_place("blocked", "l0", "k", TIMES.lease_ms)


def _opened(bench: Bench) -> None:
    """A circuit that is open, and two tasks that it holds back."""
    bench.register("w1")
    bench.run(bench.protocol.set_circuit(Circuit("k", failures=2)))
    bench.submit(*(task(f"bad{n}", limits="k") for n in range(2)))
    bench.end("w1", *(settle(claim, "retry") for claim in bench.claim("w1", 2)))
    bench.submit(*(task(f"l{n}", limits="k") for n in range(3)))
    bench.claim("w1", 5)


def set_limit_beside_others(bench: Bench) -> Operation[Any]:
    bench.run(bench.protocol.set_circuit(Circuit("k")))
    bench.run(bench.protocol.gate(True, "type:custom"))
    return bench.protocol.set_limit(Limit("k", concurrency=2))


def pause_a_type(bench: Bench) -> Operation[Any]:
    return bench.protocol.gate(True, "type:custom")


def resume_a_type(bench: Bench) -> Operation[Any]:
    bench.register("w1")
    bench.run(bench.protocol.gate(True, "type:custom"))
    bench.run(bench.protocol.set_limit(Limit("other", concurrency=2)))
    bench.submit(*(task(f"l{n}", limits="k") for n in range(3)))
    bench.claim("w1", 5)
    return bench.protocol.gate(False, "type:custom")


def set_circuit(bench: Bench) -> Operation[Any]:
    return bench.protocol.set_circuit(Circuit("type:custom"))


def remove_circuit(bench: Bench) -> Operation[Any]:
    _opened(bench)
    return bench.protocol.remove_circuit("k")


def open_circuit(bench: Bench) -> Operation[Any]:
    bench.run(bench.protocol.set_circuit(Circuit("k")))
    return bench.protocol.open_circuit("k", 0)


def close_circuit(bench: Bench) -> Operation[Any]:
    _opened(bench)
    bench.run(bench.protocol.set_limit(Limit("other", concurrency=2)))
    return bench.protocol.close_circuit("k")


def read_circuits(bench: Bench) -> Operation[Any]:
    _opened(bench)
    return bench.protocol.read_circuits()


def turn_meets_an_open_circuit(bench: Bench) -> Operation[Any]:
    _opened(bench)
    bench.submit(task("late", limits="k"))
    return bench.turn_op("w1", 5)


def turn_sends_a_probe(bench: Bench) -> Operation[Any]:
    _opened(bench)
    bench.move_clock(30)
    return bench.turn_op("w1", 5)


def settle_opens_a_circuit(bench: Bench) -> Operation[Any]:
    bench.register("w1")
    bench.run(bench.protocol.set_circuit(Circuit("k", failures=1)))
    bench.submit(*(task(f"l{n}", limits="k") for n in range(3)))
    return bench.protocol.settle([settle(claim, "fail") for claim in bench.claim("w1", 1)])


def settle_one_more_failure(bench: Bench) -> Operation[Any]:
    bench.register("w1")
    bench.run(bench.protocol.set_circuit(Circuit("k", failures=3)))
    bench.submit(*(task(f"l{n}", limits="k") for n in range(2)))
    first, second = bench.claim("w1", 2)
    bench.end("w1", settle(first, "fail"))
    return bench.protocol.settle([settle(second, "fail")])


def settle_one_failure_of_a_share(bench: Bench) -> Operation[Any]:
    bench.register("w1")
    bench.run(bench.protocol.set_circuit(Circuit("k", failures=2, share=0.5)))
    bench.submit(*(task(f"l{n}", limits="k") for n in range(3)))
    first, second, third = bench.claim("w1", 3)
    bench.end("w1", settle(first))
    return bench.protocol.settle([settle(second, "fail"), settle(third)])


def turn_counts_a_share(bench: Bench) -> Operation[Any]:
    bench.register("w1")
    bench.run(bench.protocol.set_circuit(Circuit("k", failures=2, share=0.5)))
    bench.submit(*(task(f"l{n}", limits="k") for n in range(2)))
    return bench.turn_op("w1", 0, [settle(claim) for claim in bench.claim("w1", 2)])


def settle_a_probe(bench: Bench) -> Operation[Any]:
    _opened(bench)
    bench.move_clock(30)
    (probe,) = bench.claim("w1", 5)
    return bench.protocol.settle([settle(probe)])


def evict_a_probe(bench: Bench) -> Operation[Any]:
    _opened(bench)
    bench.move_clock(30)
    bench.claim("w1", 5)
    return bench.protocol.evict("w1", False, 100, LIMITS)


def settle_gives_a_key_back_after_its_limit_is_gone(bench: Bench) -> Operation[Any]:
    claims = lone(bench)
    bench.run(bench.protocol.remove_limit("k"))
    return bench.protocol.settle([settle(claim) for claim in claims])


SCENARIOS: tuple[Scenario, ...] = (
    nobody_comes,
    settle_gives_a_key_back_after_its_limit_is_gone,
    submit_limited,
    turn_meets_a_full_limit,
    turn_meets_a_full_window,
    turn_makes_room,
    turn_gives_a_permit_back,
    settle_makes_room,
    settle_completes_and_makes_room,
    settle_after_its_limit_is_gone,
    evict_gives_permits_back,
    repair_gives_permits_back,
    promote_lets_in,
    cancel_a_blocked_one,
    set_limit,
    remove_limit,
    list_limits,
    look_at_ages,
    explain,
    mend_permits,
    mend_a_run_that_is_over,
    mend_a_jam,
    mend_one_that_does_not_wait,
    set_limit_beside_others,
    pause_a_type,
    resume_a_type,
    set_circuit,
    remove_circuit,
    open_circuit,
    close_circuit,
    read_circuits,
    turn_meets_an_open_circuit,
    turn_sends_a_probe,
    settle_opens_a_circuit,
    settle_one_failure_of_a_share,
    turn_counts_a_share,
    settle_one_more_failure,
    settle_a_probe,
    evict_a_probe,
)
