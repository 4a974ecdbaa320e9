"""Worker processes that are killed: their tasks run elsewhere, and each completes once."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from taskq import Task, TaskQueue
from taskq.testing.check import check
from taskq.testing.ledger import Ledger
from tests.faults.commands import alive
from tests.faults.conftest import LEASE_SECONDS, Spawn
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def completed(queue: TaskQueue) -> int:
    return queue.get_queue_stats().counters.get("completed", 0)


@pytest.mark.slow
def test_a_child_killed_among_a_thousand_tasks_costs_nothing(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger, gate: Path
) -> None:
    worker = spawn("--processes", "2", "--concurrency", "4").ready(2)
    listening = ledger.listen(queue)
    tenants = [f"g{n % 7}" if n % 2 else None for n in range(1_000)]
    ids = ledger.submit(queue, [Task(task_type="work", payload=0.004, group_key=tenant) for tenant in tenants])
    ids += ledger.submit(queue, [Task(task_type="gated", priority="urgent")])
    eventually(lambda: completed(queue) > 200 and ledger.of(ids[-1]), 30, "a task in the hands of a process to kill")
    (gated,) = ledger.of(ids[-1], "start")
    killed_at = time.monotonic()  # before: on a busy machine a task may start elsewhere while the kill returns
    os.kill(gated.pid, signal.SIGKILL)
    gate.touch()

    eventually(lambda: completed(queue) == 1_001, 30, "all tasks to complete")

    eventually(lambda: ledger.count("accepted") >= 1_001, what="the last event")
    listening.stop()
    assert check(ledger, queue).violations == ()
    assert {note.task_id for note in ledger.notes("accepted")} == set(ids)
    stats = queue.get_queue_stats()
    assert (stats.completed_tasks, stats.failed_tasks, stats.counters["completed"]) == (1_001, 0, 1_001)
    recovered = stats.counters["recovered"]
    lost = {note.task_id for note in ledger.notes("start") if note.pid == gated.pid}
    lost -= {note.task_id for note in ledger.notes("end") if note.pid == gated.pid}
    assert len(lost) <= recovered <= 4
    back = max(next(n.at for n in ledger.of(i, "start") if n.pid != gated.pid) for i in lost) - killed_at
    print(f"{len(lost)} tasks were running elsewhere within {back * 1000:.0f} ms")
    assert back < 5, "a promise of one second, with room for a busy machine"
    worker.sees("was killed by SIGKILL; starting another one")
    worker.ready(3)
    assert worker.stop() == 0
    assert worker.total("recovered") == recovered


@pytest.mark.slow
def test_no_child_outlives_its_supervisor_and_another_worker_takes_over(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger, gate: Path
) -> None:
    victim = spawn("--processes", "2", "--concurrency", "1").ready(2)
    ledger.submit(queue, [Task(task_type="gated"), Task(task_type="hold_gil", payload=60)])
    eventually(lambda: ledger.count("start") == 2, what="both children to be busy, one with the GIL in its hands")
    pids = victim.child_pids
    assert len(pids) == 2
    spawn().ready()
    os.kill(victim.pid, signal.SIGKILL)
    killed_at = time.monotonic()

    eventually(lambda: not any(alive(pid) for pid in pids), 30, "the end of both children")
    gate.touch()
    eventually(lambda: ledger.count("start") == 4, LEASE_SECONDS + 30, "the tasks to start elsewhere")

    took = time.monotonic() - killed_at
    print(f"back after {took:.2f} s with a lease of {LEASE_SECONDS:g} s")
    assert took > LEASE_SECONDS / 2, "nothing but the lease told that they were gone"
    assert queue.get_queue_stats().counters["recovered"] == 2


def test_work_done_and_not_settled_is_done_again_and_completes_once(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger
) -> None:
    spawn("--concurrency", "1").ready()
    (task_id,) = ledger.submit(queue, [Task(task_type="die_once", max_retries=0)])

    result = queue.wait_for_result(task_id, timeout=40)

    assert (result["status"], result["attempts"]) == ("completed", 2)
    effects = ledger.of(task_id, "effect")
    assert len(effects) == 2
    assert effects[0].fence < effects[1].fence == result["result"], "the effect of the second attempt is the newer one"
    assert check(ledger, queue).violations == ()
    assert queue.get_queue_stats().counters["completed"] == 1


def test_processes_left_behind_by_a_handler_do_not_delay_its_recovery(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger
) -> None:
    patient = replace(spawn, settings=replace(spawn.settings, lease_seconds=18.0))
    worker = patient("--concurrency", "1").ready()
    (task_id,) = ledger.submit(queue, [Task(task_type="parent")])
    try:
        result = queue.wait_for_result(task_id, timeout=30)
        first, second = ledger.of(task_id, "start")
        grandchildren = [note.fence for note in ledger.of(task_id, "grandchild")]
        assert result["status"] == "completed"
        assert any(alive(pid) for pid in grandchildren), "they still hold what they have inherited"
        assert second.at - first.at < 15, "the end of the process counts, not the end of its sockets"
        assert worker.stop() == 0
    finally:
        for note in ledger.notes("grandchild"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(note.fence, signal.SIGKILL)


def test_a_process_that_keeps_dying_is_started_more_and_more_slowly(queue: TaskQueue, spawn: Spawn) -> None:
    worker = spawn().ready()
    os.kill(worker.child_pids[0], signal.SIGKILL)
    worker.ready(2)

    def pauses() -> bool:
        for (
            pid
        ) in worker.child_pids:  # as soon as it is there: on a busy machine one that is ready is not young any more
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return "was killed by SIGKILL; starting another one in 4 s" in worker.output

    eventually(pauses, what="a pause that grows")
    assert "starting another one in 2 s" in worker.output
    began = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - began < 3.9, "a stop does not wait for the pause"
