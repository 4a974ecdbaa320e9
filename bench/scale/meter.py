"""What the server says a piece of work has cost it: processor time, and how long its script calls took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import redis


@dataclass(frozen=True, slots=True)
class Cost:
    """What so many tasks have cost the server.

    Attributes:
        us: processor time of its main thread per task, in microseconds.
        slowest_ms: the longest script call, by the server's clock: if other programs take its core away, that counts.
        p99_ms: the call that 99 % did not exceed.
        calls: script calls.
    """

    us: float
    slowest_ms: float
    p99_ms: float
    calls: int


class Meter:
    """Reads the figures of a server.

    Args:
        admin: a client for it, which sends no script calls.
    """

    def __init__(self, admin: redis.Redis) -> None:
        self._admin = admin
        admin.config_set("latency-tracking-info-percentiles", "99 100")

    def cpu_seconds(self) -> float:
        """Return how long the main thread has computed so far."""
        info = self._admin.info("cpu")
        return float(info["used_cpu_user_main_thread"]) + float(info["used_cpu_sys_main_thread"])

    def cost(self, tasks: int, action: Callable[[], object]) -> Cost:
        """Return what an action cost that concerns so many tasks."""
        self._admin.config_resetstat()
        before = self.cpu_seconds()
        action()
        seconds = self.cpu_seconds() - before
        latency = self._admin.info("latencystats")
        calls = self._admin.info("commandstats")
        found = [name for name in ("evalsha", "eval") if f"cmdstat_{name}" in calls]
        percentiles = [latency[f"latency_percentiles_usec_{name}"] for name in found]
        return Cost(
            us=seconds * 1e6 / tasks,
            slowest_ms=max((float(one["p100"]) for one in percentiles), default=0.0) / 1000,
            p99_ms=max((float(one["p99"]) for one in percentiles), default=0.0) / 1000,
            calls=sum(int(calls[f"cmdstat_{name}"]["calls"]) for name in found),
        )

    def memory(self) -> int:
        """Return the bytes in use, without buffers of clients and scripts."""
        info = self._admin.info("memory")
        return int(info["used_memory"]) - int(info["mem_clients_normal"])
