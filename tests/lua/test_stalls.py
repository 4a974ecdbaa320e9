"""Leases and a server that stands still at random moments: nobody is taken for dead, and who is dead is found."""

from __future__ import annotations

import random

import pytest

from tests.state import LEASE_MS, LIMITS, PERIOD_MS, TIMES, Bench

STALLS = 50
PERIOD_SECONDS, LEASE_SECONDS = PERIOD_MS / 1000, LEASE_MS / 1000


def beat(bench: Bench, *workers: str) -> None:
    bench.run(bench.protocol.beat(TIMES, [(worker, f"tok-{worker}") for worker in workers]))


def reap(bench: Bench) -> int:
    requeued, dead, _, _ = bench.run(bench.protocol.reap(TIMES, 100, LIMITS))
    return int(requeued + dead)


@pytest.mark.parametrize("seed", [1, 2])
def test_fifty_stalls_make_nobody_look_dead(bench: Bench, seed: int) -> None:
    dice = random.Random(seed)
    bench.claim_one("a", "w1")
    bench.claim_one("b", "w2")
    false_reaps = 0
    for _ in range(STALLS):
        bench.move_clock(dice.uniform(0.2, 3) * LEASE_SECONDS)
        first, second = dice.sample(("w1", "w2"), 2)
        if dice.random() < 0.5:
            false_reaps += reap(bench)
        beat(bench, first)
        false_reaps += reap(bench)
        bench.move_clock(dice.uniform(0, 1) * PERIOD_SECONDS)
        beat(bench, second)
        false_reaps += reap(bench)
    print(f"{false_reaps} false reaps in {STALLS} stalls")
    assert false_reaps == 0


def test_small_steps_back_do_not_add_up(bench: Bench) -> None:
    bench.register("w1", "w2")
    for _ in range(20):
        bench.move_clock(-0.5)
        beat(bench, "w1")
    # the audit after each call has found no lease too far ahead; and time goes on
    bench.move_clock(LEASE_SECONDS / 2)
    beat(bench, "w1")
    assert reap(bench) == 0


@pytest.mark.parametrize("stall", [0.0, 0.5, 2.0], ids=["without stalls", "half a lease", "two leases"])
def test_who_is_dead_is_found_between_stalls(bench: Bench, stall: float) -> None:
    """Time in which the server stood still does not count; of the other, a lease and one beat."""
    bench.claim_one("a", "dead")
    bench.register("w1")
    alive_seconds = 0.0
    while not reap(bench):
        for _ in range(2):
            bench.move_clock(PERIOD_SECONDS)
            beat(bench, "w1")
            alive_seconds += PERIOD_SECONDS
        if stall:
            bench.move_clock(stall * LEASE_SECONDS + 3 * PERIOD_SECONDS)
            beat(bench, "w1")
        assert alive_seconds < 1.5 * LEASE_SECONDS
    print(f"found after {alive_seconds / LEASE_SECONDS:.2f} leases of service")
    assert bench.state()["queue:normal"] == ["a"]
