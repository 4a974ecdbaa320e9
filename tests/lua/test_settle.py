"""How an attempt ends: the settling half of a turn, and the script ``settle``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from redis.exceptions import ResponseError

from taskq.errors import ServerError
from taskq.protocol.replies import Settlement
from tests.state import TTL_MS, Bench, State, settle, task

Ending = Callable[[Bench, Sequence[Settlement]], tuple[tuple[str, ...], State]]


def by_turn(bench: Bench, settles: Sequence[Settlement]) -> tuple[tuple[str, ...], State]:
    reply, changed = bench.act(bench.turn_op("w1", 0, settles))
    card = changed.pop("worker:w1")
    seq = card.pop("seq")
    assert card.keys() <= {f"turn{int(seq) % 2}"}
    assert bench.state()["worker:w1"][f"turn{int(seq) % 2}"] == f"{seq}|#|0|{' '.join(reply.refused)}"
    return reply.refused, changed


def by_settle(bench: Bench, settles: Sequence[Settlement]) -> tuple[tuple[str, ...], State]:
    return bench.act(bench.protocol.settle(settles))


@pytest.fixture(params=[by_turn, by_settle], ids=["turn", "settle"])
def end(request: pytest.FixtureRequest) -> Ending:
    ending: Ending = request.param
    return ending


GONE = {"a": None}
LEFT = {"list": "normal", "attempts": "1", "started": "t+0"}

OUTCOMES: dict[str, dict[str, Any]] = {
    "complete": {
        "task:a ttl": "100s",
        "result:a": "result of a",
        "result:a ttl": "100s",
        "running": GONE,
        "status:running": ["-a"],
        "status:completed": ["+a"],
        "retention": {"t+110": "t+110"},
        "retained:t+110": ["a"],
        "processing:w1": None,
        "counters": {"completed": 1},
    },
    "fail": {
        "task:a ttl": "100s",
        "result:a": "result of a",
        "result:a ttl": "100s",
        "running": GONE,
        "state:a": {"status": "failed", **LEFT, "ended": "t+0"},
        "state:a ttl": "100s",
        "status:running": ["-a"],
        "status:failed": ["+a"],
        "dead": {"a": "t+0"},
        "retention": {"t+110": "t+110"},
        "retained:t+110": ["a"],
        "processing:w1": None,
        "counters": {"failed": 1},
    },
    "cancel": {
        "task:a ttl": "100s",
        "result:a": "result of a",
        "result:a ttl": "100s",
        "running": GONE,
        "state:a": {"status": "cancelled", **LEFT, "ended": "t+0"},
        "state:a ttl": "100s",
        "status:running": ["-a"],
        "status:cancelled": ["+a"],
        "retention": {"t+110": "t+110"},
        "retained:t+110": ["a"],
        "processing:w1": None,
        "counters": {"cancelled": 1},
    },
    "expire": {
        "task:a ttl": "100s",
        "result:a": "result of a",
        "result:a ttl": "100s",
        "running": GONE,
        "state:a": {"status": "cancelled", "list": "normal", "attempts": "0", "ended": "t+0"},
        "state:a ttl": "100s",
        "status:running": ["-a"],
        "status:cancelled": ["+a"],
        "retention": {"t+110": "t+110"},
        "retained:t+110": ["a"],
        "processing:w1": None,
        "counters": {"cancelled": 1},
    },
    "retry": {
        "running": GONE,
        "state:a": {"status": "retry", **LEFT, "retries": "1", "error": "result of a"},
        "status:running": ["-a"],
        "status:retry": ["+a"],
        "scheduled": {"a": "t+100"},
        "bell:@scheduler": ["1"],
        "bell:normal": ["1", "1"],
        "processing:w1": None,
        "counters": {"retried": 1},
    },
    "snooze": {
        "running": GONE,
        "state:a": {"status": "scheduled", **LEFT, "attempts": "0", "reason": "result of a"},
        "status:running": ["-a"],
        "status:scheduled": ["+a"],
        "scheduled": {"a": "t+100"},
        "bell:@scheduler": ["1"],
        "bell:normal": ["1", "1"],
        "processing:w1": None,
    },
    "release": {
        "running": GONE,
        "state:a": {"status": "pending", **LEFT, "attempts": "0", "queued": "t+0", "reason": "result of a"},
        "status:running": ["-a"],
        "status:pending": ["+a"],
        "queue:normal": ["a"],
        "bell:normal": ["1", "1"],
        "processing:w1": None,
    },
}


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_outcome(bench: Bench, end: Ending, outcome: str) -> None:
    claim = bench.claim_one("a")
    refused, changed = end(bench, [settle(claim, outcome)])
    assert refused == ()
    assert changed == OUTCOMES[outcome]


@pytest.mark.parametrize("outcome", ["retry", "snooze", "release"])
def test_without_words_no_reason_is_kept(bench: Bench, end: Ending, outcome: str) -> None:
    claim = bench.claim_one("a")
    _, changed = end(bench, [settle(claim, outcome, body="")])
    assert not {"error", "reason"} & changed["state:a"].keys()


def test_one_that_expired_before_its_next_attempt_keeps_what_is_known_of_the_last(bench: Bench, end: Ending) -> None:
    end(bench, [settle(bench.claim_one("a"), "retry")])
    bench.move_clock(110)
    (claim,) = bench.claim("w1", 1)
    end(bench, [settle(claim, "expire")])
    state = bench.state()["state:a"]
    assert (state["attempts"], state["started"]) == ("1", "t+0")


def test_release_goes_to_the_head(bench: Bench, end: Ending) -> None:
    bench.submit(task("b"))
    bench.register("w1")
    (claim,) = bench.claim("w1", 1)
    bench.submit(task("c"), task("d"))
    end(bench, [settle(claim, "release")])
    assert bench.state()["queue:normal"] == ["b", "c", "d"]


def test_cancel_requests_end_with_the_attempt(bench: Bench, end: Ending) -> None:
    claim = bench.claim_one("a")
    bench.run(bench.protocol.cancel("a", "{}", TTL_MS))
    _, changed = end(bench, [settle(claim, "retry")])
    assert changed["running"] == GONE
    bench.move_clock(110)
    (again,) = bench.claim("w1", 1)
    assert bench.state()["running"] == {"a": f"#.{again.fence.partition('.')[2]} w1 normal 2 t+110 h"}


def test_many_at_once(bench: Bench, end: Ending) -> None:
    bench.submit_ids("a", "b", "c", "d", "e")
    bench.register("w1")
    a, b, c, d, e = bench.claim("w1")
    refused, changed = end(
        bench, [settle(a), settle(b, "fail"), settle(c, number=200_000), settle(d), settle(e, "release")]
    )
    assert refused == ()
    assert changed["status:running"] == ["-a", "-b", "-c", "-d", "-e"]
    assert changed["status:completed"] == ["+a", "+c", "+d"]
    assert changed["counters"] == {"completed": 3, "failed": 1}
    assert changed["retained:t+110"] == ["a", "d", "b"]
    assert changed["retained:t+210"] == ["c"]
    assert (changed["task:a ttl"], changed["task:c ttl"]) == ("100s", "200s")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_wrong_fence_is_refused(bench: Bench, end: Ending, outcome: str) -> None:
    claim = bench.claim_one("a")
    stale = settle(claim._replace(fence="1.tok-w1.1"), outcome)
    assert end(bench, [stale]) == (("a",), {})


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("ended", OUTCOMES)
def test_a_second_settle_is_refused_whatever_the_first_was(bench: Bench, end: Ending, ended: str, outcome: str) -> None:
    claim = bench.claim_one("a")
    end(bench, [settle(claim, ended)])
    assert end(bench, [settle(claim, outcome)]) == (("a",), {})


def test_a_second_settle_in_the_same_call_is_refused(bench: Bench, end: Ending) -> None:
    claim = bench.claim_one("a")
    refused, changed = end(bench, [settle(claim), settle(claim, "fail")])
    assert refused == ("a",)
    assert changed == OUTCOMES["complete"]


def test_a_late_end_of_an_old_attempt_does_not_block_the_new_one(bench: Bench, end: Ending) -> None:
    """A worker may finish both in the same moment: the one that it had lost, and the one that it has claimed since."""
    old = bench.claim_one("a")
    bench.end("w1", settle(old, "release"))
    (new,) = bench.claim("w1", 1)
    refused, changed = end(bench, [settle(old, "fail"), settle(new)])
    assert refused == ("a",)
    assert changed["status:completed"] == ["+a"]


def test_a_task_that_another_worker_has_taken_over_is_refused(bench: Bench, end: Ending) -> None:
    old = bench.claim_one("a")
    bench.register("w2")
    bench.end("w1", settle(old, "release"))
    (new,) = bench.claim("w2", 1)
    assert end(bench, [settle(old)]) == (("a",), {})
    assert bench.end("w2", settle(new)).refused == ()


def test_unknown_tasks_are_refused(bench: Bench, end: Ending) -> None:
    bench.claim_one("a")
    assert end(bench, [Settlement("missing", "1.tok-w1.1", "complete", "", TTL_MS)]) == (("missing",), {})


def test_a_settle_by_another_worker_counts_for_the_holder(bench: Bench) -> None:
    """The fence is what counts: a supervisor settles for its child."""
    claim = bench.claim_one("a")
    bench.register("w2")
    _, changed = bench.act(bench.turn_op("w2", 0, [settle(claim)]))
    assert changed["processing:w1"] is None


@pytest.mark.parametrize(
    ("outcome", "number"), [("crash", TTL_MS), ("", TTL_MS), ("complete", 0), ("fail", 0), ("cancel", -1)]
)
def test_what_makes_no_sense_changes_nothing(bench: Bench, end: Ending, outcome: str, number: int) -> None:
    bench.submit_ids("a", "b")
    bench.register("w1")
    good, bad = bench.claim("w1", 2)
    before = bench.state()
    with pytest.raises(ServerError, match="b"):
        end(bench, [settle(good), settle(bad, outcome, number=number)])
    assert bench.state() == before


def test_a_body_that_was_deleted_under_the_running_task(bench: Bench, end: Ending) -> None:
    claim = bench.claim_one("a")
    bench.client.delete(bench.key("task", "a"))
    refused, changed = end(bench, [settle(claim)])
    assert refused == ()
    assert changed["result:a"] == "result of a"


class TestInOneTurn:
    def test_what_is_released_is_claimed_again(self, bench: Bench) -> None:
        claim = bench.claim_one("a")
        bench.submit_ids("b")
        reply = bench.run(bench.turn_op("w1", 1, [settle(claim, "release")]))
        assert [c.task_id for c in reply.claims] == ["a"]

    def test_settled_and_claimed(self, bench: Bench) -> None:
        claim = bench.claim_one("a")
        bench.submit_ids("b", "c")
        reply, changed = bench.act(bench.turn_op("w1", 1, [settle(claim)]))
        assert [c.task_id for c in reply.claims] == ["b"]
        assert changed["processing:w1"] == ["b"]
        assert changed["status:running"] == ["+b", "-a"]
        assert changed["status:pending"] == ["-b"]

    def test_expired_tasks_are_forgotten_on_the_way(self, bench: Bench) -> None:
        bench.end("w1", settle(bench.claim_one("a")))
        bench.end("w1", settle(bench.claim_one("b"), "fail"))
        bench.expire("a", "b")
        claim = bench.claim_one("c")
        bench.move_clock(120)
        _, changed = bench.act(bench.turn_op("w1", 0, [settle(claim)]))
        assert changed["status:completed"] == ["+c", "-a"]
        assert changed["status:failed"] == ["-b"]
        assert changed["dead"] == {"b": None}
        assert changed["counters"] == {"completed": 2, "expired": 2}
        assert changed["retained:t+110"] is None


def test_the_error_is_one_of_the_server(bench: Bench) -> None:
    """Sent by hand: what an older worker would see from a script that refuses."""
    claim = bench.claim_one("a")
    operation = bench.protocol.settle([settle(claim, "crash")])
    with pytest.raises(ResponseError, match="outcome crash of a is unknown"):
        bench.client.execute_command(*operation.full_command())
