"""Requests and replies of a worker are lost at every point: no task is lost, and none runs or completes twice."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import redis

from taskq import Settings, Task, TaskContext, TaskQueue, TaskWorker
from taskq.protocol.replies import Settlement
from taskq.testing.faults.fault import Fault
from taskq.testing.faults.proxy import Proxy
from taskq.transport.upkeep import lease_times
from tests.waiting import eventually
from tests.worker.background import Background, findings

TASKS = 9


@pytest.fixture
def proxy(redis_url: str) -> Iterator[Proxy]:
    with Proxy(redis_url) as proxy:
        yield proxy


@pytest.fixture
def through(settings: Settings, proxy: Proxy) -> Iterator[TaskQueue]:
    """A queue whose connections lead through the proxy; a silent one is given up soon."""
    slow = replace(settings, redis_url=proxy.url, socket_timeout_seconds=0.3, call_timeout_seconds=10)
    with TaskQueue(settings=slow) as queue:
        yield queue


class Round:
    """Some tasks, run by a worker behind the proxy, and what its handlers saw."""

    def __init__(self, queue: TaskQueue, through: TaskQueue, slots: int) -> None:
        self.queue = queue
        self.runs: Counter[str] = Counter()
        self._lock = threading.Lock()
        self.worker = TaskWorker(through, concurrency=slots)
        self.worker.register_handler("note", self._note)
        self.worker.register_handler("async_note", self._async_note)
        kinds = ("note", "async_note", "note")
        tenants = (None, "a", "a", "b")
        self.ids = queue.submit_batch(
            [Task(task_type=kinds[n % 3], payload=n, group_key=tenants[n % 4]) for n in range(TASKS)]
        )

    def _note(self, task: Task) -> int:
        with self._lock:
            self.runs[task.task_id] += 1
        return int(task.payload)

    async def _async_note(self, task: Task) -> int:
        return self._note(task)

    def check(self) -> None:
        """Assert that every task ran once and completed once."""
        assert self.runs == dict.fromkeys(self.ids, 1)
        results = [self.queue.get_task_result(task_id) for task_id in self.ids]
        assert [result and result["result"] for result in results] == list(range(TASKS))
        stats = self.queue.get_queue_stats()
        assert (stats.counters["completed"], stats.pending_tasks, stats.running_tasks) == (TASKS, 0, 0)
        assert stats.counters.get("recovered", 0) == 0
        assert findings(self.queue) == []


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("action", ["lose", "cut", "hang"])
def test_each_turn_may_be_lost_once(
    settings: Settings, proxy: Proxy, through: TaskQueue, action: str, slots: int
) -> None:
    struck = 0
    for nth in range(14):
        named = replace(settings, prefix=f"{settings.prefix}-{nth}")
        with (
            TaskQueue(settings=named) as queue,
            TaskQueue(settings=replace(through.settings, prefix=named.prefix)) as behind,
        ):
            round_ = Round(queue, behind, slots)
            fault = proxy.strike(action, "turn", skip=nth)
            assert Background(round_.worker.run_until_empty).join(60) == TASKS
            round_.check()
        struck += fault.is_set()
        if not fault.is_set():
            break
    assert struck >= (10 if slots == 1 else 4), "as many turns as the tasks need were lost, each in a round of its own"


@pytest.mark.parametrize("name", ["register", "beat", "evict", "repair"])
@pytest.mark.parametrize("action", ["lose", "cut"])
def test_each_other_call_of_a_worker_may_be_lost_once(
    queue: TaskQueue, proxy: Proxy, through: TaskQueue, name: str, action: str
) -> None:
    round_ = Round(queue, through, 2)
    fault = proxy.strike(action, name)
    if name == "repair":  # follows a connection that broke
        proxy.strike("lose", "turn", skip=1)

    assert Background(round_.worker.run_until_empty).join(60) == TASKS

    round_.check()
    assert fault.is_set() or name == "beat"
    assert queue.list_workers() == []


def test_a_claim_whose_reply_never_comes_is_handed_back_when_the_worker_has_given_it_up(
    queue: TaskQueue, settings: Settings
) -> None:
    # the ids stand in its processing list, the worker does not know of them: a reconnect must bring them to light
    protocol, run = queue.namespace.protocol, queue.transport.run
    run(protocol.register("w", "token", lease_times(settings), "uuid", {}))
    ids = queue.submit_batch([Task() for _ in range(3)])
    run(protocol.turn("w", "token", 1, 3, ["normal"]))

    back, _ = run(protocol.repair("w", "token", lease_times(settings), [ids[0]]))

    assert sorted(back) == sorted(ids[1:])
    assert [queue.get_task_status(i)["status"] for i in ids] == ["running", "pending", "pending"]


def test_a_turn_that_arrives_after_a_newer_one_claims_nothing_more(queue: TaskQueue) -> None:
    # what a frozen network may deliver late: the server has seen the next turn of the same worker
    protocol, run = queue.namespace.protocol, queue.transport.run
    run(protocol.register("w", "token", lease_times(queue.settings), "uuid", {}))
    queue.submit_batch([Task() for _ in range(3)])
    first = run(protocol.turn("w", "token", 1, 1, ["normal"]))
    second = run(protocol.turn("w", "token", 2, 1, ["normal"]))
    late = run(protocol.turn("w", "token", 1, 1, ["normal"]))
    repeated = run(protocol.turn("w", "token", 2, 1, ["normal"]))
    third = run(protocol.turn("w", "token", 3, 0, ["normal"]))
    later = run(protocol.turn("w", "token", 1, 1, ["normal"]))

    assert late.claims == first.claims
    assert repeated.claims == second.claims
    assert first.claims != second.claims
    assert third.claims == later.claims == ()
    assert later.superseded
    assert queue.get_queue_stats().running_tasks == 2
    release = [Settlement(c.task_id, c.fence, "release", "", 0) for c in (*first.claims, *second.claims)]
    assert run(protocol.settle(release)) == ()


def test_every_seventh_message_lost_costs_nothing(queue: TaskQueue, proxy: Proxy, through: TaskQueue) -> None:
    done: Counter[str] = Counter()
    lock = threading.Lock()

    def note(task: Task) -> None:
        with lock:
            done[task.task_id] += 1

    worker = TaskWorker(through, concurrency=4)
    worker.register_handler("note", note)
    ids = queue.submit_batch([Task(task_type="note", group_key=f"g{n % 7}" if n % 2 else None) for n in range(300)])
    for n in range(12):
        proxy.strike(("lose", "cut")[n % 2], skip=7 * n + 2)

    assert Background(worker.run_until_empty).join(30) == 300

    assert done == dict.fromkeys(ids, 1)
    assert queue.get_queue_stats().counters["completed"] == 300
    assert findings(queue) == []


Start = Callable[[TaskWorker], Background]


@pytest.fixture
def started() -> Iterator[Start]:
    """Function that starts a worker on a thread; it is stopped after the test."""
    running: list[tuple[TaskWorker, Background]] = []

    def start(worker: TaskWorker) -> Background:
        running.append((worker, Background(worker.start)))
        eventually(worker.queue.list_workers, what="a worker")
        return running[-1][1]

    yield start
    for worker, background in running:
        worker.stop(0.0)
        background.join()


def test_a_handler_that_is_told_to_stop_has_not_completed(queue: TaskQueue, proxy: Proxy, through: TaskQueue) -> None:
    """However long the hand-back is on its way: what it returns because it is to end is not the result of the task."""
    began, returned = threading.Event(), threading.Event()

    def careful(task: Task, ctx: TaskContext) -> None:
        began.set()
        while not ctx.cancelled:
            time.sleep(0.001)
        returned.set()

    worker = TaskWorker(through)
    worker.register_handler("careful", careful)
    background = Background(worker.start)
    task_id = queue.submit_task(Task(task_type="careful"))
    assert began.wait(30)

    def state() -> str:
        return str(queue.get_task_status(task_id)["status"])

    held_up = Fault("before", "settle", act=lambda: returned.wait(0.3) and eventually(lambda: state() != "running"))
    proxy.add(held_up)
    worker.stop(0.0)
    background.join()

    assert held_up.struck.is_set()
    assert state() == "pending"
    assert returned.wait(30)


def test_a_bell_that_has_fallen_silent_is_given_up(
    queue: TaskQueue, proxy: Proxy, through: TaskQueue, started: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskq.worker.waiter.IDLE_WAIT_SECONDS", 0.6)
    monkeypatch.setattr("taskq.worker.waiter._GRACE_SECONDS", 0.4)
    worker = TaskWorker(through)
    worker.register_handler("echo", lambda task: task.payload)
    silent = proxy.strike("hang", "BLPOP")
    started(worker)
    assert silent.wait(20)

    task_id = queue.submit_task(Task(task_type="echo", payload=1))

    assert queue.wait_for_result(task_id, timeout=40)["result"] == 1
    monkeypatch.setattr("taskq.worker.waiter.IDLE_WAIT_SECONDS", 60.0)
    again = queue.submit_task(Task(task_type="echo", payload=2))
    assert queue.wait_for_result(again, timeout=40)["result"] == 2, "the next bell rings as usual"


def test_a_bell_that_is_unblocked_with_an_error_is_hung_up_again(
    queue: TaskQueue,
    redis_client: redis.Redis,
    through: TaskQueue,
    proxy: Proxy,
    started: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("taskq.worker.waiter.IDLE_WAIT_SECONDS", 60.0)
    worker = TaskWorker(through)
    worker.register_handler("echo", lambda task: task.payload)
    started(worker)

    def blocked() -> list[str]:
        return [c["id"] for c in redis_client.client_list() if c["cmd"] == "blpop" and "b" in c["flags"]]

    for _ in range(3):
        (bell,) = eventually(blocked, what="the bell")
        assert redis_client.client_unblock(int(bell), error=True)
    task_id = queue.submit_task(Task(task_type="echo", payload=1))

    assert queue.wait_for_result(task_id, timeout=40)["result"] == 1


def test_a_guardian_whose_connection_has_fallen_silent_keeps_its_lease(
    queue: TaskQueue, settings: Settings, proxy: Proxy
) -> None:
    hasty = replace(settings, heartbeat_interval_seconds=0.25, lease_seconds=1.6)
    gate = threading.Event()
    with (
        TaskQueue(settings=hasty) as watching,
        TaskQueue(settings=replace(hasty, redis_url=proxy.url)) as through,
    ):
        worker, other = TaskWorker(through, concurrency=1), TaskWorker(watching, concurrency=1)
        for one in (worker, other):
            one.register_handler("wait", lambda task: gate.wait(20))
        (task_id, _) = queue.submit_batch([Task(task_type="wait") for _ in range(2)])
        runs = [Background(worker.run_until_empty), Background(other.run_until_empty)]
        eventually(lambda: queue.get_queue_stats().running_tasks == 2)
        silent = proxy.strike("hang", "beat")
        assert silent.wait(20)
        until = time.monotonic() + 1.5 * hasty.lease_seconds
        eventually(lambda: time.monotonic() > until, what="more than a lease of time in which the other one may reap")
        gate.set()
        assert [run.join(40) for run in runs] == [1, 1]

    assert queue.get_queue_stats().counters.get("recovered", 0) == 0
    result = queue.get_task_result(task_id)
    assert result is not None
    assert result["attempts"] == 1
