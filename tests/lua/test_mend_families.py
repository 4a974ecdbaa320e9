"""mend_place on families: what they count, whether they are done, and whom they wait for."""

from __future__ import annotations

import pytest

from tests.lua.test_family import end, fan_out, status
from tests.lua.test_mend import mend_place
from tests.state import Bench, State

RESULT = '{"task_id":"a","status":"completed"}'


def mend(bench: Bench, verb: str, name: str = "p/1", detail: str = "") -> tuple[list[str], State]:
    return mend_place(bench, verb, name, detail)


@pytest.mark.parametrize(
    ("verb", "name", "detail"),
    [
        ("family", "p/1", ""),
        ("family", "unknown", ""),
        ("sums", "p/1", "1 0 1 0"),
        ("sums", "p/1", "0 0 0 0"),  # a child has ended since
        ("sums", "p/1", "2 0 0 1"),
        ("sums", "unknown", "1 0 0 0"),
        ("children", "a", "p/1"),
        ("children", "b", "p/1"),
        ("children", "b", "unknown"),
        ("remains", "p/1", ""),
        ("remains", "unknown", ""),
    ],
)
def test_what_is_right_stays(bench: Bench, verb: str, name: str, detail: str) -> None:
    fan_out(bench, "a", "b")
    end(bench, {"a": "complete"})
    assert mend(bench, verb, name, detail) == ([], {})


def test_a_family_that_is_done_by_a_better_count_wakes_its_parent(bench: Bench) -> None:
    fan_out(bench, "a", "b")
    end(bench, {"a": "complete"})
    bench.client.hset(bench.key("gathered", "p/1"), "b", RESULT)
    done, changed = mend(bench, "sums", detail="1 1 1 0")
    assert done == ["counted again: 1 completed, 1 not"]
    assert changed["family:p/1"] == {"failed": "1", "done": "completed"}
    assert (changed["queue:normal"], status(bench)) == (["p"], "pending")


@pytest.mark.parametrize(("policy", "need", "done"), [("quorum", 1, "completed"), ("fail_fast", 0, "failed")])
def test_a_family_is_done_as_its_policy_says(bench: Bench, policy: str, need: int, done: str) -> None:
    fan_out(bench, "a", "b", policy=policy, need=need)
    bench.client.hset(bench.key("family", "p/1"), "completed" if done == "completed" else "failed", 1)
    assert mend(bench, "family")[1]["family:p/1"]["done"] == done
    assert status(bench) == "pending"


def test_a_family_that_is_not_done_yet_is_open_again(bench: Bench) -> None:
    fan_out(bench, "a", "b")
    bench.client.hset(bench.key("family", "p/1"), mapping={"completed": 2, "done": "completed"})
    assert mend(bench, "sums", detail="0 0 2 0")[1] == {"family:p/1": {"completed": "0", "failed": "0", "done": None}}


def test_a_family_expires_with_its_parent(bench: Bench) -> None:
    fan_out(bench, "a")
    bench.client.pexpire(bench.key("children", "p/1"), 90_000)
    assert mend(bench, "family")[0] == ["expires with its parent"]
    assert bench.client.pttl(bench.key("children", "p/1")) == -1
    bench.client.smove(bench.key("status", "waiting"), bench.key("status", "failed"), "p")
    assert mend(bench, "family")[0] == ["expires with its parent"]
    assert 3_590_000 < bench.client.pttl(bench.key("children", "p/1")) <= 3_600_000
    assert mend(bench, "family") == ([], {})


def test_of_a_family_that_lists_too_few_nothing_is_known(bench: Bench) -> None:
    fan_out(bench, "a")
    bench.client.delete(bench.key("children", "p/1"))
    bench.client.hset(bench.key("family", "p/1"), "done", "completed")
    assert mend(bench, "family") == ([], {})


def test_a_child_that_runs_is_told_who_waits_for_it(bench: Bench) -> None:
    fan_out(bench, "a")
    bench.audited = False
    bench.client.delete(bench.key("state", "a"))
    bench.claim("w1", 1, ["low"])
    done, changed = mend(bench, "children", "a", "p/1")
    assert done == ["its end will be told"]
    assert changed["state:a"] == {"status": "running", "parents": "p/1"}
    assert changed["running"]["a"].endswith(" h")
    bench.audited = True
    assert mend(bench, "children", "a", "p/1") == ([], {})


def test_a_child_that_knows_another_family_learns_of_this_one(bench: Bench) -> None:
    fan_out(bench, "a")
    bench.client.hset(bench.key("state", "a"), "parents", "p/11")
    assert mend(bench, "children", "a", "p/1")[1] == {"state:a": {"parents": "p/11 p/1"}}


def test_a_child_that_nobody_would_count_is_counted_again(bench: Bench) -> None:
    fan_out(bench, "a")
    bench.client.delete(bench.key("gathered", "p/1"))
    assert mend(bench, "children", "a", "p/1")[1] == {"gathered:p/1": {"a": ""}}


def test_what_is_left_of_a_family_without_a_record_is_deleted(bench: Bench) -> None:
    fan_out(bench, "a")
    bench.client.hdel(bench.key("family", "p/1"), "total")
    done, changed = mend(bench, "remains")
    assert done == ["deleted: no record says when it is done"]
    assert changed.keys() == {"family:p/1", "children:p/1", "gathered:p/1"}
    assert not any(bench.client.exists(bench.key(kind, "p/1")) for kind in ("family", "children", "gathered"))


@pytest.mark.parametrize(("outcome", "ended"), [("complete", "completed"), ("fail", "failed")])
def test_a_child_of_a_family_without_a_record_is_counted_by_nobody(bench: Bench, outcome: str, ended: str) -> None:
    """And its end is one step all the same."""
    fan_out(bench, "a")
    bench.client.delete(bench.key("family", "p/1"))
    bench.audited = False
    end(bench, {"a": outcome})
    assert bench.client.exists(bench.key("family", "p/1")) == 0
    assert bench.client.hgetall(bench.key("gathered", "p/1")) == {"a": ""}
    assert bench.client.hgetall(bench.key("counters")) == {"submitted": "2", ended: "1"}
