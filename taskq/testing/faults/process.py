"""Processes that a test may kill or stop, with all that they have started."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from taskq.testing.faults.fault import Fault
from taskq.testing.faults.proxy import Proxy
from taskq.testing.waiting import eventually

_MOST_LINES = 20_000


def alive(pid: int) -> bool:
    """Return whether a process exists and is not merely waiting to be collected by its parent."""
    return any(found == pid and state not in ("Z", "X") for found, _, state in _processes(pid))


def children(pid: int) -> list[int]:
    """Return the processes that a process has started."""
    return [found for found, parent, _ in _processes() if parent == pid]


def _processes(only: int | None = None) -> Iterator[tuple[int, int, str]]:
    """Yield id, parent and state of processes."""
    if not Path("/proc/self/stat").exists():
        yield from _listed()
        return
    for stat in [Path(f"/proc/{only}/stat")] if only else Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            state, parent = stat.read_text(errors="replace").rpartition(")")[2].split()[:2]
            yield int(stat.parent.name), int(parent), state


def _listed() -> Iterator[tuple[int, int, str]]:
    listing = subprocess.run(["ps", "-axo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)  # noqa: S607 - of this machine
    for line in listing.stdout.splitlines():
        pid, parent, state = line.split()[:3]
        yield int(pid), int(parent), state[0]


class Command:
    """A Python process, its output collected.

    Args:
        arguments: after the name of the Python program.
        environment: what differs from the one of this process.
        folder: where it runs; None: here.
        prefix: words before the command, such as those of an ``Island``.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        folder: Path | None = None,
        prefix: Sequence[str] = (),
    ) -> None:
        self.process = subprocess.Popen(
            [*prefix, sys.executable, *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
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
        with contextlib.suppress(ValueError), self.process.stdout as output:
            for line in output:
                self._lines.append(line)
                del self._lines[:-_MOST_LINES]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def tree(self) -> list[int]:
        """The process and those that it has started, as far as they live."""
        return [pid for pid in (*children(self.pid), self.pid) if alive(pid)]

    @property
    def output(self) -> str:
        return "".join(self._lines)

    def sees(self, pattern: str, times: int = 1, timeout_seconds: float = 60) -> str:
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

    def signal_tree(self, number: int) -> None:
        """Send a signal to this process and to those that it has started."""
        for pid in (*children(self.pid), self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def wait(self, timeout_seconds: float = 60) -> int:
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
        self.signal_tree(signal.SIGKILL)
        self.process.wait()
        self._reader.join(0.2)


class WorkerCommand(Command):
    """``python -m taskq worker``."""

    def ready(self, workers: int = 1, timeout_seconds: float = 60) -> WorkerCommand:
        """Wait until that many workers have said that they are ready."""
        self.sees(r"Worker \S+ ready", workers, timeout_seconds)
        return self

    @property
    def worker_ids(self) -> list[str]:
        """The workers that were ready at some time, in order."""
        return re.findall(r"Worker (\S+) ready", self.output)

    @property
    def child_pids(self) -> list[int]:
        """The worker processes that live now."""
        return [pid for pid in children(self.pid) if alive(pid)]

    @property
    def refused(self) -> int:
        """How many outcomes were refused so far."""
        return len(re.findall(r"the outcome of task \S+ was refused", self.output))

    def total(self, name: str) -> int:
        """Return a number of the line with which it ended."""
        (line,) = re.findall(r"Worker stopped after .*", self.output)
        found = re.search(rf"(\d+) {name}", line)
        return int(found[1]) if found else 0


class Strike:
    """Kills or stops a worker at its n-th command.

    Args:
        proxy: through which the worker, and only it, reaches the server.
        worker: the process that users start; its children run the handlers.
        whole: whether the process that users start is struck as well, as the loss of a machine would; else only its
            children are, as by the kernel when memory is short.
        number: the signal, SIGKILL or SIGSTOP.
    """

    def __init__(self, proxy: Proxy, worker: Command, *, whole: bool = False, number: int = signal.SIGKILL) -> None:
        self._proxy = proxy
        self._worker = worker
        self._whole = whole
        self._number = number
        self.at = 0.0

    def at_command(self, when: str, skip: int, name: str = "") -> Fault:
        """Arm it: ``before`` the server sees the command, or ``after`` it has answered.

        Args:
            when: ``before`` or ``after``.
            skip: how many commands go through first, from now on.
            name: of a command or script; empty for any.
        """
        return self._proxy.add(Fault(when, name, skip=skip, act=self.now))

    def now(self) -> None:
        """Strike at once."""
        self.at = time.monotonic()
        if self._whole:
            self._worker.signal_tree(self._number)
            return
        for pid in children(self._worker.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, self._number)
