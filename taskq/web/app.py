"""The dashboard as an ASGI app: what answers which address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from taskq.aio import AsyncTaskQueue
from taskq.errors import (
    AccessDenied,
    InvalidTask,
    NameNotFound,
    ServerUnavailable,
    TaskNotFound,
    TaskqError,
    WorkerNotFound,
)
from taskq.settings import Settings
from taskq.web.actions import Actions
from taskq.web.board import Board
from taskq.web.bulk import Jobs
from taskq.web.guard import Guard
from taskq.web.live import Hub
from taskq.web.options import DashboardOptions
from taskq.web.parts import Parts
from taskq.web.redaction import Redaction
from taskq.web.rendering import STATIC, Pages
from taskq.web.views import Views

# Nobody watches a blank page for half a minute; the page itself tries again.
_PATIENCE_SECONDS = 3.0
_CODES: tuple[tuple[type[TaskqError], int, str], ...] = (
    (TaskNotFound, 404, "Not found"),
    (WorkerNotFound, 404, "Not found"),
    (NameNotFound, 404, "Not found"),
    (InvalidTask, 400, "This cannot be done"),
    (AccessDenied, 502, "The server denies access"),
    (ServerUnavailable, 503, "The server does not answer"),
    (TaskqError, 502, "The server has refused"),
)


class _LongLived(StaticFiles):
    """Files whose address changes with their content."""

    def file_response(self, *args: object, **options: object) -> Response:
        """Return a file that browsers may keep."""
        response: Response = super().file_response(*args, **options)  # type: ignore[arg-type]  # as it was called
        response.headers["cache-control"] = "public, max-age=86400"
        return response


def create_app(queue: AsyncTaskQueue | Settings | None = None, options: DashboardOptions | None = None) -> Guard:
    """Return the dashboard as an ASGI app, to be served or mounted.

    Args:
        queue: what is shown; settings to open it with; None: as configured in the environment. A queue that is passed
            in belongs to the loop that serves the app, and is not closed here.
        options: None: a dashboard without a token is refused, so options are needed; see ``DashboardOptions``.

    Raises:
        SettingsError: if a setting or an option cannot be used.
    """
    options = options or DashboardOptions()
    owned = not isinstance(queue, AsyncTaskQueue)
    if not isinstance(queue, AsyncTaskQueue):
        settings = queue or Settings.load()
        patience = min(settings.call_timeout_seconds, _PATIENCE_SECONDS)
        queue = AsyncTaskQueue(settings=replace(settings, call_timeout_seconds=patience))
    board = Board(queue, options)
    pages, jobs = Pages(board), Jobs(queue)
    hub = Hub(Parts(board, pages, jobs).render, options.interval_seconds)
    views = Views(board, pages, jobs, hub)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await hub.close()
        await jobs.close()
        await board.close()
        if owned:
            await queue.close()

    async def failed(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            code, title, text = error.status_code, "Not found", "There is no such page."
            if code != 404:
                title, text = "This cannot be done", error.detail
        elif isinstance(error, TaskqError):
            code, title = next((code, title) for kind, code, title in _CODES if isinstance(error, kind))
            text = Redaction.text(str(error))
        else:
            # the server that serves the app logs it: Starlette raises it again after this page
            code, title, text = 500, "The dashboard has failed", "The log of the dashboard says why."
        return await pages.page(request, "error", http_status=code, title=title, text=text, code=code, stats=None)

    routes = [*_pages(views), *_forms(Actions(board, jobs)), Mount("/static", _LongLived(directory=STATIC))]
    handlers = {HTTPException: failed, TaskqError: failed, Exception: failed}
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return Guard(app, options, hub.end)


def _pages(views: Views) -> list[Route]:
    async def favicon(_: Request) -> Response:
        return FileResponse(STATIC / "favicon.svg", headers={"cache-control": "public, max-age=86400"})

    return [
        Route("/", views.overview),
        Route("/queues", views.queues),
        Route("/tasks", views.tasks),
        Route("/tasks/{task_id}", views.task),
        Route("/workers", views.workers),
        Route("/schedules", views.schedules),
        Route("/limits", views.limits),
        Route("/sagas", views.sagas),
        Route("/dead", views.dead),
        Route("/live", views.live),
        Route("/favicon.ico", favicon),
    ]


def _forms(actions: Actions) -> list[Route]:
    table = {
        "/queues/pause": actions.pause,
        "/queues/resume": actions.resume,
        "/queues/purge": actions.purge,
        "/sla/set": actions.set_sla,
        "/sla/remove": actions.remove_sla,
        "/tasks/{task_id}/cancel": actions.cancel,
        "/tasks/{task_id}/retry": actions.retry,
        "/dead": actions.dead,
        "/dead/all": actions.bulk,
        "/schedules/run": actions.run_schedule,
        "/schedules/pause": actions.pause_schedule,
        "/schedules/resume": actions.resume_schedule,
        "/schedules/remove": actions.remove_schedule,
        "/workers/drain": actions.drain_worker,
        "/workers/resume": actions.resume_worker,
        "/workers/stop": actions.stop_worker,
        "/limits/set": actions.set_limit,
        "/limits/remove": actions.remove_limit,
        "/circuits/set": actions.set_circuit,
        "/circuits/remove": actions.remove_circuit,
        "/circuits/open": actions.open_circuit,
        "/circuits/close": actions.close_circuit,
        "/sagas/{task_id}/resume": actions.resume_saga,
        "/sagas/{task_id}/abort": actions.abort_saga,
    }
    return [Route(path, actions.handler(act), methods=["POST"]) for path, act in table.items()]
