"""Templates to pages. Everything that comes from a task is escaped by the engine; no template switches that off."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from taskq.states import TaskPriority, TaskStatus
from taskq.web.board import Board
from taskq.web.guard import csrf_token
from taskq.web.letters import failure_line
from taskq.web.wording import FILTERS

STATIC = Path(__file__).parent / "static"

# The navigation: name, path, title, and the key that leads there after g.
SECTIONS = (
    ("overview", "/", "Overview", "o"),
    ("queues", "/queues", "Queues", "u"),
    ("tasks", "/tasks", "Tasks", "t"),
    ("workers", "/workers", "Workers", "w"),
    ("schedules", "/schedules", "Schedules", "s"),
    ("limits", "/limits", "Limits", "l"),
    ("sagas", "/sagas", "Sagas", "a"),
    ("dead", "/dead", "Dead letters", "d"),
)

# what a form has done, as the next page says it; the address carries the word only
DONE = {
    "paused": "Paused. Running tasks go on, new ones are accepted and wait.",
    "resumed": "Resumed.",
    "cancelled": "Cancelled.",
    "requested": "Asked to stop: the task is running, and its handler decides when it ends.",
    "over": "Nothing was changed: it had ended before.",
    "retried": "It waits in its list again.",
    "replayed": "{n} dead letters wait in their lists again.",
    "discarded": "{n} dead letters were forgotten.",
    "started": "Submitted, besides the times of the schedule.",
    "removed": "The schedule was removed; tasks that it has submitted stay.",
    "asleep": "The schedule is paused; tasks that it has submitted go on.",
    "awake": "The schedule is resumed, from its next time on.",
    "drains": "Asked to drain: with its next beat the worker claims nothing more, and ends what it runs.",
    "claims": "Asked to go on: with its next beat the worker claims again.",
    "stops": "Asked to stop: with its next beat the worker ends what it runs, then itself.",
    "promised": "From now on it is told when tasks wait longer there.",
    "unpromised": "The thresholds of the list were removed.",
    "limited": "The limit holds from now on; what runs already goes on.",
    "unlimited": "The limit was removed; what waited for it starts.",
    "guarded": "The circuit counts failures from now on.",
    "unguarded": "The circuit was removed; what it held back starts.",
    "opened": "The circuit is open: tasks with its key are held back, until one of them may try.",
    "closed": "The circuit is closed: what it held back starts.",
    "unstuck": "The saga goes on where it was stuck.",
    "skipped": "The saga goes on behind the compensation that was skipped.",
    "aborted": "The saga turns round and undoes what it has done.",
    "nothing": "Nothing was chosen, so nothing was changed.",
}


class Pages:
    """Renders templates for one dashboard.

    Args:
        board: for what every page needs.
    """

    def __init__(self, board: Board) -> None:
        self._board = board
        self._env = Environment(
            loader=PackageLoader("taskq.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.filters |= FILTERS
        self._env.filters |= {
            "shown": board.redaction.json,
            "clean": board.redaction.text,
            "headline": failure_line,
        }
        # browsers keep the static files; another release has other addresses
        content = b"".join(path.read_bytes() for path in sorted(STATIC.iterdir()))
        self._env.globals |= {
            "version": hashlib.sha256(content).hexdigest()[:10],
            "sections": SECTIONS,
            "statuses": list(TaskStatus),
            "priorities": [priority.label for priority in sorted(TaskPriority, reverse=True)],
            "allow_actions": board.options.allow_actions,
        }

    def part(self, name: str, root: str, csrf: str = "", **context: Any) -> str:
        """Return a part of a page."""
        return self._env.get_template(f"live/{name}.html").render(root=root, csrf=csrf, **context)

    async def page(self, request: Request, name: str, *, http_status: int = 200, **context: Any) -> HTMLResponse:
        """Return a whole page."""
        settings = self._board.queue.settings
        root = request.scope.get("root_path", "")
        done = DONE.get(request.query_params.get("done", ""), "")
        number = request.query_params.get("n", "")
        html = self._env.get_template(f"{name}.html").render(
            section=name,
            root=root,
            csrf=csrf_token(request.scope["taskq.csrf"]),
            prefix=settings.prefix,
            server=self._board.queue.namespace.endpoint.shown,
            partitions=settings.partitions,
            done=done.format(n=number if number.isdecimal() and len(number) < 12 else "some"),
            **context,
        )
        return HTMLResponse(html, http_status)
