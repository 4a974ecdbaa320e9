"""signal and hear: what a task waits for comes, comes before it waits, or does not come in time."""

from __future__ import annotations

import pytest

from taskq.protocol.operation import Operation
from taskq.protocol.replies import Settlement
from tests.state import LIMITS, TTL_MS, Bench, settle, task

NOTHING_LATE: frozenset[str] = frozenset()


def send(bench: Bench, name: str = "go", data: str = "1", most: int = 9) -> Operation[str]:
    return bench.protocol.signal("p", name, data, most)


def wait(bench: Bench, number: int = 1, name: str = "go", timeout_ms: int = 0) -> None:
    """Let ``p`` run and wait."""
    if "w1" not in bench._seqs:
        bench.claim_one("p")
    (inspection,) = bench.run(bench.protocol.inspect(["p"]))
    fence = inspection.state["fence"]
    bench.run(bench.protocol.settle([Settlement("p", fence, "wait", f"{number} {name}", timeout_ms)]))


def test_it_waits_in_no_list_and_a_signal_brings_it_back_to_the_head(bench: Bench) -> None:
    wait(bench)
    state = bench.state()
    assert state["state:p"] == {
        "status": "waiting", "waits": "1 go", "list": "normal", "attempts": "0", "started": "t+0", "begun": "1"
    }  # fmt: skip
    assert not {"running", "processing:w1", "queue:normal", "scheduled"} & state.keys()
    bench.submit_ids("other")
    assert bench.run(send(bench, "something.else")) == "told"
    assert bench.state()["status:waiting"] == {"p"}
    assert bench.run(send(bench)) == "told"
    assert bench.state()["queue:normal"] == ["p", "other"]
    assert bench.run(bench.protocol.hear("p", "go"))[:2] == (b"1", NOTHING_LATE)
    (again,) = bench.claim("w1", 1)
    assert (again.task_id, again.attempt) == ("p", 1), "no attempt is charged"


def test_twice_is_the_same_as_once(bench: Bench) -> None:
    wait(bench)
    bench.run(send(bench, data="first"))
    assert bench.act(send(bench, data="second")) == ("told", {})
    bench.claim("w1", 1)
    assert bench.act(send(bench, data="third")) == ("told", {})
    assert bench.run(bench.protocol.hear("p", "go"))[0] == b"first"


def test_one_that_comes_first_is_kept_as_long_as_the_task(bench: Bench) -> None:
    bench.submit(task("p", unique="k"))
    bench.run(send(bench))
    assert bench.state()["state:p"] == {"unique": "k", "status": "pending"}
    bench.register("w1")
    (claim,) = bench.claim("w1", 1)
    bench.run(bench.protocol.settle([settle(claim, "wait", "1 go", 0)]))
    assert bench.state()["queue:normal"] == ["p"], "it need not wait"
    (claim,) = bench.claim("w1", 1)
    bench.end("w1", settle(claim))
    assert not {"signals:p", "state:p"} & bench.state().keys(), "nothing is left of a completed task but its result"


@pytest.mark.parametrize("outcome", ["fail", "cancel"])
def test_an_ended_task_is_told_nothing_and_forgets_with_its_time(bench: Bench, outcome: str) -> None:
    claim = bench.claim_one("p")
    bench.run(send(bench))
    bench.end("w1", settle(claim, outcome))
    assert bench.state()["signals:p ttl"] == "100s"
    assert bench.act(send(bench, "late")) == ("failed" if outcome == "fail" else "cancelled", {})
    bench.run(bench.protocol.replay([("p", "normal")]))
    assert bench.state()["signals:p"] == {"go": "1"}, "a replay still knows"
    (claim,) = bench.claim("w1", 1)
    bench.end("w1", settle(claim))
    assert bench.act(send(bench)) == ("completed", {})


def test_time_runs_out_once_and_a_signal_is_too_late_for_that_wait(bench: Bench) -> None:
    wait(bench, timeout_ms=60_000)
    assert bench.state()["scheduled"] == {"p": "t+60"}
    bench.submit_ids("other")
    bench.move_clock(70)
    reply = bench.run(bench.turn_op("w1", 1))
    assert [claim.task_id for claim in reply.claims] == ["p"], "at the head of its list"
    assert bench.run(bench.protocol.hear("p", "go"))[:2] == (None, {"1"})
    bench.run(send(bench))
    assert bench.run(bench.protocol.hear("p", "go"))[:2] == (b"1", {"1"}), "both are known: the wait decides"
    wait(bench, 2)
    assert bench.state()["status:pending"] == {"p", "other"}


def test_a_signal_in_time_takes_it_out_of_the_schedule(bench: Bench) -> None:
    wait(bench, timeout_ms=60_000)
    bench.run(send(bench))
    assert "scheduled" not in bench.state()
    bench.move_clock(70)
    assert bench.run(bench.protocol.promote()) == (0, -1)
    assert bench.run(bench.protocol.hear("p", "go"))[:2] == (b"1", NOTHING_LATE)


def test_each_wait_that_is_in_vain_is_known(bench: Bench) -> None:
    wait(bench, timeout_ms=10_000)
    for number in (2, 3):
        bench.move_clock(20)
        bench.run(bench.protocol.promote())
        bench.claim("w1", 1)
        wait(bench, number, timeout_ms=10_000)
    assert bench.run(bench.protocol.hear("p", "go"))[:2] == (None, {"1", "2"})


def test_one_for_whoever_waits_for_any(bench: Bench) -> None:
    wait(bench, timeout_ms=60_000)
    bench.run(send(bench, "@abort"))
    assert bench.state()["queue:normal"] == ["p"]
    bench.claim("w1", 1)
    wait(bench)
    assert bench.state()["queue:normal"] == ["p"], "also if it comes before the wait"


def test_a_task_is_told_only_so_much(bench: Bench) -> None:
    bench.submit_ids("p")
    assert [bench.run(send(bench, name, most=2)) for name in ("a", "b", "c", "a")] == ["told", "told", "full", "told"]
    assert bench.run(bench.protocol.signal("missing", "a", "1", 2)) == "missing"


def test_a_wait_can_be_cancelled(bench: Bench) -> None:
    wait(bench, timeout_ms=60_000)
    assert bench.run(bench.protocol.cancel("p", "{}", TTL_MS)) == "cancelled"
    assert "scheduled" not in bench.state()


def test_a_worker_that_dies_before_the_wait_is_noted(bench: Bench) -> None:
    bench.claim_one("p")
    bench.run(send(bench))
    bench.evict("w1", charge=True)
    assert bench.run(bench.protocol.hear("p", "go"))[0] == b"1"
    for n in range(LIMITS.max_crashes - 1):
        bench.register(f"dying{n}")
        bench.claim(f"dying{n}", 1)
        bench.evict(f"dying{n}", charge=True)
    assert bench.state()["signals:p ttl"] == "200s", "poison ends it as all ends do"
