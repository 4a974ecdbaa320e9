"""purge and pause: what an operator does to a list."""

from __future__ import annotations

import pytest

from taskq.model.limit import Limit
from tests.state import TTL_MS, Bench, settle, task


def test_the_tasks_of_one_list_are_deleted(bench: Bench) -> None:
    bench.submit(task("a"), task("b", unique="k"), task("c", "low"))
    reply, changed = bench.act(bench.protocol.purge("normal", 10))
    assert reply == (2, False)
    assert changed == {
        "task:a": None,
        "task:b": None,
        "state:b": {"unique": None},
        "unique:k": None,
        "queue:normal": None,
        "status:pending": ["-a", "-b"],
        "counters": {"purged": 2},
    }


def test_bounded_steps(bench: Bench) -> None:
    bench.submit_ids("a", "b", "c", "d")
    purge = bench.protocol.purge("normal", 2)
    assert bench.run(purge) == (2, True)
    assert bench.state()["queue:normal"] == ["c", "d"]
    assert bench.run(purge) == (2, False)
    assert bench.act(purge) == ((0, False), {})


def test_a_tombstone_goes_without_being_counted(bench: Bench) -> None:
    bench.submit_ids("a", "b")
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    reply, changed = bench.act(bench.protocol.purge("normal", 10))
    assert reply == (1, False)
    assert changed["tombstones"] == ["-a"]
    assert bench.state()["status:cancelled"] == {"a"}


def test_a_task_that_waits_again_is_deleted_with_its_state(bench: Bench) -> None:
    bench.end("w1", settle(bench.claim_one("a"), "release"))
    assert bench.run(bench.protocol.purge("normal", 10)) == (1, False)
    assert not [key for key in bench.state() if key.endswith(":a")]


@pytest.mark.parametrize("place", ["running", "scheduled", "ended"])
def test_a_stray_goes_and_what_it_names_stays(bench: Bench, place: str) -> None:
    claim = bench.claim_one("a")
    if place != "running":
        bench.end("w1", settle(claim, {"scheduled": "retry", "ended": "fail"}[place]))
    bench.client.rpush(bench.key("queue", "normal"), "a")
    reply, changed = bench.act(bench.protocol.purge("normal", 10))
    assert (reply, changed) == ((0, False), {"queue:normal": None})


def test_what_waits_in_no_list_goes_too_but_not_what_has_begun(bench: Bench) -> None:
    bench.run(bench.protocol.set_limit(Limit("few", concurrency=1)))
    bench.submit(*(task(f"l{n}", limits="few") for n in range(4)), task("m", "low", limits="few"))
    bench.submit(task("o1", ordering="o"), task("o2", "low", ordering="o"), task("o3", ordering="o"))
    bench.register("w1")
    assert {claim.task_id for claim in bench.claim("w1")} == {"l0", "o1"}
    reply, changed = bench.act(bench.protocol.purge_waiting("0", ["normal"], 10))
    assert reply == (4, "0")
    assert changed["status:waiting"] == ["-l1", "-l2", "-l3", "-o3"]
    assert changed["counters"] == {"purged": 4}
    assert bench.state()["blocked:few"] == ["m"]
    assert bench.run(bench.protocol.purge_waiting("0", ["low"], 10)) == (2, "0")
    assert not {"jams", "blocked:few"} & bench.state().keys()


def test_one_that_starts_meanwhile_stays_for_the_step_that_purges_its_list(bench: Bench) -> None:
    """The first of a sequence waits for room; when it has gone, the second one stands in the list."""
    bench.run(bench.protocol.set_limit(Limit("few", concurrency=1)))
    bench.submit(task("x", limits="few"), *(task(f"first{n}", limits="few", ordering=f"o{n}") for n in range(20)))
    bench.register("w1")
    assert [claim.task_id for claim in bench.claim("w1", 30)] == ["x"]
    bench.submit(*(task(f"second{n}", ordering=f"o{n}") for n in range(20)))
    purged, _ = bench.run(bench.protocol.purge_waiting("0", ["normal"], 100))
    started = bench.client.lrange(bench.key("queue", "normal"), 0, -1)
    assert len(started) + purged == 40
    assert started
    assert bench.run(bench.protocol.purge("normal", 100)) == (len(started), False)


def test_where_nothing_waits_nothing_is_counted(bench: Bench) -> None:
    bench.submit_ids("a")
    assert bench.act(bench.protocol.purge_waiting("0", ["normal"], 10)) == ((0, "0"), {})


def test_what_waits_in_no_list_goes_in_bounded_steps(bench: Bench) -> None:
    bench.submit(*(task(f"o{n}", ordering="o") for n in range(500)))
    cursor, counts = "0", []
    while cursor != "0" or not counts:
        count, cursor = bench.run(bench.protocol.purge_waiting(cursor, ["normal"], 50))
        counts.append(count)
    assert sum(counts) == 499
    assert max(counts) < 100
    assert bench.run(bench.protocol.purge("normal", 10)) == (1, False)


def test_running_and_delayed_tasks_are_left(bench: Bench) -> None:
    bench.claim_one("a")
    bench.submit(task("b", due="+60000"))
    assert bench.act(bench.protocol.purge("normal", 10)) == ((0, False), {})


def test_pause_and_resume(bench: Bench) -> None:
    bench.submit_ids("a")
    pause, resume = bench.protocol.pause(True, ["high", "normal"]), bench.protocol.pause(False, ["normal", "low"])
    assert bench.act(pause) == (2, {"paused": ["+high", "+normal"]})
    assert bench.act(pause) == (0, {})
    assert bench.act(resume) == (1, {"paused": ["-normal"], "bell:normal": ["1", "1"]})
    assert bench.run(resume) == 0
    assert bench.state()["paused"] == {"high"}


def test_a_paused_list_takes_tasks(bench: Bench) -> None:
    bench.run(bench.protocol.pause(True, ["normal"]))
    assert bench.submit(task("a")) == ("a",)
