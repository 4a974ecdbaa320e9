"""The pages: each is one reading of the board, rendered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from taskq.errors import InvalidTask, TaskNotFound
from taskq.model.names import NAME
from taskq.observe.pages import TaskFilter
from taskq.states import TaskStatus
from taskq.web.board import MOST_GROUPED, SPANS, Board, group_key
from taskq.web.bulk import Jobs
from taskq.web.live import Hub
from taskq.web.parts import TOPIC
from taskq.web.rendering import Pages

_ROWS = 50
_MOST_TOPICS_EACH = 5


class Views:
    """The handlers of GET.

    Args:
        board: reads.
        pages: renders.
        jobs: the work on many dead letters.
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
        """Show the queues."""
        return await self._page(request, "queues", queues=(await self._board.queues())["queues"])

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
        wanted = {
            name: query.get(name, "").strip() for name in ("status", "type", "queue", "priority", "since", "until")
        }
        status = wanted["status"] if wanted["status"] in list(TaskStatus) else TaskStatus.RUNNING.value
        problem, page = "", None
        if task_id:
            problem = f"There is no task {task_id[:140]}: it never existed under this prefix, or it was forgotten."
        try:
            page = await self._board.queue.find_tasks(
                TaskFilter(
                    status,
                    wanted["type"] or None,
                    wanted["queue"] or None,
                    wanted["priority"] or None,
                    _moment(wanted["since"]),
                    _moment(wanted["until"]),
                ),
                cursor=query.get("cursor", ""),
                limit=_ROWS,
            )
        except InvalidTask as error:
            problem = str(error)
        return await self._page(
            request,
            "tasks",
            page=page,
            problem=problem,
            wanted={**wanted, "status": status, "id": task_id},
            filtered=any(wanted[name] for name in wanted if name != "status"),
            link=lambda **changes: (
                "?" + urlencode({k: v for k, v in {**wanted, "status": status, **changes}.items() if v})
            ),
            later=bool(query.get("cursor")),
        )

    async def task(self, request: Request) -> Response:
        """Show one task."""
        task_id = request.path_params["task_id"]
        if not NAME.match(task_id):
            raise TaskNotFound("this cannot be the id of a task")
        return await self._page(request, "task", **await self._board.task(task_id))

    async def dead(self, request: Request) -> Response:
        """Show the dead letters by the error that they have in common, and those of one error."""
        groups = await self._board.dead_groups()
        chosen = next((group for group in groups if group.key == request.query_params.get("group")), None)
        cursor = request.query_params.get("cursor", "")
        if chosen is not None:
            start = int(cursor) if cursor.isdecimal() and len(cursor) < 9 else 0
            ids = chosen.ids[start : start + _ROWS]
            rows = [row for row in await self._board.queue.list_statuses(ids) if row["status"] == "failed"]
            more = str(start + _ROWS) if start + _ROWS < len(chosen.ids) else ""
        else:
            page = await self._board.queue.find_tasks(TaskFilter("failed"), cursor=cursor, limit=_ROWS)
            rows, more = list(page.tasks), page.cursor
        job = self._jobs.get(request.query_params.get("job", ""))
        return await self._page(
            request,
            "dead",
            groups=groups,
            chosen=chosen,
            rows=rows,
            more=more,
            later=bool(cursor),
            group_key=group_key,
            most=MOST_GROUPED,
            job=job,
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


def _moment(text: str) -> datetime | None:
    """Return what a field of a form for date and time says; it counts as UTC, as all times of the dashboard."""
    if not text:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidTask(f"{text!r:.80} is not a time: write it like 2026-11-21T22:34") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
