"""A worker process: runs the handlers. Started by the supervisor as ``python -m taskq.worker.child <descriptor>``."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from taskq.endings import ending_signals
from taskq.errors import TaskqError
from taskq.logs import set_up_logging
from taskq.metrics.runs import RunMetrics
from taskq.queue import TaskQueue
from taskq.worker.fleet import engine_for
from taskq.worker.handlers import load_handlers
from taskq.worker.health import REPORT_SECONDS
from taskq.worker.link import SocketLink
from taskq.worker.options import EngineOptions, WorkerOptions, from_wire
from taskq.worker.process import (
    EXIT_DONE,
    EXIT_FAILED,
    EXIT_RECYCLE,
    EXIT_REFUSED,
    EXIT_USAGE,
    die_with_parent,
    is_stopped,
    resident_bytes,
)
from taskq.worker.pulse import Pulse
from taskq.worker.steering import Steering

log = logging.getLogger("taskq.worker")

_REPORT_SECONDS = 0.25


class Child:
    """One worker process.

    Args:
        link: to the guardian.
        queue: whose tasks.
        options: what to serve.
        supervisor: process id of the supervisor.
        early: what it has said already.
    """

    def __init__(
        self,
        link: SocketLink,
        queue: TaskQueue,
        options: WorkerOptions,
        supervisor: int,
        early: Sequence[dict[str, Any]] = (),
    ) -> None:
        self._link = link
        self._options = options
        self._supervisor = supervisor
        self._early = early
        self._ended = threading.Event()
        self._stop_by: float | None = None
        self._recycle = False
        self._resting = False
        self._reported: dict[str, Any] = {}
        self._error: BaseException | None = None
        registry = load_handlers(options.handlers)
        self._metrics: RunMetrics | None = None
        if options.metrics_address is not None:
            self._metrics = RunMetrics()
            registry.middleware = (self._metrics, *registry.middleware)
        # what handlers submit passes the same hooks as what others do
        queue.registry.middleware = registry.middleware
        self._engine = engine_for(
            queue,
            registry,
            EngineOptions(
                lists=options.lists,
                slots=options.concurrency,
                burst=options.burst,
                max_tasks=options.max_tasks,
                name=options.name,
                timeout_grace_seconds=options.timeout_grace_seconds,
                cancel_grace_seconds=options.cancel_grace_seconds,
                weights=options.weights,
                reserve=options.reserve,
                aging_seconds=options.aging_seconds,
            ),
            link,
            options.partitions,
        )
        self._steering = Steering(
            self._engine, link.tell, lambda: self._stop(options.grace_seconds), logging.getLogger()
        )
        self._pulse = Pulse(self._engine)
        self._health_at = 0.0
        link.tell({"types": registry.types})

    def run(self) -> int:
        """Serve until told to stop; return the exit code."""
        for number in ending_signals():
            signal.signal(number, lambda *_: self._stop(self._options.grace_seconds))
        for message in self._early:
            self._hear(message)
        self._link.listen(self._hear, gone=lambda: os._exit(EXIT_FAILED))
        threading.Thread(target=self._serve, name="taskq engine", daemon=True).start()
        while not self._ended.wait(_REPORT_SECONDS if self._stop_by is None else 0.05):
            self._report()
            self._mind_supervisor()
            if self._stop_by is not None and time.monotonic() >= self._stop_by:
                back = self._engine.abandon()
                if back:
                    log.warning(
                        "handed back %s still running",
                        "1 task that was" if len(back) == 1 else f"{len(back)} tasks that were",
                    )
                break
        self._report()
        if self._error is not None:
            self._link.tell({"failed": str(self._error)})
            return EXIT_REFUSED if isinstance(self._error, TaskqError) else EXIT_FAILED
        return EXIT_RECYCLE if self._recycle or self._engine.used_up else EXIT_DONE

    def _serve(self) -> None:
        try:
            self._engine.run()
        except TaskqError as error:
            self._error = error
        except BaseException as error:
            log.exception("the engine has failed")
            self._error = error
        self._ended.set()

    def _hear(self, message: dict[str, Any]) -> None:
        match message:
            case {"cancel": ids}:
                self._engine.cancel(ids)
            case {"lost": worker}:
                self._engine.lost(worker)
            case {"shaky": _}:
                self._engine.shaky()
            case {"wish": wish}:
                self._steering.follow(wish)
            case {"stop": grace}:
                self._stop(grace)

    def _stop(self, grace_seconds: float) -> None:
        self._stop_by = time.monotonic() + grace_seconds
        self._engine.stop()

    def _report(self) -> None:
        counts = self._engine.tally.as_dict()
        report = {"stats": counts, "running": self._engine.running}
        if report != self._reported:
            self._reported = report
            self._link.tell(report)
        if self._metrics is not None:
            self._report_health(self._metrics, counts["refused"])
        self._check_memory()

    def _report_health(self, metrics: RunMetrics, refused: int) -> None:
        now = time.monotonic()
        if now >= self._health_at or self._ended.is_set():
            self._health_at = now + REPORT_SECONDS
            self._link.tell({"health": {**self._pulse.look(now), "refused": refused, "metrics": metrics.snapshot()}})

    def _mind_supervisor(self) -> None:
        """Claim nothing while the supervisor is stopped, by Ctrl+Z for instance: then nobody beats for this process."""
        resting = is_stopped(self._supervisor)
        if resting != self._resting:
            self._resting = resting
            log.warning(
                "the supervisor %s", "is stopped: no task is started until it goes on" if resting else "goes on"
            )
            self._engine.rest(resting)

    def _check_memory(self) -> None:
        limit = self._options.max_memory_bytes
        if limit is not None and not self._recycle and (used := resident_bytes()) > limit:
            log.warning("memory is %d MB, above the limit of %d MB: starting afresh", used >> 20, limit >> 20)
            self._recycle = True
            self._stop(self._options.grace_seconds)


def main(arguments: list[str]) -> int:
    """Run one worker process.

    Args:
        arguments: the descriptor of the link, and the process id of the supervisor.
    """
    die_with_parent(int(arguments[1]))
    sock = socket.socket(fileno=int(arguments[0]))
    os.set_inheritable(sock.fileno(), False)
    link = SocketLink(sock)
    messages = link.receive()
    if not messages:
        return EXIT_FAILED
    settings, options = from_wire(messages[0])
    set_up_logging(settings)
    try:
        return Child(link, TaskQueue(settings=settings), options, int(arguments[1]), messages[1:]).run()
    except TaskqError as error:
        link.tell({"failed": str(error)})
        return EXIT_USAGE
    except Exception as error:
        log.exception("the handlers could not be loaded")
        link.tell({"failed": f"the handlers could not be loaded: {type(error).__name__}: {error}"})
        return EXIT_USAGE


if __name__ == "__main__":
    code = main(sys.argv[1:])
    logging.shutdown()
    # handlers that were handed back still run on their threads; nobody waits for them any more
    os._exit(code)
