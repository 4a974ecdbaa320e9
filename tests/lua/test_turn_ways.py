"""turn has a short way, which nearly every call takes, and a long one, which can do everything: they end alike."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from taskq.errors import ServerError
from taskq.protocol.operation import Operation
from taskq.protocol.operations import load_scripts
from taskq.protocol.replies import TurnReply
from taskq.protocol.scripts import Script
from tests.lua.cut import LONG_WAY, ways_of
from tests.lua.lone_keys import LONE, LONE_AND_UNUSUAL
from tests.lua.plain_ways import (
    Situation,
    completion_and_claim,
    completions_out_of_order,
    something_is_to_be_forgotten,
)
from tests.lua.unusual import UNUSUAL
from tests.lua.ways import SHORT
from tests.state import TTL_MS, Bench, State, settle
from tests.waiting import eventually

NewBench = Callable[[], Bench]
WHOLE = load_scripts("shifted_clock")["turn"]
ONLY_SHORT, ONLY_LONG = ways_of("turn")


def comparable(reply: TurnReply) -> TurnReply:
    """Return all of a reply but for the moment."""
    claims = tuple(c._replace(fence=c.fence.partition(".")[2], fence_number=0) for c in reply.claims)
    numbers = [c.fence_number - reply.claims[0].fence_number for c in reply.claims]
    assert numbers == list(range(len(numbers)))
    return reply._replace(now_ms=0, wait_ms=round(reply.wait_ms / 10_000), claims=claims)


def end_of(bench: Bench, operation: Operation[TurnReply]) -> tuple[TurnReply, State]:
    """Run a turn; return what it answers and the whole state after it, in whichever way permits are counted."""
    reply = bench.run(operation)
    state = bench.state()
    running = {task_id: record.replace("=", "") for task_id, record in state.get("running", {}).items()}
    counts = Counter({key: int(count) for key, count in state.get("permits", {}).items() if count.isdecimal()})
    counts.update(key for key in state.pop("sole", ()) if not key.startswith("@"))
    return comparable(reply), {**state, "running": running, "permits": counts}


@pytest.mark.parametrize("situation", [*SHORT, *LONE], ids=lambda s: s.__name__)
def test_the_short_way_ends_where_the_long_one_does(new_bench: NewBench, situation: Situation) -> None:
    ends = []
    for script in (ONLY_SHORT, ONLY_LONG):
        bench = new_bench()
        ends.append(end_of(bench, situation(bench)._replace(script=script)))
    assert ends[0] == ends[1]


@pytest.mark.parametrize("situation", [completions_out_of_order, completion_and_claim, something_is_to_be_forgotten])
def test_both_ways_tell_the_same(new_bench: NewBench, situation: Situation) -> None:
    told = []
    for script in (ONLY_SHORT, ONLY_LONG):
        bench = new_bench()
        operation = situation(bench)._replace(script=script)
        with closing(bench.client.pubsub(ignore_subscribe_messages=True)) as pubsub:
            pubsub.subscribe(bench.protocol.events_channel)
            eventually(lambda: pubsub.subscribed and pubsub.get_message(timeout=1) is None, what="the subscription")
            bench.run(operation)
            bench.client.publish(bench.protocol.events_channel, "end")
            messages = iter(lambda: eventually(lambda: pubsub.get_message(timeout=1), what="a message")["data"], "end")
            told.append([(event["type"], event["data"]) for event in map(json.loads, messages)])
    assert told[0] == told[1]
    assert {kind for kind, _ in told[0]} == {"task.status_changed", "task.completed"}


def leaves_as_it_is(new_bench: NewBench, situation: Situation, way: Script, other_way: Script) -> None:
    """Assert that one way of a turn writes nothing in a situation, and that all of it ends as another way does."""
    bench, other = new_bench(), new_bench()
    operation = situation(bench)
    before = bench.state()
    with pytest.raises(ServerError, match=LONG_WAY):
        bench.transport.run(operation._replace(script=way))
    assert bench.state() == before
    assert end_of(bench, operation) == end_of(other, situation(other)._replace(script=other_way))


@pytest.mark.parametrize("situation", [*UNUSUAL, *LONE_AND_UNUSUAL], ids=lambda s: s.__name__)
def test_what_is_unusual_is_left_to_the_long_way_as_it_is(new_bench: NewBench, situation: Situation) -> None:
    leaves_as_it_is(new_bench, situation, ONLY_SHORT, ONLY_LONG)


@pytest.mark.parametrize("situation", [*SHORT, *LONE], ids=lambda s: s.__name__)
def test_a_turn_is_repeated_alike(new_bench: NewBench, situation: Situation) -> None:
    """The short way leaves behind what the long one needs to answer a repetition."""
    bench = new_bench()
    operation = situation(bench)
    first = end_of(bench, operation)
    assert end_of(bench, operation) == first


@pytest.mark.parametrize("script", [WHOLE, ONLY_LONG], ids=["whole", "long"])
class TestWhoMayCompleteATask:
    def refused(self, bench: Bench, script: Script, worker: str, *settles: Any) -> tuple[tuple[str, ...], State]:
        operation = bench.turn_op(worker, 0, settles)._replace(script=script)
        reply, changed = bench.act(operation)
        changed.pop(f"worker:{worker}")
        return reply.refused, changed

    def test_the_fence_of_another_turn(self, bench: Bench, script: Script) -> None:
        """One is the beginning of the other: turn 1 and turn 12."""
        old = bench.claim_one("a")
        bench.end("w1", settle(old, "release"))
        for _ in range(9):
            bench.claim("w1", 0)
        (new,) = bench.claim("w1", 1)
        assert (old.fence[-9:], new.fence[-10:]) == (".tok-w1.1", ".tok-w1.12")
        for fence in (old.fence, new.fence[:-1], new.fence + "3", new.fence + " w1", new.fence[1:], ""):
            assert self.refused(bench, script, "w1", settle(new._replace(fence=fence))) == (("a",), {})
        assert self.refused(bench, script, "w1", settle(new))[0] == ()

    def test_a_new_task_under_the_fence_of_a_later_turn(self, bench: Bench, script: Script) -> None:
        """Without a history, as the short way wants it."""
        bench.register("w1")
        for _ in range(10):
            bench.claim("w1", 0)
        claim = bench.claim_one("a")
        assert claim.fence.endswith(".tok-w1.11")
        for fence in (claim.fence[:-1], claim.fence + "1", claim.fence + " w1", claim.fence[1:]):
            assert self.refused(bench, script, "w1", settle(claim._replace(fence=fence))) == (("a",), {})
        assert self.refused(bench, script, "w1", settle(claim))[0] == ()

    def test_only_once_in_one_call(self, bench: Bench, script: Script) -> None:
        claim, other = bench.claim_one("a"), bench.claim_one("b")
        again = settle(claim, body="another result")
        refused, changed = self.refused(bench, script, "w1", settle(claim), settle(other), again)
        assert refused == ("a",)
        assert changed["result:a"] == "result of a"
        assert changed["status:completed"] == ["+a", "+b"]
        assert changed["counters"] == {"completed": 2}

    def test_only_once_in_two_groups(self, bench: Bench, script: Script) -> None:
        claim = bench.claim_one("a")
        again = settle(claim, body="another result", number=2 * TTL_MS)
        refused, changed = self.refused(bench, script, "w1", settle(claim), again)
        assert refused == ("a",)
        assert (changed["result:a"], changed["result:a ttl"]) == ("result of a", "100s")
        assert changed["counters"] == {"completed": 1}

    def test_a_task_that_has_gone_to_another_worker(self, bench: Bench, script: Script) -> None:
        old = bench.claim_one("a")
        bench.register("w2")
        bench.end("w1", settle(old, "release"))
        (new,) = bench.claim("w2", 1)
        assert self.refused(bench, script, "w1", settle(old)) == (("a",), {})
        assert self.refused(bench, script, "w1", settle(old._replace(fence=f"{old.fence_number}.tok-w2.1")))[1] == {}
        assert self.refused(bench, script, "w2", settle(new))[0] == ()

    def test_whoever_knows_the_fence(self, bench: Bench, script: Script) -> None:
        """The fence is what counts; the task leaves the list of the worker that holds it."""
        claim = bench.claim_one("a")
        kept = bench.claim_one("b", "w2")
        refused, changed = self.refused(bench, script, "w2", settle(claim))
        assert refused == ()
        assert changed == {
            "task:a ttl": "100s",
            "result:a": "result of a",
            "result:a ttl": "100s",
            "running": {"a": None},
            "status:running": ["-a"],
            "status:completed": ["+a"],
            "retention": {"t+110": "t+110"},
            "retained:t+110": ["a"],
            "processing:w1": None,
            "counters": {"completed": 1},
        }
        assert bench.end("w2", settle(kept)).refused == ()

    def test_what_is_refused_does_not_stop_the_rest(self, bench: Bench, script: Script) -> None:
        bench.submit_ids("a", "b", "c")
        bench.register("w1")
        a, b, c = bench.claim("w1", 3)
        refused, changed = self.refused(bench, script, "w1", settle(a), settle(b._replace(fence="1.x.1")), settle(c))
        assert refused == ("b",)
        assert changed["status:completed"] == ["+a", "+c"]
        assert changed["processing:w1"] == ["b"]

    @pytest.mark.parametrize("ttl_ms", [0, -1])
    @pytest.mark.parametrize("alone", [False, True])
    def test_not_without_a_time_to_keep_it(self, bench: Bench, script: Script, ttl_ms: int, alone: bool) -> None:
        claim, other = bench.claim_one("a"), bench.claim_one("b")
        before = bench.state()
        beside = [] if alone else [settle(other)]
        operation = bench.turn_op("w1", 1, [*beside, settle(claim, number=ttl_ms)])
        with pytest.raises(ServerError, match="an end of a needs a time"):
            bench.transport.run(operation._replace(script=script))
        assert bench.state() == before


def test_what_is_refused_sweeps_nothing(bench: Bench) -> None:
    """The sweep takes twice as many as were settled; for none it must not take the whole list."""
    bench.end("w1", *(settle(bench.claim_one(task_id)) for task_id in ("a", "b")))
    bench.expire("a", "b")
    claim = bench.claim_one("c")
    bench.move_clock(120)
    wrong = settle(claim._replace(fence="1.tok-w1.1"))
    _, changed = bench.act(bench.turn_op("w1", 0, [wrong]))
    assert changed.keys() == {"worker:w1"}
    assert bench.act(bench.protocol.settle([wrong])) == (("c",), {})
    bench.end("w1", settle(claim))
    assert bench.state()["status:completed"] == {"c"}
