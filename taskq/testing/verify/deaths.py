"""Workers that are killed, frozen, outrun by each other, or poisoned."""

from __future__ import annotations

import os
import signal
import time

from taskq.model.task import Task
from taskq.testing.check import Limits
from taskq.testing.faults.process import Strike, WorkerCommand
from taskq.testing.ledger import START
from taskq.testing.verify.report import Tally
from taskq.testing.verify.site import LEASE_SECONDS, Plan, Site
from taskq.testing.verify.wires import leave_behind
from taskq.testing.waiting import eventually

_MOST_POINTS = 30
_INNOCENTS = 15
_DEAD_WORKERS = 20
_PULSE_SECONDS = 0.2
_SLOW_SECONDS = 1.5


def kills(plan: Plan, tally: Tally, when: str) -> None:
    """Kill a worker before or after each of its commands, from its first connection on.

    Every other time the process that users start is killed too, as by the loss of a machine: then only the lease tells
    that it is gone.
    """
    with plan.site(f"kill-{when}") as site, site.listening():
        for skip in range(_MOST_POINTS):
            if plan.over or not _kill_at(site, tally, when, skip):
                break
        site.judge(tally, Limits(second_runs=0, all_ended=True), when)


def _kill_at(site: Site, tally: Tally, when: str, skip: int) -> bool:
    """Run four tasks on a worker that is killed at one of its commands; return whether it came to that."""
    whole = skip % 2 == 1
    site.submit([Task(task_type="work", payload=0.01) for _ in range(4)])
    total = site.counter("submitted")
    proxy = site.proxy()
    worker = site.worker(proxy, "--concurrency", "2")
    strike = Strike(proxy, worker, whole=whole)
    fault = strike.at_command(when, skip)
    eventually(lambda: fault.struck.is_set() or _ended(site) >= total, 40, f"the end of {total} tasks")
    if not fault.struck.is_set():
        worker.destroy()
        return False
    if not worker.tree or whole:
        worker = site.worker(proxy, "--concurrency", "2")
    site.wait_ended(total, 40)
    tally.points += 1
    tally.commands[fault.struck_name] += 1
    tally.struck("kill machine" if whole else "kill process", time.monotonic() - fault.struck_at)
    worker.destroy()  # what it leaves behind is for the next one
    return True


def _ended(site: Site) -> int:
    counters = site.queue.get_queue_stats().counters
    return sum(counters.get(name, 0) for name in ("completed", "failed", "cancelled"))


def zombies(plan: Plan, tally: Tally) -> None:
    """Freeze a worker beyond its lease, let another one do its tasks, and thaw it: what it says then is refused."""
    with plan.site("zombie") as site, site.listening():
        for alone in (False, True):
            if plan.over:
                break
            _freeze_and_thaw(site, tally, alone)
        site.judge(tally, Limits(second_runs=0, all_ended=True))


def _freeze_and_thaw(site: Site, tally: Tally, alone: bool) -> None:
    site.gate.unlink(missing_ok=True)
    frozen = site.worker(site.proxy(), "--concurrency", "2").ready()
    kind = "slow_then_gated" if alone else "gated"
    ids = site.submit([Task(task_type=kind, payload=_SLOW_SECONDS) for _ in range(2)])
    begun = site.ledger.count(START)
    eventually(lambda: site.ledger.count(START) >= begun and _starts(site, ids) == 2, 20, "two tasks to start")
    pids = frozen.child_pids if alone else frozen.tree
    _signal(pids, signal.SIGSTOP)
    at = time.monotonic()
    other = site.worker(site.proxy(), "--concurrency", "2")
    eventually(lambda: _starts(site, ids) == 4, LEASE_SECONDS + 20, "the tasks of the frozen worker to start elsewhere")
    tally.struck("freeze process" if alone else "freeze machine", time.monotonic() - at)
    tally.points += 1
    if not alone:  # else it settles while the other attempt still runs
        site.gate.touch()
        site.wait_ended(site.counter("submitted"))
    _signal(pids, signal.SIGCONT)
    eventually(lambda: frozen.refused == 2, 8, "both outcomes of the frozen worker to be refused")
    tally.refused += frozen.refused
    site.gate.touch()
    site.wait_ended(site.counter("submitted"))
    for worker in (frozen, other):
        assert worker.stop() == 0, f"a worker ended badly:\n{worker.output}"


def _starts(site: Site, ids: list[str]) -> int:
    return sum(note.task_id in ids for note in site.ledger.notes(START))


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        os.kill(pid, number)


def rivals(plan: Plan, tally: Tally) -> None:
    """Two schedulers at once: dead workers' tasks come back once, each slot of a recurring schedule is fired once."""
    with plan.site("rivals") as site:
        schedulers = [site.command(site.proxy(), "scheduler") for _ in range(2)]
        added = time.monotonic()
        pulse = site.command(
            site.proxy(), "schedule", "add", "pulse", "--every", f"{_PULSE_SECONDS}s", "work", "--priority", "low"
        )
        assert pulse.wait(30) == 0, f"the schedule was not added:\n{pulse.output}"
        for scheduler in schedulers:
            scheduler.sees("ready", timeout_seconds=30)
        at = time.monotonic()
        ids = [task_id for n in range(_DEAD_WORKERS) for task_id in leave_behind(site, f"dead-{n}", 2)]
        eventually(lambda: site.counter("recovered") >= len(ids), 30, "the tasks of dead workers to come back")
        tally.points += _DEAD_WORKERS
        tally.struck("dead worker", time.monotonic() - at)
        tally.faults["dead worker"] += _DEAD_WORKERS - 1
        eventually(lambda: site.counter("submitted") >= len(ids) + 5, 20, "the recurring schedule to be fired")
        stopped = [scheduler.stop() for scheduler in schedulers]
        assert stopped == [0, 0], "a scheduler ended badly"
        fired, slots = site.note_fired(), (time.monotonic() - added) / _PULSE_SECONDS + 1
        if fired > slots:
            tally.blame([f"{fired} tasks were fired for {slots:.0f} slots of a recurring schedule"])
        if (recovered := site.counter("recovered")) != len(ids):
            tally.blame([f"{recovered} tasks were taken from dead workers, {len(ids)} should have been"])
        site.judge(tally, Limits())


def pills(plan: Plan, tally: Tally) -> None:
    """A task that kills its worker among fifteen that do not, sixteen at a time: it alone dies."""
    with plan.site("pill") as site, site.listening():
        proxy = site.proxy()
        worker = site.worker(proxy, "--concurrency", "16").ready()
        tasks = [Task(task_type="work", payload=0.25, max_retries=0) for _ in range(_INNOCENTS)]
        tasks.insert(7, Task(task_type="pill", max_retries=0))
        ids = site.submit(tasks)
        pill = ids[7]
        at = time.monotonic()
        eventually(lambda: _died(worker) >= 2, 30, "the worker to die twice")
        site.worker(proxy, "--concurrency", "16")  # while the first one pauses
        site.wait_ended(len(ids), 60)
        tally.points += 1
        tally.struck("poison pill", time.monotonic() - at)
        dead = [letter.task_id for letter in site.queue.list_dead()]
        if dead != [pill]:
            tally.blame([f"{len(dead)} tasks are dead letters, the pill {'among them' if pill in dead else 'not'}"])
        site.judge(tally, Limits(second_runs=0, all_ended=True))


def _died(worker: WorkerCommand) -> int:
    return worker.output.count("was killed by SIGKILL")
