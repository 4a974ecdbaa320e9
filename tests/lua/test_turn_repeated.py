"""turn, sent again: a lost reply is made good, a turn that was overtaken does nothing."""

from __future__ import annotations

from taskq.protocol.replies import Claim, TurnReply
from tests.state import LISTS, Bench, settle, task


def without_time(reply: TurnReply) -> tuple[object, ...]:
    return (reply.registered, reply.superseded, reply.hold, reply.refused, reply.claims)


def test_a_repeated_turn_answers_the_same_and_changes_nothing(bench: Bench) -> None:
    done, late = bench.claim_one("done"), bench.claim_one("late")
    bench.run(bench.protocol.settle([settle(late)]))
    bench.submit_ids("a", "b", "c")
    turn = bench.turn_op("w1", 2, [settle(done), settle(late)])
    first = bench.run(turn)
    assert [c.task_id for c in first.claims] == ["a", "b"]
    assert first.refused == ("late",)
    for _ in range(2):
        again, changed = bench.act(turn)
        assert (without_time(again), changed) == (without_time(first), {})


def test_an_empty_turn_too(bench: Bench) -> None:
    bench.register("w1")
    turn = bench.turn_op("w1", 2)
    first = bench.run(turn)
    assert first.claims == ()
    bench.submit_ids("a")
    again, changed = bench.act(turn)
    assert (without_time(again), changed) == (without_time(first), {})


def test_retries_and_attempts_are_told_again(bench: Bench) -> None:
    claim = bench.claim_one("a")
    turn = bench.turn_op("w1", 1, [settle(claim, "retry", number=0)])
    (first,) = bench.run(turn).claims
    assert (first.attempt, first.retries) == (2, 1)
    assert bench.run(turn).claims == (first,)


def test_what_has_begun_is_told_again(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.end("w1", settle(claim, "wait", "1 go", 0))
    bench.run(bench.protocol.signal("a", "go", "1", 9))
    bench.submit_ids("b")
    turn = bench.turn_op("w1", 2)
    claims = bench.run(turn).claims
    assert [(c.task_id, c.retries, c.begun) for c in claims] == [("a", 0, True), ("b", 0, False)]
    assert bench.run(turn).claims == claims


def test_the_wait_is_told_as_of_now(bench: Bench) -> None:
    bench.submit(task("a", due="+60000"))
    bench.register("w1")
    turn = bench.turn_op("w1", 1)
    bench.run(turn)
    bench.move_clock(20)
    assert 30_000 < bench.run(turn).wait_ms <= 40_000
    bench.run(bench.protocol.cancel("a", "{}", 100_000))
    assert bench.run(turn).wait_ms == -1


def test_a_hold_is_told_again(bench: Bench) -> None:
    claim = bench.claim_one("a")
    bench.make_suspect("suspect")
    turn = bench.turn_op("w1", 1)
    assert bench.run(turn).hold
    assert bench.run(turn).hold
    assert not bench.run(bench.turn_op("w1", 0, [settle(claim)])).hold


def test_a_claimed_task_whose_body_was_lost_comes_without_one(bench: Bench) -> None:
    bench.submit_ids("a", "b")
    bench.register("w1")
    turn = bench.turn_op("w1", 2)
    first = bench.run(turn)
    bench.client.delete(bench.key("task", "a"))
    again = bench.transport.run(turn)
    assert [c.envelope for c in again.claims] == [b"", b"body of b"]
    assert [c.fence for c in again.claims] == [c.fence for c in first.claims]


def test_an_older_turn_is_refused(bench: Bench) -> None:
    """A request that was delayed in the network arrives when the worker has long gone on."""
    bench.submit_ids("a", "b")
    bench.register("w1")
    delayed = bench.turn_op("w1", 1)
    assert [c.task_id for c in bench.claim("w1", 1)] == ["a"]
    reply, changed = bench.act(delayed)
    assert (reply.registered, reply.superseded, reply.claims, changed) == (True, True, (), {})


def test_an_older_turn_settles_nothing(bench: Bench) -> None:
    claim = bench.claim_one("a")
    delayed = bench.turn_op("w1", 0, [settle(claim)])
    bench.claim("w1", 1)
    reply, changed = bench.act(delayed)
    assert (reply.superseded, changed) == (True, {})
    assert bench.end("w1", settle(claim)).refused == ()


def test_the_last_two_can_be_repeated(bench: Bench) -> None:
    """Both were on their way when the connection broke, and both had arrived."""
    bench.submit_ids("a", "b", "c")
    bench.register("w1")
    refused = settle(Claim("x", b"", 1, 0, "1.other.1", 1))
    turns = [bench.turn_op("w1", 2), bench.turn_op("w1", 1, [refused])]
    first = [bench.run(turn) for turn in turns]
    assert [[c.task_id for c in reply.claims] for reply in first] == [["a", "b"], ["c"]]
    for turn, reply in zip(turns, first, strict=True):
        again, changed = bench.act(turn)
        assert changed == {}
        assert (again.claims, again.refused, again.hold) == (reply.claims, reply.refused, reply.hold)


def test_a_turn_that_a_later_one_has_overtaken_is_refused(bench: Bench) -> None:
    bench.submit_ids("a", "b", "c")
    bench.register("w1")
    bench.claim("w1", 1)
    overtaken = bench.turn_op("w1", 1)
    assert bench.claim("w1", 1) != ()
    reply, changed = bench.act(overtaken)
    assert (reply.superseded, changed) == (True, {})


def test_numbers_may_be_left_out(bench: Bench) -> None:
    bench.submit_ids("a")
    bench.register("w1")
    assert bench.run(bench.protocol.turn("w1", "tok-w1", 7, 1, LISTS)).claims != ()
    assert bench.run(bench.protocol.turn("w1", "tok-w1", 6, 1, LISTS)).superseded


def test_the_numbers_of_workers_are_their_own(bench: Bench) -> None:
    bench.submit_ids("a", "b")
    bench.register("w1", "w2")
    assert [c.task_id for w in ("w1", "w2") for c in bench.claim(w, 1)] == ["a", "b"]


def test_a_worker_that_was_taken_away_gets_no_repetition(bench: Bench) -> None:
    bench.submit_ids("a")
    bench.register("w1")
    turn = bench.turn_op("w1", 1)
    bench.run(turn)
    bench.evict("w1")
    reply, changed = bench.act(turn)
    assert (reply.registered, reply.claims, changed) == (False, (), {})
