"""``python -m bench.check``: a short run beside the figures of the last release; fails if one is clearly worse.

Every speed is a ratio to a bare baseline that was taken in turns with it, so that another machine, or a busy one, moves
both; of either the best reading counts. Not a part of the continuous integration: a shared runner is too noisy to fail
a change for it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence

import redis

from bench import measures
from bench.check.verdict import Guarded, compare, failed, table
from bench.compare.environments import ROOT
from bench.compare.run import describe
from bench.scale.axes import Place, measured
from bench.scale.hands import Bare, Hands, new_queue
from bench.server import go_first, running
from taskq import AsyncTaskQueue

REFERENCE = ROOT / "bench" / "results" / "check.json"
TOGETHER = 100
FIGURES = (
    Guarded("submit", "submit one by one / bare EVALSHA", True, 0.40),
    Guarded("submit_cpu", "its processor time in the client / bare EVALSHA", False, 0.20),
    Guarded("together", "100 submits at once on an event loop / bare EVALSHA", True, 0.40),
    Guarded("together_cpu", "their processor time in the client / bare EVALSHA", False, 0.25),
    Guarded("batch", "batches of 100 / bare pipeline of SETs", True, 0.40),
    Guarded("drain", "drain, 32 slots / bare EVALSHA", True, 0.40),
    Guarded("drain_cpu", "processor time of its batches and its worker / bare EVALSHA", False, 0.25),
    Guarded("submit_server", "server's processor time per submit / bare", False, 0.15),
    Guarded("run_server", "server's processor time per run / bare", False, 0.20),
    Guarded("pending_bytes", "bytes per pending task", False, 0.03),
    Guarded("completed_bytes", "bytes per completed task", False, 0.05),
)
Reading = tuple[float, float]
Pair = tuple[float, float]


def timed(count: int, action: Callable[[], object]) -> Reading:
    """Return how many tasks a second an action does, and microseconds of this process for each."""
    spent, begun = time.process_time(), time.perf_counter()
    action()
    return count / (time.perf_counter() - begun), (time.process_time() - spent) * 1e6 / count


def at_once(url: str, count: int) -> Reading:
    """Submit 100 at once, again and again."""

    async def story() -> Reading:
        async with AsyncTaskQueue(settings=measures.new_queue(url).settings) as queue:
            await queue.submit_task(measures.task())
            spent, begun = time.process_time(), time.perf_counter()
            for _ in range(count // TOGETHER):
                await asyncio.gather(*(queue.submit_task(measures.task()) for _ in range(TOGETHER)))
            return count / (time.perf_counter() - begun), (time.process_time() - spent) * 1e6 / count

    return asyncio.run(story())


def one_round(url: str, admin: redis.Redis, count: int) -> dict[str, Pair]:
    """Return a reading of each figure, and one of the bare baseline that it is compared with."""
    admin.flushall()
    bare_rate, bare_cpu = timed(count, lambda: measures.bare_evalsha(admin, count))
    submit_rate, submit_cpu = timed(count, lambda: measures.submit_one_by_one(url, count))
    together_rate, together_cpu = at_once(url, count * 4)
    spent = time.process_time()
    drain = measures.drain(url, 32, count * 2)
    drain_cpu = (time.process_time() - spent) * 1e6 / (count * 2)
    queue, bare = new_queue(url), Bare(admin)
    place = Place(url, admin, count, lambda text: None)
    submitted, run = measured(place, queue, Hands(queue), count, measures.PAYLOAD)
    meter = place.meter
    bare_submitted = meter.cost(count, lambda: bare.fill(count, 1))
    bare_run = meter.cost(count, lambda: bare.work(count))
    queue.close()
    return {
        "submit": (submit_rate, bare_rate),
        "submit_cpu": (submit_cpu, bare_cpu),
        "together": (together_rate, bare_rate),
        "together_cpu": (together_cpu, bare_cpu),
        "batch": (measures.submit_batches(url, count * 5), measures.bare_pipeline(admin, count * 5)),
        "drain": (drain, bare_rate),
        "drain_cpu": (drain_cpu, bare_cpu),
        "submit_server": (submitted.us, bare_submitted.us),
        "run_server": (run.us, bare_run.us),
    }


def best(figure: Guarded, readings: Sequence[Pair]) -> float:
    """Return the ratio of the best readings: other programs can make a reading worse, and never better."""
    pick = max if figure.more_is_better else min
    return pick(ours for ours, _ in readings) / pick(bare for _, bare in readings)


def measure(url: str, admin: redis.Redis, count: int, rounds: int) -> dict[str, float]:
    """Return all ratios, and the bytes of a task."""
    one_round(url, admin, max(200, count // 10))  # imports, connections, scripts
    taken = [one_round(url, admin, count) for _ in range(rounds)]
    found = {
        figure.name: best(figure, [one[figure.name] for one in taken]) for figure in FIGURES if figure.name in taken[0]
    }
    admin.flushall()
    pending, completed = measures.bytes_per_task(url, admin, count * 10)
    return {**found, "pending_bytes": pending, "completed_bytes": completed}


def main(arguments: list[str]) -> int:
    """Measure and compare; return 1 if a figure is worse than its band allows."""
    parser = argparse.ArgumentParser(prog="python -m bench.check", description=__doc__)
    parser.add_argument("--tasks", type=int, default=3_000, help="tasks of a reading (default 3,000)")
    parser.add_argument("--rounds", type=int, default=5, help="readings of each figure (default 5)")
    parser.add_argument("--server", help="path of the server program; else the one the package would start")
    parser.add_argument("--record", action="store_true", help="keep this run as the figures of the release")
    flags = parser.parse_args(arguments)
    go_first(0)  # and all that it starts
    with running(flags.server) as (url, admin):
        about = describe(admin, flags.tasks) | {"rounds": flags.rounds}
        now = measure(url, admin, flags.tasks, flags.rounds)
    reference = json.loads(REFERENCE.read_text()) if REFERENCE.exists() else {"about": None, "figures": {}}
    findings = compare(FIGURES, reference["figures"], now)
    said = reference["about"]
    print(f"release: {said['date']}, commit {said['commit']}, {said['server']}" if said else "no release is recorded")
    print(f"now: {about['server']}, load {about['load_at_start']:g}; the best of {flags.rounds} rounds in turns\n")
    print(table(findings))
    if flags.record:
        REFERENCE.write_text(json.dumps({"about": about, "figures": now}, indent=1) + "\n")
        print(f"\nrecorded: {REFERENCE.relative_to(ROOT)}")
        return 0
    if failed(findings):
        print("\nWorse than the band allows. If the machine was busy, run it again before you believe it.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
