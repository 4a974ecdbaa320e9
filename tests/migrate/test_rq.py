"""Jobs of RQ, as the real library has left them, become tasks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from redis import Redis

from taskq import TaskQueue, TaskWorker
from taskq.errors import ServerUnavailable
from taskq.migrate import Plan, Report, RqJobs, move
from taskq.observe.pages import TaskFilter
from taskq.states import TaskPriority
from taskq.transport.foreign import OldServer
from tests.migrate.conftest import recordings

every_version = pytest.mark.parametrize("version", recordings("rq"))
STAYING = {"method", "date", "bytes", "called-back", "parent"}


def reasons(report: Report) -> dict[str, str]:
    return {one.job_id: one.reason for one in report.refused}


@every_version
def test_plain_jobs_move_and_the_others_stay(
    version: str, play: Callable[[str], None], old: Redis, server: OldServer, queue: TaskQueue
) -> None:
    play(version)
    report = move(queue, RqJobs(server, Plan()))
    assert report.moved == 5  # plain, one with an id made up, last, later, json
    found = reasons(report)
    assert found.keys() == STAYING
    assert "datetime.date" in found["date"]
    assert "shop.Cart" in found["method"]
    assert "bytes" in found["bytes"]
    assert "callback" in found["called-back"]
    assert "1 other jobs depend on it" in found["parent"]
    assert {job.decode() for job in old.lrange("rq:queue:default", 0, -1)} == STAYING
    assert old.llen("rq:queue:json") == old.zcard("rq:scheduled:default") == 0
    assert old.keys("taskq:moving:*") == []
    assert old.exists("rq:job:plain", "rq:job:last") == 0
    assert old.exists(*(f"rq:job:{name}" for name in STAYING)) == len(STAYING)


@every_version
def test_a_task_is_what_the_job_was(
    version: str, play: Callable[[str], None], server: OldServer, queue: TaskQueue
) -> None:
    play(version)
    move(queue, RqJobs(server, Plan()))
    task = queue.get_task("plain")
    nested = {"x": [1, 2.5, None, True, ["t", -(2**70)]], "long": "ü" * 300}
    assert (task.task_type, task.payload) == ("shop.add", {"args": [1], "kwargs": {"b": nested}})
    assert (task.timeout, task.result_ttl, task.max_retries, task.retry_delay) == (30, 50, 3, 5)
    assert task.expires_in == 100_000_000
    assert task.metadata == {"user": 7, "moved_from": "rq"}
    by_json = queue.get_task("json")
    assert (by_json.queue, by_json.payload["kwargs"], by_json.max_retries) == ("json", {"b": {"ü": [None]}}, 0)
    assert by_json.metadata == {"user": 7, "moved_from": "rq"}
    assert queue.get_task_status("later")["status"] == "scheduled"
    pending = [task["task_id"] for task in queue.find_tasks(TaskFilter("pending", queue="default")).tasks]
    assert (pending[0], pending[-1], len(pending)) == ("plain", "last", 3)


def test_moved_tasks_run(play: Callable[[str], None], server: OldServer, queue: TaskQueue) -> None:
    play(recordings("rq")[-1])
    move(queue, RqJobs(server, Plan(queues=["json"], rename={"shop.add": "sum"})))
    app = TaskQueue(settings=queue.settings)

    @app.task(name="sum")
    def add(a: int, b: dict[str, list[None]]) -> list[object]:
        return [a, b]

    with app:
        TaskWorker(app, queues=["json"]).run_until_empty()
        assert app.get_task_result("json")["result"] == [1, {"ü": [None]}]  # type: ignore[index]  # it has ended


def test_a_dry_run_changes_nothing(
    play: Callable[[str], None], old: Redis, server: OldServer, queue: TaskQueue
) -> None:
    play(recordings("rq")[-1])
    before = {key: old.dump(key) for key in old.scan_iter()}
    report = move(queue, RqJobs(server, Plan()), dry_run=True)
    assert (report.moved, reasons(report).keys()) == (5, STAYING)
    assert {key: old.dump(key) for key in old.scan_iter()} == before
    assert queue.get_queue_stats().pending_tasks == 0


def test_what_was_interrupted_is_finished_by_the_next_run(
    play: Callable[[str], None], old: Redis, server: OldServer, queue: TaskQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(recordings("rq")[-1])

    def lost(*_: object) -> None:
        raise ServerUnavailable("the old server went away before it could forget them")

    with monkeypatch.context() as broken:
        broken.setattr(server, "forget", lost)
        with pytest.raises(ServerUnavailable):
            move(queue, RqJobs(server, Plan(queues=["default"])))
    assert old.hlen("taskq:moving:rq:queue:default") == 3
    worker = TaskWorker(queue)  # one has ended when the move goes on
    worker.register_handler("shop.add", lambda task: "done")
    worker.run_once()
    report = move(queue, RqJobs(server, Plan(queues=["default"])))
    assert (report.moved, report.finished) == (4, 3)  # these three, and the scheduled one
    worker.run_until_empty()
    stats = queue.get_queue_stats()
    assert (stats.completed_tasks, stats.scheduled_tasks, stats.pending_tasks) == (3, 1, 0)
    assert old.keys("taskq:moving:*") == []


def test_what_was_taken_aside_and_not_submitted_is_not_lost(
    play: Callable[[str], None], old: Redis, server: OldServer, queue: TaskQueue
) -> None:
    play(recordings("rq")[-1])
    jobs = RqJobs(server, Plan(queues=["default"]))
    source = jobs.sources()[0]
    taken = server.take_aside(source, server.page(source, 0, 1))
    assert (taken, old.lpos("rq:queue:default", "plain")) == ([0], None)
    assert move(queue, jobs).finished == 1
    assert queue.get_task_status("plain")["status"] == "pending"


def test_a_job_that_an_old_worker_takes_meanwhile_is_left_to_it(
    play: Callable[[str], None], old: Redis, server: OldServer, queue: TaskQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(recordings("rq")[-1])
    take = server.take_aside

    def late(*arguments: object) -> list[int]:
        old.lpop("rq:queue:default")
        return take(*arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(server, "take_aside", late)
    report = move(queue, RqJobs(server, Plan(queues=["default"])))
    assert report.moved == 3
    with pytest.raises(KeyError):
        queue.get_task("plain")
    assert old.exists("rq:job:plain")


def test_more_than_a_page_keeps_its_order(
    old: Redis, play: Callable[[str], None], server: OldServer, queue: TaskQueue
) -> None:
    play(recordings("rq")[-1])
    fields = old.hgetall("rq:job:last")
    old.delete("rq:queue:json")
    for number in range(250):
        old.hset(f"rq:job:n{number}", mapping={**fields})
        old.rpush("rq:queue:json", f"n{number}")
    report = move(queue, RqJobs(server, Plan(["json"], {"json": ("bulk", TaskPriority.HIGH)}, max_retries=1)))
    assert report.moved == 250
    ids = [
        task["task_id"]
        for task in queue.find_tasks(TaskFilter("pending", queue="bulk", priority="high"), limit=250).tasks
    ]
    assert ids == [f"n{number}" for number in range(250)]
    assert queue.get_task("n7").max_retries == 1


def test_what_stays_is_named(play: Callable[[str], None], server: OldServer) -> None:
    play(recordings("rq")[-1])
    assert [remark.partition(";")[0] for remark in RqJobs(server, Plan()).remarks()] == [
        "1 of queue default wait for other jobs"
    ]


def test_a_lost_job_stays(old: Redis, server: OldServer, queue: TaskQueue) -> None:
    old.sadd("rq:queues", "rq:queue:default")
    old.rpush("rq:queue:default", "ghost")
    assert reasons(move(queue, RqJobs(server, Plan()))) == {"ghost": "its data is gone: RQ would drop it too"}
    assert old.llen("rq:queue:default") == 1
