"""Handlers of every form run and leave their results."""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
import time
from typing import Any

import pytest

from taskq import AsyncTaskQueue, InvalidTask, Settings, Task, TaskContext, TaskQueue, TaskWorker


def worker_on(queue: TaskQueue, concurrency: int = 4) -> TaskWorker:
    return TaskWorker(queue, concurrency=concurrency)


def result_of(queue: TaskQueue, task_id: str) -> Any:
    result = queue.get_task_result(task_id)
    assert result is not None
    assert result["status"] == "completed", result
    return result["result"]


class Doubler:
    """A handler that is an object."""

    def __call__(self, task: Task) -> Any:
        return task.payload * 2


class AsyncDoubler:
    async def __call__(self, task: Task) -> Any:
        await asyncio.sleep(0)
        return task.payload * 2


async def async_plain(task: Task) -> Any:
    await asyncio.sleep(0.001)
    return task.payload


async def async_with_context(task: Task, ctx: TaskContext) -> Any:
    await asyncio.sleep(0.001)
    return [task.payload, ctx.attempt]


def with_defaults(task: Task, ctx: TaskContext | None = None) -> Any:
    return ctx is not None


HANDLERS: dict[str, tuple[Any, Any]] = {
    "plain": (lambda task: task.payload, 21),
    "context": (lambda task, ctx: [task.payload, ctx.attempt], [21, 1]),
    "any_arguments": (lambda *args: len(args), 1),
    "ctx_by_default": (with_defaults, True),
    "object": (Doubler(), 42),
    "partial": (functools.partial(lambda factor, task: task.payload * factor, 3), 63),
    "async_plain": (async_plain, 21),
    "async_context": (async_with_context, [21, 1]),
    "async_object": (AsyncDoubler(), 42),
}


@pytest.mark.parametrize("concurrency", [1, 4])
def test_handlers_of_every_form_run_side_by_side(queue: TaskQueue, concurrency: int) -> None:
    worker = worker_on(queue, concurrency)
    ids = {}
    for name, (handler, _) in HANDLERS.items():
        worker.register_handler(name, handler)
        ids[name] = queue.submit_task(Task(task_type=name, payload=21))

    assert worker.run_until_empty() == len(HANDLERS)

    assert {name: result_of(queue, ids[name]) for name in ids} == {name: want for name, (_, want) in HANDLERS.items()}


@pytest.mark.parametrize("installed", [True, False], ids=["uvloop", "asyncio"])
def test_async_handlers_run_on_uvloop_if_it_is_there(
    queue: TaskQueue, monkeypatch: pytest.MonkeyPatch, installed: bool
) -> None:
    async def where(task: Task) -> str:
        await asyncio.sleep(0.001)
        return type(asyncio.get_running_loop()).__module__.partition(".")[0]

    if not installed:
        monkeypatch.setitem(sys.modules, "uvloop", None)  # an import of it fails, as where it is not installed
    worker = worker_on(queue)
    worker.register_handler("where", where)
    task_id = queue.submit_task(Task(task_type="where"))

    worker.run_until_empty()

    assert result_of(queue, task_id) == ("uvloop" if installed else "asyncio")


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit])
def test_what_one_coroutine_raises_ends_none_of_the_others(queue: TaskQueue, error: type[BaseException]) -> None:
    async def raise_it(task: Task) -> None:
        raise error

    worker = worker_on(queue, 50)
    worker.register_handler("raise", raise_it)
    worker.register_handler("plain", async_plain)
    bad = queue.submit_task(Task(task_type="raise", max_retries=0))
    good = queue.submit_batch([Task(task_type="plain", payload=n) for n in range(40)])

    assert worker.run_until_empty() == 41

    assert [result_of(queue, task_id) for task_id in good] == list(range(40))
    result = queue.get_task_result(bad)
    assert result is not None
    assert result["status"] == "failed"


@pytest.mark.parametrize("handler", [lambda: None, lambda a, b, c: None])
def test_a_handler_that_cannot_be_called_is_refused(queue: TaskQueue, handler: Any) -> None:
    with pytest.raises(InvalidTask, match=r"write it as fn\(task\) or fn\(task, ctx\)"):
        worker_on(queue).register_handler("bad", handler)


def test_something_that_is_no_function_is_refused(queue: TaskQueue) -> None:
    with pytest.raises(InvalidTask, match="the handler of 'bad' is a str, not a function"):
        worker_on(queue).register_handler("bad", "taskq")  # type: ignore[arg-type]  # what is tested


def test_the_result_says_who_ran_it_and_for_how_long(queue: TaskQueue) -> None:
    worker = TaskWorker(queue, name="indexer")
    worker.register_handler("nap", lambda task: time.sleep(0.02))
    task_id = queue.submit_task(Task(task_type="nap"))

    worker.run_until_empty()

    result = queue.get_task_result(task_id)
    assert result is not None
    assert result.keys() == {
        "task_id", "status", "result", "error", "duration", "worker_id", "attempts", "completed_at"
    }  # fmt: skip
    assert result["worker_id"].startswith("indexer-")
    assert 0.02 <= result["duration"] < 5
    assert (result["attempts"], result["error"], result["result"]) == (1, None, None)
    status = queue.get_task_status(task_id)
    assert status["status"] == "completed"
    assert status["created_at"] <= status["started_at"] <= status["completed_at"]


