"""mend: what is right stays as it is, and what is wrong is put where the rest of it says that it belongs."""

from __future__ import annotations

import pytest

from taskq.protocol.replies import Settlement
from taskq.protocol.workflow import Child, FamilyPlan
from tests.state import TTL_MS, Bench, State, settle, task


def mend(bench: Bench, task_id: str, *holders: str) -> tuple[list[str], State]:
    """Mend a task; return what was done, and what it has changed."""
    bench.audited = False
    done, changed = bench.act(bench.protocol.mend(task_id, "normal", TTL_MS, list(holders)))
    return list(done), changed


def one_of_each(bench: Bench) -> None:
    bench.register("w1")
    bench.submit_ids("complete", "fail", "cancel", "retry", "run", "parent")
    for claim in bench.claim("w1", 6):
        if claim.task_id == "parent":
            plan = FamilyPlan("parent/1", 1, "wait_all", 0, "parent", claim.fence)
            bench.run(bench.protocol.fanout(plan, 0, [Child("child", "C", "low")], 0))
            bench.end("w1", Settlement("parent", claim.fence, "wait", "parent/1", 0))
        elif claim.task_id != "run":
            bench.end("w1", settle(claim, claim.task_id))
    bench.submit(task("pend"), task("later", due=bench.at(60)))


@pytest.mark.parametrize(
    "task_id", ["complete", "fail", "cancel", "retry", "run", "parent", "child", "pend", "later", "unknown"]
)
def test_what_is_right_stays(bench: Bench, task_id: str) -> None:
    one_of_each(bench)
    assert mend(bench, task_id, "w1") == ([], {})


def test_a_run_with_a_fence_that_is_none_is_taken_from_its_worker(bench: Bench) -> None:
    bench.claim_one("a")
    bench.client.hset(bench.key("running"), "a", "x w1 normal 1 1 -")
    done, changed = mend(bench, "a")
    assert done
    assert changed["running"] == {"a": None}
    assert (changed["processing:w1"], changed["queue:normal"]) == (None, ["a"])
    assert (changed["status:running"], changed["status:pending"]) == (["-a"], ["+a"])


def test_a_record_that_cannot_be_read_is_deleted(bench: Bench) -> None:
    bench.claim_one("a")
    bench.audited = False
    bench.client.hset(bench.key("running"), "a", "garbage")
    assert "its record deleted" in bench.run(bench.protocol.mend("a", "normal", TTL_MS, ["w1"]))
    assert bench.client.hget(bench.key("running"), "a") is None
    assert bench.client.lrange(bench.key("queue", "normal"), 0, -1) == ["a"]


def test_of_two_ends_the_state_tells_which(bench: Bench) -> None:
    bench.submit_ids("a")
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    bench.client.sadd(bench.key("status", "failed"), "a")
    done, changed = mend(bench, "a")
    assert (done, changed["status:failed"]) == (["taken out of the set failed"], ["-a"])
