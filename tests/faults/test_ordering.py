"""Ordering keys under kills and races: never two of a key at once, always in order, and nothing is left behind."""

from __future__ import annotations

import threading
from itertools import pairwise

from taskq import Settings, Task, TaskQueue
from taskq.protocol.operations import CrashLimits, LeaseTimes
from taskq.protocol.replies import Claim, Settlement
from taskq.testing.ledger import Ledger
from tests.faults.conftest import Spawn
from tests.worker.background import findings

RACES = 1000
TTL_MS = 60_000


def test_the_attempts_of_one_come_before_the_next_whoever_is_killed(
    queue: TaskQueue, spawn: Spawn, ledger: Ledger
) -> None:
    spawn("--processes", "2", "--concurrency", "4").ready(2)
    ids = ledger.submit(queue, [Task(task_type="die_once", ordering_key="k") for _ in range(3)])
    assert queue.wait_for_result(ids[-1], 30)["status"] == "completed"
    assert [note.task_id for note in ledger.notes("start")] == [i for i in ids for _ in range(2)]
    moves = [(note.what, note.task_id) for note in ledger.notes() if note.what in ("start", "end")]
    for first, second in pairwise(ids):
        assert moves.index(("end", first)) < moves.index(("start", second))


def test_a_thousand_races_of_a_submit_with_a_completion(settings: Settings, queue: TaskQueue) -> None:
    """The next one of a key arrives at the instant at which the only one before it ends."""
    protocol, start = queue.namespace.protocol, threading.Barrier(2)
    tasks = [Task(ordering_key="k", payload=n) for n in range(RACES + 1)]
    queue.transport.run(protocol.register("racer", "t", LeaseTimes(3_000, 500), "uuid", {}))
    queue.submit_task(tasks[0])

    def submit() -> None:
        with TaskQueue(settings=settings) as own:
            own.get_queue_stats()
            for task in tasks[1:]:
                start.wait(30)
                own.submit_task(task)
                start.wait(30)

    thread = threading.Thread(target=submit)
    thread.start()
    claimed: list[Claim] = []
    for seq in range(1, RACES + 2):
        claims = queue.transport.run(protocol.turn("racer", "t", seq, 10, ["normal"])).claims
        assert len(claims) == 1, "one at a time, and never none"
        claimed += claims
        if seq <= RACES:
            start.wait(30)
        end = protocol.settle([Settlement(claims[0].task_id, claims[0].fence, "complete", "{}", TTL_MS)])
        assert queue.transport.run(end) == ()
        if seq <= RACES:
            start.wait(30)
    thread.join()
    assert [claim.task_id for claim in claimed] == [task.task_id for task in tasks]
    assert queue.get_queue_stats().waiting_tasks == 0
    assert findings(queue) == []
    queue.transport.run(protocol.evict("racer", False, 10, CrashLimits(3, TTL_MS)))


def test_many_keys_and_workers(queue: TaskQueue, spawn: Spawn, ledger: Ledger) -> None:
    keys, each = 5, 12
    tasks = [Task(task_type="work", payload=0.002, ordering_key=f"k{n % keys}") for n in range(keys * each)]
    ids = ledger.submit(queue, tasks)
    spawn("--processes", "2", "--concurrency", "4")
    for task_id in ids[-keys:]:
        assert queue.wait_for_result(task_id, 30)["status"] == "completed"
    for k in range(keys):
        mine = set(ids[k::keys])
        moves = [(note.what, note.task_id) for note in ledger.notes() if note.task_id in mine]
        wanted = [(kind, i) for i in ids[k::keys] for kind in ("start", "end")]
        assert [move for move in moves if move[0] in ("start", "end")] == wanted
