"""A namespace with something of everything, and how fsck and the audit of the tests see it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import redis

from taskq.model.bound import QueueLimit
from taskq.model.circuit import Circuit
from taskq.model.limit import Limit
from taskq.protocol.audit import audit
from taskq.protocol.workflow import Child, CommitPlan, FamilyPlan
from taskq.settings import Settings
from taskq.transport.findings import Report
from taskq.transport.fsck import Fsck
from tests.state import LEASE_MS, TTL_MS, Bench, settle, task


@contextmanager
def busy_namespace(redis_url: str, prefix: str, redis_client: redis.Redis) -> Iterator[Bench]:
    """A namespace with something of everything: two workers, and tasks of each status."""
    with closing(Bench(redis_url, prefix, redis_client)) as bench:
        bench.all_hints_kept = False
        bench.run(bench.protocol.set_bound("mail", QueueLimit("mail", max_bytes=1_000).text(TTL_MS)))
        bench.register("w1", "w2")
        # before there are circuits, so that it holds its key alone
        assert bench.run(bench.protocol.set_limit(Limit("lone", concurrency=2)))
        bench.submit(task("lone", limits="lone:1"))
        assert [claim.task_id for claim in bench.claim("w2", 2)] == ["lone"]
        for outcome in ("complete", "fail", "cancel", "retry", "snooze"):
            bench.submit(task(outcome, unique="key" if outcome == "retry" else ""))
            (claim,) = bench.claim("w1", 1)
            bench.end("w1", settle(claim, outcome, number=TTL_MS))
        bench.submit(task("run1"), task("run2", unique="key2"))
        bench.submit_ids("wait")
        run1, _, wait = bench.claim("w1", 3)
        bench.end("w1", settle(wait, "wait", "1 go", 90_000))
        bench.run(bench.protocol.signal("run2", "go", "1", 9))
        plan = CommitPlan("run1", run1.fence, "n", "1", None, "running one")
        bench.run(bench.protocol.commit(plan, (), 0))
        bench.submit_ids("run3")
        bench.claim("w1", 1)
        assert bench.run(bench.protocol.set_limit(Limit("few", concurrency=1)))
        assert bench.run(bench.protocol.set_circuit(Circuit("ring", 1, 60, 60)))
        assert bench.run(bench.protocol.set_circuit(Circuit("part", 1, 60, 60, share=0.5)))
        assert bench.run(bench.protocol.open_circuit("ring:b", 0))
        assert bench.run(bench.protocol.gate(True, "type:paused"))
        bench.submit(*(task(f"l{n}", limits="few", ordering="q" if n == 2 else "") for n in range(3)))
        assert [claim.task_id for claim in bench.claim("w2", 2)] == ["l0"]
        bench.submit_ids("ask")
        (ask,) = bench.claim("w1", 1)
        family = FamilyPlan("ask/1", 1, "wait_all", 0, "ask", ask.fence)
        bench.run(bench.protocol.fanout(family, 0, [Child("child", "C", "low")], 0))
        bench.end("w1", settle(ask, "wait", "ask/1", 0))
        bench.submit(task("later", due="+60000"))
        bench.submit_ids("a", "b", "t", "c")
        head = '{"id":"m","type":"custom","created_at":"","priority":"low","queue":"mail","checksum":"x","payload":1}'
        bench.submit(task("m", "low", queue="mail", body=head))
        bench.submit(*(task(f"o{n}", "low", ordering="k") for n in range(3)), task("o3", ordering="k", due="+60000"))
        bench.run(bench.protocol.cancel("t", "{}", TTL_MS))
        bench.submit(*(task(f"g{n}", "low", group="g") for n in range(3)))
        bench.submit(task("next", unique="key2")._replace(rules="queue_one 0 0 0 60000"))
        yield bench


def run(bench: Bench, *, repair: bool = False) -> Report:
    settings = Settings(lease_seconds=LEASE_MS / 1000, heartbeat_interval_seconds=10.0)
    return Fsck(bench.transport.run, bench.protocol, settings, repair=repair, pause_seconds=0.0).check()


def found(report: Report) -> set[tuple[str, str]]:
    return {(violation.invariant, violation.subject) for violation in report.violations}


def findings(bench: Bench) -> list[str]:
    return audit(bench.transport.run(bench.protocol.snapshot()), LEASE_MS)


def ids_of(bench: Bench) -> set[str]:
    """Return every id that is known, and check that those that wait can be claimed."""
    statuses = ("pending", "running", "scheduled", "retry", "waiting", "completed", "failed", "cancelled")
    return {i for status in statuses for i in bench.client.smembers(bench.key("status", status))}


def kept(bench: Bench) -> dict[str, object]:
    """Return what a check must not change: the state, and when keys expire, whenever that is looked at."""
    state = {key: content for key, content in bench.state().items() if not key.endswith(" ttl")}
    ends = {f"{key} ends": bench.client.pexpiretime(bench.protocol.keys.root + key) for key in bench.entries()}
    return {**state, **{key: end for key, end in ends.items() if end >= 0}}