def test_the_context_tells_what_it_knows(queue: TaskQueue) -> None:
    seen: list[Any] = []

    def look(task: Task, ctx: TaskContext) -> None:
        seen.append((ctx.task_id, ctx.attempt, ctx.fence, ctx.cancelled, ctx.deadline))

    worker = worker_on(queue)
    worker.register_handler("look", look)
    timed = queue.submit_task(Task(task_type="look", timeout=50))
    endless = queue.submit_task(Task(task_type="look"))
    worker.run_until_empty()

    (first_id, attempt, first_fence, cancelled, deadline), (second_id, _, second_fence, _, no_deadline) = seen
    assert {first_id, second_id} == {timed, endless}
    assert (attempt, cancelled) == (1, False)
    assert no_deadline is None if first_id == timed else deadline is None
    assert 45 < max(d for d in (deadline, no_deadline) if d is not None) <= 50
    assert second_fence != first_fence


def test_fences_grow_from_attempt_to_attempt(queue: TaskQueue) -> None:
    fences: list[int] = []

    def fail_twice(task: Task, ctx: TaskContext) -> None:
        fences.append(ctx.fence)
        if ctx.attempt < 3:
            raise ValueError("not yet")

    worker = worker_on(queue)
    worker.register_handler("fail_twice", fail_twice)
    task_id = queue.submit_task(Task(task_type="fail_twice", retry_delay=0))
    worker.run_until_empty()

    assert result_of(queue, task_id) is None
    assert len(fences) == 3
    assert fences == sorted(set(fences))


def test_progress_is_seen_while_the_task_runs(queue: TaskQueue) -> None:
    shown: list[Any] = []

    def climb(task: Task, ctx: TaskContext) -> None:
        assert ctx.progress(0.5, "half way")
        shown.append(queue.get_task_status(ctx.task_id)["progress"])

    worker = worker_on(queue)
    worker.register_handler("climb", climb)
    queue.submit_task(Task(task_type="climb"))
    worker.run_until_empty()

    assert shown == [{"value": 0.5, "message": "half way"}]


def test_a_handler_can_submit(queue: TaskQueue) -> None:
    done: list[str] = []

    def parent(task: Task, ctx: TaskContext) -> str:
        return ctx.submit(Task(task_type="child"))

    worker = worker_on(queue)
    worker.register_handler("parent", parent)
    worker.register_handler("child", lambda task: done.append(task.task_id))
    parent_id = queue.submit_task(Task(task_type="parent"))

    assert worker.run_until_empty() == 2
    assert done == [result_of(queue, parent_id)]


def test_decorated_functions_of_a_queue_run_with_their_arguments(queue: TaskQueue) -> None:
    @queue.task(name="add", priority="high")
    def add(a: int, b: int = 1) -> int:
        return a + b

    @queue.task(name="later")
    async def later(a: int) -> int:
        await asyncio.sleep(0)
        return a

    @queue.task(name="aware", pass_ctx=True)
    def aware(ctx: TaskContext, word: str) -> list[Any]:
        return [ctx.attempt, word]

    assert add(1, b=5) == 6, "a plain call runs here and now"
    handles = [add.delay(2, b=3), later.delay(7), aware.submit("w")]
    assert queue.get_task(handles[0].id).priority.label == "high"
    plain = queue.submit_task(Task(task_type="add", payload={"a": 40, "b": 2}))

    worker_on(queue).run_until_empty()

    assert [handle.result(timeout=5) for handle in handles] == [5, 7, [1, "w"]]
    assert result_of(queue, plain) == 42


def test_decorated_functions_of_an_async_queue_run_too(settings: Settings, queue: TaskQueue) -> None:
    app = AsyncTaskQueue(settings=settings)

    @app.task(name="shout")
    async def shout(word: str) -> str:
        return word.upper()

    async def submit_and_wait() -> Any:
        handle = await shout.delay("hey")
        runner = threading.Thread(target=worker.run_until_empty)
        runner.start()
        value = await handle.aresult(timeout=10)
        await asyncio.to_thread(runner.join)
        await app.close()
        return value

    worker = worker_on(queue)
    worker.registry.update(app.registry)

    assert asyncio.run(submit_and_wait()) == "HEY"


def test_many_tasks_on_threads_and_on_the_loop_leave_all_results(queue: TaskQueue) -> None:
    worker = worker_on(queue, 16)
    worker.register_handler("plain", lambda task: task.payload)
    worker.register_handler("async_plain", async_plain)
    tasks = [Task(task_type=("plain", "async_plain")[n % 2], payload=n) for n in range(600)]
    ids = queue.submit_batch(tasks)

    assert worker.run_until_empty() == 600

    assert [result_of(queue, task_id) for task_id in ids] == list(range(600))
    stats = queue.get_queue_stats()
    assert (stats.completed_tasks, stats.pending_tasks, stats.running_tasks) == (600, 0, 0)
    assert stats.counters["completed"] == 600
    assert stats.success_rate == 1.0
