"""The process that users start: runs no user code, keeps worker processes alive, and notices at once when one dies."""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from taskq.endings import ending_signals
from taskq.protocol.replies import Settlement
from taskq.settings import Settings
from taskq.worker.guardian import Ward
from taskq.worker.guardians import AnyGuardian
from taskq.worker.health import Health
from taskq.worker.link import SocketLink
from taskq.worker.options import WorkerOptions, dumps, to_wire
from taskq.worker.process import EXIT_DONE, EXIT_RECYCLE, EXIT_REFUSED, EXIT_USAGE, is_stopped
from taskq.worker.signals import ReadableSignals

log = logging.getLogger("taskq.worker")

# a process that died younger than this is not replaced at once, but after a pause that grows
_YOUNG_SECONDS = 5.0
_MAX_PAUSE_SECONDS = 30.0
_KILL_SECONDS = 3.0
_ENDS = {EXIT_DONE: "done", EXIT_RECYCLE: "recycled"}


class ChildProcess:
    """A worker process as the supervisor sees it.

    Args:
        settings: for the child.
        options: for the child.
    """

    def __init__(self, settings: Settings, options: WorkerOptions) -> None:
        ours, theirs = socket.socketpair()
        # settings hold a password: they go through the socket, not through arguments that everybody can list
        ours.sendall(dumps(to_wire(settings, options)))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "taskq.worker.child", str(theirs.fileno()), str(os.getpid())],
            pass_fds=(theirs.fileno(),),
            start_new_session=True,  # Ctrl+C is for the supervisor, which asks the children to stop
        )
        theirs.close()
        ours.setblocking(False)
        self.link = SocketLink(ours)
        self.born = time.monotonic()
        self.stats: dict[str, int] = {}
        self.running = 0
        self.watched: dict[str, tuple[float, Settlement]] = {}
        self.ready = False
        self.being_killed = False
        self.retiring = False
        self.wish = ""
        self.end_by: float | None = None
        self.failure: str | None = None

    @property
    def pid(self) -> int:
        """Of the process."""
        return self.process.pid

    def stop(self, grace_seconds: float) -> None:
        """Ask the process to end; it is killed if it has not by the end of the grace and a little more."""
        self.end_within(grace_seconds)
        self.link.tell({"stop": grace_seconds})

    def end_within(self, grace_seconds: float) -> None:
        """Have the process killed if it has not ended by the end of a grace and a little more."""
        self.end_by = time.monotonic() + grace_seconds + _KILL_SECONDS

    def watch(self, settlement: Settlement, at: float) -> None:
        """Have the process killed, and a task settled, unless it ends by then, or by an earlier time told before."""
        known, _ = self.watched.get(settlement.task_id, (at, settlement))
        if at <= known:
            self.watched[settlement.task_id] = (at, settlement)

    def kill(self) -> None:
        """End the process at once."""
        self.being_killed = True
        self.end_by = None
        self.process.kill()


