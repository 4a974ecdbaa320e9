"""Workers of two releases side by side: each runs what it knows, and leaves the rest to the others."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from taskq import InvalidTask, Task, TaskQueue, TaskWorker
from taskq.settings import Settings
from tests.waiting import eventually


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    with TaskQueue(settings=Settings(redis_url=redis_url, prefix=prefix)) as opened:
        yield opened


def returning(value: str) -> Callable[[Task], Any]:
    return lambda task: [value, task.payload]


def worker_of(queue: TaskQueue, name: str, types: dict[str, int]) -> TaskWorker:
    worker = TaskWorker(queue, name=name, concurrency=4)
    for task_type, version in types.items():
        worker.register_handler(task_type, returning(name), version=version)
    return worker


@contextmanager
def serving(worker: TaskWorker) -> Iterator[TaskWorker]:
    thread = threading.Thread(target=worker.start)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(20)


def test_what_one_does_not_know_another_one_runs_unharmed_and_in_order(queue: TaskQueue) -> None:
    tasks = [Task(task_type=name, max_retries=0) for _ in range(20) for name in ("old", "new")]
    ids = queue.submit_batch(tasks)
    assert worker_of(queue, "before", {"old": 1}).run_until_empty() == 20
    waiting = queue.get_queue_stats()
    assert (waiting.pending_tasks, waiting.waiting_tasks) == (0, 20)
    (passed,) = waiting.passed
    assert (passed.task_type, passed.tasks, passed.runnable) == ("new", 20, False)
    after = TaskWorker(queue, name="after", concurrency=1)
    order: list[str] = []
    after.register_handler("new", lambda task: order.append(task.task_id))
    assert after.run_until_empty() == 20
    results = [queue.get_task_result(task_id) for task_id in ids]
    assert {result["attempts"] for result in results if result} == {1}, "no attempt is charged"
    assert order == [task.task_id for task in tasks if task.task_type == "new"]


@pytest.mark.usefixtures("sound_sleep")
def test_an_idle_worker_that_knows_it_is_woken_at_once(queue: TaskQueue) -> None:
    with serving(worker_of(queue, "before", {"old": 1})), serving(worker_of(queue, "after", {"old": 1, "new": 1})):
        eventually(lambda: len(queue.list_workers()) == 2, what="both workers")
        for _ in range(10):
            result = queue.wait_for_result(queue.submit_task(Task(task_type="new")), 20)
            assert result["result"][0] == "after"
    assert queue.get_queue_stats().waiting_tasks == 0


def test_each_task_is_passed_over_once_while_the_one_that_knows_it_is_busy(queue: TaskQueue) -> None:
    release = threading.Event()
    busy = TaskWorker(queue, name="busy", concurrency=1)
    busy.register_handler("new", lambda task: release.wait(20))
    old = worker_of(queue, "before", {"old": 1})
    with serving(busy):
        first = queue.submit_task(Task(task_type="new"))
        eventually(lambda: queue.get_task_status(first)["status"] == "running", what="a busy worker")
        ids = queue.submit_batch([Task(task_type="new") for _ in range(30)])
        moves: list[dict[str, Any]] = []
        listening = queue.subscribe_to_events(lambda message: moves.append(json.loads(message["data"])))
        for _ in range(3):
            old.run_until_empty()
        with serving(old):
            release.set()
            for task_id in ids:
                queue.wait_for_result(task_id, 10)
        eventually(
            lambda: {m["data"]["task_id"] for m in moves if m["type"] == "task.completed"} >= set(ids),
            what="the last event",
        )
        passed = [m["data"]["task_id"] for m in moves if m["data"].get("status") == "waiting"]
        listening.stop()
        assert sorted(passed) == sorted(ids)


def test_a_newer_version_is_left_to_those_who_know_it_and_an_older_one_is_made_to_fit(queue: TaskQueue) -> None:
    first, second, third = queue.submit_batch([Task(task_type="mail", payload=n, version=n) for n in (1, 2, 3)])
    middle = worker_of(queue, "middle", {"mail": 2})
    middle.register_upcast("mail", 1, lambda payload: {"was": payload})
    assert middle.run_until_empty() == 2
    assert queue.get_task_result(first)["result"] == ["middle", {"was": 1}]  # type: ignore[index] - it has completed
    assert queue.get_task_result(second)["result"] == ["middle", 2]  # type: ignore[index] - it has completed
    assert queue.explain(third).reason == "unknown_type"
    newest = worker_of(queue, "newest", {"mail": 3})
    assert newest.run_until_empty() == 1
    assert queue.get_task_result(third)["result"] == ["newest", 3]  # type: ignore[index] - it has completed


def test_a_copy_of_a_task_that_was_made_to_fit_is_not_made_to_fit_again(queue: TaskQueue) -> None:
    seen: list[Any] = []

    def mail(task: Task) -> None:
        seen.append((task.version, task.payload))
        if len(seen) == 1:
            queue.submit_task(replace(task, task_id="copy"))

    worker = TaskWorker(queue)
    worker.register_handler("mail", mail, version=3)
    for version in (1, 2):
        worker.register_upcast("mail", version, lambda payload: payload + 1)
    queue.submit_task(Task(task_type="mail", payload=0))
    assert worker.run_until_empty() == 2
    assert seen == [(3, 2), (3, 2)]


def test_without_an_up_caster_an_older_version_is_passed_over(queue: TaskQueue) -> None:
    queue.submit_task(Task(task_type="mail"))
    assert worker_of(queue, "newest", {"mail": 3}).run_until_empty() == 0
    assert worker_of(queue, "old", {"mail": 1}).run_until_empty() == 1


def test_decorated_tasks_have_versions_and_a_chain_of_up_casters(queue: TaskQueue) -> None:
    @queue.task(name="greet", version=3)
    def greet(name: str, *, polite: bool, loud: bool) -> list[Any]:
        return [name, polite, loud]

    @queue.upcast("greet", from_version=1)
    def named(payload: dict[str, Any]) -> dict[str, Any]:
        return {"args": payload["args"], "kwargs": {"polite": True}}

    @queue.upcast("greet", from_version=2)
    def quiet(payload: dict[str, Any]) -> dict[str, Any]:
        return {"args": payload["args"], "kwargs": {**payload["kwargs"], "loud": False}}

    ids = [
        queue.submit_task(Task(task_type="greet", payload={"args": ["Ada"], "kwargs": {}})),
        queue.submit_task(Task(task_type="greet", version=2, payload={"args": ["Bo"], "kwargs": {"polite": False}})),
        greet.delay("Cy", polite=False, loud=True).id,
    ]
    assert TaskWorker(queue).run_until_empty() == 3
    results = [queue.get_task_result(task_id) for task_id in ids]
    assert [result["result"] for result in results if result] == [
        ["Ada", True, False],
        ["Bo", False, False],
        ["Cy", False, True],
    ]


def test_what_an_up_caster_returns_has_to_fit_the_schema(queue: TaskQueue) -> None:
    worker = worker_of(queue, "w", {"mail": 2})
    worker.registry.set_schema("mail", {"type": "object"})
    worker.register_upcast("mail", 1, lambda payload: payload)
    task_id = queue.submit_task(Task(task_type="mail", payload="no object"))
    assert worker.run_until_empty() == 1
    assert "SchemaMismatch" in (queue.get_task_result(task_id) or {})["error"]


@pytest.mark.parametrize("version", [0, -1, True, "2", 1.0])
def test_what_is_no_version(queue: TaskQueue, version: Any) -> None:
    with pytest.raises(InvalidTask):
        Task(version=version)
    with pytest.raises(InvalidTask):
        TaskWorker(queue).register_handler("x", returning("x"), version=version)
