"""Processes of a measurement: the submitter that speaks the protocol, and workers with all their children."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from bench.compare import lines
from bench.compare.catalogue import Peer, Variant
from bench.compare.environments import ROOT, command_of, variables_of

TICKS = os.sysconf("SC_CLK_TCK")
STOP_SECONDS = 5.0
ANSWER_SECONDS = 120.0


# All that this process may use when it starts; the first is the server's. Later it shares one with what it starts.
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


class Scene:
    """Where one measurement takes place: server, ledger, and the log of whatever is started.

    Args:
        url: of the server.
        work: name of the work; some adapters need to know.
        all_cores: let the processes use every core; otherwise they share the one beside the server's.
    """

    def __init__(self, url: str, work: str, *, all_cores: bool = False) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="taskq-compare-")
        self.ledger = Path(self._folder.name) / "ledger"
        self.ledger.touch()
        self._log = Path(self._folder.name) / "log"
        self._url, self._work, self._all_cores = url, work, all_cores
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            stop(process, at_once=True)
        self._folder.cleanup()

    def said(self) -> str:
        """Return the last words of the processes."""
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return " | ".join(line.strip() for line in text.splitlines()[-4:])[-300:]

    def _start(self, peer: Peer, role: str, variant: Variant, index: int = 0) -> subprocess.Popen[bytes]:
        allowed = set(CORES) if self._all_cores else set(CORES[-1:])
        variables: Mapping[str, str] = {
            **os.environ,
            **variables_of(peer),
            "COMPARE_URL": self._url,
            "COMPARE_LEDGER": str(self.ledger),
            "COMPARE_VARIANT": json.dumps(dict(variant)),
            "COMPARE_WORK": self._work,
            "COMPARE_INDEX": str(index),
        }
        client = role == "client"
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                command_of(peer, role),
                cwd=ROOT,
                env=variables,
                stdin=subprocess.PIPE if client else subprocess.DEVNULL,
                stdout=subprocess.PIPE if client else log,
                stderr=log,
                start_new_session=True,
            )
        if allowed:
            os.sched_setaffinity(process.pid, allowed)
        self._running.append(process)
        return process

    def worker(self, peer: Peer, variant: Variant, index: int = 0) -> subprocess.Popen[bytes]:
        """Start a worker of a peer."""
        return self._start(peer, "worker", variant, index)

    def client(self, peer: Peer, variant: Variant) -> Client:
        """Start a submitter of a peer and wait until it is connected."""
        return Client(self._start(peer, "client", variant))

    def runs(self) -> int:
        """Return how often a task has begun."""
        return self.ledger.stat().st_size // 16


class Client:
    """A submitter in another process.

    Args:
        process: that speaks the protocol on its standard input and output.

    Raises:
        AdapterError: if it does not come up.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.able: dict[str, Any] = self._read(ANSWER_SECONDS)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, verb: str, **arguments: Any) -> Any:
        """Let it do something; return what it answers.

        Raises:
            AdapterError: if it fails or is silent for two minutes longer than the work was to take.
        """
        self.begin(verb, **arguments)
        return self._read(ANSWER_SECONDS + float(arguments.get("seconds", 0)))

    def begin(self, verb: str, **arguments: Any) -> None:
        """Let it begin; the answer is not waited for."""
        assert self._process.stdin
        try:
            self._process.stdin.write(lines.request(verb, arguments))
            self._process.stdin.flush()
        except BrokenPipeError:
            raise lines.AdapterError("the adapter has ended") from None

    def _read(self, seconds: float) -> Any:
        assert self._process.stdout
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            raise lines.AdapterError(f"no answer within {seconds:.0f} s")
        return lines.read_answer(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            stop(self._process, at_once=True)


def tree(roots: Iterable[int]) -> set[int]:
    """Return the processes and all that descend from them."""
    parents = {pid: int(stat[1]) for pid, stat in _stats()}
    found, more = set(roots), set(roots)
    while more:
        more = {pid for pid, parent in parents.items() if parent in more} - found
        found |= more
    return found


def processor_seconds(roots: Iterable[int]) -> float:
    """Return the processor time of processes, of all that descend from them, and of those of these that have ended."""
    family = tree(roots)
    return sum(sum(map(int, stat[11:15])) for pid, stat in _stats() if pid in family) / TICKS


def _stats() -> Iterable[tuple[int, list[str]]]:
    """Yield the fields of /proc/PID/stat after the name, for each process there is."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except OSError:  # it has ended meanwhile
                continue
            yield int(entry.name), text.rpartition(")")[2].split()


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all that descend from it, as a lost machine would."""
    for pid in tree([process.pid]):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()


def stop(process: subprocess.Popen[bytes], *, at_once: bool = False) -> None:
    """End a process and all that descend from it: with SIGTERM first, unless it is to be at once."""
    if process.poll() is None and not at_once:
        family = tree([process.pid])
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        until = time.monotonic() + 1.0
        while time.monotonic() < until and any(Path(f"/proc/{pid}").exists() for pid in family):
            time.sleep(0.02)
        for pid in family - {process.pid}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    if process.poll() is None:
        kill_tree(process)
