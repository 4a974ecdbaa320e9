"""Real worker processes, started as users start them."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from taskq import TaskQueue
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
HANDLERS = ("--handlers", "tests.faults.workload")


def alive(pid: int) -> bool:
    """Return whether a process exists and is not merely waiting to be collected by its parent."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in ("Z", "X")


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(stat.parent.name))
    return found


class Command:
    """A process of ours, its output collected.

    Args:
        arguments: after the name of the Python program.
        environment: what differs from the one of the tests.
        folder: where it runs.
    """

    def __init__(self, arguments: list[str], environment: Mapping[str, str], folder: Path = ROOT) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT), **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with contextlib.suppress(ValueError):
            for line in self.process.stdout:
                self._lines.append(line)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        return "".join(self._lines)

    def sees(self, pattern: str, times: int = 1, timeout_seconds: float = 20) -> str:
        """Wait until the output matches a pattern some times; return the last match."""

        def found() -> str | None:
            matches = [match[0] for match in re.finditer(pattern, self.output)]
            if len(matches) >= times:
                return matches[-1]
            assert self.process.poll() is None, f"it ended with {self.process.returncode}:\n{self.output}"
            return None

        return str(eventually(found, timeout_seconds, f"{pattern!r} in the output"))

    def send(self, number: int) -> None:
        """Send a signal to this process only."""
        os.kill(self.pid, number)

    def wait(self, timeout_seconds: float = 20) -> int:
        """Return the exit code when the process has ended; its output is complete then."""
        try:
            code = self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end within {timeout_seconds:g} s:\n{self.output}") from None
        self._reader.join(2)
        return code

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, and return its exit code."""
        self.send(number)
        return self.wait()

    def destroy(self) -> None:
        """End whatever is left of it."""
        for pid in [*children(self.pid), self.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self._reader.join(0.2)


class WorkerCommand(Command):
    """``python -m taskq worker``."""

    def ready(self, workers: int = 1) -> WorkerCommand:
        """Wait until that many workers have said that they are ready."""
        self.sees(r"Worker \S+ ready", workers)
        return self

    @property
    def worker_ids(self) -> list[str]:
        """The workers that were ready at some time, in order."""
        return re.findall(r"Worker (\S+) ready", self.output)

    @property
    def child_pids(self) -> list[int]:
        """The worker processes that live now."""
        return [pid for pid in children(self.pid) if alive(pid)]

    def total(self, name: str) -> int:
        """Return a number of the line with which it ended."""
        (line,) = re.findall(r"Worker stopped after .*", self.output)
        found = re.search(rf"(\d+) {name}", line)
        return int(found[1]) if found else 0


def running_on(queue: TaskQueue, pid: int) -> list[str]:
    """Return the tasks that the worker process with an id holds."""
    return [i for info in queue.list_workers() if info.card.get("pid") == str(pid) for i in info.held]
