"""turn: a task that was running when two workers died runs alone, so that it takes no neighbour along."""

from __future__ import annotations

from tests.state import LIMITS, Bench, settle


def test_a_suspect_is_not_claimed_beside_another_task(bench: Bench) -> None:
    bench.claim_one("a")
    bench.make_suspect("suspect")
    bench.submit_ids("b")
    reply, changed = bench.act(bench.turn_op("w1", want=5))
    assert (reply.claims, reply.hold) == ((), True)
    assert changed == {"worker:w1": {"seq": "2", "turn0": "2|#|1|"}}


def test_what_stands_behind_it_in_its_list_waits_as_well(bench: Bench) -> None:
    bench.claim_one("a")
    bench.make_suspect("suspect")
    bench.submit_ids("b", priority="high")
    assert bench.claim("w1", 5) == ()
    assert bench.state()["queue:high"] == ["suspect", "b"]


def test_what_stands_before_the_suspect_is_still_claimed(bench: Bench) -> None:
    bench.make_suspect("suspect")
    bench.submit_ids("a", "b", priority="urgent")
    bench.register("w1")
    reply = bench.run(bench.turn_op("w1", want=5))
    assert ([c.task_id for c in reply.claims], reply.hold) == (["a", "b"], True)


def test_an_empty_worker_runs_it_and_nothing_else(bench: Bench) -> None:
    bench.make_suspect("suspect")
    bench.submit_ids("a")
    bench.register("w1")
    reply, changed = bench.act(bench.turn_op("w1", want=5))
    assert ([c.task_id for c in reply.claims], reply.hold) == (["suspect"], True)
    assert changed["worker:w1"] == {"seq": "1", "turn1": "1|#|1|", "solo": "suspect"}
    assert bench.state()["queue:normal"] == ["a"]
    reply, changed = bench.act(bench.turn_op("w1", want=5))
    assert (reply.claims, reply.hold) == ((), True)
    assert changed == {"worker:w1": {"seq": "2", "turn0": "2|#|1|"}}
    assert bench.state()["worker:w1"]["turn1"] == "1|#|1|"


def test_when_the_suspect_has_ended_the_worker_goes_on(bench: Bench) -> None:
    bench.make_suspect("suspect")
    bench.submit_ids("a", "b")
    bench.register("w1")
    (suspect,) = bench.claim("w1", 5)
    reply, changed = bench.act(bench.turn_op("w1", 5, [settle(suspect)]))
    assert ([c.task_id for c in reply.claims], reply.hold) == (["a", "b"], False)
    assert changed["worker:w1"]["solo"] is None


def test_a_suspect_that_was_settled_by_somebody_else_holds_nobody(bench: Bench) -> None:
    bench.make_suspect("suspect")
    bench.submit_ids("a")
    bench.register("w1")
    (suspect,) = bench.claim("w1", 5)
    bench.run(bench.protocol.settle([settle(suspect)]))
    reply = bench.run(bench.turn_op("w1", want=5))
    assert ([c.task_id for c in reply.claims], reply.hold) == (["a"], False)


def test_two_suspects_run_one_after_the_other(bench: Bench) -> None:
    bench.make_suspect("s1", "s2")
    bench.register("w1")
    (first,) = bench.claim("w1", 5)
    (second,) = bench.run(bench.turn_op("w1", 5, [settle(first)])).claims
    assert {first.task_id, second.task_id} == {"s1", "s2"}
    assert bench.state()["worker:w1"]["solo"] == second.task_id


def test_another_worker_takes_it_meanwhile(bench: Bench) -> None:
    bench.claim_one("a")
    bench.make_suspect("suspect")
    bench.register("w2")
    assert bench.run(bench.turn_op("w1", want=1)).hold
    assert [c.task_id for c in bench.claim("w2", 1)] == ["suspect"]


def test_the_suspicion_ends_with_a_good_end(bench: Bench) -> None:
    bench.make_suspect("suspect")
    bench.register("w1")
    (claim,) = bench.claim("w1", 1)
    bench.end("w1", settle(claim, "fail"))
    bench.run(bench.protocol.replay([("suspect", "normal")]))
    bench.submit_ids("a")
    assert len(bench.claim("w1", 2)) == 2


def test_one_crash_makes_no_suspect(bench: Bench) -> None:
    bench.claim_one("a", "dying")
    bench.run(bench.protocol.evict("dying", True, 10, LIMITS))
    bench.submit_ids("b")
    bench.register("w1")
    assert len(bench.claim("w1", 2)) == 2
