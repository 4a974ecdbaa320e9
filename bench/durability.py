"""``python -m bench.durability [server program]``: what acknowledged submits are lost, and what a safe one costs."""

from __future__ import annotations

import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import redis

from bench.losses import Victim, folder, pair
from taskq import Settings, Task, TaskQueue
from taskq.errors import NotDurable, TaskqError
from taskq.testing.faults.server import ServerProcess
from taskq.testing.faults.shim import DiskShim, why_not
from taskq.transport.server_binary import find_server_binary

PREFIX = "bench"
LINK_DELAY_SECONDS = 0.05
# longer than a server with everysec puts off its writes
BUSY_DISK_SECONDS = 3.0
THREADS = 8


@dataclass
class Loss:
    """What became of the submits of one run.

    Attributes:
        acknowledged: how many had returned an id.
        lost: how many of them are gone.
        window_ms: from the first lost one to the end of the server.
        rate: acknowledged ones per second.
    """

    acknowledged: int
    lost: int
    window_ms: float
    rate: float


class Load:
    """Threads that submit one task after another and write down when each was acknowledged.

    Args:
        url: of the server.
        level: the durability.
    """

    def __init__(self, url: str, level: str) -> None:
        self.queue = TaskQueue(settings=Settings(redis_url=url, prefix=PREFIX, call_timeout_seconds=0.5))
        self._level = level
        self._stop = threading.Event()
        self._acknowledged: list[tuple[str, float]] = []
        self._threads = [threading.Thread(target=self._submit, daemon=True) for _ in range(THREADS)]
        self.began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def _submit(self) -> None:
        while not self._stop.is_set():
            try:
                task_id = self.queue.submit_task(Task(payload="x" * 100), durability=self._level)
            except NotDurable:  # a replica that is slow for a moment: nothing was promised
                continue
            except TaskqError:
                return
            self._acknowledged.append((task_id, time.monotonic()))

    def end(self) -> list[tuple[str, float]]:
        """Stop and return the ids with the time of each acknowledgement."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.queue.close()
        return self._acknowledged

    def losses(self, url: str, ended: float) -> Loss:
        """Compare what was acknowledged with what the server at this URL holds."""
        acknowledged = self.end()
        with redis.Redis.from_url(url) as client, client.pipeline(transaction=False) as pipeline:
            for task_id, _ in acknowledged:
                pipeline.exists(f"{PREFIX}:task:{task_id}")
            there = pipeline.execute()
        lost = [at for (_, at), found in zip(acknowledged, there, strict=True) if not found]
        window_ms = (ended - min(lost)) * 1000 if lost else 0.0
        return Loss(len(acknowledged), len(lost), max(0.0, window_ms), len(acknowledged) / (ended - self.began))


def failover(level: str, seconds: float, delay_seconds: float, binary: Path | None = None) -> Loss:
    """Kill the primary under load, promote its replica, and count what is missing there."""
    with pair(delay_seconds, binary) as (primary, link, replica):
        load = Load(primary.url, level)
        time.sleep(seconds)
        ended = time.monotonic()
        link.cut()
        primary.kill()
        with replica.client() as client:
            client.replicaof("NO", "ONE")
        return load.losses(replica.url, ended)


def server_killed(fsync: str, seconds: float, sync_seconds: float = 0.0, binary: Path | None = None) -> Loss | None:
    """Kill a server under load, start it again, and count what is missing; None without a C compiler.

    Args:
        fsync: its ``appendfsync``.
        seconds: of load before.
        sync_seconds: how much longer than usual each fsync of its disk takes.
        binary: the server program.
    """
    return _lose("memory", fsync, seconds, sync_seconds, binary, lambda server, disk: server.kill9())


def power_cut(level: str, fsync: str, seconds: float, binary: Path | None = None) -> Loss | None:
    """Cut the power under load, start again, and count what is missing; None without a C compiler."""
    return _lose(level, fsync, seconds, 0.0, binary, lambda server, disk: disk.cut_power(server))


def _lose(
    level: str,
    fsync: str,
    seconds: float,
    sync_seconds: float,
    binary: Path | None,
    strike: Callable[[ServerProcess, DiskShim], object],
) -> Loss | None:
    if why_not():
        return None
    with folder() as path:
        disk = DiskShim(path / "shim", sync_seconds)
        server = ServerProcess(path / "server", binary, [f"appendfsync {fsync}"], disk.environment).start()
        try:
            load = Load(server.url, level)
            time.sleep(seconds)
            ended = time.monotonic()
            strike(server, disk)
            load.end()
            server.environment = {}
            server.start()
            return load.losses(server.url, ended)
        finally:
            server.stop()


def latency_ms(url: str, level: str, count: int) -> tuple[float, float]:
    """Return median and 99th percentile of one submit after another, in ms."""
    taken = []
    with TaskQueue(settings=Settings(redis_url=url, prefix=PREFIX)) as queue:
        queue.submit_task(Task(), durability=level)
        for _ in range(count):
            began = time.perf_counter()
            queue.submit_task(Task(), durability=level)
            taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    return statistics.median(taken), taken[int(len(taken) * 0.99)]


def show(what: str, runs: list[Loss]) -> None:
    """Print one row."""
    acknowledged, lost = sum(run.acknowledged for run in runs), sum(run.lost for run in runs)
    windows = [run.window_ms for run in runs]
    rate = statistics.median(run.rate for run in runs)
    print(f"{what:<58} {acknowledged:>9,} {lost:>7,} {max(windows):>9.0f} ms {rate:>9,.0f}/s", flush=True)


def repeated(run: Callable[[], Loss | None], rounds: int) -> list[Loss]:
    """Return the outcomes of several runs."""
    return [loss for _ in range(rounds) if (loss := run()) is not None]


def main(binary: Path | None, rounds: int = 3) -> None:
    """Measure everything and print it."""
    program = binary or find_server_binary()[0]
    print(f"{program.name}, {os.cpu_count()} cores, {THREADS} threads, {rounds} rounds of 2 s each\n")
    print(f"{'':<58} {'accepted':>9} {'lost':>7} {'window':>12} {'rate':>11}")
    for delay in (0.0, LINK_DELAY_SECONDS):
        for level in ("memory", "replicated"):
            what = f"primary killed, link of {delay * 1000:.0f} ms: {level}"
            show(what, repeated(lambda level=level, delay=delay: failover(level, 2.0, delay, program), rounds))
    for fsync, slow in (
        ("everysec", 0.0),
        ("everysec", BUSY_DISK_SECONDS),
        ("no", BUSY_DISK_SECONDS),
        ("always", 0.05),
    ):
        what = f"server killed, appendfsync {fsync}, a sync takes {slow:g} s longer"
        if runs := repeated(lambda fsync=fsync, slow=slow: server_killed(fsync, 5.0, slow, program), rounds):
            show(what, runs)
    for fsync in ("no", "everysec", "always"):
        for level in ("memory", "fsync"):
            if level == "fsync" and (fsync != "always" or "valkey" not in program.name):
                continue  # refused: with everysec WAITAOF answers before the sync
            what = f"power cut, appendfsync {fsync}: {level}"
            if runs := repeated(lambda level=level, fsync=fsync: power_cut(level, fsync, 2.5, program), rounds):
                show(what, runs)
    print("\none submit after another, p50 and p99")
    for delay in (0.0, LINK_DELAY_SECONDS):
        with pair(delay, program) as (primary, _, _):
            for level in ("memory", "replicated"):
                p50, p99 = latency_ms(primary.url, level, 100)
                print(f"link of {delay * 1000:.0f} ms: {level:<12} {p50:8.2f} ms {p99:8.2f} ms", flush=True)
    for fsync in ("everysec", "always"):
        with folder() as path:
            server = Victim(program, path / "data", ("--appendonly", "yes", "--appendfsync", fsync)).start()
            for level in ("memory", "fsync") if "valkey" in program.name and fsync == "always" else ("memory",):
                p50, p99 = latency_ms(server.url, level, 100)
                print(f"appendfsync {fsync}: {level:<12} {p50:8.2f} ms {p99:8.2f} ms", flush=True)
            server.kill()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
