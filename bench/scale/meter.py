"""What the server says a piece of work has cost it: processor time, and how long its script calls took."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import redis

LONG_MS = 5  # no call is to take longer


@dataclass(frozen=True, slots=True)
class Cost:
    """What so many tasks have cost the server.

    Attributes:
        us: processor time of its main thread per task, in microseconds.
        slowest_ms: the longest script call, by the server's clock: if other programs take its core away, that counts.
        p99_ms: the call that 99 % did not exceed.
        calls: script calls.
        long: how many of them took more than ``LONG_MS``.
        waited_ms: how long the server could have computed and had no core, in all; 0 where the system does not tell.
            A wake-up on an idle core counts a microsecond or two.
        disturbed: whether that was so much that another program may have lengthened a call by a millisecond.
        seconds: processor time of all of them.
    """

    us: float
    slowest_ms: float
    p99_ms: float
    calls: int
    waited_ms: float = 0.0
    disturbed: bool = False
    long: int = 0
    seconds: float = 0.0


def together(costs: Sequence[Cost], pick: Callable[[Iterable[float]], float] = statistics.median) -> Cost:
    """Return what several readings say: one of what they cost, and the longest call of all that nobody disturbed.

    Args:
        costs: at least one. If all were disturbed, the one that was least so counts.
        pick: the least, where all readings are of the same work, since other programs make none cheaper.
    """
    quiet = [one for one in costs if not one.disturbed] or [min(costs, key=lambda one: one.waited_ms)]
    return Cost(
        us=pick([one.us for one in quiet]),
        slowest_ms=max(one.slowest_ms for one in quiet),
        p99_ms=pick([one.p99_ms for one in quiet]),
        calls=sum(one.calls for one in costs),
        waited_ms=max(one.waited_ms for one in quiet),
        disturbed=quiet[0].disturbed,
        long=sum(one.long for one in quiet),
        seconds=sum(one.seconds for one in quiet),
    )


def gaps(seconds: float, cores: set[int]) -> list[float]:
    """Return for how long this machine did nothing, in ms: what a program finds that only looks at the clock.

    Where other machines share the processor, the host stops this one for some milliseconds now and then, and does not
    say so (``stolen``). A call that runs meanwhile takes so much longer.

    Args:
        seconds: for how long to look.
        cores: where; none: wherever the program runs.
    """
    own = os.sched_getaffinity(0) if cores else set()
    if cores:
        os.sched_setaffinity(0, cores)
    found = []
    for _ in range(max(1, round(seconds * 2))):
        last = until = time.perf_counter()
        while last < until + 0.5:
            now = time.perf_counter()
            if now - last > LONG_MS / 1000:
                found.append((now - last) * 1000)
            last = now
        time.sleep(0.05)  # a program of real-time priority may not compute all the time
    if cores:
        os.sched_setaffinity(0, own)
    return found


class Meter:
    """Reads the figures of a server.

    Args:
        admin: a client for it, which sends no script calls.
    """

    def __init__(self, admin: redis.Redis) -> None:
        self._admin = admin
        admin.config_set("latency-tracking-info-percentiles", "99 100")
        admin.config_set("slowlog-log-slower-than", LONG_MS * 1000)
        admin.config_set("slowlog-max-len", 1000)
        self._pid = int(admin.info("server")["process_id"])

    def cpu_seconds(self) -> float:
        """Return how long the main thread has computed so far."""
        info = self._admin.info("cpu")
        return float(info["used_cpu_user_main_thread"]) + float(info["used_cpu_sys_main_thread"])

    def cost(self, tasks: int, action: Callable[[], object]) -> Cost:
        """Return what an action cost that concerns so many tasks."""
        self._admin.config_resetstat()
        self._admin.slowlog_reset()
        before, waited = self.cpu_seconds(), self.waited_ms()
        action()
        seconds, waited = self.cpu_seconds() - before, self.waited_ms() - waited
        latency = self._admin.info("latencystats")
        calls = self._admin.info("commandstats")
        found = [name for name in ("evalsha", "eval") if f"cmdstat_{name}" in calls]
        count = sum(int(calls[f"cmdstat_{name}"]["calls"]) for name in found)
        percentiles = [latency[f"latency_percentiles_usec_{name}"] for name in found]
        return Cost(
            us=seconds * 1e6 / tasks,
            slowest_ms=max((float(one["p100"]) for one in percentiles), default=0.0) / 1000,
            p99_ms=max((float(one["p99"]) for one in percentiles), default=0.0) / 1000,
            calls=count,
            waited_ms=waited,
            disturbed=waited > 1.0 + count * 0.002,
            long=sum(one["command"].startswith(b"EVAL") for one in self._admin.slowlog_get(1000)),
            seconds=seconds,
        )

    def waited_ms(self) -> float:
        """Return how long the main thread has waited for a core so far, or this machine for one of its host's."""
        try:
            waited = int(Path(f"/proc/{self._pid}/schedstat").read_text().split()[1]) / 1e6
            core = f"cpu{min(os.sched_getaffinity(self._pid))} "
            lines = Path("/proc/stat").read_text().splitlines()
        except (OSError, AttributeError):  # another system, or another machine
            return 0.0
        stolen = next((line.split()[8] for line in lines if line.startswith(core)), "0")
        return waited + int(stolen) * 1000 / os.sysconf("SC_CLK_TCK")

    def memory(self) -> int:
        """Return the bytes in use, without buffers of clients and scripts."""
        info = self._admin.info("memory")
        return int(info["used_memory"]) - int(info["mem_clients_normal"])
