"""Who is let through, who is held back, and what the gates say: for the tests of pauses and circuits."""

from __future__ import annotations

from taskq.protocol.replies import Claim
from tests.state import TTL_MS, Bench, settle, task


def claim(bench: Bench, want: int = 10, worker: str = "w1") -> list[str]:
    return [claimed.task_id for claimed in bench.claim(worker, want)]


def blocked(bench: Bench, key: str) -> list[str]:
    found: list[str] = bench.client.zrange(bench.key("blocked", key), 0, -1)
    return found


def gate(bench: Bench, key: str) -> str:
    return (bench.client.hget(bench.key("gates"), key) or "").split(" ")[0]


def counters(bench: Bench, name: str) -> int:
    return int(bench.client.hget(bench.key("counters"), name) or 0)


def fail(bench: Bench, number: int, outcome: str = "retry", key: str = "k") -> list[Claim]:
    """Let some tasks fail, one after the other."""
    failed = []
    for n in range(number):
        bench.submit(task(f"bad{n}-{counters(bench, 'submitted')}", limits=key))
        (one,) = bench.claim("w1", 1)
        bench.end("w1", settle(one, outcome, number=TTL_MS))
        failed.append(one)
    return failed
