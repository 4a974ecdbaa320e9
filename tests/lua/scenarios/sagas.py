"""What a task keeps between its attempts: checkpoints, commits, signals and sessions."""

from __future__ import annotations

from typing import Any

from taskq.protocol import sessions
from taskq.protocol.operation import Operation
from taskq.protocol.sessions import Exchange
from taskq.protocol.workflow import Child, CommitPlan
from tests.lua.scenarios.beginnings import WAIT_MS, Scenario, waiting_for
from tests.state import TIMES, TTL_MS, Bench, settle


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


def commit(bench: Bench) -> Operation[Any]:
    """Children and a checkpoint; the task, a saga that turns round, goes on."""
    claim = bench.claim_one("p")
    bench.run(bench.protocol.signal("p", "@abort", "null", 9))
    children = [Child("a", "A", "low"), Child("m", "M", "mail:high")]
    return bench.protocol.commit(CommitPlan("p", claim.fence, "n", "1", None, "compensating two"), children, 0)


def commit_completes(bench: Bench) -> Operation[Any]:
    """A child of another task, that has noted something, completes and leaves a task behind."""
    waiting_for(bench, "a")
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


SCENARIOS: tuple[Scenario, ...] = (
    checkpoint,
    delete_checkpoint,
    recall,
    exchange_of_a_session,
    forget,
    exchanges,
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
)
