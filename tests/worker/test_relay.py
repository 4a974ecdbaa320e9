"""Tiny handlers may run on the thread of the engine; whatever one does there, the engine goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from taskq import Task, TaskQueue, TaskWorker
from taskq.worker.relay import Relay
from tests.waiting import eventually
from tests.worker.background import Background

Start = Callable[[TaskWorker], Background]
ENGINE = "taskq engine"


class Handlers:
    """A type that is tiny until a task of it is to wait at the gate, and one that opens the gate."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.threads: list[str] = []

    def tiny(self, task: Task) -> str:
        name = threading.current_thread().name
        self.threads.append(name)
        if task.payload == "wait":
            assert self.gate.wait(20), "the engine stands still"
        return name

    def open(self, task: Task) -> None:
        self.gate.set()


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
def worker(queue: TaskQueue, handlers: Handlers) -> TaskWorker:
    worker = TaskWorker(queue, concurrency=3)
    worker.register_handler("tiny", handlers.tiny)
    worker.register_handler("open", handlers.open)
    return worker


def run(queue: TaskQueue, payload: object = None) -> object:
    return queue.wait_for_result(queue.submit_task(Task(task_type="tiny", payload=payload)), 20)["result"]


def begun(queue: TaskQueue, task_id: str) -> None:
    eventually(lambda: queue.get_task_status(task_id)["status"] == "running", 20, "the start of the task")


def run_until_trusted(queue: TaskQueue) -> str:
    """Run tasks one after the other until one of them runs on an engine; return the name of the thread."""
    names = iter(lambda: str(run(queue)), "never")
    return eventually(lambda: name if (name := next(names)).startswith(ENGINE) else None, 20, "a run on the engine")


def test_an_unknown_handler_runs_on_a_thread_of_its_own(queue: TaskQueue, worker: TaskWorker, started: Start) -> None:
    started(worker)
    assert str(run(queue)).startswith("taskq runner")


def test_a_tiny_one_on_an_idle_system_runs_on_the_engine(queue: TaskQueue, worker: TaskWorker, started: Start) -> None:
    started(worker)
    assert run_until_trusted(queue).startswith(ENGINE)


def test_one_that_blocks_there_holds_up_nothing(
    queue: TaskQueue, worker: TaskWorker, handlers: Handlers, started: Start
) -> None:
    started(worker)
    for _ in range(2):  # the second time, it is the deputy's deputy who goes on
        run_until_trusted(queue)
        handlers.gate.clear()
        waiting = queue.submit_task(Task(task_type="tiny", payload="wait"))
        begun(queue, waiting)
        queue.wait_for_result(queue.submit_task(Task(task_type="open")), 20)
        assert queue.wait_for_result(waiting, 20)["status"] == "completed"


def test_it_ends_when_it_is_stopped_meanwhile(
    queue: TaskQueue, worker: TaskWorker, handlers: Handlers, started: Start
) -> None:
    background = started(worker)
    run_until_trusted(queue)
    waiting = queue.submit_task(Task(task_type="tiny", payload="wait"))
    begun(queue, waiting)
    worker.stop()
    handlers.gate.set()
    background.join()
    assert queue.get_task_status(waiting)["status"] == "completed"
    assert queue.list_workers() == []


def test_few_tasks_at_once_run_each_once_whoever_takes_them(
    queue: TaskQueue, worker: TaskWorker, handlers: Handlers, started: Start
) -> None:
    started(worker)
    run_until_trusted(queue)
    handlers.threads.clear()
    ids = queue.submit_batch([Task(task_type="tiny", payload=payload) for payload in ("wait", 1, 2)])
    eventually(lambda: len(handlers.threads) == 3, 20, "the others beside the one that waits")
    handlers.gate.set()
    assert [queue.wait_for_result(task_id, 20)["attempts"] for task_id in ids] == [1, 1, 1]
    assert len(handlers.threads) == 3


class TestRelay:
    def test_an_error_of_the_deputy_ends_it(self) -> None:
        gate = threading.Event()
        leaders: list[threading.Thread] = []

        def loop() -> None:
            leaders.append(threading.current_thread())
            if len(leaders) > 1:
                gate.set()
                raise ValueError("from the deputy")
            assert not relay.watched(lambda: gate.wait(20)), "the deputy has taken over"

        relay = Relay(loop)
        with pytest.raises(ValueError, match="from the deputy"):
            relay.run()
        assert len(set(leaders)) == 2

    def test_it_returns_only_when_the_deputy_has_ended(self) -> None:
        gate, first_is_back = threading.Event(), threading.Event()
        ended: list[str] = []

        def loop() -> None:
            if threading.current_thread() is first:
                relay.watched(lambda: gate.wait(20))
                first_is_back.set()
            else:
                gate.set()
                assert first_is_back.wait(20)
                ended.append("deputy")

        relay, first = Relay(loop), threading.current_thread()
        relay.run()
        assert ended == ["deputy"]
