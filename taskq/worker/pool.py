"""``WorkerPool``: as many worker processes as the work needs, between two bounds."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace

from taskq.current import get_task_queue
from taskq.errors import TaskqError
from taskq.model.task import DEFAULT_QUEUE
from taskq.model.views import ListStats
from taskq.protocol.keys import list_name
from taskq.queue import TaskQueue
from taskq.states import TaskPriority
from taskq.worker.command import run_worker
from taskq.worker.options import WorkerOptions
from taskq.worker.scaling import Sample, Scaler, ScalingOptions
from taskq.worker.supervisor import Supervisor

log = logging.getLogger("taskq.worker")

_LOOK_SECONDS = 0.5
# what an attempt may lead to; each ends it and frees its slot
_ENDS = ("completed", "failed", "retried", "cancelled", "snoozed", "released", "waited")


class WorkerPool:
    """Worker processes that are started and ended as tasks come and go; a crashed one is replaced.

    What a process serves is told as to ``taskq worker``; ``taskq pool`` is the same as a command.

    Args:
        queue: whose tasks; None: the ``TaskQueue`` of this process. Only its settings reach the worker processes, which
            load the handlers themselves.
        options: what each process serves; ``processes`` is not used.
        scaling: between which bounds, and when.

    Example:
        WorkerPool(options=WorkerOptions(handlers=("shop",)), scaling=ScalingOptions(least=1, most=8)).start()
    """

    def __init__(
        self,
        queue: TaskQueue | None = None,
        *,
        options: WorkerOptions | None = None,
        scaling: ScalingOptions | None = None,
    ) -> None:
        self._queue = queue or get_task_queue()
        self._scaling = scaling or ScalingOptions()
        self._options = replace(options or WorkerOptions(), processes=self._scaling.least)
        self._ended = threading.Event()

    def start(self) -> int:
        """Serve until SIGINT or SIGTERM arrives, as ``taskq worker`` does; return the exit code. For the main thread.

        Raises:
            TaskqError: if there is no usable server.
        """
        try:
            return run_worker(self._queue.settings, self._options, self._follow)
        finally:
            self._ended.set()

    def _follow(self, supervisor: Supervisor) -> None:
        supervisor.least = self._scaling.least
        threading.Thread(target=self._scale, args=(supervisor,), name="taskq pool", daemon=True).start()

    def _scale(self, supervisor: Supervisor) -> None:
        scaler = Scaler(self._scaling, self._options.concurrency)
        while not self._ended.wait(_LOOK_SECONDS):
            try:
                sample = self._look(supervisor)
            except TaskqError as error:
                log.warning("the pool stays as it is, for it cannot see what waits: %s", error)
                continue
            if supervisor.stopping:
                return
            wanted = scaler.wanted(sample)
            if wanted != sample.processes:
                log.info(
                    "%d tasks wait and %d run: from now on %d process(es), not %d",
                    sample.waiting,
                    sample.running,
                    wanted,
                    sample.processes,
                )
                supervisor.resize(wanted)

    def _look(self, supervisor: Supervisor) -> Sample:
        served = set(self._options.lists)
        waiting = sum(
            entry.depth
            for entry in self._queue.get_queue_stats().lists
            if not entry.paused and _name_of(entry) in served
        )
        counts = supervisor.counts
        ended = sum(counts[name] for name in _ENDS)
        return Sample(time.monotonic(), waiting, supervisor.running, ended, supervisor.processes)


def _name_of(entry: ListStats) -> str:
    return list_name(None if entry.queue == DEFAULT_QUEUE else entry.queue, TaskPriority.parse(entry.priority))
