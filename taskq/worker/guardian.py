"""Who beats for workers, buries the dead and brings back what they held; runs no user code.

One thread talks to the server, so that neither a signal nor a socket of a worker ever waits for the network.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from taskq.errors import ServerUnavailable, TaskqError
from taskq.protocol.operation import Operation
from taskq.protocol.operations import Protocol
from taskq.protocol.replies import Settlement
from taskq.queue import TaskQueue
from taskq.settings import Settings
from taskq.transport.chronicle import Chronicle
from taskq.transport.line import Line, Patience
from taskq.transport.sampling import Sampler
from taskq.transport.upkeep import Upkeep, crash_limits, lease_times
from taskq.transport.vigil import Vigil

T = TypeVar("T")

log = logging.getLogger("taskq.worker")

_BURY_LIMIT = 100
# time stands still for CLOCK_MONOTONIC while a laptop sleeps, but not for its lease
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _now() -> float:
    return time.clock_gettime(_CLOCK)


@dataclass(slots=True)
class Ward:
    """A worker that is guarded.

    Attributes:
        worker: its id.
        token: its token.
        tell: sends a message to its process.
        stopped: tells whether its process is stopped (SIGSTOP): then nobody beats for it.
        partition: of which its tasks are.
        registered: whether the server is known to know it; before that, a beat in vain means nothing.
        beaten: when its registration or its last beat got through, in boot time seconds.
        warned: whether it was told since then that its lease may be over soon.
        wish: what its process was told last that somebody wants of it.
        shown: what its card is to show besides.
    """

    worker: str
    token: str
    tell: Callable[[dict[str, Any]], None]
    stopped: Callable[[], bool]
    partition: int = 0
    registered: bool = False
    beaten: float = field(default_factory=_now)
    warned: bool = False
    wish: str = ""
    shown: dict[str, str] = field(default_factory=dict)


def guardian_of(queue: TaskQueue) -> Guardian:
    """Return a guardian for workers of a queue, with a line of its own.

    A connection that has gone silent must not cost a lease before it is given up, however long others may wait for a
    reply.
    """
    settings = queue.settings
    patience = min(settings.socket_timeout_seconds, settings.heartbeat_interval_seconds)
    return Guardian(Line(queue.transport.endpoint, patience), queue.namespace.protocol, settings)


class Guardian:
    """Beats for its wards, and keeps the namespace in order while it is at it.

    Args:
        line: to the server; used by the guardian's thread only.
        protocol: the operations of the namespace.
        settings: lease times and limits.
    """

    def __init__(self, line: Line, protocol: Protocol, settings: Settings) -> None:
        self._line = line
        self._protocol = protocol
        self._settings = settings
        self._limits = crash_limits(settings)
        self._upkeep = Upkeep(self._call, protocol, settings)
        self._chronicle = Chronicle(self._call, protocol)
        self._vigil = Vigil(self._call, protocol, lease_times(settings).period_ms)
        self._sampler = Sampler(self._call, protocol)
        self._wards: dict[str, Ward] = {}
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        # shorter than two beats: an outage must not keep the guardian from telling its wards
        self._patience = Patience(settings.heartbeat_interval_seconds, self._stop)
        self._thread = threading.Thread(target=self._run, name="taskq guardian", daemon=True)
        self._watch = threading.Thread(target=self._warn_shaky, name="taskq guardian watch", daemon=True)
        self._buried = 0

    @property
    def recovered(self) -> int:
        """How many tasks of dead workers were brought back."""
        return self._buried + self._upkeep.recovered

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()
        self._watch.start()

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """Finish the jobs at hand and end."""
        self._jobs.put(None)
        self._thread.join(timeout_seconds)
        self._stop.set()

    def adopt(self, ward: Ward) -> None:
        """Beat for a worker from now on; it registers itself."""
        with self._lock:
            self._wards[ward.worker] = ward

    def confirm(self, worker: str) -> None:
        """Take note that a worker has registered."""
        with self._lock:
            ward = self._wards.get(worker)
            if ward is None:
                return
            ward.registered, ward.beaten = True, _now()
        if ward.shown:
            self._jobs.put(partial(self._show, ward))

    def forget(self, worker: str) -> None:
        """Beat for a worker no longer."""
        with self._lock:
            self._wards.pop(worker, None)

    def wards_of(self, tell: Callable[[dict[str, Any]], None]) -> list[str]:
        """Return the ids of the workers whose process is reached by ``tell``."""
        with self._lock:
            return [ward.worker for ward in self._wards.values() if ward.tell == tell]

    def show(self, worker: str, fields: dict[str, str]) -> None:
        """Write onto the card of a worker, now or when it has registered."""
        with self._lock:
            ward = self._wards.get(worker)
            if ward is None:
                return
            ward.shown.update(fields)
        self._jobs.put(partial(self._show, ward))

    def bury(self, worker: str, charge: bool) -> None:
        """Bring back the tasks of a worker whose process has ended, at once.

        Args:
            worker: its id.
            charge: whether its end counts as a crash of each task.
        """
        self.forget(worker)
        self._jobs.put(lambda: self._bury(worker, charge))

    def settle(self, settlement: Settlement, then: Callable[[], object]) -> None:
        """Settle a task in the name of a process that is about to be killed, then call back, settled or not."""

        def job() -> None:
            try:
                refused = self._call(self._protocol.settle([settlement]))
            finally:
                then()
            if refused:
                log.warning("task %s had ended before its process was killed", settlement.task_id)

        self._jobs.put(job)

    def _run(self) -> None:
        beat_at = time.monotonic()
        while True:
            wait = beat_at - time.monotonic()
            if wait <= 0:  # before any job: while there is always one more to do, the wards must not look dead
                self._attempt(self._beat)
                # counted from its end: a beat that takes longer than its period must not keep the jobs waiting
                beat_at = time.monotonic() + self._settings.heartbeat_interval_seconds
                continue
            try:
                job = self._jobs.get(timeout=wait)
            except queue.Empty:
                continue
            if job is None:
                break
            self._attempt(job)
        self._line.close()

    def _attempt(self, job: Callable[[], object]) -> None:
        try:
            job()
        except TaskqError as error:
            log.warning("guardian: %s", error)
        except Exception:
            log.exception("guardian: unexpected error")

    def _beat(self) -> None:
        with self._lock:
            wards = [ward for ward in self._wards.values() if not ward.stopped()]
            registered = [ward.registered for ward in wards]  # before this beat, whatever is heard during it
        try:
            reply = self._upkeep.beat([(ward.worker, ward.token) for ward in wards])
        except TaskqError as error:
            log.debug("no beat: %s", error)
            return
        now = _now()
        for ward, known, cancels, wish in zip(wards, registered, reply.workers, reply.wishes, strict=True):
            if cancels is None:
                if known:
                    ward.tell({"lost": ward.worker})
                continue
            ward.beaten, ward.warned = now, False
            if cancels:
                ward.tell({"cancel": list(cancels)})
            if wish != ward.wish:
                ward.wish = wish
                ward.tell({"wish": wish})
        if self._upkeep.pending:
            self._jobs.put(self._keep_up)
        self._jobs.put(lambda: self._chronicle.step(reply.now_ms))
        self._jobs.put(lambda: self._vigil.step(reply.now_ms))
        self._jobs.put(self._sampler.step)

    def _show(self, ward: Ward) -> None:
        """Write what a card is to show; while the server is away, try again."""
        try:
            self._call(self._protocol.card(ward.worker, ward.token, dict(ward.shown)))
        except ServerUnavailable:
            self._jobs.put(partial(self._show, ward))
            raise

    def _keep_up(self) -> None:
        """Make one step, and the rest after whatever else is waiting."""
        self._upkeep.step()
        if self._upkeep.pending:
            self._jobs.put(self._keep_up)

    def _warn_shaky(self) -> None:
        """Tell workers whose lease may be over soon; nobody can say whether the others count this time or not.

        On a thread of its own: the one that talks to the server may hang on a silent connection for longer than that.
        """
        period = self._settings.heartbeat_interval_seconds
        while not self._stop.wait(period / 2):
            with self._lock:
                wards = list(self._wards.values())
            for ward in wards:
                if (
                    ward.registered
                    and not ward.warned
                    and _now() - ward.beaten > self._settings.lease_seconds - 2 * period
                ):
                    ward.warned = True
                    ward.tell({"shaky": True})

    def _bury(self, worker: str, charge: bool) -> None:
        """Bring back what a dead worker held; while the server is away, try again at every beat."""
        try:
            requeued, died, gone = self._call(self._protocol.evict(worker, charge, _BURY_LIMIT, self._limits))
        except ServerUnavailable:
            self._jobs.put(lambda: self._bury(worker, charge))
            raise
        self._buried += requeued + died
        if requeued or died:
            log.warning(
                "worker %s has ended: %d of its tasks are back in their lists, %d are dead", worker, requeued, died
            )
        if not gone:
            self._bury(worker, charge)

    def _call(self, operation: Operation[T], /) -> T:
        return self._line.run(operation, self._patience)
