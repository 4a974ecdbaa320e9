"""For each script situations in which it has something to do, and the call that does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taskq.model.limit import Limit
from taskq.protocol import sessions
from taskq.protocol.channels import lengths
from taskq.protocol.keys import lists_of
from taskq.protocol.operation import Operation
from taskq.protocol.replies import Settlement, Witness
from taskq.protocol.sessions import Exchange
from taskq.protocol.workflow import Child, CommitPlan, FamilyPlan, Node
from tests.state import LIMITS, LISTS, TIMES, TTL_MS, UUID, Bench, created, settle, task

Scenario = Callable[[Bench], Operation[Any]]
WAIT_MS = 30_000


def _ended_and_expired(bench: Bench) -> None:
    """Leave three ended tasks to be swept; the worker is w0."""
    for n, outcome in enumerate(("complete", "fail", "cancel")):
        bench.end("w0", settle(bench.claim_one(f"old{n}", "w0"), outcome))
    bench.expire("old0", "old1", "old2")
    bench.move_clock(25)
    for _ in range(4):
        bench.run(bench.protocol.beat(TIMES, [("w0", "tok-w0")]))
        bench.move_clock(25)


def submit(bench: Bench) -> Operation[Any]:
    return bench.protocol.submit([task("a"), task("b", "high", queue="mail")], 10)


def submit_delayed_and_unique(bench: Bench) -> Operation[Any]:
    return bench.protocol.submit([task("a", due=bench.at(60), unique="k"), task("b", unique="k2")], 0)


def _line_up(bench: Bench, *ids: str) -> None:
    """Submit tasks with one ordering key, each to a list of its own queue but the first."""
    first, *others = ids
    bench.submit(task(first, ordering="k"), *(task(i, "high", queue="mail", ordering="k") for i in others))


def submit_in_order(bench: Bench) -> Operation[Any]:
    _line_up(bench, "first")
    tasks = [task("a", ordering="k"), task("b", ordering="k2", due=bench.at(60)), task("c", ordering="k2")]
    return bench.protocol.submit([*tasks, task("d", ordering="k", due=bench.at(60), unique="u")], 0)


def submit_an_id_that_has_expired(bench: Bench) -> Operation[Any]:
    _ended_and_expired(bench)
    return bench.protocol.submit([task("old0"), task("old1"), task("old2")], 0)


def turn_claims(bench: Bench) -> Operation[Any]:
    bench.submit(task("a"), task("t"), task("c", "low"), task("due", due=bench.at(60)))
    bench.run(bench.protocol.cancel("t", "{}", TTL_MS))
    bench.run(bench.protocol.pause(True, ["high"]))
    bench.move_clock(60)
    bench.register("w1")
    return bench.turn_op("w1", 3)


def turn_claims_one(bench: Bench) -> Operation[Any]:
    bench.submit_ids("a")
    bench.register("w1")
    return bench.turn_op("w1", 1)


def _six_attempts(bench: Bench) -> list[Any]:
    _ended_and_expired(bench)
    outcomes = ("complete", "fail", "cancel", "retry", "snooze", "release")
    bench.submit(*(task(outcome, unique=f"k-{outcome}") for outcome in outcomes))
    bench.register("w1")
    claims = bench.claim("w1", 6)
    for outcome in outcomes:
        bench.run(bench.protocol.await_result(outcome, "me", WAIT_MS))
    return [settle(claim, claim.task_id) for claim in claims]


def turn_settles(bench: Bench) -> Operation[Any]:
    settles = _six_attempts(bench)
    bench.submit(task("due", queue="mail", due="+20000"))
    bench.move_clock(20)
    return bench.turn_op("w1", 0, settles)


def turn_of_new_tasks(bench: Bench) -> Operation[Any]:
    """The short way, claims alone: something is there already, and something is left."""
    bench.end("w1", settle(bench.claim_one("c")))
    bench.claim_one("r")
    bench.submit(task("a"), task("b"), task("m", queue="mail"), task("due", due=bench.at(60)))
    return bench.turn_op("w1", 2, (), [*lists_of("mail"), *LISTS])


def turn_of_completions(bench: Bench) -> Operation[Any]:
    """The short way with all that it can do."""
    bench.end("w1", settle(bench.claim_one("c")))
    bench.submit(*(task(n) for n in ("r1", "r2", "r3", "r4")))
    claims = bench.claim("w1", 4)
    bench.submit(task("a"), task("b", "high"), task("left"), task("due", due=bench.at(60)))
    for waiter in ("me", "you"):
        bench.run(bench.protocol.await_result("r3", waiter, WAIT_MS))
    return bench.turn_op("w1", 2, [settle(claims[2]), settle(claims[0])])


def turn_promotes(bench: Bench) -> Operation[Any]:
    """Nothing stands in a list when the turn begins."""
    bench.submit(task("a", due=bench.at(60)))
    bench.move_clock(60)
    bench.register("w1")
    return bench.turn_op("w1", 3)


def turn_retries_at_once(bench: Bench) -> Operation[Any]:
    """What ends falls due in the same turn, and nothing else is there to claim but in the list of somebody else."""
    claim = bench.claim_one("a")
    bench.submit(task("other", queue="mail"))
    return bench.turn_op("w1", 1, [settle(claim, "retry", number=0)])


def turn_drops(bench: Bench) -> Operation[Any]:
    """What a foreign hand has left in a list: what has ended, what runs, what stands there twice and what is lost."""
    bench.end("w1", settle(bench.claim_one("ended")))
    bench.claim_one("running")
    bench.submit(task("a"), task("lost", unique="k"))
    bench.client.rpush(bench.key("queue", "normal"), "ended", "a", "running", "unknown")
    bench.client.delete(bench.key("task", "lost"))
    return bench.turn_op("w1", 3)


def turn_drops_strays(bench: Bench) -> Operation[Any]:
    """Nothing but strays: the short way notices them when it has written already, and takes that back."""
    bench.end("w1", settle(bench.claim_one("ended")))
    bench.claim_one("running")
    bench.submit_ids("a")
    bench.client.rpush(bench.key("queue", "normal"), "ended", "a", "running")
    return bench.turn_op("w1", 5)


def turn_completes_the_first(bench: Bench) -> Operation[Any]:
    """What waits behind it starts in the same step, and is claimed in the same turn."""
    _line_up(bench, "a", "b", "c")
    bench.register("w1")
    claims = bench.claim("w1", 5)
    return bench.turn_op("w1", 5, [settle(claim) for claim in claims], [*lists_of("mail"), *LISTS])


def settle_the_first_fails(bench: Bench) -> Operation[Any]:
    """The next one is delayed."""
    _line_up(bench, "a")
    bench.submit(task("b", ordering="k", due=bench.at(60)))
    bench.register("w1")
    return bench.protocol.settle([settle(claim, "fail") for claim in bench.claim("w1", 5)])


def cancel_the_first(bench: Bench) -> Operation[Any]:
    _line_up(bench, "a", "b")
    return bench.protocol.cancel("a", "{}", TTL_MS)


def cancel_one_in_between(bench: Bench) -> Operation[Any]:
    _line_up(bench, "a", "b", "c")
    return bench.protocol.cancel("b", "{}", TTL_MS)


def purge_the_first(bench: Bench) -> Operation[Any]:
    _line_up(bench, "a", "b")
    return bench.protocol.purge("normal", 10)


def turn_loses_the_first(bench: Bench) -> Operation[Any]:
    _line_up(bench, "a", "b")
    bench.register("w1")
    bench.client.delete(bench.key("task", "a"))
    return bench.turn_op("w1", 5)


def evict_the_first_for_good(bench: Bench) -> Operation[Any]:
    bench.submit(task("poison", ordering="k"), task("b", "low", ordering="k"))
    for n in range(2):
        bench.register(f"dying{n}")
        bench.claim(f"dying{n}", 1)
        bench.evict(f"dying{n}", charge=True)
    bench.register("w1")
    bench.claim("w1", 1)
    return bench.protocol.evict("w1", True, 10, LIMITS)


def replay_in_order(bench: Bench) -> Operation[Any]:
    """One is the only one of its key, the other goes behind one that is new."""
    bench.submit(task("a", ordering="k"), task("b", ordering="k2"))
    bench.register("w1")
    bench.end("w1", *(settle(claim, "fail") for claim in bench.claim("w1", 5)))
    bench.submit(task("new", ordering="k2"))
    return bench.protocol.replay([("a", "normal"), ("b", "normal")])


def mend_a_sequence(bench: Bench) -> Operation[Any]:
    _line_up(bench, "a", "b")
    bench.client.zrem(bench.key("sequence", "k"), "b")
    return bench.protocol.mend("b", "normal", TTL_MS)


def mend_the_first_of_a_sequence(bench: Bench) -> Operation[Any]:
    _line_up(bench, "a", "b")
    bench.client.zadd(bench.key("sequence", "k"), {"nobody": -1})
    return bench.protocol.mend_place("sequence", "k", "", TIMES.lease_ms)


def _limited(bench: Bench, count: int, **options: Any) -> None:
    """Set a limit of the key k and submit tasks with it."""
    bench.run(bench.protocol.set_limit(Limit("k", **options)))
    bench.submit(*(task(f"l{n}", limits="k") for n in range(count)))
    bench.register("w1")


def submit_limited(bench: Bench) -> Operation[Any]:
    return bench.protocol.submit([task("a", limits="k m"), task("b", limits="k", ordering="o", unique="u")], 0)


def turn_meets_a_full_limit(bench: Bench) -> Operation[Any]:
    _limited(bench, 4, concurrency=2, rate="1/h", burst=3)
    return bench.turn_op("w1", 5)


def turn_meets_a_full_window(bench: Bench) -> Operation[Any]:
    _limited(bench, 3, rate="2/h", sliding=True)
    bench.claim("w1", 1)
    return bench.turn_op("w1", 5)


def turn_makes_room(bench: Bench) -> Operation[Any]:
    _limited(bench, 4, concurrency=2)
    return bench.turn_op("w1", 5, [settle(claim) for claim in bench.claim("w1", 5)])


def settle_makes_room(bench: Bench) -> Operation[Any]:
    _limited(bench, 5, concurrency=3)
    outcomes = ("fail", "retry", "release")
    return bench.protocol.settle([settle(c, o) for c, o in zip(bench.claim("w1", 5), outcomes, strict=True)])


def evict_gives_permits_back(bench: Bench) -> Operation[Any]:
    _limited(bench, 3, concurrency=1)
    bench.claim("w1", 5)
    return bench.protocol.evict("w1", True, 10, LIMITS)


def repair_gives_permits_back(bench: Bench) -> Operation[Any]:
    _limited(bench, 3, concurrency=1)
    bench.claim("w1", 5)
    bench.move_clock(20)
    return bench.protocol.repair("w1", "tok-w1", TIMES, [])


def promote_lets_in(bench: Bench) -> Operation[Any]:
    _limited(bench, 3, rate="2/m", burst=1)
    bench.claim("w1", 5)
    bench.move_clock(30)
    return bench.protocol.promote()


def cancel_a_blocked_one(bench: Bench) -> Operation[Any]:
    _limited(bench, 2, concurrency=1)
    bench.claim("w1", 5)
    return bench.protocol.cancel("l1", "{}", TTL_MS)


def set_limit(bench: Bench) -> Operation[Any]:
    _limited(bench, 2, concurrency=1)
    bench.claim("w1", 5)
    return bench.protocol.set_limit(Limit("k", concurrency=2))


def remove_limit(bench: Bench) -> Operation[Any]:
    bench.run(bench.protocol.set_limit(Limit("type:echo", concurrency=2)))
    return bench.protocol.remove_limit("type:echo")


def list_limits(bench: Bench) -> Operation[Any]:
    _limited(bench, 2, concurrency=1)
    bench.claim("w1", 5)
    return bench.protocol.list_limits()


def _late(bench: Bench) -> None:
    bench.submit(created(bench, "old", -90), created(bench, "late", -90, "low"))
    bench.register("w1")
    bench.claim("w1", 1, ["low"])
    bench.run(bench.protocol.set_sla("normal", 60_000, 0))
    bench.run(bench.protocol.set_sla("low", 0, 60_000))


def set_sla(bench: Bench) -> Operation[Any]:
    return bench.protocol.set_sla("normal", 5_000, 0)


def remove_sla(bench: Bench) -> Operation[Any]:
    _late(bench)
    bench.run(bench.protocol.watch(5_000))
    return bench.protocol.remove_sla("normal")


def check_sla(bench: Bench) -> Operation[Any]:
    _late(bench)
    return bench.protocol.check_sla()


def watch_a_breach(bench: Bench) -> Operation[Any]:
    _late(bench)
    return bench.protocol.watch(5_000)


def watch_its_end(bench: Bench) -> Operation[Any]:
    _late(bench)
    bench.run(bench.protocol.watch(5_000))
    bench.claim("w1", 1, ["normal"])
    bench.move_clock(70)
    return bench.protocol.watch(5_000)


def explain(bench: Bench) -> Operation[Any]:
    _limited(bench, 2, concurrency=1)
    bench.claim("w1", 5)
    return bench.protocol.explain("l1", "normal", TTL_MS, ["urgent", "high"])


def mend_permits(bench: Bench) -> Operation[Any]:
    _limited(bench, 2, concurrency=1)
    bench.claim("w1", 5)
    bench.client.delete(bench.key("permits", "k"))
    return bench.protocol.mend("l0", "normal", TTL_MS)


def mend_a_jam(bench: Bench) -> Operation[Any]:
    _limited(bench, 2, concurrency=1)
    bench.claim("w1", 5)
    bench.client.delete(bench.key("jams"))
    return bench.protocol.mend_place("blocked", "k", "", TIMES.lease_ms)


def settle_all(bench: Bench) -> Operation[Any]:
    return bench.protocol.settle(_six_attempts(bench))


def _settles_one(outcome: str) -> Scenario:
    """Settle one attempt alone: what other outcomes check is not checked for it."""

    def scenario(bench: Bench) -> Operation[Any]:
        return bench.turn_op("w1", 0, [settle(bench.claim_one("a"), outcome)])

    scenario.__name__ = f"turn_settles_one_{outcome}"
    return scenario


def register(bench: Bench) -> Operation[Any]:
    return bench.protocol.register("w1", "tok-w1", TIMES, UUID, {"host": "h"})


def beat(bench: Bench) -> Operation[Any]:
    bench.claim_one("a")
    bench.claim_one("b", "w2")
    bench.run(bench.protocol.cancel("b", "{}", TTL_MS))
    bench.end("w1", settle(bench.claim_one("c"), "fail"))
    bench.move_clock(20)
    return bench.protocol.beat(TIMES, [("w1", "tok-w1"), ("w2", "tok-w2")])


def beat_after_a_loss(bench: Bench) -> Operation[Any]:
    bench.claim_one("a")
    return bench.protocol.beat(TIMES, [("w1", "tok-w1")], Witness(UUID, bench.now_ms() + 5_000, frozenset()))


def _poison_in_its_last_run(bench: Bench) -> None:
    bench.submit(task("poison", unique="k"))
    for n in range(2):
        bench.register(f"dying{n}")
        bench.claim(f"dying{n}", 1)
        bench.evict(f"dying{n}", charge=True)
    bench.register("w1")
    bench.claim("w1", 1)
    bench.run(bench.protocol.await_result("poison", "me", WAIT_MS))


def reap(bench: Bench) -> Operation[Any]:
    _poison_in_its_last_run(bench)
    bench.claim_one("a", "w2")
    bench.register("w3")
    for _ in range(4):
        bench.move_clock(20)
        bench.run(bench.protocol.beat(TIMES, [("w3", "tok-w3")]))
    return bench.protocol.reap(TIMES, 100, LIMITS)


def evict_charged(bench: Bench) -> Operation[Any]:
    _poison_in_its_last_run(bench)
    return bench.protocol.evict("w1", True, 10, LIMITS)


def evict_charged_without_a_death(bench: Bench) -> Operation[Any]:
    bench.claim_one("a")
    return bench.protocol.evict("w1", True, 10, LIMITS)


def evict_uncharged(bench: Bench) -> Operation[Any]:
    bench.claim_one("a")
    bench.claim_one("b")
    return bench.protocol.evict("w1", False, 10, LIMITS)


def repair(bench: Bench) -> Operation[Any]:
    bench.claim_one("a")
    bench.claim_one("b")
    bench.move_clock(20)
    return bench.protocol.repair("w1", "tok-w1", TIMES, ["b"])


def promote(bench: Bench) -> Operation[Any]:
    bench.submit(task("a", due=bench.at(60)))
    bench.end("w1", settle(bench.claim_one("b"), "retry", number=60_000))
    bench.move_clock(70)
    return bench.protocol.promote()


def sweep(bench: Bench) -> Operation[Any]:
    _ended_and_expired(bench)
    return bench.protocol.sweep()


def cancel_pending(bench: Bench) -> Operation[Any]:
    bench.submit(task("a", unique="k"))
    bench.run(bench.protocol.await_result("a", "me", WAIT_MS))
    return bench.protocol.cancel("a", "{}", TTL_MS)


def cancel_scheduled(bench: Bench) -> Operation[Any]:
    bench.submit(task("a", due=bench.at(60)))
    return bench.protocol.cancel("a", "{}", TTL_MS)


def cancel_running(bench: Bench) -> Operation[Any]:
    bench.claim_one("a")
    return bench.protocol.cancel("a", "{}", TTL_MS)


def replay(bench: Bench) -> Operation[Any]:
    bench.submit(task("a", unique="k"), task("b"))
    bench.register("w1")
    (claim,) = bench.claim("w1", 1)
    bench.end("w1", settle(claim, "fail"))
    bench.run(bench.protocol.cancel("b", "{}", TTL_MS))
    return bench.protocol.replay([("a", "normal"), ("b", "normal")])


def discard(bench: Bench) -> Operation[Any]:
    for outcome in ("complete", "fail", "cancel"):
        bench.end("w1", settle(bench.claim_one(outcome), outcome))
    return bench.protocol.discard(["complete", "fail", "cancel"])


def purge(bench: Bench) -> Operation[Any]:
    bench.submit(task("a", unique="k"), task("b"))
    bench.run(bench.protocol.cancel("b", "{}", TTL_MS))
    return bench.protocol.purge("normal", 10)


def pause(bench: Bench) -> Operation[Any]:
    return bench.protocol.pause(True, LISTS)


def resume(bench: Bench) -> Operation[Any]:
    bench.submit_ids("a")
    bench.run(bench.protocol.pause(True, LISTS))
    return bench.protocol.pause(False, LISTS)


def await_result(bench: Bench) -> Operation[Any]:
    bench.submit_ids("a")
    return bench.protocol.await_result("a", "me", WAIT_MS)


def add_schedule(bench: Bench) -> Operation[Any]:
    bench.run(bench.protocol.add_schedule("s", "old"))
    bench.run(bench.protocol.fire("s", "old", 1000, task("a")))
    return bench.protocol.add_schedule("s", "new")


def remove_schedule(bench: Bench) -> Operation[Any]:
    bench.run(bench.protocol.add_schedule("s", "old"))
    bench.run(bench.protocol.fire("s", "old", 1000, task("a")))
    return bench.protocol.remove_schedule("s")


def list_schedules(bench: Bench) -> Operation[Any]:
    bench.run(bench.protocol.add_schedule("s", "old"))
    return bench.protocol.list_schedules()


def fire(bench: Bench) -> Operation[Any]:
    bench.run(bench.protocol.add_schedule("s", "old"))
    return bench.protocol.fire("s", "old", 1000, task("a", queue="mail"))


def progress(bench: Bench) -> Operation[Any]:
    return bench.protocol.progress("a", bench.claim_one("a").fence, "1")


def checkpoint(bench: Bench) -> Operation[Any]:
    return bench.protocol.checkpoint("a", bench.claim_one("a").fence, "1", WAIT_MS)


def delete_checkpoint(bench: Bench) -> Operation[Any]:
    bench.run(checkpoint(bench))
    return bench.protocol.checkpoint("a", "", "", 0)


def recall(bench: Bench) -> Operation[Any]:
    bench.run(checkpoint(bench))
    return bench.protocol.recall("a")


def exchange_of_a_session(bench: Bench) -> Operation[Any]:
    claim = bench.claim_one("a")
    exchange = Exchange("talk", "a", claim.fence, "1")
    bench.run(sessions.keep(bench.protocol, exchange._replace(text="0"), 2, WAIT_MS))
    return sessions.keep(bench.protocol, exchange, 2, WAIT_MS)


def forget(bench: Bench) -> Operation[Any]:
    bench.run(exchange_of_a_session(bench))
    return sessions.forget(bench.protocol, "talk")


def exchanges(bench: Bench) -> Operation[Any]:
    bench.run(exchange_of_a_session(bench))
    return sessions.exchanges(bench.protocol, "talk", 2)


def _fan_out(bench: Bench, *ids: str, policy: str = "fail_fast") -> Any:
    """Let task ``p`` make children and wait for them; return the operation that makes them."""
    claim = bench.claim_one("p")
    children = [Child(i, f"body of {i}", "mail:high" if i == "m" else "low") for i in ids]
    return bench.protocol.fanout(FamilyPlan("p/1", len(ids), policy, 0, "p", claim.fence), 0, children, 0)


def _waiting_for(bench: Bench, *ids: str) -> None:
    operation = _fan_out(bench, *ids)
    bench.run(operation)
    bench.end("w1", Settlement("p", operation.args[2], "wait", "p/1", 0))


def fanout(bench: Bench) -> Operation[Any]:
    return _fan_out(bench, "a", "b", "m")


def fanout_by_hand(bench: Bench) -> Operation[Any]:
    children = [Child(i, f"body of {i}", "low") for i in ("a", "b")]
    return bench.protocol.fanout(FamilyPlan("f", 4, "wait_all", ttl_ms=TTL_MS, data="1"), 0, children, 0)


def gather(bench: Bench) -> Operation[Any]:
    bench.run(fanout(bench))
    return bench.protocol.gather("p/1", 0, 10)


def report(bench: Bench) -> Operation[Any]:
    _waiting_for(bench, "a")
    return bench.protocol.report("p/1", "a", "{}", "call")


def settle_wait(bench: Bench) -> Operation[Any]:
    operation = _fan_out(bench, "a", "b")
    bench.run(operation)
    return bench.protocol.settle([Settlement("p", operation.args[2], "wait", "p/1", 0)])


def turn_of_the_last_child(bench: Bench) -> Operation[Any]:
    """Its end puts the parent at the head of the list from which the turn claims."""
    _waiting_for(bench, "a", "b")
    first, last = bench.claim("w1", 2)
    bench.end("w1", settle(first))
    bench.submit_ids("other")
    return bench.turn_op("w1", 1, [settle(last)])


def turn_of_the_parent(bench: Bench) -> Operation[Any]:
    """A parent that completes takes what it has gathered along."""
    _waiting_for(bench, "a")
    bench.end("w1", settle(bench.claim("w1", 1)[0]))
    return bench.turn_op("w1", 0, [settle(bench.claim("w1", 1)[0])])


def settle_a_child_that_fails(bench: Bench) -> Operation[Any]:
    _waiting_for(bench, "a", "b")
    return bench.protocol.settle([settle(bench.claim("w1", 1)[0], "fail")])


def cancel_waiting(bench: Bench) -> Operation[Any]:
    _waiting_for(bench, "a", "b")
    return bench.protocol.cancel("p", "{}", TTL_MS)


def purge_children(bench: Bench) -> Operation[Any]:
    _waiting_for(bench, "a", "b")
    return bench.protocol.purge("low", 10)


def turn_loses_a_child(bench: Bench) -> Operation[Any]:
    _waiting_for(bench, "a", "b")
    bench.audited = False
    bench.client.delete(bench.key("task", "a"))
    return bench.turn_op("w1", 1)


def replay_a_parent(bench: Bench) -> Operation[Any]:
    _waiting_for(bench, "a")
    bench.end("w1", settle(bench.claim("w1", 1)[0], "fail"))
    bench.end("w1", settle(bench.claim("w1", 1)[0], "fail"))
    return bench.protocol.replay([("p", "normal"), ("a", "low")])


def commit(bench: Bench) -> Operation[Any]:
    """Children and a checkpoint; the task, a saga that turns round, goes on."""
    claim = bench.claim_one("p")
    bench.run(bench.protocol.signal("p", "@abort", "null", 9))
    children = [Child("a", "A", "low"), Child("m", "M", "mail:high")]
    return bench.protocol.commit(CommitPlan("p", claim.fence, "n", "1", None, "compensating two"), children, 0)


def commit_completes(bench: Bench) -> Operation[Any]:
    """A child of another task, that has noted something, completes and leaves a task behind."""
    _waiting_for(bench, "a")
    (claim,) = bench.claim("w1", 1)
    bench.run(bench.protocol.checkpoint("a", claim.fence, "1", -1))
    bench.run(bench.protocol.signal("a", "go", "1", 9))
    plan = CommitPlan("a", claim.fence, "n", "", ("result of a", TTL_MS), "running two")
    return bench.protocol.commit(plan, [Child("b", "B", "low")], 0)


def _waiting_for_a_signal(bench: Bench, timeout_ms: int = 0) -> None:
    bench.end("w1", settle(bench.claim_one("p"), "wait", "1 go", timeout_ms))


def signal(bench: Bench) -> Operation[Any]:
    _waiting_for_a_signal(bench, 60_000)
    return bench.protocol.signal("p", "go", "1", 9)


def signal_before(bench: Bench) -> Operation[Any]:
    bench.submit_ids("p")
    return bench.protocol.signal("p", "go", "1", 9)


def signal_running(bench: Bench) -> Operation[Any]:
    bench.claim_one("p")
    return bench.protocol.signal("p", "go", "1", 9)


def hear(bench: Bench) -> Operation[Any]:
    bench.run(signal(bench))
    return bench.protocol.hear("p", "go")


def settle_wait_for_a_signal(bench: Bench) -> Operation[Any]:
    return bench.protocol.settle([settle(bench.claim_one("p"), "wait", "1 go", 60_000)])


def settle_wait_for_what_was_said(bench: Bench) -> Operation[Any]:
    claim = bench.claim_one("p")
    bench.run(bench.protocol.signal("p", "go", "1", 9))
    return bench.protocol.settle([settle(claim, "wait", "1 go", 60_000)])


def promote_a_wait(bench: Bench) -> Operation[Any]:
    _waiting_for_a_signal(bench, 60_000)
    bench.move_clock(70)
    return bench.protocol.promote()


def cancel_a_saga(bench: Bench) -> Operation[Any]:
    """It keeps what it has noted and was told as long as the task."""
    claim = bench.claim_one("p")
    bench.run(bench.protocol.commit(CommitPlan("p", claim.fence, "n", "1", None, "running one"), (), 0))
    bench.run(bench.protocol.signal("p", "go", "1", 9))
    return bench.protocol.settle([settle(claim, "cancel")])


def replay_a_saga(bench: Bench) -> Operation[Any]:
    bench.run(cancel_a_saga(bench))
    return bench.protocol.replay([("p", "normal")])


def discard_a_saga(bench: Bench) -> Operation[Any]:
    bench.run(cancel_a_saga(bench))
    return bench.protocol.discard(["p"])


def sweep_a_saga(bench: Bench) -> Operation[Any]:
    bench.run(cancel_a_saga(bench))
    bench.expire("p")
    bench.client.delete(bench.key("signals", "p"))
    for _ in range(6):
        bench.move_clock(20)
        bench.run(bench.protocol.beat(TIMES, [("w1", "tok-w1")]))
    return bench.protocol.sweep()


def purge_a_saga(bench: Bench) -> Operation[Any]:
    claim = bench.claim_one("p")
    bench.run(bench.protocol.commit(CommitPlan("p", claim.fence, "n", "1", None, "running one"), (), 0))
    bench.end("w1", settle(claim, "release", "", 0))
    return bench.protocol.purge("normal", 10)


def ids_of_sagas(bench: Bench) -> Operation[Any]:
    bench.run(commit(bench))
    return bench.protocol.ids("sagas", "0", 10)


def checkpoint_as_long_as_the_task(bench: Bench) -> Operation[Any]:
    bench.submit_ids("a")
    return bench.protocol.checkpoint("a", "", "1", -1)


def replay_a_tree(bench: Bench) -> Operation[Any]:
    """The child first; the family of the parent, which has failed with it, is open again."""
    _waiting_for(bench, "a", "b")
    bench.end("w1", settle(bench.claim("w1", 1)[0], "fail"))
    bench.end("w1", settle(bench.claim("w1", 1, ["normal"])[0], "fail"))
    return bench.protocol.replay([("a", "low"), ("p", "normal")], reopen=True)


def graph(bench: Bench) -> Operation[Any]:
    """Some wait for what is new, pending, running, completed and failed."""
    bench.submit(task("failed"), task("done"), task("running"), task("waiting", "low", unique="k"))
    bench.register("w1")
    failed, done, _ = bench.claim("w1", 3)
    bench.end("w1", settle(failed, "fail"), settle(done))
    return bench.protocol.graph(
        [
            Node("a", "A", "low", "fail_fast", ()),
            Node("b", "B", "mail:high", "fail_fast", ("a", "running", "done")),
            Node("c", "C", "low", "wait_all", ("b", "waiting")),
            Node("d", "D", "low", "wait_all", ("failed", "done")),
        ],
        0,
    )


def _something_of_everything(bench: Bench) -> None:
    bench.end("w1", settle(bench.claim_one("f"), "fail"))
    bench.end("w1", settle(bench.claim_one("c")))
    bench.claim_one("r")
    bench.submit(task("p"), task("d", due=bench.at(60)), task("m", queue="mail"))
    bench.run(bench.protocol.pause(True, ["low"]))


def takeover_of_idle(bench: Bench) -> Operation[Any]:
    """One of each that it can meet: a new task, one with a history, one that was settled, one that is to stop."""
    bench.register("w2")
    bench.end("w2", settle(bench.claim_one("mine", "w2"), "release"))
    bench.claim("w2", 1)
    bench.end("w1", settle(bench.claim_one("b"), "retry", number=0))
    bench.submit_ids("a", "gone", "asked")
    claims = bench.claim("w1", 4)
    bench.run(bench.protocol.cancel("asked", "{}", TTL_MS))
    bench.end("w1", settle(next(claim for claim in claims if claim.task_id == "gone")))
    bench.move_clock(20)
    return bench.takeover_op("w2", 10_000, claims)


def takeover_of_nothing(bench: Bench) -> Operation[Any]:
    bench.register("w2")
    return bench.takeover_op("w2", 10_000, [bench.claim_one("a")])


def lengths_of_lists(bench: Bench) -> Operation[Any]:
    _something_of_everything(bench)
    return lengths(bench.protocol, lists_of("mail"))


def inspect(bench: Bench) -> Operation[Any]:
    _something_of_everything(bench)
    return bench.protocol.inspect(["p", "d", "f", "c", "r"])


def result(bench: Bench) -> Operation[Any]:
    _something_of_everything(bench)
    return bench.protocol.result("c")


def stats(bench: Bench) -> Operation[Any]:
    _something_of_everything(bench)
    return bench.protocol.stats()


def ids(bench: Bench) -> Operation[Any]:
    _something_of_everything(bench)
    return bench.protocol.ids("pending", "0", 10)


def ids_of_the_dead(bench: Bench) -> Operation[Any]:
    _something_of_everything(bench)
    return bench.protocol.ids("dead", "0", 10)


def cards(bench: Bench) -> Operation[Any]:
    _something_of_everything(bench)
    return bench.protocol.cards()


def snapshot(bench: Bench) -> Operation[Any]:
    _something_of_everything(bench)
    return bench.protocol.snapshot()


def check(bench: Bench) -> Operation[Any]:
    _something_of_everything(bench)
    return bench.protocol.check("ids", ids=["p", "d", "f", "c", "r", "nobody"])


def check_list(bench: Bench) -> Operation[Any]:
    _something_of_everything(bench)
    return bench.protocol.members("list", "normal")


def survey(bench: Bench) -> Operation[Any]:
    _something_of_everything(bench)
    return bench.protocol.survey("0")


def indexes(bench: Bench) -> Operation[Any]:
    _something_of_everything(bench)
    return bench.protocol.indexes(TIMES, "workers", ["w1", "w2"])


def mend_running(bench: Bench) -> Operation[Any]:
    bench.claim_one("a")
    bench.submit(task("b", unique="k"))
    bench.client.lrem(bench.key("processing", "w1"), 1, "a")
    return bench.protocol.mend("a", "normal", TTL_MS, ["w2"])


def mend_lost(bench: Bench) -> Operation[Any]:
    bench.submit(task("a", due=bench.at(60), unique="k"))
    bench.client.delete(bench.key("task", "a"))
    return bench.protocol.mend("a", "normal", TTL_MS)


def mend_ended(bench: Bench) -> Operation[Any]:
    bench.end("w1", settle(bench.claim_one("a"), "fail"))
    bench.client.zrem(bench.key("dead"), "a")
    bench.client.persist(bench.key("task", "a"))
    bench.client.delete(bench.key("result", "a"))
    return bench.protocol.mend("a", "normal", TTL_MS)


def mend_place(bench: Bench) -> Operation[Any]:
    bench.submit_ids("a", "b")
    bench.client.lrem(bench.key("queue", "normal"), 1, "b")
    return bench.protocol.mend_place("push", "b", "normal", TIMES.lease_ms)


def mend_worker(bench: Bench) -> Operation[Any]:
    bench.register("w1")
    bench.client.srem(bench.key("workers"), "w1")
    return bench.protocol.mend_place("workers", "w1", "", TIMES.lease_ms)


def mend_expiry(bench: Bench) -> Operation[Any]:
    bench.submit_ids("a")
    bench.client.pexpire(bench.key("queue", "normal"), 60_000)
    return bench.protocol.mend_expiry("queue", "normal", 60_000)


def notice(bench: Bench) -> Operation[Any]:
    bench.submit_ids("a")
    return bench.protocol.notice("nonce", 2)


def rows(bench: Bench) -> Operation[Any]:
    bench.claim_one("a")
    bench.submit(task("b"), task("c", due="+60000"))
    return bench.protocol.rows(["a", "b", "c", "unknown"])


def ids_of_a_list(bench: Bench) -> Operation[Any]:
    bench.submit_ids("a", "b")
    return bench.protocol.ids("list normal", "0", 1)


def ids_of_what_is_due(bench: Bench) -> Operation[Any]:
    bench.submit(task("a", due="+60000"))
    return bench.protocol.ids("due", "0", 1)


def ids_of_what_has_ended(bench: Bench) -> Operation[Any]:
    bench.end("w1", settle(bench.claim_one("a")))
    return bench.protocol.ids(f"ended {TTL_MS}", "0", 1)


def remember(bench: Bench) -> Operation[Any]:
    bench.end("w1", settle(bench.claim_one("dead"), "fail"))
    bench.run(bench.protocol.remember())
    bench.move_clock(60)
    bench.submit(task("a"), task("b", "low", queue="mail"))
    return bench.protocol.remember()


def history(bench: Bench) -> Operation[Any]:
    bench.run(bench.protocol.remember())
    return bench.protocol.history(10)


SCENARIOS: tuple[Scenario, ...] = (
    beat_after_a_loss,
    submit,
    submit_delayed_and_unique,
    submit_in_order,
    submit_limited,
    submit_an_id_that_has_expired,
    turn_claims,
    turn_claims_one,
    turn_settles,
    turn_of_new_tasks,
    turn_of_completions,
    turn_promotes,
    turn_retries_at_once,
    turn_drops,
    turn_drops_strays,
    turn_completes_the_first,
    turn_meets_a_full_limit,
    turn_meets_a_full_window,
    turn_makes_room,
    settle_makes_room,
    evict_gives_permits_back,
    repair_gives_permits_back,
    promote_lets_in,
    cancel_a_blocked_one,
    set_limit,
    remove_limit,
    list_limits,
    set_sla,
    remove_sla,
    check_sla,
    watch_a_breach,
    watch_its_end,
    explain,
    turn_loses_the_first,
    settle_the_first_fails,
    settle_all,
    *(_settles_one(outcome) for outcome in ("complete", "fail", "cancel", "retry", "snooze", "release")),
    register,
    beat,
    reap,
    evict_charged,
    evict_charged_without_a_death,
    evict_uncharged,
    repair,
    promote,
    sweep,
    cancel_pending,
    cancel_scheduled,
    cancel_running,
    cancel_the_first,
    cancel_one_in_between,
    purge_the_first,
    evict_the_first_for_good,
    replay_in_order,
    replay,
    discard,
    purge,
    pause,
    resume,
    await_result,
    add_schedule,
    remove_schedule,
    list_schedules,
    fire,
    progress,
    checkpoint,
    delete_checkpoint,
    recall,
    exchange_of_a_session,
    forget,
    exchanges,
    fanout,
    fanout_by_hand,
    gather,
    commit,
    commit_completes,
    signal,
    signal_before,
    signal_running,
    hear,
    settle_wait_for_a_signal,
    settle_wait_for_what_was_said,
    promote_a_wait,
    cancel_a_saga,
    replay_a_saga,
    discard_a_saga,
    sweep_a_saga,
    purge_a_saga,
    ids_of_sagas,
    checkpoint_as_long_as_the_task,
    graph,
    report,
    settle_wait,
    turn_of_the_last_child,
    turn_of_the_parent,
    settle_a_child_that_fails,
    cancel_waiting,
    purge_children,
    turn_loses_a_child,
    replay_a_parent,
    replay_a_tree,
    takeover_of_idle,
    takeover_of_nothing,
    lengths_of_lists,
    inspect,
    result,
    stats,
    rows,
    ids_of_a_list,
    ids_of_what_is_due,
    ids_of_what_has_ended,
    ids,
    ids_of_the_dead,
    cards,
    snapshot,
    check,
    check_list,
    survey,
    indexes,
    mend_running,
    mend_lost,
    mend_ended,
    mend_place,
    mend_worker,
    mend_a_sequence,
    mend_permits,
    mend_a_jam,
    mend_the_first_of_a_sequence,
    mend_expiry,
    notice,
    remember,
    history,
)
