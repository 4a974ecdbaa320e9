"""A server for measurements: no persistence, on a free port, pinned to one core where there are two."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from taskq.testing.faults.server import free_port
from taskq.transport.server_binary import find_server_binary


def pin(cpu: int, pid: int = 0) -> None:
    """Keep a process on one core, if there is more than one."""
    if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(pid, {sorted(os.sched_getaffinity(0))[cpu]})


def go_first(*pids: int) -> bool:
    """Let processes (0: this one) run before all others of the machine, so that a clock tells what they take.

    Returns:
        Whether that is allowed.
    """
    try:
        if os.sched_getscheduler(0) == os.SCHED_RR:  # as somebody has arranged already, `chrt -r 60` for example
            pids = tuple(pid for pid in pids if pid)
        for pid in pids:
            os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(50))
    except (OSError, AttributeError):
        return False
    return True


def server_core(admin: redis.Redis, cores: set[int] | None = None) -> set[int]:
    """Return on which cores a server of this machine may run; bring it to others if they are named."""
    pid = int(admin.info("server")["process_id"])
    if not hasattr(os, "sched_setaffinity"):
        return set()
    if cores:
        os.sched_setaffinity(pid, cores)
    return os.sched_getaffinity(pid)


@contextmanager
def running(binary: str | None = None) -> Iterator[tuple[str, redis.Redis]]:
    """Start a server and yield its URL and a plain client.

    Args:
        binary: path of the server program; None: the one the package would start.
    """
    path = Path(binary) if binary else find_server_binary()[0]
    folder = tempfile.mkdtemp(prefix="taskq-bench-")
    port = free_port()
    process = subprocess.Popen(
        [path, "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    client = redis.Redis(port=port, protocol=2)
    try:
        for _ in range(200):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.02)
        cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {0}
        if len(cores) > 1:
            os.sched_setaffinity(process.pid, {min(cores)})
            os.sched_setaffinity(0, {max(cores)})
        yield f"redis://127.0.0.1:{port}/0", client
    finally:
        client.close()
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)
