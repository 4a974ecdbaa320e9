"""Kill a worker process in the middle of its work, and watch what becomes of the tasks it held."""

from __future__ import annotations

import os
import signal
import socket
import time
from dataclasses import dataclass, field

from index_fleet import WORKERS

from taskq import TaskQueue, WorkerInfo


@dataclass(slots=True)
class Kill:
    """What happened to one killed worker.

    Attributes:
        worker: its id.
        pid: of its process.
        killed_at: monotonic seconds.
        open: ids in its hands that do not run elsewhere yet.
        is_buried: whether it has gone from the registry.
        back: ids that were seen back in their lists, or running elsewhere already.
        moved: ids that were seen on another worker.
        back_seconds: from the kill until the last of them was back.
        moved_seconds: from the kill until the last of them ran elsewhere.
    """

    worker: str
    pid: int
    killed_at: float
    open: set[str]
    is_buried: bool = False
    back: set[str] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)
    back_seconds: float = 0.0
    moved_seconds: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to watch."""
        return self.is_buried and not self.open


def strike(queue: TaskQueue, earlier: list[Kill]) -> Kill | None:
    """Kill the worker that holds the most tasks with SIGKILL; None if there is none to kill now.

    Args:
        queue: whose workers.
        earlier: kills before this one.
    """
    dead = {kill.worker for kill in earlier}
    ours = [info for info in queue.list_workers() if _is_ours(info) and info.worker_id not in dead]
    victim = max(ours, key=lambda info: len(info.held), default=None)
    if victim is None or not victim.held:
        return None
    pid = int(victim.card["pid"])
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return None
    return Kill(victim.worker_id, pid, time.monotonic(), set(victim.held))


def _is_ours(info: WorkerInfo) -> bool:
    """Whether it is one of the processes that this program started: somebody else's may help, but is not killed."""
    return info.card.get("host") == socket.gethostname() and info.worker_id.startswith(WORKERS)


def watch(queue: TaskQueue, kill: Kill) -> None:
    """Look where the tasks of a killed worker are now."""
    # its last words may have been a turn that the server still carried out: tasks that ended, and others in their place
    registered = {info.worker_id: info.held for info in queue.list_workers()}
    kill.open |= set(registered.get(kill.worker, ())) - kill.moved
    kill.is_buried = kill.worker not in registered
    for task_id in list(kill.open):
        status = queue.get_task_status(task_id)
        seconds = time.monotonic() - kill.killed_at
        if status["worker_id"] == kill.worker:
            if status["status"] != "running":
                kill.open.discard(task_id)  # it ended before the kill
            continue
        if task_id not in kill.back:
            kill.back.add(task_id)
            kill.back_seconds = seconds
        if status["worker_id"] is not None:
            kill.open.discard(task_id)
            kill.moved.add(task_id)
            kill.moved_seconds = seconds