class Supervisor:
    """Starts, watches, replaces and stops the worker processes.

    Args:
        settings: of the namespace.
        options: what to serve.
        guardian: beats for the workers.
        announce: called with the id of each worker that is ready and the types it serves.
        health: is told how the processes are; None: nobody asks.

    Attributes:
        least: processes that there are to be, although somebody wished that one of them stops.
        patient: whether handlers that cannot be loaded are waited for, until ``renew``, instead of the end.
    """

    def __init__(
        self,
        settings: Settings,
        options: WorkerOptions,
        guardian: AnyGuardian,
        announce: Callable[[str, list[str]], None],
        health: Health | None = None,
    ) -> None:
        self._settings = settings
        self._options = options
        self._guardian = guardian
        self._announce = announce
        self._health = health
        self._children: list[ChildProcess] = []
        self._selector = selectors.DefaultSelector()
        self._types: list[str] = []
        # when, and what was wished of the one that it is to replace
        self._restart_at: list[tuple[float, str]] = []
        self._quick_deaths = 0
        self._stopping = False
        self._target = options.processes
        self.least = 0
        self.patient = False
        self._waits_for_renewal = False
        self._renewal_due = False
        self._signals = ReadableSignals()
        self._failure: str | None = None
        self._exit_code = EXIT_DONE
        self.totals: Counter[str] = Counter()

    def run(self) -> int:
        """Serve until stopped or, in a burst, until the lists are empty; return the exit code."""
        with self._signals as wakeup:
            self._selector.register(wakeup, selectors.EVENT_READ, None)
            self._adjust()
            while self._children or self._restart_at or self._waits_for_renewal:
                for key, _ in self._selector.select(self._pause()):
                    if key.data is None:
                        for number in wakeup.recv(4096):
                            self._on_signal(number)
                    else:
                        self._hear(key.data)
                self._collect()
                self._renew_if_due()
                self._enforce_timeouts()
                self._restart_due()
                self._adjust()
                for child in self._children:
                    if child.end_by is not None and time.monotonic() >= child.end_by:
                        child.kill()
        if self._failure is not None:
            log.error("%s", self._failure)
        return self._exit_code

    def resize(self, processes: int) -> None:
        """Have this many processes from now on; one too many may first end what it runs. For any thread."""
        self._target = processes
        self._signals.poke()

    def renew(self) -> None:
        """Replace all processes; the old ones may first end what they run. For any thread."""
        self._renewal_due = True
        self._signals.poke()

    @property
    def stopping(self) -> bool:
        """Whether it has been told to stop."""
        return self._stopping

    @property
    def processes(self) -> int:
        """How many processes serve, or are about to."""
        return sum(not child.retiring for child in list(self._children)) + len(self._restart_at)

    @property
    def running(self) -> int:
        """How many tasks its processes hold, as far as they have said so."""
        return sum(child.running for child in list(self._children))

    @property
    def counts(self) -> Counter[str]:
        """What all its processes have done, as far as they have said so."""
        counts = Counter(self.totals)
        for child in list(self._children):
            counts.update(child.stats)
        return counts

    def _adjust(self) -> None:
        """Start or end processes until there are as many as there should be."""
        if self._stopping or self._exit_code == EXIT_USAGE or self._waits_for_renewal:
            return
        for _ in range(self.processes, self._target):
            self._spawn()
        while self.processes > self._target and self._restart_at:
            self._restart_at.pop()
        for child in [child for child in reversed(self._children) if not child.retiring][
            : self.processes - self._target
        ]:
            child.retiring = True
            child.stop(self._options.grace_seconds)

    def _renew_if_due(self) -> None:
        if not self._renewal_due or self._stopping:
            return
        self._renewal_due = False
        self._waits_for_renewal = False
        self._quick_deaths = 0
        now = time.monotonic()
        self._restart_at = [(now, wish) for _, wish in self._restart_at]
        for child in self._children:
            if not child.retiring:
                child.retiring = True
                child.stop(self._options.grace_seconds)
                self._restart_at.append((now, child.wish))

    def _pause(self) -> float:
        moments = [at for child in self._children for at, _ in child.watched.values()]
        moments += [at for at, _ in self._restart_at]
        moments += [child.end_by for child in self._children if child.end_by is not None]
        # the bound is for platforms where the end of a process sends no signal in time
        return max(0.0, min([*moments, time.monotonic() + 1.0]) - time.monotonic())

    def _spawn(self, wish: str = "") -> None:
        child = ChildProcess(self._settings, self._options)
        if wish:
            child.wish = wish
            if wish.startswith("drain "):
                log.warning("it claims nothing, as was wished of the one before it: `taskq worker resume` lets it")
            child.link.tell({"wish": wish})
        self._children.append(child)
        self._selector.register(child.link, selectors.EVENT_READ, child)
        if self._health:
            self._health.born(child.pid)

    def _on_signal(self, number: int) -> None:
        if number not in ending_signals():
            return
        again, self._stopping = self._stopping, True
        grace = 0.0 if again else self._options.grace_seconds
        for child in self._children:  # before a word of it, so that what is said is so
            child.stop(grace)
        log.warning(
            "stopping now: running tasks are handed back"
            if again
            else f"stopping: running tasks have {grace:g} s to end; once more to stop at once"
        )
        if self._health:
            self._health.stopping()
        self._restart_at.clear()
        self._waits_for_renewal = False

    def _hear(self, child: ChildProcess) -> None:
        messages = child.link.receive()
        if messages is None:
            with suppress(KeyError):
                self._selector.unregister(child.link)
            return
        for message in messages:
            self._handle(child, message)

    def _handle(self, child: ChildProcess, message: dict[str, Any]) -> None:
        match message:
            case {"worker": worker, "token": token, **rest}:
                partition = rest.get("partition", 0)
                self._guardian.adopt(Ward(worker, token, child.link.tell, lambda: is_stopped(child.pid), partition))
            case {"registered": worker}:
                child.ready = True
                self._guardian.confirm(worker)
                self._announce(worker, self._types)
                if self._health:
                    self._health.registered(child.pid)
            case {"bye": worker}:
                self._guardian.forget(worker)
            case {"types": types}:
                self._types = types
            case {"stats": stats, "running": running}:
                child.stats, child.running = stats, running
            case {"health": report} if self._health:
                self._health.hear(child.pid, report)
            case {"watch": fields, "at": at}:
                child.watch(Settlement(*fields), at)
            case {"unwatch": task_id}:
                child.watched.pop(task_id, None)
            case {"card": worker, "fields": fields}:
                self._guardian.show(worker, fields)
                self._follow(child, fields)
            case {"failed": reason}:
                child.failure = reason

    def _follow(self, child: ChildProcess, shown: dict[str, str]) -> None:
        """Take note of what a process does because somebody has wished it; one that stops is not replaced."""
        child.wish = shown["granted"]
        if shown.get("state") == "stopping" and not child.retiring:
            # it stops by itself; this is for the case that it does not
            child.retiring = True
            child.end_within(self._options.grace_seconds)
            self._target = max(self.least, self._target - 1)

    def _enforce_timeouts(self) -> None:
        now = time.monotonic()
        for child in self._children:
            overdue = [settlement for at, settlement in child.watched.values() if at <= now]
            if overdue and not child.being_killed:
                child.being_killed = True
                what = "goes on though cancelled" if overdue[0].outcome == "cancel" else "ignores its timeout"
                log.warning("task %s %s: its process is killed", overdue[0].task_id, what)
                for settlement in overdue[1:]:
                    self._guardian.settle(settlement, then=lambda: None)
                self._guardian.settle(overdue[0], then=child.process.kill)

    def _collect(self) -> None:
        for child in [child for child in self._children if child.process.poll() is not None]:
            while messages := child.link.receive():  # its last words
                for message in messages:
                    self._handle(child, message)
            with suppress(KeyError):
                self._selector.unregister(child.link)
            self._children.remove(child)
            self.totals.update(child.stats)
            code = child.process.returncode
            # innocent neighbours of a task that was killed for its timeout are not charged
            crashed = code not in (EXIT_DONE, EXIT_RECYCLE, EXIT_REFUSED) and not child.being_killed
            for worker in self._guardian.wards_of(child.link.tell):
                self._guardian.bury(worker, charge=crashed)
            child.link.close()
            if self._health:
                self._health.ended(child.pid, "killed" if child.being_killed else _ENDS.get(code, "crashed"))
            self._after_end(child, code)

    def _after_end(self, child: ChildProcess, code: int) -> None:
        if self._stopping or child.retiring or self._exit_code == EXIT_USAGE:
            return
        if code == EXIT_USAGE and self.patient:
            self._waits_for_renewal = True
            log.error("%s; waiting for the next change of a file", child.failure)
        elif code == EXIT_USAGE:
            self._exit_code = EXIT_USAGE
            self._failure = child.failure
            for other in self._children:
                other.stop(0.0)
        elif code == EXIT_RECYCLE or child.being_killed or (code == EXIT_DONE and not self._options.burst):
            # nobody has told us to stop, so a child that ended in order was asked to by somebody else
            self._restart_at.append((time.monotonic(), child.wish))
        elif code == EXIT_DONE:  # of a burst
            self._target -= 1
        else:
            self._quick_deaths = self._quick_deaths + 1 if time.monotonic() - child.born < _YOUNG_SECONDS else 0
            pause = min(_MAX_PAUSE_SECONDS, 0.5 * 2**self._quick_deaths) if self._quick_deaths > 1 else 0.0
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
            if child.failure:
                how += f" ({child.failure})"
            log.error(
                "worker process %d %s; starting another one%s", child.pid, how, f" in {pause:g} s" if pause else ""
            )
            self._restart_at.append((time.monotonic() + pause, child.wish))

    def _restart_due(self) -> None:
        due = [entry for entry in self._restart_at if entry[0] <= time.monotonic()]
        for entry in due:
            self._restart_at.remove(entry)
            self._spawn(entry[1])
