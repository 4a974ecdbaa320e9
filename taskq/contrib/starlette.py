"""taskq in Starlette and FastAPI: a lifespan, a dependency, and routes that show a task.

app = FastAPI(lifespan=taskq_lifespan())
app.mount("/tasks", task_app())


@app.post("/reports", status_code=202)
async def report(year: int, queue: Annotated[AsyncTaskQueue, Depends(get_queue)]) -> dict:
    return {"task_id": await queue.submit_task(Task(task_type="report", payload={"year": year}))}
"""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from taskq.aio import AsyncTaskQueue
from taskq.contrib.following import Follower
from taskq.errors import InvalidTask, ServerUnavailable, TaskNotFound

Allow = Callable[[Request, str], bool | Awaitable[bool]]

_NO_QUEUE = (
    "the application has no taskq queue: make it with lifespan=taskq_lifespan(), or in a lifespan of your own use "
    "`async with taskq_state() as state: yield state`. In tests, enter the client: `with TestClient(app) as client:`"
)


def taskq_lifespan(queue: AsyncTaskQueue | None = None) -> Callable[[Any], AbstractAsyncContextManager[dict[str, Any]]]:
    """Return a lifespan that opens a queue with the application and closes it with it.

    Args:
        queue: which one; None: one from the environment.
    """

    @asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[dict[str, Any]]:
        async with taskq_state(queue) as state:
            yield state

    return lifespan


@asynccontextmanager
async def taskq_state(queue: AsyncTaskQueue | None = None) -> AsyncIterator[dict[str, Any]]:
    """Open a queue, for a lifespan of your own: ``async with taskq_state() as state: yield {**state, ...}``.

    Args:
        queue: which one; None: one from the environment. It is closed at the end.

    Yields:
        What the requests have to find in their ``state``.
    """
    async with queue or AsyncTaskQueue() as opened:
        yield {"taskq": opened, "taskq_follower": Follower(opened)}


def get_queue(connection: HTTPConnection) -> AsyncTaskQueue:
    """Return the queue of the application; in FastAPI a dependency: ``Depends(get_queue)``.

    Args:
        connection: the request or the web socket.

    Raises:
        RuntimeError: if the application has none.
    """
    found: AsyncTaskQueue | None = getattr(connection.state, "taskq", None)
    if found is None:
        raise RuntimeError(_NO_QUEUE)
    return found


def task_app(allow: Allow | None = None) -> Starlette:
    """Return an application to mount, that shows tasks by their ids.

    ``GET /{id}`` is the status, ``GET /{id}/result`` the result (202 with the status while there is none),
    ``GET /{id}/events`` a stream of server-sent events: ``status`` on each change, progress included, and last
    ``result``.

    Args:
        allow: ``allow(request, task_id)``, plain or async, says who may see what; a request that may not is answered
            with 404, as for a task that is not there. None: whoever knows an id.
    """
    pages = _Pages(allow)
    return Starlette(
        routes=[
            Route("/{task_id}", pages.status),
            Route("/{task_id}/result", pages.result),
            Route("/{task_id}/events", pages.events),
        ],
        exception_handlers={
            TaskNotFound: _answer(404),
            InvalidTask: _answer(404),  # what cannot be an id is the id of nothing
            ServerUnavailable: _answer(503),
        },
    )


def _answer(code: int) -> Callable[[Request, Exception], Response]:
    return lambda _, error: JSONResponse({"error": str(error)}, code)


class _Pages:
    def __init__(self, allow: Allow | None) -> None:
        self._allow = allow

    async def _task_of(self, request: Request) -> tuple[AsyncTaskQueue, str]:
        task_id = request.path_params["task_id"]
        if self._allow is not None:
            may = self._allow(request, task_id)
            if not (await may if inspect.isawaitable(may) else may):
                raise TaskNotFound(f"there is no task {task_id}")
        return get_queue(request), task_id

    async def status(self, request: Request) -> Response:
        queue, task_id = await self._task_of(request)
        return JSONResponse(await queue.get_task_status(task_id))

    async def result(self, request: Request) -> Response:
        queue, task_id = await self._task_of(request)
        result = await queue.get_task_result(task_id)
        return JSONResponse(await queue.get_task_status(task_id), 202) if result is None else JSONResponse(result)

    async def events(self, request: Request) -> Response:
        queue, task_id = await self._task_of(request)
        await queue.get_task_status(task_id)  # one that is not there is better said before the stream begins
        follower: Follower = request.state.taskq_follower
        return StreamingResponse(
            _stream(queue, follower, task_id),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )


async def _stream(queue: AsyncTaskQueue, follower: Follower, task_id: str) -> AsyncIterator[str]:
    try:
        async for status in follower.follow(task_id):
            # a comment keeps proxies from closing a connection on which nothing happens
            yield ": still there\n\n" if status is None else _event("status", status)
        yield _event("result", await queue.get_task_result(task_id))
    except (TaskNotFound, ServerUnavailable) as error:
        yield _event("error", {"error": str(error)})


def _event(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
