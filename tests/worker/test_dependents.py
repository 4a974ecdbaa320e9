"""Tasks that depend on others, as a worker runs them: with their results, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from taskq import Task, TaskContext, TaskQueue, TaskWorker


def register(worker: TaskWorker, ran: list[Any]) -> None:
    def add(task: Task, ctx: TaskContext) -> int:
        ran.append(task.payload)
        return sum(result["result"] for result in ctx.results()) + task.payload

    async def aadd(task: Task, ctx: TaskContext) -> int:
        return add(task, ctx)

    def bare(task: Task) -> Any:
        ran.append(task.payload)
        return task.payload

    async def abare(task: Task) -> Any:
        return bare(task)

    def bad(task: Task) -> None:
        raise ValueError("bad step")

    for handler in (add, aadd, bare, abare, bad):
        worker.register_handler(handler.__name__, handler)


def run(queue: TaskQueue, slots: int = 2) -> list[Any]:
    ran: list[Any] = []
    worker = TaskWorker(queue, concurrency=slots)
    register(worker, ran)
    worker.run_until_empty()
    return ran


@pytest.mark.parametrize("slots", [1, 2])
@pytest.mark.parametrize("name", ["add", "aadd"])
def test_each_step_of_a_chain_has_the_result_before_it(queue: TaskQueue, name: str, slots: int) -> None:
    ids = queue.chain(*(Task(task_type=name, payload=n) for n in (1, 10, 100)))
    run(queue, slots)
    assert queue.wait_for_result(ids[-1], 5)["result"] == 111


@pytest.mark.parametrize("name", ["bare", "abare"])
def test_a_handler_without_context_can_depend_too(queue: TaskQueue, name: str) -> None:
    ids = queue.chord([Task(task_type="bare", payload=n) for n in range(3)], Task(task_type=name, payload="last"))
    assert run(queue)[-1] == "last"
    assert queue.wait_for_result(ids[-1], 5)["result"] == "last"


def test_a_decorated_function_can_depend_too(queue: TaskQueue) -> None:
    @queue.task
    def double(number: int) -> int:
        return 2 * number

    @queue.task(pass_ctx=True)
    def add_to(ctx: TaskContext, number: int) -> int:
        return int(ctx.results()[0]["result"]) + number

    ids = queue.chain(double.task([4], {}), add_to.task([1], {}), double.task([3], {}))
    TaskWorker(queue).run_until_empty()
    assert [queue.wait_for_result(task_id, 5)["result"] for task_id in ids] == [8, 9, 6]


def test_steps_behind_a_failure_are_cancelled(queue: TaskQueue) -> None:
    first, second, third = queue.chain(
        Task(task_type="bad", max_retries=0), Task(task_type="bare", payload=2), Task(task_type="bare", payload=3)
    )
    assert run(queue) == []
    results = [queue.wait_for_result(task_id, 5) for task_id in (second, third)]
    assert [result["status"] for result in results] == ["cancelled", "cancelled"]
    assert f"not run: it depends on {first}, which is failed: ValueError: bad step" in results[0]["error"]
    assert f"not run: it depends on {second}, which is cancelled" in results[1]["error"]


@pytest.mark.parametrize(("name", "expected"), [("bare", ["it", "good", "always"]), ("bad", ["bad", "always"])])
def test_callbacks_run_as_it_came_out(queue: TaskQueue, name: str, expected: list[str]) -> None:
    good, bad = (Task(task_type="bare", payload=payload) for payload in ("good", "bad"))
    task_id = queue.submit_with_callbacks(
        Task(task_type=name, payload="it", max_retries=0), on_success=good, on_failure=bad
    )
    queue.submit_task(Task(task_type="bare", payload="always", priority="low", depends_on=[task_id], run_when="ended"))
    assert run(queue, 1) == expected
    statuses = {callback.payload: queue.get_task_status(callback.task_id)["status"] for callback in (good, bad)}
    assert statuses == {p: "completed" if p in expected else "cancelled" for p in ("good", "bad")}


def test_one_that_is_replayed_too_early_waits_again(queue: TaskQueue) -> None:
    first, second = queue.chain(Task(task_type="bare", payload=1), Task(task_type="bare", payload=2))
    queue.cancel_task(second)
    queue.retry_task(second)
    queue.pause(priority="normal")
    assert queue.get_task_status(second)["status"] == "pending"
    queue.resume(priority="normal")
    assert sorted(run(queue, 1)) == [1, 2]
    assert [queue.wait_for_result(task_id, 5)["status"] for task_id in (first, second)] == ["completed"] * 2


def test_an_id_that_comes_back_waits_for_what_it_depends_on_now(queue: TaskQueue) -> None:
    first, last = Task(task_type="bare", payload=1), Task(task_type="bad", task_id="last", max_retries=0)
    queue.chain(first, last)
    assert run(queue) == [1]
    assert queue.purge_dead() == 1

    queue.chain(Task(task_type="bare", payload=2), Task(task_type="add", task_id="last", payload=3))
    assert run(queue) == [2, 3]
    assert queue.wait_for_result("last", timeout=5)["result"] == 5
