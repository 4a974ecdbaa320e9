"""Handlers of the workers of ``taskq verify``; each notes its start and its end in the ledger.

``TASKQ_TEST_LEDGER`` names the file of the ledger, ``TASKQ_TEST_GATE`` the one that some of them wait for.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from taskq.model.task import Task
from taskq.testing.ledger import END, START, append

_LEDGER = os.environ.get("TASKQ_TEST_LEDGER", os.devnull)
_GATE = Path(os.environ.get("TASKQ_TEST_GATE", os.devnull))


def _start(ctx: Any) -> None:
    append(_LEDGER, START, ctx.task_id, ctx.fence, ctx.attempt)


def _end(ctx: Any) -> int:
    append(_LEDGER, END, ctx.task_id, ctx.fence)
    return int(ctx.fence)


def work(task: Task, ctx: Any) -> int:
    """Take as many seconds as the payload says."""
    _start(ctx)
    if task.payload:
        time.sleep(task.payload)
    return _end(ctx)


def flaky(task: Task, ctx: Any) -> int:
    """Fail the first time."""
    _start(ctx)
    if ctx.attempt == 1:
        raise RuntimeError("the first attempt fails")
    return _end(ctx)


def broken(task: Task, ctx: Any) -> None:
    """Fail each time."""
    _start(ctx)
    raise RuntimeError("every attempt fails")


def gated(task: Task, ctx: Any) -> int:
    """Wait until the gate is open."""
    _start(ctx)
    while not _GATE.exists():
        time.sleep(0.005)
    return _end(ctx)


def slow_then_gated(task: Task, ctx: Any) -> int:
    """Take the seconds of the payload in the first attempt, wait for the gate in the next."""
    return work(task, ctx) if ctx.attempt == 1 else gated(task, ctx)


def pill(task: Task, ctx: Any) -> None:
    """Kill the process, each time, when its neighbours have begun."""
    _start(ctx)
    time.sleep(0.1)
    os.kill(os.getpid(), signal.SIGKILL)


def register(worker: Any) -> None:
    """Make the handlers known to a worker."""
    for handler in (work, flaky, broken, gated, slow_then_gated, pill):
        worker.register_handler(handler.__name__, handler)
