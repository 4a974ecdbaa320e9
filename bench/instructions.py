"""``python -m bench.instructions [server [case]]``: instructions of the server per task, however busy the machine.

Counted with callgrind (valgrind on PATH): see docs/decisions/0008. Turns of ten, each of which settles the ten before
it and claims the next, by the operations themselves; the submits before them are counted in a column of their own.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import redis

from bench.measures import new_queue, ready_to_take_turns, take_turns, task
from taskq import Task, TaskQueue
from taskq.testing.faults.server import free_port
from taskq.transport.server_binary import find_server_binary

TURNS, WANT = 60, 10
TASKS = TURNS * WANT


class Case(NamedTuple):
    """Tasks, and the limits, circuits and limits of queues that are set before they are submitted."""

    what: str
    make: Callable[[int], Task]
    limits: tuple[dict[str, object], ...] = ()
    circuits: tuple[dict[str, object], ...] = ()
    bounds: tuple[dict[str, object], ...] = ()


CASES = (
    Case("no limit defined", lambda n: task()),
    Case("a limit of another type, or of a key", lambda n: task(), ({"name": "type:x", "concurrency": 50},)),
    Case("a limit of their type", lambda n: task(), ({"name": "type:noop", "concurrency": 50},)),
    Case("a circuit of another type", lambda n: task(), circuits=({"name": "type:x"},)),
    Case("a circuit of their type, closed", lambda n: task(), circuits=({"name": "type:noop"},)),
    Case("... that opens by a share", lambda n: task(), circuits=({"name": "type:noop", "share": 0.5},)),
    Case("a rate of their type", lambda n: task(), ({"name": "type:noop", "rate": "10000/s"},)),
    Case("one limit key", lambda n: task(limit_keys=["k"]), ({"name": "k", "concurrency": 50},)),
    Case("a key each", lambda n: task(limit_keys=[f"k:{n % 100}"]), ({"name": "k", "concurrency": 50},)),
    Case("a unique key each", lambda n: task(unique_key=f"u{n}")),
    Case("one of ten group keys", lambda n: task(group_key=f"g{n % 10}")),
    Case("a group key each", lambda n: task(group_key=f"g{n}")),
    Case("a limit of their queue, by tasks", lambda n: task(), bounds=({"max_tasks": 10**6},)),
    Case("a limit of their queue, by bytes", lambda n: task(), bounds=({"max_bytes": 10**9},)),
    Case("a limit that is full for half of them", lambda n: task(), ({"name": "type:noop", "concurrency": 5},)),
)


class Counted:
    """A server under callgrind."""

    def __init__(self, url: str, client: redis.Redis, pid: int, folder: Path) -> None:
        self.url, self.client = url, client
        self._pid, self._folder = pid, folder
        self._dumps = 0

    def instructions(self, action: Callable[[], object]) -> int:
        """Return how many instructions the server executes meanwhile."""
        self._dump()
        action()
        return self._dump()

    def _dump(self) -> int:
        """Return the instructions since the last call."""
        subprocess.run(["callgrind_control", "--dump", str(self._pid)], check=True, capture_output=True)
        self._dumps += 1
        path = self._folder / f"callgrind.{self._dumps}"
        for _ in range(2000):
            if path.exists() and (found := re.search(r"^totals: (\d+)$", path.read_text(), re.MULTILINE)):
                return int(found[1])
            time.sleep(0.005)
        raise RuntimeError(f"callgrind wrote no {path}")


@contextmanager
def counted(binary: Path) -> Iterator[Counted]:
    """Start a server under callgrind."""
    folder = Path(tempfile.mkdtemp(prefix="taskq-bench-"))
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "", "--appendonly", "no"]
    # nothing that the clock starts, or a busy machine would be counted: see docs/decisions/0061
    options += ["--hz", "1", "--dynamic-hz", "no", "--activerehashing", "no", "--enable-debug-command", "yes"]
    process = subprocess.Popen(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/callgrind", binary, *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    client = redis.Redis(port=port, protocol=2, socket_timeout=60)
    try:
        for _ in range(600):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.05)
        client.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        yield Counted(f"redis://127.0.0.1:{port}/0", client, process.pid, folder)
    finally:
        client.close()
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def prepared(url: str, case: Case, tasks: int) -> tuple[TaskQueue, list[list[Task]]]:
    """Return a queue with what a case sets, and with a worker, and so many tasks in batches of a hundred."""
    queue = new_queue(url)
    for limit in case.limits:
        queue.set_limit(**limit)  # type: ignore[arg-type]  # options of the bench
    for circuit in case.circuits:
        queue.set_circuit(**circuit)  # type: ignore[arg-type]  # options of the bench
    for bound in case.bounds:
        queue.set_queue_limit(**bound)  # type: ignore[arg-type]  # options of the bench
    ready_to_take_turns(queue)
    return queue, [[case.make(at + n) for n in range(100)] for at in range(0, tasks, 100)]


def measure(server: Counted, case: Case) -> tuple[float, float]:
    """Return thousands of instructions per task: of the submit in batches of a hundred, and of the turns."""
    queue, batches = prepared(server.url, case, TASKS)
    # the server compiles a script once
    queue.submit_batch([case.make(TASKS)])
    submits = server.instructions(lambda: [queue.submit_batch(batch) for batch in batches])
    turns = server.instructions(lambda: take_turns(queue, TASKS, WANT))
    return submits / TASKS / 1000, turns / TASKS / 1000


def main(binary: str | None, chosen: str = "") -> None:
    """Print a row for the first case, and for each whose name contains one of ``chosen``, with commas between."""
    path = Path(binary) if binary else find_server_binary()[0]
    print(f"{path.name}; thousands of instructions per task, turns of {WANT}\n")
    print(f"{'':<40} {'submit':>8} {'turns':>8}")
    first = 0.0
    for case in CASES:
        if case is not CASES[0] and not any(text in case.what for text in chosen.split(",")):
            continue
        with counted(path) as server:
            submits, turns = measure(server, case)
        first = first or turns
        print(f"{case.what:<40} {submits:>8.1f} {turns:>8.1f} {turns / first:>7.2f} x", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:] or [None])
