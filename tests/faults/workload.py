"""Handlers that worker processes of the tests run: ``--handlers tests.faults.workload``.

``TASKQ_TEST_LEDGER`` names the file that they write to, ``TASKQ_TEST_GATE`` the one that some of them wait for.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from taskq import Task, TaskContext, TaskTimeout
from taskq.testing.ledger import append

LEDGER = os.environ.get("TASKQ_TEST_LEDGER", os.devnull)
GATE = Path(os.environ.get("TASKQ_TEST_GATE", "/nonexistent"))


def _start(ctx: TaskContext) -> None:
    append(LEDGER, "start", ctx.task_id, ctx.fence)


def _end(ctx: TaskContext) -> int:
    append(LEDGER, "end", ctx.task_id, ctx.fence)
    return ctx.fence


def work(task: Task, ctx: TaskContext) -> int:
    """Take as many seconds as the payload says."""
    _start(ctx)
    if task.payload:
        time.sleep(task.payload)
    return _end(ctx)


async def async_work(task: Task, ctx: TaskContext) -> int:
    _start(ctx)
    await asyncio.sleep(task.payload or 0)
    return _end(ctx)


def gated(task: Task, ctx: TaskContext) -> int:
    """Wait until the gate is open."""
    _start(ctx)
    while not GATE.exists():
        time.sleep(0.005)
    return _end(ctx)


def slow_then_gated(task: Task, ctx: TaskContext) -> int:
    """Take the seconds of the payload in the first attempt, wait for the gate in the next."""
    return work(task, ctx) if ctx.attempt == 1 else gated(task, ctx)


def listening(task: Task, ctx: TaskContext) -> int:
    """Wait until somebody asks for the end, or the gate is open."""
    _start(ctx)
    while not GATE.exists() and not ctx.cancelled:
        time.sleep(0.005)
    append(LEDGER, "asked" if ctx.cancelled else "free", ctx.task_id, ctx.fence)
    return _end(ctx)


def die_once(task: Task, ctx: TaskContext) -> int:
    """Do the work, and the first time die before it can be settled."""
    _start(ctx)
    append(LEDGER, "effect", ctx.task_id, ctx.fence)
    if ctx.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return _end(ctx)


def pill(task: Task, ctx: TaskContext) -> None:
    """Kill the process, each time, when its neighbours have begun."""
    _start(ctx)
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGKILL)


def parent(task: Task, ctx: TaskContext) -> int:
    """Leave processes behind that hold copies of all open descriptors, then die with the first attempt."""
    _start(ctx)
    if ctx.attempt == 1:
        if os.fork() == 0:
            os.close(1)
            os.close(2)
            append(LEDGER, "grandchild", ctx.task_id, os.getpid())
            time.sleep(60)
            os._exit(0)
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
        append(LEDGER, "grandchild", ctx.task_id, process.pid)
        os.kill(os.getpid(), signal.SIGKILL)
    return _end(ctx)


def hold_gil(task: Task, ctx: TaskContext) -> int:
    """Hold the GIL for the seconds of the payload, the first time: no other thread of the process can run."""
    _start(ctx)
    if ctx.attempt == 1:
        ctypes.PyDLL(None).usleep(int(task.payload * 1_000_000))
    return _end(ctx)


def block(task: Task, ctx: TaskContext) -> int:
    """Wait in a call of the C library that no exception reaches."""
    _start(ctx)
    time.sleep(task.payload)
    return _end(ctx)


async def block_loop(task: Task, ctx: TaskContext) -> int:
    _start(ctx)
    time.sleep(task.payload)  # noqa: ASYNC251 - what is tested
    return _end(ctx)


def stubborn(task: Task, ctx: TaskContext) -> int:
    """Swallow every interruption."""
    _start(ctx)
    until = time.monotonic() + task.payload
    while time.monotonic() < until:
        try:
            time.sleep(0.01)
        except TaskTimeout:
            append(LEDGER, "swallowed", ctx.task_id, ctx.fence)
    return _end(ctx)


def swell(task: Task, ctx: TaskContext) -> int:
    """Occupy as many bytes as the payload says, for good."""
    _start(ctx)
    _hoard.append(bytearray(os.urandom(1024)) * (task.payload // 1024))
    return _end(ctx)


def family(task: Task, ctx: TaskContext) -> list[int]:
    """Make as many children as the payload says; return their results."""
    children = [Task(task_type="member", payload=n) for n in range(task.payload)]
    return [result["result"] for result in ctx.fanout(children)]


def member(task: Task) -> int:
    time.sleep(0.005)
    return int(task.payload)


def fail(task: Task) -> None:
    raise ValueError(task.payload)


_hoard: list[bytearray] = []
_HANDLERS: tuple[Any, ...] = (
    work, async_work, gated, slow_then_gated, listening, die_once, pill, parent, hold_gil, block, block_loop, stubborn,
    swell, family, member, fail
)  # fmt: skip


def register(worker: Any) -> None:
    for handler in _HANDLERS:
        worker.register_handler(handler.__name__, handler)
