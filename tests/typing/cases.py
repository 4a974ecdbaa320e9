"""What a type checker has to say of code that uses taskq. Read by mypy and pyright, never run.

A comment at the end of a line says which type the expression has, or that the line has to be refused.
"""

from __future__ import annotations

from typing import Any, reveal_type

from taskq import (
    AgentExecutor,
    AsyncTaskQueue,
    RetryPolicy,
    Task,
    TaskContext,
    TaskPriority,
    TaskQueue,
    TaskWorker,
    get_task_queue,
)

app = TaskQueue()
async_app = AsyncTaskQueue()


@app.task
def bare(order: int, note: str = "") -> float:
    return order / 2


@app.task(name="shop.add", priority="high", policy=RetryPolicy(max_retries=1))
def add(a: int, b: int = 1) -> int:
    return a + b


@app.task
async def fetch(url: str) -> bytes:
    return url.encode()


@async_app.task
def joined(*parts: str, sep: str = " ") -> str:
    return sep.join(parts)


@app.task(pass_ctx=True)
def told(ctx: TaskContext, name: str, times: int = 1) -> str:
    return name * times


@async_app.task(pass_ctx=True, priority="low")
async def told_async(ctx: TaskContext, name: str) -> str:
    return name


# -- a call is that of the function --

reveal_type(bare(7))  # reveals float
reveal_type(add(1, b=2))  # reveals int
bare("seven")  # error
add(1, 2, 3)  # error
add(c=1)  # error

# -- so is what delay and submit take --

reveal_type(bare.delay(7, note="x"))  # reveals TaskHandle
reveal_type(add.submit(1))  # reveals TaskHandle
reveal_type(fetch.delay("http://localhost"))  # reveals TaskHandle
reveal_type(add.options(priority="low").delay(1, b=2))  # reveals TaskHandle
bare.delay("seven")  # error
bare.delay()  # error
bare.delay(7, nota="x")  # error
add.submit(1, "2")  # error
add.options(priority="low").delay("1")  # error
fetch.delay(7)  # error

# -- the context is no argument of delay, and the first one of a plain call --

reveal_type(told.delay("Ada", times=2))  # reveals TaskHandle
told.delay(None, "Ada")  # error
told.delay(7)  # error
told("Ada")  # error

# -- handles --

handle = add.delay(1)
reveal_type(handle.id)  # reveals str
reveal_type(handle.status())  # reveals str
reveal_type(handle.cancel())  # reveals str


async def asynchronous() -> None:
    reveal_type(await joined.delay("a", "b", sep="-"))  # reveals AsyncTaskHandle
    reveal_type(await told_async.delay("Ada"))  # reveals AsyncTaskHandle
    told_async.delay(7)  # error
    joined.delay(1)  # error
    joined.delay("a", end="-")  # error
    reveal_type(await async_app.submit_task(Task()))  # reveals str
    reveal_type(await async_app.get_task("x"))  # reveals Task
    await async_app.submit_task("echo")  # error


# -- the queue --

queue = get_task_queue()
reveal_type(queue)  # reveals TaskQueue
reveal_type(queue.submit_task(Task(task_type="echo", priority="urgent")))  # reveals str
reveal_type(queue.submit_batch([Task()]))  # reveals list[str]
reveal_type(queue.get_queue_stats().pending_tasks)  # reveals int
reveal_type(queue.get_task_result("x"))  # reveals dict[str, Any] | None
queue.submit_task("echo")  # error
queue.submit_batch(Task())  # error
queue.submit_task(Task(), 30)  # error
Task(task_typ="echo")  # error
Task(max_retries="3")  # error
print(TaskPriority.HIGHEST)  # error


# -- handlers --


def handler(task: Task, ctx: TaskContext) -> dict[str, Any]:
    reveal_type(ctx.attempt)  # reveals int
    reveal_type(ctx.fence)  # reveals int
    reveal_type(ctx.cancelled)  # reveals bool
    ctx.progres(1)  # error
    return {"payload": task.payload}


worker = TaskWorker(queue)
worker.register_handler("work", handler)
worker.register_handler("work")  # error
reveal_type(AgentExecutor(lambda query: query).execute_async("hello", priority="low"))  # reveals str
