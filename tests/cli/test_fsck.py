"""``taskq fsck``: what it says, its exit codes, and that it does not cry wolf while workers run."""

from __future__ import annotations

import json

import pytest
import redis

from taskq import Settings, Task, TaskQueue, TaskWorker
from taskq.transport.fsck import Fsck
from tests.cli.conftest import Run
from tests.waiting import eventually
from tests.worker.background import Background, findings


@pytest.fixture
def damaged(queue: TaskQueue, redis_client: redis.Redis, prefix: str) -> str:
    """The id of a task that stands in no list."""
    queue.submit_task(Task())
    task_id = queue.submit_task(Task())
    redis_client.lrem(f"{prefix}:queue:normal", 1, task_id)
    return task_id


def test_nothing_is_wrong(run: Run, queue: TaskQueue) -> None:
    queue.submit_task(Task())
    done = run("fsck")
    assert done.exit_code == 0
    assert done.stdout.startswith("clean: no violation")


def test_a_dry_run_says_what_is_wrong_and_what_to_do(run: Run, queue: TaskQueue, damaged: str) -> None:
    done = run("fsck")
    assert done.exit_code == 1
    assert f"I1  {damaged}  is pending and stands in 0 places of the lists instead of 1" in done.stdout
    assert "nothing was changed" in done.stdout
    assert "taskq fsck --repair" in done.stdout
    assert findings(queue) != []


def test_a_repair_says_what_it_did(run: Run, queue: TaskQueue, damaged: str) -> None:
    done = run("fsck", "--repair")
    assert done.exit_code == 0
    assert f"mended  I1  {damaged}" in done.stdout
    assert "-> back at the head of normal" in done.stdout
    assert "1 violation: 1 mended, 0 left" in done.stdout
    assert findings(queue) == []


def test_what_cannot_be_mended_is_left(
    run: Run, queue: TaskQueue, damaged: str, redis_client: redis.Redis, prefix: str
) -> None:
    redis_client.hincrby(f"{prefix}:counters", "submitted", 1)
    done = run("fsck", "--repair")
    assert done.exit_code == 1
    assert "left  I9  counters  3 submitted" in done.stdout
    assert "1 mended, 1 left" in done.stdout


def test_as_json(run: Run, damaged: str) -> None:
    report = json.loads(run("fsck", "--repair", "--json").stdout)
    assert (report["count"], report["left"], report["repair"], report["notes"]) == (1, 0, True, [])
    assert report["violations"] == [
        {
            "invariant": "I1",
            "subject": damaged,
            "message": "is pending and stands in 0 places of the lists instead of 1",
            "done": ["back at the head of normal"],
            "left": False,
        }
    ]


def test_every_partition_is_checked(run: Run, redis_url: str, prefix: str) -> None:
    with TaskQueue(settings=Settings(redis_url=redis_url, prefix=prefix, partitions=2)) as queue:
        task_id = queue.submit_task(Task())
        for index in range(2):
            part = queue.partition(index)
            with redis.Redis.from_url(redis_url) as client:
                client.hset(part.namespace.protocol.keys.key("slots"), "gone", 1)
        done = run("fsck", "--repair", env={"TASKQ_PARTITIONS": "2"})
        assert done.exit_code == 0, done.output
        assert "(partition 0)" in done.stdout
        assert "(partition 1)" in done.stdout
        assert "2 violations: 2 mended" in done.stdout
        assert queue.get_task_status(task_id)["status"] == "pending"


def a_task(name: str | None = None) -> Task:
    return Task(task_type="echo", queue=name, max_retries=2, retry_delay=0.05)


def test_no_false_alarm_while_workers_run(queue: TaskQueue) -> None:
    """Claims, ends, retries, cancels and submits go on during all of it."""
    ids = queue.submit_batch([a_task("mail" if n % 3 else None) for n in range(1000)])

    def handle(task: Task) -> None:
        if hash(task.task_id) % 7 == 0:
            raise ValueError

    workers = [TaskWorker(queue, queues=["mail", "default"], concurrency=8) for _ in range(2)]
    for worker in workers:
        worker.register_handler("echo", handle)
    running = [Background(worker.start) for worker in workers]
    reports = []

    def submit_more() -> None:
        for _ in range(10):
            more = queue.submit_batch([a_task() for _ in range(100)])
            queue.cancel_task(more[50])
            ids.extend(more)

    submitting = Background(submit_more)

    def ended() -> bool:
        reports.append(
            Fsck(queue.transport.run, queue.namespace.protocol, queue.settings, repair=True, pause_seconds=0.01).check()
        )
        stats = queue.get_queue_stats()
        return stats.completed_tasks + stats.failed_tasks + stats.cancelled_tasks == 2000

    eventually(ended, 60, "the end of 2,000 tasks")
    submitting.join()
    for worker, background in zip(workers, running, strict=True):
        worker.stop()
        background.join()
    assert len(ids) == 2000
    assert [report.violations for report in reports] == [[]] * len(reports)
    assert findings(queue) == []
