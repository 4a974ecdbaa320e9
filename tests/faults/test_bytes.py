"""The limit of a queue by bytes with real workers: never exceeded by what is let in, whoever is killed."""

from __future__ import annotations

import signal
import threading

import pytest

from taskq import Settings, Task, TaskQueue
from taskq.protocol.audit import audit
from taskq.protocol.view import View, read_dump
from taskq.states import TaskStatus
from taskq.testing.ledger import Ledger
from tests.faults.conftest import Spawn
from tests.waiting import eventually

PRODUCERS, EACH, MOST = 4, 250, 12_000


def judge(queue: TaskQueue) -> list[str]:
    """Return what is wrong as of one instant; what has come back from a dead worker is let in and not judged."""
    now_ms, dump = queue.transport.run(queue.namespace.protocol.snapshot())
    assert dump is not None
    view = View(read_dump(dump), now_ms)
    new = [i for i in view.sets[TaskStatus.PENDING] if "crashes" not in view.state(i)]
    held = sum(len(view.get(f"task:{i}", "").encode()) for i in new)
    over = [f"{held} bytes wait, and there may be {MOST}"] if held > MOST else []
    return over + audit((now_ms, dump))


@pytest.mark.slow
def test_a_thousand_submits_race_for_room_while_workers_are_killed(
    queue: TaskQueue, settings: Settings, spawn: Spawn, ledger: Ledger
) -> None:
    queue.set_queue_limit(max_bytes=MOST, on_full="block", timeout=120)
    workers = [spawn("--processes", "2", "--concurrency", "4") for _ in range(2)]
    wrong: list[str] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            wrong.extend(judge(queue))
            done.wait(0.02)

    def produce(number: int) -> None:
        """Tasks of many sizes, now and then several at a time."""
        with TaskQueue(settings=settings) as mine:
            tasks = [
                Task(task_type="work", metadata={"filling": "x" * (n * 37 % 900)}, priority=(n % 4) * 5)
                for n in range(number, number + EACH)
            ]
            while tasks:
                batch = [tasks.pop() for _ in range(min(len(tasks), 1 + len(tasks) % 5))]
                ledger.submit(mine, batch)

    threads = [threading.Thread(target=produce, args=(n * 11,)) for n in range(PRODUCERS)]
    watcher = threading.Thread(target=watch)
    for thread in (watcher, *threads):
        thread.start()

    def completed() -> int:
        return queue.get_queue_stats().counters.get("completed", 0)

    for step, worker in enumerate(workers, start=1):
        eventually(lambda step=step: completed() >= step * 250, 60, "some to complete")
        worker.send(signal.SIGKILL)
        spawn("--processes", "2", "--concurrency", "4")
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    eventually(lambda: completed() == PRODUCERS * EACH, 60, "all to complete")
    done.set()
    watcher.join()
    assert wrong == []
    assert queue.get_queue_stats().counters["submitted"] == PRODUCERS * EACH
