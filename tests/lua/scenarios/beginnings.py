"""What several scenarios begin with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from taskq.protocol.operation import Operation
from taskq.protocol.replies import Settlement
from taskq.protocol.workflow import Child, FamilyPlan
from tests.state import TIMES, Bench, settle, task

Scenario = Callable[[Bench], Operation[Any]]
WAIT_MS = 30_000


def ended_and_expired(bench: Bench) -> None:
    """Leave three ended tasks to be swept; the worker is w0."""
    for n, outcome in enumerate(("complete", "fail", "cancel")):
        bench.end("w0", settle(bench.claim_one(f"old{n}", "w0"), outcome))
    bench.expire("old0", "old1", "old2")
    bench.move_clock(25)
    for _ in range(4):
        bench.run(bench.protocol.beat(TIMES, [("w0", "tok-w0")]))
        bench.move_clock(25)


def fan_out(bench: Bench, *ids: str, policy: str = "fail_fast") -> Any:
    """Let task ``p`` make children and wait for them; return the operation that makes them."""
    claim = bench.claim_one("p")
    children = [Child(i, f"body of {i}", "mail:high" if i == "m" else "low") for i in ids]
    return bench.protocol.fanout(FamilyPlan("p/1", len(ids), policy, 0, "p", claim.fence), 0, children, 0)


def waiting_for(bench: Bench, *ids: str) -> None:
    operation = fan_out(bench, *ids)
    bench.run(operation)
    bench.end("w1", Settlement("p", operation.args[2], "wait", "p/1", 0))


def something_of_everything(bench: Bench) -> None:
    bench.end("w1", settle(bench.claim_one("f"), "fail"))
    bench.end("w1", settle(bench.claim_one("c")))
    bench.claim_one("r")
    bench.submit(task("p"), task("d", due=bench.at(60)), task("m", queue="mail"))
    bench.run(bench.protocol.pause(True, ["low"]))
