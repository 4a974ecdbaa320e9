"""Bells: every script that leaves work behind rings, few hints are kept, and stale ones are cleared."""

from __future__ import annotations

import pytest

from taskq.protocol.audit import BELL_MAX
from tests.state import TIMES, Bench, settle, task


def bells(bench: Bench) -> dict[str, int]:
    return {k.removeprefix("bell:"): len(v) for k, v in bench.state().items() if k.startswith("bell:")}


def take_hint(bench: Bench, name: str) -> None:
    """As the BLPOP of a waiting worker does."""
    assert bench.client.lpop(bench.key("bell", name)) == "1"
    bench.all_hints_kept = False


def test_a_bell_is_bounded(bench: Bench) -> None:
    for n in range(BELL_MAX + 5):
        bench.submit_ids(f"a{n}")
    assert bells(bench) == {"normal": BELL_MAX}


def test_a_claim_that_leaves_work_rings_on(bench: Bench) -> None:
    bench.submit(task("a"), task("b"), task("c", "low"))
    bench.register("w1")
    take_hint(bench, "normal")
    take_hint(bench, "low")
    assert [c.task_id for c in bench.claim("w1", 1)] == ["a"]
    assert bells(bench) == {"normal": 1, "low": 1}


def test_the_cascade_wakes_one_worker_for_each_task(bench: Bench) -> None:
    """A batch rings once; each worker that finds more than it takes wakes the next."""
    workers = [f"w{n}" for n in range(5)]
    bench.register(*workers)
    bench.submit_ids("a", "b", "c")
    woken = []
    for worker in workers:
        if not bells(bench):
            break
        take_hint(bench, "normal")
        woken.append([c.task_id for c in bench.claim(worker, 1)])
    assert woken == [["a"], ["b"], ["c"]]


def test_a_hint_that_is_left_does_not_multiply(bench: Bench) -> None:
    bench.submit_ids("a", "b", "c")
    bench.register("w1")
    bench.claim("w1", 1)
    bench.claim("w1", 1)
    assert bells(bench) == {"normal": 1}


def test_a_claim_that_takes_everything_leaves_the_bell(bench: Bench) -> None:
    """Clearing it there could eat the hint of a submit that came between; the next empty claim clears it."""
    bench.submit_ids("a")
    bench.register("w1")
    bench.claim("w1", 5)
    assert bells(bench) == {"normal": 1}
    bench.claim("w1", 5)
    assert bells(bench) == {}


def test_only_the_bells_of_its_own_lists_are_cleared(bench: Bench) -> None:
    bench.submit(task("a", "high"), task("b", "low"))
    bench.register("w1", "w2")
    bench.claim("w2")
    bench.claim("w1", lists=["urgent", "high"])
    assert bells(bench) == {"low": 1}


def test_a_worker_without_a_free_slot_clears_nothing(bench: Bench) -> None:
    bench.submit_ids("a")
    bench.register("w1")
    bench.claim("w1", 1)
    bench.claim("w1", 0)
    assert bells(bench) == {"normal": 1}


def test_a_held_worker_rings_for_the_others(bench: Bench) -> None:
    bench.claim_one("a")
    bench.make_suspect("suspect")
    bench.client.delete(bench.key("bell", "high"))
    bench.all_hints_kept = False
    assert bench.run(bench.turn_op("w1", 1)).hold
    assert bells(bench)["high"] == 1


def test_a_paused_list_rings_for_nobody_until_it_is_resumed(bench: Bench) -> None:
    bench.submit_ids("a")
    bench.register("w1")
    bench.run(bench.protocol.pause(True, ["normal"]))
    bench.claim("w1")
    assert bells(bench) == {}
    bench.run(bench.protocol.pause(False, ["normal"]))
    assert bells(bench) == {"normal": 1}


def test_resuming_an_empty_list_is_silent(bench: Bench) -> None:
    bench.run(bench.protocol.pause(True, ["normal"]))
    bench.run(bench.protocol.pause(False, ["normal"]))
    assert bells(bench) == {}


@pytest.mark.parametrize("outcome", ["retry", "snooze", "release"])
def test_what_an_attempt_leaves_rings(bench: Bench, outcome: str) -> None:
    claim = bench.claim_one("a")
    bench.claim("w1")
    assert bells(bench) == {}
    bench.end("w1", settle(claim, outcome))
    expected = {"normal": 1} if outcome == "release" else {"normal": 1, "@scheduler": 1}
    assert bells(bench) == expected


def test_what_is_released_into_an_empty_list_is_claimed_or_rung_for(bench: Bench) -> None:
    """The turn that releases it must not take the list for empty, and clear the bell that it has just rung."""
    claim = bench.claim_one("a")
    bench.register("w2")
    reply = bench.run(bench.turn_op("w1", 2, [settle(claim, "release")]))
    assert [c.task_id for c in reply.claims] == ["a"]
    bench.run(bench.turn_op("w2", 2, [settle(reply.claims[0], "release")], ["high"]))
    assert bells(bench) == {"normal": 3}


def test_a_bell_of_the_wrong_type_does_not_stop_anybody(bench: Bench) -> None:
    bench.client.set(bench.key("bell", "normal"), "foreign")
    bench.transport.run(bench.protocol.submit([task("a"), task("b", due="+10000")], 0))
    bench.transport.run(bench.protocol.register("w1", "tok-w1", TIMES, "u", {}))
    claims = bench.transport.run(bench.turn_op("w1", 1)).claims
    assert [c.task_id for c in claims] == ["a"]
    assert bench.transport.run(bench.turn_op("w1", 0, [settle(claims[0], "release")])).refused == ()
    assert bench.client.lrange(bench.key("queue", "normal"), 0, -1) == ["a"]
