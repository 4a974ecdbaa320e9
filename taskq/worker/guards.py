"""The guardian of a worker that lives in the user's own process: a process beside it, or a thread within."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
from typing import Any

from taskq.endings import ending_signals
from taskq.queue import TaskQueue
from taskq.settings import Settings
from taskq.worker.fleet import AnyEngine
from taskq.worker.guardian import Ward
from taskq.worker.guardians import guardian_for
from taskq.worker.link import SocketLink
from taskq.worker.options import WorkerOptions, dumps, to_wire
from taskq.worker.steering import Steering

log = logging.getLogger("taskq.worker")


def hear(engine: AnyEngine, steering: Steering, message: dict[str, Any]) -> None:
    """Pass on to an engine what its guardian says."""
    match message:
        case {"wish": wish}:
            steering.follow(wish)
        case {"cancel": ids}:
            engine.cancel(ids)
        case {"lost": worker}:
            engine.lost(worker)
        case {"shaky": _}:
            engine.shaky()


class ThreadGuard:
    """Beats from a thread of this process: enough for a run that ends by itself, but a handler that holds the GIL for
    longer than the lease looks dead.

    Args:
        queue: whose server.
        partitions: that are served; none: all.
    """

    def __init__(self, queue: TaskQueue, partitions: tuple[int, ...] = ()) -> None:
        self._guardian = guardian_for(queue, partitions)
        self.engine: AnyEngine | None = None
        self.steering: Steering | None = None
        self._guardian.start()

    def tell(self, message: dict[str, Any]) -> None:
        """Take a message of the engine."""
        match message:
            case {"worker": worker, "token": token, **rest}:
                self._guardian.adopt(Ward(worker, token, self._pass_on, lambda: False, rest.get("partition", 0)))
            case {"registered": worker}:
                self._guardian.confirm(worker)
            case {"bye": worker}:
                self._guardian.forget(worker)
            case {"card": worker, "fields": fields}:
                self._guardian.show(worker, fields)

    def _pass_on(self, message: dict[str, Any]) -> None:
        if self.engine is not None and self.steering is not None:
            hear(self.engine, self.steering, message)

    def close(self) -> None:
        """Stop beating."""
        self._guardian.stop()


class ProcessGuard:
    """Beats from a process of its own, which runs no user code and brings the tasks back at once if this one dies.

    Args:
        settings: which server.
        partitions: that are served; none: all.
    """

    def __init__(self, settings: Settings, partitions: tuple[int, ...] = ()) -> None:
        ours, theirs = socket.socketpair()
        ours.sendall(dumps(to_wire(settings, WorkerOptions(partitions=partitions))))
        # it is deaf to them, but not before its code is loaded: until then they wait
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ending_signals())
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "taskq.worker.sidecar", str(theirs.fileno()), str(os.getpid())],
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl+C is not for it: it ends when this process does
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self._link = SocketLink(ours)
        self.engine: AnyEngine | None = None
        self.steering: Steering | None = None
        self._closing = False
        self._link.listen(self._pass_on, self._gone)

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message to the process."""
        self._link.tell(message)

    def _pass_on(self, message: dict[str, Any]) -> None:
        if self.engine is not None and self.steering is not None:
            hear(self.engine, self.steering, message)

    def _gone(self) -> None:
        if not self._closing:
            log.error("the process that beats for this worker has ended; the worker stops before its lease does")
            if self.engine is not None:
                self.engine.shaky()
                self.engine.stop()

    def close(self) -> None:
        """Let the process end, and wait for it."""
        self._closing = True
        self._link.shut()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
