"""``python -m bench.workflows``: fan-out of 10,000 children and fan-in, with one worker process.

Prints the seconds from the first line of the parent's handler to its results, medians of three rounds, the CPU time
of both processes, and the longest calls of scripts, from the slow log of the server: wall time, so what else runs on
the machine adds to it.
"""

from __future__ import annotations

import statistics
import sys
import time
import uuid

import redis

from bench.server import running
from taskq import Task, TaskContext, TaskQueue, TaskWorker
from taskq.protocol.operations import SCRIPTS
from taskq.settings import Settings

CHILDREN = 10_000
ROUNDS = 3
SLOTS = (10, 32)


def fan_out_and_in(url: str, slots: int) -> float:
    """Return the seconds from the call of ``ctx.fanout`` to its results."""
    queue = TaskQueue(settings=Settings(redis_url=url, prefix=f"bench_{uuid.uuid4().hex[:8]}"))
    begun: list[float] = []
    took: list[float] = []

    def parent(task: Task, ctx: TaskContext) -> int:
        begun.append(time.perf_counter())
        results = ctx.fanout([Task(task_type="child", payload=n) for n in range(CHILDREN)])
        took.append(time.perf_counter() - begun[0])
        return sum(result["result"] for result in results)

    worker = TaskWorker(queue, concurrency=slots)
    worker.register_handler("parent", parent)
    worker.register_handler("child", lambda task: task.payload)
    task_id = queue.submit_task(Task(task_type="parent"))
    worker.run_until_empty()
    result = queue.get_task_result(task_id)
    assert result is not None
    assert result["result"] == sum(range(CHILDREN))
    queue.close()
    return took[0]


def cpu_seconds(client: redis.Redis) -> tuple[float, float]:
    """Return the CPU time that this process and the server have used; what else runs hardly adds to it."""
    cpu = client.info("cpu")
    return time.process_time(), cpu["used_cpu_user"] + cpu["used_cpu_sys"]


def longest_calls(client: redis.Redis) -> str:
    """Return the longest call of each script since the last look, in ms."""
    names = {script.sha.encode(): name for name, script in SCRIPTS.items()}
    longest: dict[str, int] = {}
    for entry in client.slowlog_get(10_000):
        words = entry["command"].split()
        if words[0] == b"EVALSHA":
            name = names[words[1]]
            longest[name] = max(longest.get(name, 0), entry["duration"])
    client.slowlog_reset()
    return ", ".join(f"{name} {us / 1000:.1f} ms" for name, us in sorted(longest.items(), key=lambda i: -i[1])[:4])


def main(binary: str | None) -> None:
    """Measure with few slots and with many."""
    with running(binary) as (url, client):
        client.config_set("slowlog-max-len", 10_000)
        client.config_set("slowlog-log-slower-than", 500)
        info = client.info("server")
        print(
            f"{'Valkey' if 'valkey_version' in info else 'Redis'} {info.get('valkey_version', info['redis_version'])}"
        )
        for slots in SLOTS:
            client.slowlog_reset()
            before = cpu_seconds(client)
            seconds = [fan_out_and_in(url, slots) for _ in range(ROUNDS)]
            worker, server = (b - a for a, b in zip(before, cpu_seconds(client), strict=True))
            print(
                f"{CHILDREN:,} children, {slots} slots: {statistics.median(seconds):.2f} s "
                f"({min(seconds):.2f} to {max(seconds):.2f}), "
                f"CPU of worker and server {worker / ROUNDS:.2f} s and {server / ROUNDS:.2f} s; "
                f"longest calls: {longest_calls(client)}"
            )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
