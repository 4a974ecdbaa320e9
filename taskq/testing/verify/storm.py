"""Random faults under load until the time is over; the same seed makes the same ones in the same order."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from taskq.errors import ServerFull, ServerUnavailable
from taskq.flows import due_in
from taskq.model.task import Task
from taskq.queue import TaskQueue
from taskq.testing.check import Limits
from taskq.testing.faults.fault import Fault
from taskq.testing.faults.process import Command, WorkerCommand
from taskq.testing.faults.proxy import Proxy
from taskq.testing.ledger import FAULT, SENT, SUBMIT
from taskq.testing.verify.report import Tally
from taskq.testing.verify.site import HEARTBEAT_SECONDS, LEASE_SECONDS, Plan, Site
from taskq.testing.verify.wires import ERRORS
from taskq.transport.failures import Unsure

_WORKERS = 3
_DRAIN_SECONDS = 90.0
_BATCH = 20
_MOST_WAITING = 400


@dataclass(frozen=True, slots=True)
class Weather:
    """What a storm is like.

    Attributes:
        seconds: how long it lasts.
        pause_seconds: between two faults, on average.
        tasks_per_second: submitted meanwhile, as long as few wait.
        slots: tasks at a time in each worker.
        forgotten: whether ended tasks expire while it lasts.
        harm: further faults, by name, which take the random numbers and return when the fault is over.
    """

    seconds: float
    pause_seconds: float = 0.5
    tasks_per_second: float = 40.0
    slots: int = 4
    forgotten: bool = False
    harm: dict[str, Callable[[random.Random], None]] = field(default_factory=dict)


class Storm:
    """Workers, two schedulers and a client, each behind a proxy of its own, and what befalls them.

    Args:
        site: where it rages.
        tally: what has happened.
        weather: what it is like.
    """

    def __init__(self, site: Site, tally: Tally, weather: Weather) -> None:
        self._site = site
        self._tally = tally
        self._weather = weather
        self._dice = site.plan.dice(site.name)
        self._proxies: list[Proxy] = []
        self._workers: list[WorkerCommand] = []
        self._schedulers: list[Command] = []
        self._client = site.proxy()
        self._enough = threading.Event()
        self._refused = 0
        self._thawing: list[threading.Timer] = []
        self.most_waiting = 0
        self._error: BaseException | None = None
        self._kinds: dict[str, Callable[[random.Random], None]] = {
            **{action: self._wire(action) for action in ("cut", "lose", "hang", "delay", "answer")},
            "break connections": self._break_connections,
            "kill process": self._kill_process,
            "kill machine": self._kill_machine,
            "freeze": self._freeze,
            "freeze beyond lease": self._freeze_beyond_lease,
            "kill scheduler": self._kill_scheduler,
            **weather.harm,
        }

    def rage(self) -> None:
        """Let it rage for its time, then wait until everything has ended, and check."""
        site = self._site
        for _ in range(_WORKERS):
            self._proxies.append(site.proxy())
            self._workers.append(self._start_worker(len(self._proxies) - 1))
        self._proxies.append(site.proxy())
        self._schedulers = [site.command(self._proxies[-1], "scheduler") for _ in range(2)]
        load = threading.Thread(target=self._load, name="load", daemon=True)
        load.start()
        try:
            self._strike_until(time.monotonic() + self._weather.seconds)
        finally:
            self._enough.set()
            load.join(60)
        assert not load.is_alive(), "the client still tries to submit"
        if self._error is not None:
            raise self._error
        self._drain()

    def _start_worker(self, index: int) -> WorkerCommand:
        slots = str(self._weather.slots)
        return self._site.worker(self._proxies[index], "--concurrency", slots, "--grace", "2s")

    # -- the load --

    def _load(self) -> None:
        try:
            far = self._site.through(self._client)
            dice = self._site.plan.dice(f"{self._site.name}-load")
            while not self._enough.wait(_BATCH / self._weather.tasks_per_second):
                if self._backlog() < _MOST_WAITING:
                    self._submit(far, dice)
        except BaseException as error:
            self._error = error

    def _backlog(self) -> int:
        """Return how many tasks wait: nobody learns anything from work that piles up while workers are dead."""
        stats = self._site.queue.get_queue_stats()
        self.most_waiting = max(self.most_waiting, stats.pending_tasks)
        return stats.pending_tasks

    def _submit(self, far: TaskQueue, dice: random.Random) -> None:
        tasks = [self._task(dice) for _ in range(_BATCH)]
        for task in tasks:
            self._site.ledger.note(SENT, task.task_id)
        try:
            ids = far.submit_batch(tasks[1:])
            ids.append(far.submit_later(tasks[0], due_in(dice.uniform(0.05, 1.0))))
        except (ServerUnavailable, ServerFull):
            return  # sent, perhaps accepted: the check knows of both
        for task_id in ids:
            self._site.ledger.note(SUBMIT, task_id)

    def _task(self, dice: random.Random) -> Task:
        priority = dice.choice(("low", "normal", "normal", "high", "urgent"))
        kind = dice.choice(("work", "work", "work", "work", "flaky", "broken"))
        payload = dice.choice((0, 0, 0.005, 0.03, 0.5)) if kind == "work" else None
        return Task(
            task_type=kind, payload=payload, priority=priority, max_retries=int(kind == "flaky"), retry_delay=0.1
        )

    # -- the faults --

    def _strike_until(self, end: float) -> None:
        names = list(self._kinds)
        while time.monotonic() < end and not self._site.plan.stop.is_set() and self._error is None:
            pause = self._dice.uniform(0.2, 1.8) * self._weather.pause_seconds
            kind = self._dice.choice(names)
            self._site.plan.stop.wait(pause)
            with contextlib.suppress(Unsure):  # a server that is away already cannot be told to go
                self._site.ledger.note(FAULT, kind)
                self._kinds[kind](self._dice)
            self._tally.points += 1
            self._tally.struck(kind)
            self._replace_the_dead()

    def _replace_the_dead(self) -> None:
        for index, worker in enumerate(self._workers):
            if worker.process.poll() is not None:
                self._bury(index)

    def _bury(self, index: int) -> None:
        self._refused += self._workers[index].refused
        self._workers[index].destroy()
        self._workers[index] = self._start_worker(index)

    def _wire(self, action: str) -> Callable[[random.Random], None]:
        def strike(dice: random.Random) -> None:
            proxy = dice.choice([*self._proxies, self._client])
            proxy.add(
                Fault(
                    action,
                    skip=dice.randrange(4),
                    times=dice.choice((1, 1, 1, 3)),
                    seconds=dice.uniform(0.02, 0.4),
                    reply=dice.choice(ERRORS),
                )
            )

        return strike

    def _break_connections(self, dice: random.Random) -> None:
        dice.choice([*self._proxies, self._client]).cut_connections()

    def _kill_process(self, dice: random.Random) -> None:
        worker = dice.choice(self._workers)
        for pid in worker.child_pids:
            _send(pid, signal.SIGKILL)

    def _kill_machine(self, dice: random.Random) -> None:
        index = dice.randrange(_WORKERS)
        self._workers[index].signal_tree(signal.SIGKILL)
        self._bury(index)

    def _freeze(self, dice: random.Random) -> None:
        self._freeze_for(dice.choice(self._workers), dice.uniform(0.1, 3 * HEARTBEAT_SECONDS))

    def _freeze_beyond_lease(self, dice: random.Random) -> None:
        self._freeze_for(dice.choice(self._workers), LEASE_SECONDS * dice.uniform(1.1, 1.6))

    def _freeze_for(self, worker: WorkerCommand, seconds: float) -> None:
        def thaw() -> None:
            if worker.process.poll() is None:
                worker.signal_tree(signal.SIGCONT)

        worker.signal_tree(signal.SIGSTOP)
        thawing = threading.Timer(seconds, thaw)
        self._thawing.append(thawing)
        thawing.start()

    def _kill_scheduler(self, dice: random.Random) -> None:
        index = dice.randrange(len(self._schedulers))
        self._schedulers[index].destroy()
        self._schedulers[index] = self._site.command(self._proxies[-1], "scheduler")

    # -- the end --

    def _drain(self) -> None:
        for proxy in (*self._proxies, self._client):
            proxy.clear()
        for thawing in self._thawing:
            thawing.join()
        began = time.monotonic()
        self._replace_the_dead()
        try:
            self._site.wait_ended(self._site.counter("submitted"), _DRAIN_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self._picture()}") from None
        self._tally.recovery_seconds.append(time.monotonic() - began)
        for command in (*self._workers, *self._schedulers):
            command.send(signal.SIGTERM)
        for command in (*self._workers, *self._schedulers):
            command.wait(30)
        self._tally.refused += self._refused + sum(worker.refused for worker in self._workers)
        self._site.judge(
            self._tally,
            Limits(second_runs=0, frozen=True, unsure=True, all_ended=True, forgotten=self._weather.forgotten),
        )

    def _picture(self) -> str:
        """Return who is where, for whoever has to find out why something has not ended."""
        stats = self._site.queue.get_queue_stats()
        places = {name: getattr(stats, f"{name}_tasks") for name in ("pending", "running", "scheduled", "retry")}
        held = {
            info.worker_id: (len(info.held), round(info.lease_seconds, 1)) for info in self._site.queue.list_workers()
        }
        said = [" / ".join(worker.output.splitlines()[-3:]) for worker in self._workers]
        living = [[len(worker.tree), worker.process.poll()] for worker in self._workers]
        return f"tasks {places}, workers (tasks, lease) {held}, processes {living}, last words {said}"


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def storm(plan: Plan, tally: Tally, weather: Weather) -> None:
    """Random faults under load."""
    with plan.site("storm") as site, site.listening():
        Storm(site, tally, weather).rage()
