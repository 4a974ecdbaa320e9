"""Real worker processes, started as users start them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from taskq import TaskQueue
from taskq.testing.faults import process
from taskq.testing.faults.process import alive, children

__all__ = ["HANDLERS", "ROOT", "Command", "WorkerCommand", "alive", "children", "running_on"]

ROOT = Path(__file__).resolve().parents[2]
HANDLERS = ("--handlers", "tests.faults.workload")


class Command(process.Command):
    """A process that finds the code of this checkout."""

    def __init__(
        self, arguments: list[str], environment: Mapping[str, str], folder: Path = ROOT, prefix: Sequence[str] = ()
    ) -> None:
        super().__init__(arguments, {"PYTHONPATH": str(ROOT), **environment}, folder, prefix)


class WorkerCommand(Command, process.WorkerCommand):
    """``python -m taskq worker``."""


def running_on(queue: TaskQueue, pid: int) -> list[str]:
    """Return the tasks that the worker process with an id holds."""
    return [i for info in queue.list_workers() for i in info.held if info.card.get("pid") == str(pid)]
