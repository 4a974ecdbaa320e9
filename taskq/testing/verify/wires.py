"""Commands that are cut off, answers that are lost, late or wrong: at every point of what a process says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count

from taskq.flows import due_in
from taskq.model.task import Task
from taskq.protocol.operations import LeaseTimes
from taskq.protocol.replies import Claim
from taskq.queue import TaskQueue
from taskq.testing.check import Limits, check_order
from taskq.testing.faults.fault import Fault
from taskq.testing.ledger import SENT, START, SUBMIT
from taskq.testing.verify.report import Tally
from taskq.testing.verify.site import HEARTBEAT_SECONDS, Plan, Site
from taskq.testing.waiting import eventually

ERRORS = (
    "LOADING the server is loading its data",
    "BUSY a script is running",
    "READONLY this is a replica",
    "TRYAGAIN keys are moving",
    "MISCONF the disk is full",
    "NOREPLICAS not enough replicas",
    "UNBLOCKED the server is no longer the primary",
    "CLUSTERDOWN the cluster has no majority",
    "MOVED 1 127.0.0.1:1",
    "MASTERDOWN the primary does not answer",
)
ACTIONS = ("cut", "lose", "hang", "answer")
# a silent bell is given up when its time and its grace are over, so it alone takes seconds
_MOST_POINTS = 40
# a scheduler says something all the time, so there is no last command
_SCHEDULER_POINTS = 20
_TRIES = 10


def fault_of(action: str, skip: int) -> Fault:
    """Return the fault that strikes the command after ``skip`` others."""
    return Fault(action, skip=skip, reply=ERRORS[skip % len(ERRORS)])


def producers(plan: Plan, tally: Tally) -> None:
    """Harm each command of a client that submits, looks, cancels and waits."""
    with plan.site("producer") as site:
        proxy = site.proxy()
        for action in ACTIONS:
            for skip in range(_MOST_POINTS):
                if plan.over:
                    return
                far = site.through(proxy)
                fault = proxy.add(fault_of(action, skip))
                _produce(site, far, f"{action}-{skip}")
                far.close()
                proxy.clear()
                if not _note(tally, fault, action):
                    break
        site.judge(tally, Limits())
        stats = site.queue.get_queue_stats()
        if stats.cancelled_tasks * 6 != stats.counters["submitted"]:
            tally.blame([f"{stats.cancelled_tasks} of {stats.counters['submitted']} tasks were cancelled, not a sixth"])


def _produce(site: Site, far: TaskQueue, name: str) -> None:
    """Six tasks: one, three in a batch, one delayed, and one of two that share a unique key; the first is cancelled."""
    tasks = [Task(task_type="work", unique_key=f"{name}-{n}" if n > 3 else None) for n in range(6)]
    twin = Task(task_type="work", unique_key=f"{name}-5")
    for task in tasks:
        site.ledger.note(SENT, task.task_id)
    ids = [far.submit_task(tasks[0]), *far.submit_batch(tasks[1:4])]
    ids += [far.submit_later(tasks[4], due_in(3600)), far.submit_task(tasks[5])]
    for task_id in ids:
        site.ledger.note(SUBMIT, task_id)
    assert far.submit_task(twin) == tasks[5].task_id, "a unique key was given twice"
    assert far.cancel_task(ids[0]) == "cancelled"
    assert far.get_task_status(ids[1])["status"] == "pending"
    assert far.wait_for_result(ids[0], timeout=10)["status"] == "cancelled"


def workers(plan: Plan, tally: Tally, action: str) -> None:
    """Harm each command of a worker that runs, retries, fails and waits."""
    with plan.site(f"worker-{action}") as site, site.listening():
        proxy = site.proxy()
        worker = site.worker(proxy, "--concurrency", "2").ready()
        in_order: list[str] = []
        for skip in _points(plan):
            fault = proxy.add(fault_of(action, skip))
            in_order += site.submit(_small_mix())[1:]  # the first one has a list of its own
            site.wait_ended(site.counter("submitted"))
            if not _note(tally, fault, action):
                proxy.clear()
                break
        assert worker.stop() == 0, f"the worker ended badly:\n{worker.output}"
        site.judge(tally, Limits(second_runs=0, all_ended=True), action)
        if site.counter("recovered") == 0:  # what comes back from a worker goes to the head
            tally.blame(check_order(site.ledger.notes(START), in_order), action)
        tally.refused += worker.refused


def _small_mix() -> list[Task]:
    return [
        Task(task_type="work", priority="high"),
        Task(task_type="flaky", max_retries=1, retry_delay=0.05),
        Task(task_type="broken", max_retries=0),
        Task(task_type="work", payload=0.02),
    ]


def _points(plan: Plan) -> Iterator[int]:
    for skip in count():
        if plan.over or skip >= _MOST_POINTS:
            return
        yield skip


def _note(tally: Tally, fault: Fault, action: str) -> bool:
    if not fault.struck.is_set():
        return False
    tally.points += 1
    tally.commands[fault.struck_name] += 1
    tally.struck(action, time.monotonic() - fault.struck_at)
    return True


def lives(plan: Plan, tally: Tally, action: str) -> None:
    """Harm each command of a worker from its first connection to its farewell, a fresh process each time."""
    with plan.site(f"life-{action}") as site, site.listening():
        proxy = site.proxy()
        for skip in _points(plan):
            site.submit([Task(task_type="work"), Task(task_type="work")])
            fault = proxy.add(fault_of(action, skip))
            worker = site.worker(proxy, "--burst", "--concurrency", "1")
            assert worker.wait(40) == 0, f"{action} at command {skip}: the worker ended badly:\n{worker.output}"
            site.wait_ended(site.counter("submitted"))
            if not _note(tally, fault, action):
                proxy.clear()
                break
        site.judge(tally, Limits(second_runs=0, all_ended=True), action)


def schedulers(plan: Plan, tally: Tally, action: str) -> None:
    """Harm each command of a scheduler that promotes, fires, listens, and takes tasks from dead workers."""
    with plan.site(f"scheduler-{action}") as site:
        proxy = site.proxy()
        add = site.command(site.proxy(), "schedule", "add", "pulse", "--every", "0.4s", "work", "--priority", "low")
        assert add.wait(30) == 0, f"the schedule was not added:\n{add.output}"
        scheduler = site.command(proxy, "scheduler")
        scheduler.sees("ready", timeout_seconds=30)
        rounds = 0
        for skip in range(_SCHEDULER_POINTS):
            if plan.over:
                break
            fault = proxy.add(fault_of(action, skip))
            ids = leave_behind(site, f"dead-{skip}", 2)
            ids += site.submit_later([Task(task_type="work", priority="low")], 0.05)
            rounds += 1
            for task_id in ids:
                eventually(
                    lambda task_id=task_id: site.queue.get_task_status(task_id)["status"] == "pending",  # type: ignore[misc]  # a default binds it
                    20,
                    f"{action} at command {skip}: a task of a dead worker, or a delayed one, in its list",
                )
            eventually(fault.struck.is_set, 20, f"{action} at command {skip}")
            _note(tally, fault, action)
        assert scheduler.stop() == 0, f"the scheduler ended badly:\n{scheduler.output}"
        site.note_fired()
        site.judge(tally, Limits(), action)
        if (recovered := site.counter("recovered")) != 2 * rounds:
            tally.blame([f"{recovered} tasks were taken from dead workers, {2 * rounds} should have been"], action)


def leave_behind(site: Site, worker: str, tasks: int) -> list[str]:
    """Leave tasks in the hands of a worker whose lease is over at once and who never says anything again.

    They stand in a list of their own: a task that is left behind again and again would end as a dead letter.
    """
    ids = site.submit([Task(task_type="work", queue=worker) for _ in range(tasks)])
    protocol, run = site.queue.namespace.protocol, site.queue.transport.run
    period_ms = round(HEARTBEAT_SECONDS * 1000)
    claims: tuple[Claim, ...] = ()
    for _ in range(_TRIES):  # whoever reaps may come between the two
        run(protocol.register(worker, "token", LeaseTimes(1, period_ms), "uuid", {"host": "nowhere"}))
        claims = run(protocol.turn(worker, "token", 1, tasks, [f"{worker}:normal"])).claims
        if claims:
            break
    assert [claim.task_id for claim in claims] == ids, f"{worker} was to claim {tasks} tasks and got {len(claims)}"
    return ids
