"""Workers that are killed, or lose a reply, at each of their commands: fan-out, commit, wait, and sagas both ways."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from taskq import Discard, RetryPolicy, Saga, Task, TaskContext, TaskQueue, TaskWorker
from taskq.testing.faults.fault import Fault
from taskq.testing.faults.proxy import Proxy
from tests.faults.mortal import Mortal, Setup
from tests.waiting import eventually
from tests.worker.background import findings

Write = Callable[[str], None]
NEVER = RetryPolicy(max_retries=0)


class Story(NamedTuple):
    """What is killed, and what must have become of it in the end, wherever it was.

    Attributes:
        setup: registers the handlers.
        task: makes the task.
        status: how it ends.
        result: what it returns.
        diary: what was done, with what was repeated once left out.
        tasks: how many there are then, its children included.
        told: signals that it is sent while it waits.
    """

    setup: Setup
    task: Callable[[], Task]
    status: str
    result: Any
    diary: list[str]
    tasks: int = 1
    told: tuple[str, ...] = ()


def family(worker: TaskWorker, write: Write) -> None:
    def parent(task: Task, ctx: TaskContext) -> Any:
        results = ctx.fanout([Task(task_type="child", payload=n, retry_delay=0) for n in range(2)])
        write("all")
        return [result["result"] for result in results]

    def child(task: Task) -> int:
        write(f"child{task.payload}")
        return int(task.payload)

    worker.register_handler("parent", parent)
    worker.register_handler("child", child)


def committing(worker: TaskWorker, write: Write) -> None:
    def handler(task: Task, ctx: TaskContext) -> None:
        for n in range(ctx.get_checkpoint() or 0, 2):
            with ctx.commit() as tx:
                tx.submit(Task(task_type="sent"))
                tx.checkpoint(n + 1)
        with ctx.commit() as tx:
            tx.submit(Task(task_type="sent"))
            tx.set_result("done")

    worker.register_handler("committing", handler)
    worker.register_handler("sent", lambda task: write("sent"))


def waiting(worker: TaskWorker, write: Write) -> None:
    def handler(task: Task, ctx: TaskContext) -> Any:
        said = ctx.wait_for("go")
        write("gone")
        return said

    worker.register_handler("waiting", handler)


def order(worker: TaskWorker, write: Write, *, fails: bool) -> None:
    def act(name: str) -> Callable[[TaskContext, dict[str, Any]], str]:
        def step(ctx: TaskContext, data: dict[str, Any]) -> str:
            write(name)
            if fails and name == "three":
                raise Discard("no")
            return name

        return step

    saga = Saga("order", policy=NEVER)
    for name in ("one", "two", "three"):
        saga.step(name, act(name), act(f"no-{name}"))
    saga.register(worker)


def forward(worker: TaskWorker, write: Write) -> None:
    order(worker, write, fails=False)


def backward(worker: TaskWorker, write: Write) -> None:
    order(worker, write, fails=True)


ORDER = ["one", "two", "three"]
STORIES = {
    "family": Story(family, lambda: Task(task_type="parent"), "completed", [0, 1], ["child0", "child1", "all"], 3),
    "commit": Story(committing, lambda: Task(task_type="committing"), "completed", "done", ["sent"] * 3, 4),
    "wait": Story(waiting, lambda: Task(task_type="waiting"), "completed", None, ["gone"], told=("go",)),
    "saga": Story(forward, lambda: Task(task_type="order"), "completed", {n: n for n in ORDER}, ORDER),
    "saga back": Story(backward, lambda: Task(task_type="order"), "cancelled", None, [*ORDER, "no-two", "no-one"]),
}


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("fate", ["killed", "lose"])
@pytest.mark.parametrize("name", STORIES)
def test_at_every_command(queue: TaskQueue, tmp_path: Path, name: str, fate: str) -> None:
    """Killed after each of them, which to the server is the same as before the next one; or its reply is lost."""
    story = STORIES[name]
    with Proxy(queue.settings.redis_url or "") as proxy:
        mortal = Mortal(queue, proxy, tmp_path / "diary", story.setup)
        skip, tasks = 0, 0
        while True:
            task_id = queue.submit_task(story.task())
            action, act = ("after", mortal.kill) if fate == "killed" else (fate, None)
            struck = mortal.live(Fault(action, "EVALSHA", skip=skip, act=act))
            for signal in story.told:
                queue.signal(task_id, signal)
            finish(mortal, task_id)
            tasks += story.tasks
            # what the killed one was at is done again; what was noted is not
            judge(queue, story, task_id, mortal.diary(), 1 if fate == "killed" else 0)
            assert queue.get_queue_stats().counters["submitted"] == tasks, "no child is made twice, and none is lost"
            if not struck:
                break
            skip += 1
    assert skip > 5, "it was struck at none of its commands"


def finish(mortal: Mortal, task_id: str) -> None:
    """Let workers live until the task, and all that it has left behind, has ended."""
    queue = mortal.queue

    def ended() -> bool:
        mortal.live()
        return queue.get_task_result(task_id) is not None and queue.get_queue_stats().pending_tasks == 0

    eventually(ended, 40, "its end")


def judge(queue: TaskQueue, story: Story, task_id: str, diary: list[str], repeats: int) -> None:
    result = queue.get_task_result(task_id)
    assert result is not None, f"{queue.get_task_status(task_id)} {diary}"
    assert (result["status"], result["result"]) == (story.status, story.result)
    assert findings(queue) == []
    assert 0 <= len(diary) - len(story.diary) <= repeats
    assert [word for word, _ in groupby(diary)] == [word for word, _ in groupby(story.diary)]
    if story.task().task_type == "order":
        steps = dict(queue.get_saga(task_id).steps)
        back = {"one": "undone", "two": "undone", "three": "open"}
        assert steps == (back if story.status == "cancelled" else dict.fromkeys(ORDER, "done"))
