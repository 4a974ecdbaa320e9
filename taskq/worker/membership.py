"""How an engine is known to the server: registered, beaten for, lost and back again, signed off."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from taskq.errors import ServerUnavailable, TaskqError
from taskq.protocol.operation import Operation
from taskq.protocol.operations import CrashLimits, Protocol
from taskq.settings import Settings
from taskq.transport.line import Line, Patience
from taskq.transport.upkeep import lease_times
from taskq.worker.link import Guard

T = TypeVar("T")

log = logging.getLogger("taskq.worker")

_SIGN_OFF_SECONDS = 2.0
_MOST_HANDED_BACK = 250


class Membership:
    """The registration of one engine, and its line to the server.

    Args:
        line: of the engine; not shared.
        protocol: the operations of the namespace.
        settings: for the lease times.
        guard: who beats for the worker.
        name: for people; the id begins with it.

    Attributes:
        worker: the id; a worker that was lost comes back under another one.
        token: proves that the id is ours.
        seq: number of the last turn.
        away: whether the server does not answer.
        shown: what the card shows besides, since somebody wished it.
    """

    def __init__(self, line: Line, protocol: Protocol, settings: Settings, guard: Guard, name: str | None) -> None:
        self._line = line
        self._protocol = protocol
        self._times = lease_times(settings)
        self._guard = guard
        self._name = name or "worker"
        self._connects = 0
        self._uuid = ""
        self._leaving = threading.Event()
        self.reconnected = False
        self.away = False
        self.shown: dict[str, str] = {}
        self._renew()

    def _renew(self) -> None:
        self.worker = f"{self._name}-{secrets.token_hex(4)}"
        self.token = secrets.token_hex(6)
        self.seq = 0

    def give_up(self) -> None:
        """Let calls that nothing depends on end without the server from now on; for other threads."""
        self._leaving.set()

    def run(self, operation: Operation[T], *, vital: bool = False) -> T:
        """Run an operation through any outage; say once that the server went, and once that it is back.

        Args:
            operation: what to do.
            vital: whether something is lost without it, such as the outcome of a task.

        Raises:
            ServerUnavailable: if the server is away when the worker wants to leave, and it is not vital.
        """
        return self._through(self._line.run, operation, vital)

    def post(self, operation: Operation[Any]) -> None:
        """Send an operation; ``collect`` returns the reply, those of several in their order."""
        self._line.post(operation)

    def collect(self, operation: Operation[T], *, vital: bool = False) -> T:
        """Return the reply to the oldest operation that was posted; as ``run`` in all else."""
        return self._through(self._line.collect, operation, vital)

    def fileno(self) -> int:
        """The descriptor to wait on for a reply; -1 if there is none to wait for."""
        return self._line.fileno()

    def _through(self, run: Callable[[Operation[T], Patience], T], operation: Operation[T], vital: bool) -> T:
        try:
            reply = run(operation, Patience(0))
        except ServerUnavailable as error:
            log.warning("the server is away, trying until it is back: %s", error.__cause__ or error)
            since, self.away = time.monotonic(), True
            reply = self._line.run(operation, Patience(None, None if vital else self._leaving))
            self.away = False
            log.warning("the server is back after %.1f s", time.monotonic() - since)
        if self._line.connects != self._connects:
            self.reconnected = self._connects > 0
            self._connects = self._line.connects
        return reply

    def register(self, card: Mapping[str, str]) -> int:
        """Make the worker known; return the server's time in ms.

        Args:
            card: what to show of it, besides host, pid and start.
        """
        started = str(time.time_ns() // 1_000_000)
        fresh_uuid = secrets.token_hex(16)
        while True:
            # the guardian is told first: a worker that dies right after it registered must be known to somebody
            self._guard.tell({"worker": self.worker, "token": self.token})
            # and only then: what is shown from here on, the guardian writes onto the card of this id
            full = {"host": socket.gethostname(), "pid": str(os.getpid()), "started": started, **card, **self.shown}
            known, uuid, now_ms = self.run(
                self._protocol.register(self.worker, self.token, self._times, fresh_uuid, full)
            )
            if known:
                break
            self._guard.tell({"bye": self.worker})
            self._renew()
        if self._uuid and uuid != self._uuid:
            log.error(
                "this is not the namespace that the worker joined: somebody flushed or restored the database. What was "
                "queued before is gone from here; submit it again"
            )
        self._uuid = uuid
        self._guard.tell({"registered": self.worker})
        return now_ms

    def come_back(self, card: Mapping[str, str]) -> int:
        """Register under another id after the lease was lost; return the server's time in ms."""
        lost = self.worker
        self._guard.tell({"bye": lost})
        self._renew()
        now_ms = self.register(card)
        log.warning("worker %s lost its lease and is back as %s", lost, self.worker)
        return now_ms

    def repair(self, held: Iterable[str]) -> None:
        """After a reconnect: hand back what stands in our list without being held; its claim's reply was lost."""
        self.reconnected = False
        operation, number, more = self._protocol.repair(self.worker, self.token, self._times, list(held)), 0, True
        while more:
            back, more = self.run(operation)
            number += len(back)
        if number:
            log.warning(
                "handed back %s claimed while the connection broke",
                "1 task that was" if number == 1 else f"{number} tasks that were",
            )

    def leave(self) -> None:
        """Sign off, so that nobody waits for the lease to run out; what is still held goes back uncharged."""
        operation: Operation[tuple[int, int, bool]] = self._protocol.evict(
            self.worker, False, _MOST_HANDED_BACK, CrashLimits(1, 1)
        )
        try:
            gone = False
            while not gone:
                _, _, gone = self._line.run(operation, Patience(_SIGN_OFF_SECONDS))
        except TaskqError as error:
            log.warning("could not sign off: %s", error)
        self._guard.tell({"bye": self.worker})
