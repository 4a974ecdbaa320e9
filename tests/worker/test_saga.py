"""``Saga``: forward to the end, or back to the beginning, whatever fails or stops in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from taskq import (
    Discard,
    InvalidTask,
    Retry,
    RetryPolicy,
    Saga,
    Settings,
    Snooze,
    StepOptions,
    Task,
    TaskContext,
    TaskQueue,
    TaskWorker,
)
from taskq.kinds import Secret
from tests.waiting import eventually
from tests.worker.background import Background, findings

Log = list[Any]
AT_ONCE = RetryPolicy(max_retries=2, delay_seconds=0)
NEVER = RetryPolicy(max_retries=0)


class Trip:
    """A saga of three steps that says what it does, and raises what a test has planned."""

    def __init__(self, queue: TaskQueue, *, awaited: bool = False) -> None:
        self.queue = queue
        self.log: Log = []
        self.plan: dict[str, list[Any]] = {}
        self.saga = Saga("trip", policy=AT_ONCE, undo_policy=AT_ONCE)
        for name in ("flight", "hotel", "car"):
            run, undo = self.act(name), self.act(f"no {name}")
            if awaited and name != "hotel":  # a plain one among them
                run, undo = _awaited(run), _awaited(undo)
            self.saga.step(name, run, undo)

    def act(self, name: str) -> Callable[[TaskContext, dict[str, Any]], Any]:
        def function(ctx: TaskContext, data: dict[str, Any]) -> Any:
            self.log.append(name)
            planned = self.plan.get(name)
            outcome = planned.pop(0) if planned else None
            if callable(outcome):
                outcome = outcome(ctx, data)
            if isinstance(outcome, BaseException):
                raise outcome
            return {"to": data["payload"], "no": len(self.log)}

        return function

    def work(self, task_id: str | None = None, rounds: int = 20) -> str:
        """Run it until it has ended or waits for somebody."""
        worker = TaskWorker(self.queue, concurrency=2)
        self.saga.register(worker)
        task_id = task_id or self.queue.submit_task(self.saga.task("Oslo"))
        for _ in range(rounds):
            worker.run_until_empty()
            if self.queue.get_task_status(task_id)["status"] in ("completed", "failed", "cancelled", "waiting"):
                break
        assert findings(self.queue) == []
        return task_id


def _awaited(function: Callable[..., Any]) -> Callable[..., Any]:
    async def run(ctx: TaskContext, data: dict[str, Any]) -> Any:
        await asyncio.sleep(0)
        return function(ctx, data)

    return run


@pytest.fixture(params=[False, True], ids=["plain", "async"])
def trip(request: pytest.FixtureRequest, queue: TaskQueue) -> Trip:
    return Trip(queue, awaited=request.param)


def steps(trip: Trip, task_id: str) -> dict[str, str]:
    return dict(trip.queue.get_saga(task_id).steps)


def test_all_steps_are_done_in_order(trip: Trip) -> None:
    task_id = trip.work()
    result = trip.queue.wait_for_result(task_id, 10)
    assert trip.log == ["flight", "hotel", "car"]
    assert (result["status"], result["attempts"]) == ("completed", 1)
    assert result["result"] == {name: {"to": "Oslo", "no": n} for n, name in enumerate(trip.log, 1)}
    info = trip.queue.get_saga(task_id)
    assert (info.state, info.name, info.step, info.results) == ("completed", "trip", "", result["result"])
    assert steps(trip, task_id) == dict.fromkeys(trip.log, "done")
    assert [one.task_id for one in trip.queue.list_sagas()] == [task_id]


def test_a_step_that_fails_for_good_turns_it_round(trip: Trip) -> None:
    trip.plan["car"] = [ValueError("no cars left")] * 3
    task_id = trip.work()
    assert trip.log == ["flight", "hotel", "car", "car", "car", "no hotel", "no flight"]
    result = trip.queue.wait_for_result(task_id, 10)
    assert result["status"] == "cancelled"
    assert "compensated: step 'car' failed" in result["error"]
    assert "no cars left" in result["error"]
    info = trip.queue.get_saga(task_id)
    assert (info.state, info.step) == ("compensated", "")
    assert steps(trip, task_id) == {"flight": "undone", "hotel": "undone", "car": "open"}
    assert trip.queue.get_queue_stats().dead_letters == 0


def test_a_step_that_fails_and_then_does_not_is_done_once(trip: Trip) -> None:
    trip.plan["hotel"] = [ValueError("busy"), Retry(after=0), Snooze(0)]
    task_id = trip.work()
    assert trip.log == ["flight", "hotel", "hotel", "hotel", "hotel", "car"]
    assert trip.queue.wait_for_result(task_id, 10)["status"] == "completed"


def test_the_first_step_leaves_nothing_to_undo(trip: Trip) -> None:
    trip.plan["flight"] = [Discard("no money")]
    task_id = trip.work()
    assert trip.log == ["flight"]
    assert trip.queue.get_saga(task_id).state == "compensated"


def test_a_compensation_that_keeps_failing_is_for_an_operator(trip: Trip) -> None:
    trip.plan = {"car": [Discard("no cars")], "no hotel": [ValueError("the desk is closed")] * 4}
    task_id = trip.work()
    assert trip.log == ["flight", "hotel", "car", *["no hotel"] * 3]
    info = trip.queue.get_saga(task_id)
    assert (info.state, info.step, info.status) == ("stuck", "hotel", "failed")
    assert "no cars" in info.error
    assert "the desk is closed" in info.error
    assert steps(trip, task_id) == {"flight": "done", "hotel": "stuck", "car": "open"}
    (letter,) = trip.queue.list_dead()
    assert letter.error.startswith(
        "discarded: stuck: the compensation of 'hotel' failed: ValueError: the desk is closed; "
    )
    assert (letter.error.count("the desk is closed"), letter.error.count("no cars")) == (1, 1), "it is said once"
    assert "ValueError: ValueError" not in letter.reason
    with pytest.raises(InvalidTask, match="is stuck on its way back"):
        trip.queue.abort_saga(task_id)

    assert trip.queue.resume_saga(task_id).state == "compensating"
    with pytest.raises(InvalidTask, match="is compensating: only a stuck one"):
        trip.queue.resume_saga(task_id)
    trip.work(task_id)
    assert trip.log[6:] == ["no hotel", "no hotel", "no flight"], "one more failure, with new retries"
    assert trip.queue.get_saga(task_id).state == "compensated"


def test_what_was_undone_by_hand_is_skipped(trip: Trip) -> None:
    trip.plan = {"car": [Discard("no cars")], "no hotel": [Discard("never")]}
    task_id = trip.work()
    trip.log.clear()
    assert trip.queue.resume_saga(task_id, skip=True).step == "flight"
    trip.work(task_id)
    assert trip.log == ["no flight"]
    assert steps(trip, task_id) == {"flight": "undone", "hotel": "undone", "car": "open"}


def test_a_step_may_be_undone_although_it_failed(queue: TaskQueue) -> None:
    trip = Trip(queue)
    trip.saga.step("pay", trip.act("pay"), trip.act("no pay"), StepOptions(policy=NEVER, undo_failed=True))
    trip.plan["pay"] = [TimeoutError("who knows")]
    trip.work()
    assert trip.log[3:] == ["pay", "no pay", "no car", "no hotel", "no flight"]


def test_what_a_step_returns_has_to_be_kept(queue: TaskQueue) -> None:
    trip = Trip(queue)
    trip.saga.step("odd", lambda ctx, data: {1}, trip.act("no odd"))
    task_id = trip.work()
    assert trip.log[3:] == ["no odd", "no car", "no hotel", "no flight"]
    assert "what it returned cannot be kept" in trip.queue.get_saga(task_id).error


def test_a_step_waits_for_a_signal_without_a_slot(trip: Trip) -> None:
    answers: Log = []
    trip.plan["hotel"] = [lambda ctx, data: answers.append(ctx.wait_for("approved"))] * 2
    trip.plan["car"] = [lambda ctx, data: answers.append(ctx.wait_for("driver"))] * 2
    task_id = trip.work()
    info = trip.queue.get_saga(task_id)
    assert (info.state, info.step, info.status) == ("running", "hotel", "waiting")
    trip.queue.signal(task_id, "approved", "yes")
    trip.work(task_id)
    trip.queue.signal(task_id, "driver", "Ada")
    trip.work(task_id)
    assert trip.log == ["flight", "hotel", "hotel", "car", "car"]
    assert answers == ["yes", "Ada"]
    assert trip.queue.get_saga(task_id).state == "completed"


def test_each_step_has_waits_of_its_own(queue: TaskQueue, started: Callable[[TaskWorker], Background]) -> None:
    """The first wait of a later step is not the one of an earlier step that ran out of time."""
    trip = Trip(queue)

    def impatient(ctx: TaskContext, data: dict[str, Any]) -> Any:
        try:
            ctx.wait_for("early", timeout=0.01)
        except Discard as error:
            return trip.log.append(str(error))

    trip.plan = {"flight": [impatient] * 2, "hotel": [lambda ctx, data: ctx.wait_for("late", timeout=60)] * 2}
    worker = TaskWorker(queue)
    trip.saga.register(worker)
    started(worker)
    task_id = queue.submit_task(trip.saga.task("Oslo"))
    eventually(lambda: "hotel" in trip.log and queue.get_queue_stats().waiting_tasks, what="the second wait")
    queue.signal(task_id, "late")
    assert queue.wait_for_result(task_id, 10)["status"] == "completed"


def test_a_signal_that_does_not_come_turns_it_round(
    queue: TaskQueue, started: Callable[[TaskWorker], Background]
) -> None:
    trip = Trip(queue)
    trip.plan["car"] = [lambda ctx, data: ctx.wait_for("driver", timeout=0.01)] * 2
    worker = TaskWorker(queue)
    trip.saga.register(worker)
    started(worker)
    task_id = queue.submit_task(trip.saga.task("Oslo"))
    result = queue.wait_for_result(task_id, 10)
    assert (result["status"], trip.log[-2:]) == ("cancelled", ["no hotel", "no flight"])
    assert "the signal 'driver' has not come in time" in result["error"]


def test_a_step_may_note_and_fan_out_by_itself(queue: TaskQueue) -> None:
    trip = Trip(queue)
    seen: Log = []

    def long(ctx: TaskContext, data: dict[str, Any]) -> Any:
        for item in ctx.resume([1, 2, 3]):
            seen.append(item)
            ctx.checkpoint({"at": item})
            if item == 2 and seen.count(2) == 1:
                raise ValueError("not yet")
        return ctx.get_checkpoint()

    def children(ctx: TaskContext, data: dict[str, Any]) -> Any:
        assert ctx.get_checkpoint() is None, "each step has a note of its own"
        return [result["result"] for result in ctx.fanout([Task(task_type="echo", payload=n) for n in (1, 2)])]

    saga = Saga("long", policy=AT_ONCE).step("one", long).step("two", children).step("three", children)
    worker = TaskWorker(queue, concurrency=2)
    saga.register(worker)
    worker.register_handler("echo", lambda task: task.payload)
    task_id = queue.submit_task(saga.task())
    for _ in range(8):
        worker.run_until_empty()
    result = queue.wait_for_result(task_id, 10)
    assert result["result"] == {"one": {"at": 3}, "two": [1, 2], "three": [1, 2]}
    assert seen == [1, 2, 2, 3]
    assert queue.get_queue_stats().counters["submitted"] == 5, "the families of the steps are not the same one"
    assert trip.log == []


@pytest.mark.parametrize("where", ["waiting", "cancelled"])
def test_an_abort_undoes_what_has_been_done(trip: Trip, where: str) -> None:
    trip.plan["car"] = [lambda ctx, data: ctx.wait_for("driver")] * 9
    task_id = trip.work()
    if where == "cancelled":
        trip.queue.cancel_task(task_id)
        assert trip.queue.get_saga(task_id).state == "stuck", "it was ended on its way"
    assert trip.queue.abort_saga(task_id).state in ("running", "compensating")
    trip.work(task_id)
    assert trip.log == ["flight", "hotel", "car", "no hotel", "no flight"]
    info = trip.queue.get_saga(task_id)
    assert (info.state, info.error) == ("compensated", "aborted by an operator")
    with pytest.raises(InvalidTask, match="cannot be aborted any more"):
        trip.queue.abort_saga(task_id)


def test_one_that_was_ended_on_its_way_can_go_forward_again(trip: Trip) -> None:
    trip.plan["car"] = [lambda ctx, data: ctx.wait_for("driver")]
    task_id = trip.work()
    trip.queue.cancel_task(task_id)
    with pytest.raises(InvalidTask, match="goes forward"):
        trip.queue.resume_saga(task_id, skip=True)
    assert trip.queue.resume_saga(task_id).state == "running"
    trip.work(task_id)
    assert trip.log == ["flight", "hotel", "car", "car"]
    assert trip.queue.get_saga(task_id).state == "completed"


def test_a_cancel_request_turns_a_running_one_round(trip: Trip) -> None:
    def cancel(ctx: TaskContext, data: dict[str, Any]) -> None:
        trip.queue.cancel_task(ctx.task_id)
        ctx.progress(0.5)  # which tells it
        ctx.raise_if_cancelled()

    trip.plan["car"] = [cancel]
    task_id = trip.work()
    assert trip.log == ["flight", "hotel", "car", "no hotel", "no flight"]
    assert trip.queue.wait_for_result(task_id, 10)["status"] == "cancelled"
    assert trip.queue.get_saga(task_id).error == "cancelled while it ran"


def test_a_commit_belongs_to_its_step(queue: TaskQueue) -> None:
    def step(ctx: TaskContext, data: dict[str, Any]) -> Any:
        with pytest.raises(InvalidTask, match="its last step does"), ctx.commit() as tx:
            tx.set_result(1)
        if ctx.get_checkpoint() is None:
            with ctx.commit() as tx:
                tx.submit(Task(task_type="trip"))
                tx.checkpoint("sent")
            raise ValueError("not yet")
        return ctx.get_checkpoint()

    saga = Saga("committing", policy=AT_ONCE).step("one", step)
    worker = TaskWorker(queue, concurrency=1)
    saga.register(worker)
    task_id = queue.submit_task(saga.task())
    for _ in range(3):
        worker.run_until_empty()
    assert queue.wait_for_result(task_id, 10)["result"] == {"one": "sent"}
    assert queue.get_queue_stats().counters["submitted"] == 2


def test_what_cannot_be_a_saga(queue: TaskQueue) -> None:
    with pytest.raises(InvalidTask, match="name of a saga"):
        Saga("a:b")
    with pytest.raises(InvalidTask, match="has no steps"):
        Saga("empty").register(TaskWorker(queue))
    saga = Saga("one").step("step", print)
    for name in ("step", "payload"):
        with pytest.raises(InvalidTask, match="the name is taken"):
            saga.step(name, print)
    task_id = queue.submit_task(Task())
    with pytest.raises(InvalidTask, match="is no saga, or has not begun"):
        queue.get_saga(task_id)
    with pytest.raises(InvalidTask, match="unknown state"):
        queue.list_sagas(state="lost")


def test_a_release_that_has_lost_a_step_sticks_and_another_one_goes_on(queue: TaskQueue) -> None:
    trip = Trip(queue)
    trip.plan["car"] = [lambda ctx, data: ctx.wait_for("driver")] * 3
    task_id = trip.work()
    trip.queue.abort_saga(task_id)
    shorter = Saga("trip").step("flight", trip.act("flight"), trip.act("no flight"))
    worker = TaskWorker(queue)
    shorter.register(worker)
    worker.run_until_empty()
    assert trip.queue.get_saga(task_id).state == "stuck"
    trip.queue.resume_saga(task_id)
    trip.work(task_id)
    assert trip.log[-2:] == ["no hotel", "no flight"]


def test_its_record_is_encrypted(settings: Settings, redis_client: Any) -> None:
    pytest.importorskip("cryptography")
    with TaskQueue(settings=replace(settings, encryption_keys=Secret("A" * 86))) as queue:
        trip = Trip(queue)
        trip.plan["car"] = [lambda ctx, data: ctx.wait_for("driver")] * 2
        task_id = trip.work()
        stored = redis_client.get(queue.namespace.protocol.keys.key("checkpoint", task_id))
        assert "Oslo" not in stored
        assert queue.get_saga(task_id).results["flight"] == {"to": "Oslo", "no": 1}
