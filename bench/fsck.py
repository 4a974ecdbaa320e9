"""``python -m bench.fsck [tasks] [server program]``: what `taskq fsck` costs on a namespace with a million tasks."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TypeVar

import redis

from bench.measures import new_queue, task
from bench.server import go_first, running
from taskq import TaskQueue, TaskWorker
from taskq.flows import due_in
from taskq.protocol.keys import Keys
from taskq.protocol.operation import Operation
from taskq.protocol.operations import SCRIPTS
from taskq.transport.fsck import Fsck

TASKS = 1_000_000
BATCH = 1_000
# what no call may take
MOST_MS = 5.0
# what is not done with is spread over the priorities; the rest waits for its time, or has completed
_COMPLETED, _SCHEDULED = 0.2, 0.02
_PRIORITIES = ("urgent", "high", "normal", "low")

T = TypeVar("T")


def fill(queue: TaskQueue, count: int) -> None:
    """Make a namespace of so many tasks: two in ten completed, a few scheduled, the others pending."""
    for _ in range(round(count * _COMPLETED) // BATCH):
        queue.submit_batch([task() for _ in range(BATCH)])
    worker = TaskWorker(queue, concurrency=32)
    worker.register_handler("noop", lambda task: None)
    worker.run_until_empty()
    due = due_in(86_400)
    for _ in range(round(count * _SCHEDULED)):
        queue.submit_later(task(), due)
    for number in range(round(count * (1 - _COMPLETED - _SCHEDULED)) // BATCH):
        queue.submit_batch([task(priority=_PRIORITIES[number % 4]) for _ in range(BATCH)])


def damage(client: redis.Redis, queue: TaskQueue) -> None:
    """Put a few entries where they do not belong, as far from where they are looked for as can be."""
    keys = Keys(queue.settings.prefix)
    for name in _PRIORITIES:
        client.lpush(keys.key("queue", name), client.lindex(keys.key("queue", name), -1))
    client.rpush(
        keys.key("queue", "low"), client.lindex(keys.key("queue", "high"), client.llen(keys.key("queue", "high")) // 2)
    )
    client.lpop(keys.key("queue", "normal"), 2)


def measure(url: str, client: redis.Redis, queue: TaskQueue, *options: str) -> None:
    """Run the command beside everything else that the server does, and print what it has cost."""
    client.config_set("slowlog-log-slower-than", round(MOST_MS * 1000))
    client.config_set("slowlog-max-len", 10_000)
    client.slowlog_reset()
    client.config_resetstat()
    begun = time.monotonic()
    words = ["taskq", "fsck", "--json", "--redis-url", url, "--prefix", queue.settings.prefix, *options]
    run = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, check=False)
    seconds = time.monotonic() - begun
    found = json.loads(run.stdout)
    sent = client.info("commandstats")["cmdstat_evalsha"]
    slow = sorted(
        ((entry["duration"] / 1000, _name(entry["command"])) for entry in client.slowlog_get(10_000)), reverse=True
    )
    memory_mb = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"fsck {' '.join(options)}: {seconds:.0f} s, {found['checked']:,} things checked in {sent['calls']:,} calls of "
        f"{sent['usec_per_call'] / 1000:.2f} ms each, {memory_mb:.0f} MB, {found['count']} violations, "
        f"exit code {run.returncode}"
    )
    print(
        f"  {len(slow)} calls took {MOST_MS:g} ms or more by the clock of the server"
        + (f"; the longest: {', '.join(f'{ms:.1f} ms {name}' for ms, name in slow[:5])}" if slow else "")
    )


def measure_calls(queue: TaskQueue, pid: int) -> None:
    """Run the same once more from here, and print how much processor time each kind of call takes of the server.

    A call that is interrupted by another program takes longer by the clock, not by this.
    """
    taken: dict[str, list[float]] = {}
    with Path(f"/proc/{pid}/schedstat").open(encoding="ascii") as statistics:

        def spent_ms() -> float:
            statistics.seek(0)
            return int(statistics.read().split()[0]) / 1e6

        def run(operation: Operation[T]) -> T:
            before = spent_ms()
            value = queue.transport.run(operation)
            source = f" {operation.args[0]}" if operation.script.name in ("check", "indexes") else ""
            taken.setdefault(f"{operation.script.name}{source}", []).append(spent_ms() - before)
            return value

        Fsck(run, queue.namespace.protocol, queue.settings).check()
    print(f"  {'processor time of the server':34}{'calls':>8}{'p50':>9}{'p99':>9}{'longest':>9}")
    for name, times in sorted(taken.items(), key=lambda item: -max(item[1])):
        times.sort()
        figures = "".join(f"{times[int((len(times) - 1) * share)]:6.2f} ms" for share in (0.5, 0.99, 1))
        print(f"  {name:34}{len(times):8,}{figures}")


_NAMES = {script.sha.encode(): name for name, script in SCRIPTS.items()}


def _name(command: bytes) -> str:
    words = command.split()
    return _NAMES.get(words[1], words[0].decode()) if len(words) > 1 else words[0].decode()


def main(count: int, binary: str | None) -> None:
    with running(binary) as (url, client):
        queue = new_queue(url)
        begun = time.monotonic()
        fill(queue, count)
        print(f"{count:,} tasks made in {time.monotonic() - begun:.0f} s, {client.info('memory')['used_memory_human']}")
        pid = client.info("server")["process_id"]
        if not go_first(pid):
            print("the server can be interrupted by other programs: what its clock says may be theirs")
        measure(url, client, queue)
        if sys.platform == "linux":
            measure_calls(queue, pid)
        damage(client, queue)
        measure(url, client, queue, "--repair")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else TASKS, sys.argv[2] if len(sys.argv) > 2 else None)
