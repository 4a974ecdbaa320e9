"""``python -m bench.fsck [tasks] [server program]``: what `taskq fsck` costs on a namespace with a million tasks."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time

import redis

from bench.measures import new_queue, task
from bench.server import running
from taskq import TaskQueue, TaskWorker
from taskq.flows import due_in
from taskq.protocol.operations import SCRIPTS

TASKS = 1_000_000
BATCH = 1_000
# what is not done with is spread over the priorities; the rest waits for its time, or has completed
_COMPLETED, _SCHEDULED = 0.2, 0.02
_PRIORITIES = ("urgent", "high", "normal", "low")


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


def measure(url: str, client: redis.Redis, queue: TaskQueue, *options: str) -> None:
    """Run the command beside everything else that the server does, and print what it has cost."""
    client.config_set("slowlog-log-slower-than", 500)
    client.config_set("slowlog-max-len", 10_000)
    client.slowlog_reset()
    calls = client.info("commandstats")
    begun = time.monotonic()
    words = ["taskq", "fsck", "--json", "--redis-url", url, "--prefix", queue.settings.prefix, *options]
    run = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, check=False)
    seconds = time.monotonic() - begun
    found = json.loads(run.stdout)
    slowest = client.slowlog_get(10_000)
    sent = sum(client.info("commandstats")[name]["calls"] - calls.get(name, {"calls": 0})["calls"] for name in _SENT)
    print(
        f"fsck {' '.join(options)}: {seconds:.0f} s, {found['checked']:,} things checked in {sent:,} calls, "
        f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MB at most, "
        f"{len(found['violations'])} violations, exit code {run.returncode}"
    )
    times = sorted(((entry["duration"] / 1000, _name(entry["command"])) for entry in slowest), reverse=True)
    print(
        f"  {len(times)} commands of 0.5 ms or more, of which 99 in 100 took under {_at(times, 0.01):.1f} ms, and half"
    )
    print(
        f"  under {_at(times, 0.5):.1f} ms; the longest: {', '.join(f'{ms:.1f} ms {name}' for ms, name in times[:5])}"
    )


_SENT = ("cmdstat_evalsha", "cmdstat_scan")
_NAMES = {script.sha.encode(): name for name, script in SCRIPTS.items()}


def _name(command: bytes) -> str:
    words = command.split()
    return _NAMES.get(words[1], words[0].decode()) if len(words) > 1 else words[0].decode()


def _at(times: list[tuple[float, str]], share: float) -> float:
    return times[int(len(times) * share)][0] if times else 0.0


def main(count: int, binary: str | None) -> None:
    with running(binary) as (url, client):
        queue = new_queue(url)
        begun = time.monotonic()
        fill(queue, count)
        print(f"{count:,} tasks made in {time.monotonic() - begun:.0f} s, {client.info('memory')['used_memory_human']}")
        measure(url, client, queue)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else TASKS, sys.argv[2] if len(sys.argv) > 2 else None)
