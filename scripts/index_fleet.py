"""The processes of the main job: two workers and a scheduler, started as users start them, each with its own log."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from taskq import TaskQueue

ROOT = Path(__file__).resolve().parent.parent
WORKERS = ("indexer-1", "indexer-2")
SLOTS = 4
_START_SECONDS = 30.0
_STOP_SECONDS = 20.0
_TAIL_LINES = 8
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform.startswith("linux") else None


class FleetError(Exception):
    """A process did not start, or ended by itself."""


@dataclass(frozen=True, slots=True)
class Member:
    """One process and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def tail(self) -> str:
        """Return the end of its log."""
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n".join(f"    {line}" for line in lines) or "    (nothing)"

    def last_words(self) -> str:
        """Return the line with its statistics; empty if it has written none."""
        lines = self.log.read_text(errors="replace").splitlines()
        return next((line for line in reversed(lines) if "stopped" in line), "")


class Fleet:
    """Starts the processes, watches them, and stops them by their ids.

    Args:
        queue: its server and prefix are theirs.
        folder: for the logs.
    """

    def __init__(self, queue: TaskQueue, folder: Path) -> None:
        self._queue = queue
        self.folder = folder
        self.members: list[Member] = []

    def start(self, stopped: Callable[[], bool]) -> None:
        """Start all and return when they are ready, or earlier if ``stopped`` says so.

        Raises:
            FleetError: if one does not get ready.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        prefix = ["--prefix", self._queue.settings.prefix]
        work = ["--handlers", "scripts.index_handlers", "--concurrency", str(SLOTS)]
        for name in WORKERS:
            self._spawn(name, "queue_worker.py", [*prefix, *work, "--name", name])
        self._spawn("scheduler", "schedule_worker.py", prefix)
        deadline = time.monotonic() + _START_SECONDS
        while not (stopped() or self._are_ready()):
            self.check()
            if time.monotonic() > deadline:
                late = [member for member in self.members if not _is_ready(member)]
                raise FleetError(
                    f"{late[0].name} was not ready within {_START_SECONDS:g} s; its log:\n{late[0].tail()}"
                )
            time.sleep(0.02)

    def _spawn(self, name: str, program: str, arguments: list[str]) -> None:
        log = self.folder / f"{name}.log"
        # The address may hold a password, and arguments can be listed by everybody on the machine.
        address = {"TASKQ_REDIS_URL": self._queue.namespace.endpoint.url, "PYTHONUNBUFFERED": "1"}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(ROOT / program), *arguments],
                cwd=ROOT,
                env={**os.environ, **address},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl+C is for this program, which then stops them in order
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - no thread runs yet, and prctl is safe after a fork
            )
        self.members.append(Member(name, process, log))

    def _are_ready(self) -> bool:
        return all(_is_ready(member) for member in self.members)

    def check(self) -> None:
        """Do nothing while all of them run.

        Raises:
            FleetError: if one has ended.
        """
        for member in self.members:
            code = member.process.poll()
            if code is not None:
                raise FleetError(
                    f"{member.name} ended by itself with code {code}; the end of {member.log}:\n{member.tail()}"
                )

    def press(self, number: int) -> None:
        """Send a signal to all that still run."""
        for member in self.members:
            if member.process.poll() is None:
                member.process.send_signal(number)

    def stop(self) -> None:
        """Ask all to stop and wait for them; those that do not are killed."""
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
            self.press(number)
            if self._wait(_STOP_SECONDS):
                return

    def _wait(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while any(member.process.poll() is None for member in self.members):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True


def _is_ready(member: Member) -> bool:
    return " ready" in member.log.read_text(errors="replace")


def _end_with_parent() -> None:
    """Have the process stopped in order when this program is killed. Linux only."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def stopping(fleet: Fleet) -> Iterator[Fleet]:
    """Stop the processes whatever happens."""
    try:
        yield fleet
    finally:
        fleet.stop()
