"""The pages: each is one reading of the board, rendered."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from taskq.errors import InvalidTask, TaskNotFound
from taskq.flows import not_found
from taskq.model.names import NAME
from taskq.web.board import SPANS, Board
from taskq.web.bulk import Jobs
from taskq.web.lists import Wanted
from taskq.web.live import Hub
from taskq.web.parts import TOPIC
from taskq.web.rendering import Pages
from taskq.workflow.sagas import SagaState

_MOST_TOPICS_EACH = 5


class Views:
    """The handlers of GET.

    Args:
        board: reads.
        pages: renders.
        jobs: the work on many tasks.
        hub: sends what changes.
    """

    def __init__(self, board: Board, pages: Pages, jobs: Jobs, hub: Hub) -> None:
        self._board = board
        self._pages = pages
        self._jobs = jobs
        self._hub = hub

    async def _page(self, request: Request, name: str, **context: Any) -> HTMLResponse:
        return await self._pages.page(request, name, **{**await self._board.navigation(), **context})

    async def overview(self, request: Request) -> Response:
        """Show how things are going."""
        span = request.query_params.get("range", "60")
        minutes = int(span) if span.isdecimal() and int(span) in SPANS else 60
        return await self._page(request, "overview", **await self._board.overview(minutes))

    async def queues(self, request: Request) -> Response:
        """Show the queues, what is paused, how long tasks wait beside how long they may, and what nobody can run."""
        job = self._jobs.get(request.query_params.get("job", ""))
        return await self._page(request, "queues", job=job, **await self._board.queues())

    async def workers(self, request: Request) -> Response:
        """Show the workers."""
        return await self._page(request, "workers", **await self._board.workers())

    async def schedules(self, request: Request) -> Response:
        """Show the schedules."""
        return await self._page(request, "schedules", **await self._board.schedules())

    async def tasks(self, request: Request) -> Response:
        """Show a page of tasks; a whole id leads to its task."""
        query = request.query_params
        task_id = query.get("id", "").strip()
        if task_id and NAME.match(task_id) and await self._board.queue.list_statuses([task_id]):
            return RedirectResponse(f"{request.scope.get('root_path', '')}/tasks/{task_id}", 303)
        wanted, cursor = Wanted.read(query), query.get("cursor", "")
        problem, page = "", None
        if task_id:
            problem = f"T{str(not_found(task_id[:140]))[1:]}."
        try:
            page = await self._board.tasks(wanted, cursor)
        except InvalidTask as error:
            problem = str(error)
        more: dict[str, Any] = {"problem": problem, "sought": task_id, "later": bool(cursor), "topic": wanted.topic}
        return await self._page(request, "tasks", **wanted.context(page), **more)

    async def task(self, request: Request) -> Response:
        """Show one task."""
        task_id = request.path_params["task_id"]
        if not NAME.match(task_id):
            raise TaskNotFound("this cannot be the id of a task")
        return await self._page(request, "task", **await self._board.task(task_id))

    async def dead(self, request: Request) -> Response:
        """Show the dead letters by the error that they have in common, and those of one error."""
        key, cursor = request.query_params.get("group", ""), request.query_params.get("cursor", "")
        context = {**await self._board.groups(key), **await self._board.letters(key, cursor)}
        job = self._jobs.get(request.query_params.get("job", ""))
        return await self._page(request, "dead", later=bool(cursor), job=job, **context)

    async def limits(self, request: Request) -> Response:
        """Show the limits and the circuits."""
        return await self._page(request, "limits", **await self._board.limits(), **await self._board.circuits())

    async def sagas(self, request: Request) -> Response:
        """Show a page of sagas."""
        query = request.query_params
        state = query.get("state", "") if query.get("state", "") in list(SagaState) else ""
        problem, page = "", None
        try:
            page = await self._board.sagas(state, query.get("cursor", ""))
        except InvalidTask as error:
            problem = str(error)
        return await self._page(
            request, "sagas", page=page, state=state, states=list(SagaState), problem=problem, later="cursor" in query
        )

    async def live(self, request: Request) -> Response:
        """Send what changes of the topics that a page shows."""
        topics = tuple(
            topic for topic in request.query_params.getlist("topic")[:_MOST_TOPICS_EACH] if TOPIC.match(topic)
        )
        if self._hub.full:
            return Response("too many dashboards are open: close some", 503, media_type="text/plain")
        root = request.scope.get("root_path", "")
        return StreamingResponse(
            self._hub.stream(tuple(f"{root}|{topic}" for topic in topics)),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )
