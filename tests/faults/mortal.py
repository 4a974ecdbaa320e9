"""Workers in forked processes, which can be killed at any of their commands and cost next to nothing to start."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from taskq import TaskQueue, TaskWorker
from taskq.testing.faults.fault import Fault
from taskq.testing.faults.proxy import Proxy
from taskq.transport.upkeep import crash_limits

Setup = Callable[[TaskWorker, Callable[[str], None]], None]


class Mortal:
    """A worker of one slot that lives until nothing waits any more, or until it is killed.

    Args:
        queue: whose tasks; looked at from outside.
        proxy: through which the worker speaks.
        diary: the file in which handlers write what they do.
        setup: registers handlers; is given a function that writes a word into the diary.
    """

    def __init__(self, queue: TaskQueue, proxy: Proxy, diary: Path, setup: Setup) -> None:
        self.queue, self._proxy, self._diary, self._setup = queue, proxy, diary, setup
        self._pid = 0
        diary.touch()

    def live(self, fault: Fault | None = None) -> bool:
        """Run a worker; return whether the fault has struck it. A dead one loses its tasks at once."""
        if fault is not None:
            self._proxy.add(fault)
        self._pid = os.fork()
        if self._pid == 0:
            self._work()
        os.waitpid(self._pid, 0)
        self._proxy.clear()
        protocol = self.queue.namespace.protocol
        for info in self.queue.list_workers():  # as its supervisor would
            self.queue.transport.run(protocol.evict(info.worker_id, True, 100, crash_limits(self.queue.settings)))
        return fault is not None and fault.struck.is_set()

    def kill(self) -> None:
        """Kill the worker that lives now; for a fault."""
        os.kill(self._pid, signal.SIGKILL)

    def _work(self) -> None:
        try:
            with TaskQueue(settings=replace(self.queue.settings, redis_url=self._proxy.url)) as queue:
                worker = TaskWorker(queue, concurrency=1)
                self._setup(worker, self._write)
                worker.run_until_empty()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)

    def _write(self, word: str) -> None:
        with self._diary.open("a") as diary:
            diary.write(f"{word}\n")

    def diary(self) -> list[str]:
        """Return what was done since the last look."""
        words = self._diary.read_text().split()
        self._diary.write_text("")
        return words
