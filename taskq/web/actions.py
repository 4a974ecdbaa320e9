"""The forms: each is one public verb. The guard has asked for the origin; here the token of the form is asked for."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from taskq.errors import InvalidTask
from taskq.model.circuit import parse_share
from taskq.model.moment import parse_duration
from taskq.web.board import Board
from taskq.web.bulk import VERBS, Jobs
from taskq.web.guard import csrf_token

_MOST_BYTES = 262_144
_MOST_FIELDS = 1_000

Form = dict[str, list[str]]
# where to go next, and what to say there
Outcome = tuple[str, dict[str, Any]]


class BadForm(Exception):
    """A form that cannot have come from a page of this dashboard."""


def _one(form: Form, name: str) -> str:
    values = form.get(name, [])
    if len(values) != 1 or not values[0]:
        raise BadForm(f"the field {name} is missing")
    return values[0]


def _number(form: Form, name: str) -> int | None:
    text = form.get(name, [""])[0].strip()
    if not text:
        return None
    if not (text.isdecimal() and text.isascii() and len(text) < 10):
        raise InvalidTask(f"{name} is {text!r:.60}: use a whole number, or leave it empty")
    return int(text)


def _seconds(form: Form, name: str) -> float | None:
    text = form.get(name, [""])[0].strip()
    return parse_duration(text) if text else None


def _scope(form: Form) -> dict[str, Any]:
    """Return what is to be paused or resumed: everything, a type, or a queue or one of its lists."""
    if "everything" in form:
        return {"everything": True}
    if "type" in form:
        return {"task_type": _one(form, "type").strip()}
    return {"queue": _one(form, "queue"), "priority": form.get("priority", [None])[0]}


class Actions:
    """The handlers of POST.

    Args:
        board: has the queue and the scheduler.
        jobs: for work on many tasks.
    """

    def __init__(self, board: Board, jobs: Jobs) -> None:
        self._queue = board.queue
        self._board = board
        self._jobs = jobs

    def handler(self, act: Callable[[Request, Form], Awaitable[Outcome]]) -> Callable[[Request], Awaitable[Response]]:
        """Return the handler of a form: read it, check its token, act, and lead back to a page."""

        async def handle(request: Request) -> Response:
            try:
                form = await _read(request)
                given = form.get("csrf", [""])[0]
                if not hmac.compare_digest(given.encode(), csrf_token(request.scope["taskq.csrf"]).encode()):
                    return PlainTextResponse(
                        "This form is not of this browser, or is too old, so nothing was changed. Go back, reload the "
                        "page and try again.",
                        403,
                    )
                path, words = await act(request, form)
                self._board.forget()
            except BadForm as error:
                return PlainTextResponse(f"Nothing was changed: {error}.", 400)
            query = f"?{urlencode(words)}" if words else ""
            return RedirectResponse(f"{request.scope.get('root_path', '')}{path}{query}", 303)

        return handle

    async def pause(self, request: Request, form: Form) -> Outcome:
        """Stop claims from a queue, one of its lists, or of a type."""
        await self._queue.pause(**_scope(form))
        return "/queues", {"done": "paused"}

    async def resume(self, request: Request, form: Form) -> Outcome:
        """Allow claims again."""
        await self._queue.resume(**_scope(form))
        return "/queues", {"done": "resumed"}

    async def purge(self, request: Request, form: Form) -> Outcome:
        """Delete what waits in a queue, or in one of its lists, in the background."""
        return "/queues", {"job": self._jobs.purge(_one(form, "queue"), form.get("priority", [None])[0]).job_id}

    async def set_sla(self, request: Request, form: Form) -> Outcome:
        """Say how long the tasks of a list may wait."""
        queue = form.get("queue", [""])[0].strip() or None
        times = {"age": _seconds(form, "age"), "start": _seconds(form, "start")}
        await self._queue.set_sla(_one(form, "priority"), queue=queue, **times)
        return "/queues", {"done": "promised"}

    async def remove_sla(self, request: Request, form: Form) -> Outcome:
        """Let the tasks of a list wait for any time."""
        await self._queue.remove_sla(_one(form, "priority"), queue=_one(form, "queue"))
        return "/queues", {"done": "unpromised"}

    async def cancel(self, request: Request, form: Form) -> Outcome:
        """Cancel a task."""
        task_id = request.path_params["task_id"]
        word = await self._queue.cancel_task(task_id)
        return f"/tasks/{task_id}", {"done": word if word in ("cancelled", "requested") else "over"}

    async def retry(self, request: Request, form: Form) -> Outcome:
        """Run a failed or cancelled task again."""
        task_id = request.path_params["task_id"]
        await self._queue.retry_task(task_id)
        return f"/tasks/{task_id}", {"done": "retried"}

    async def dead(self, request: Request, form: Form) -> Outcome:
        """Replay or discard the dead letters that were ticked."""
        verb, ids, group = _one(form, "verb"), form.get("id", []), form.get("group", [""])[0]
        back = {"group": group} if group else {}
        if verb not in VERBS:
            raise BadForm("it can only be replay or discard")
        if not ids:
            return "/dead", {"done": "nothing", **back}
        number = await (self._queue.replay_dead if verb == "replay" else self._queue.purge_dead)(ids)
        return "/dead", {"done": VERBS[verb][1], "n": number, **back}

    async def bulk(self, request: Request, form: Form) -> Outcome:
        """Replay or discard all dead letters, or all with one error, in the background."""
        verb = _one(form, "verb")
        if verb not in VERBS:
            raise BadForm("it can only be replay or discard")
        return "/dead", {"job": self._jobs.start(verb, form.get("group", [""])[0]).job_id}

    async def run_schedule(self, request: Request, form: Form) -> Outcome:
        """Submit the task of a schedule now."""
        await asyncio.to_thread(self._board.scheduler.run_now, _one(form, "name"))
        return "/schedules", {"done": "started"}

    async def drain_worker(self, request: Request, form: Form) -> Outcome:
        """Let a worker claim nothing more."""
        await self._queue.drain_worker(_one(form, "worker"))
        return "/workers", {"done": "drains"}

    async def resume_worker(self, request: Request, form: Form) -> Outcome:
        """Let a drained worker claim again."""
        await self._queue.resume_worker(_one(form, "worker"))
        return "/workers", {"done": "claims"}

    async def stop_worker(self, request: Request, form: Form) -> Outcome:
        """End a worker after what it runs."""
        await self._queue.stop_worker(_one(form, "worker"))
        return "/workers", {"done": "stops"}

    async def pause_schedule(self, request: Request, form: Form) -> Outcome:
        """Stop firing a schedule."""
        await asyncio.to_thread(self._board.scheduler.pause_schedule, _one(form, "name"))
        return "/schedules", {"done": "asleep"}

    async def resume_schedule(self, request: Request, form: Form) -> Outcome:
        """Fire a paused schedule again."""
        await asyncio.to_thread(self._board.scheduler.resume_schedule, _one(form, "name"))
        return "/schedules", {"done": "awake"}

    async def set_limit(self, request: Request, form: Form) -> Outcome:
        """Add or replace a limit."""
        await self._queue.set_limit(
            _one(form, "name"),
            concurrency=_number(form, "concurrency"),
            rate=form.get("rate", [""])[0].strip() or None,
            burst=_number(form, "burst"),
            sliding=bool(form.get("sliding")),
        )
        return "/limits", {"done": "limited"}

    async def remove_limit(self, request: Request, form: Form) -> Outcome:
        """Remove a limit."""
        await self._queue.remove_limit(_one(form, "name"))
        return "/limits", {"done": "unlimited"}

    async def set_circuit(self, request: Request, form: Form) -> Outcome:
        """Add or replace a circuit."""
        share = form.get("share", [""])[0].strip()
        given = {"failures": _number(form, "failures"), "share": parse_share(share) if share else None}
        times = {"within": _seconds(form, "within"), "open_for": _seconds(form, "open_for")}
        rule: dict[str, Any] = {word: value for word, value in (given | times).items() if value is not None}
        await self._queue.set_circuit(_one(form, "name").strip(), **rule)
        return "/limits", {"done": "guarded"}

    async def remove_circuit(self, request: Request, form: Form) -> Outcome:
        """Remove a circuit."""
        await self._queue.remove_circuit(_one(form, "name"))
        return "/limits", {"done": "unguarded"}

    async def open_circuit(self, request: Request, form: Form) -> Outcome:
        """Hold the tasks of a key back."""
        await self._queue.open_circuit(_one(form, "key").strip(), _seconds(form, "seconds"))
        return "/limits", {"done": "opened"}

    async def close_circuit(self, request: Request, form: Form) -> Outcome:
        """Let the tasks of a key start again."""
        await self._queue.close_circuit(_one(form, "key"))
        return "/limits", {"done": "closed"}

    async def resume_saga(self, request: Request, form: Form) -> Outcome:
        """Let a stuck saga go on, behind the compensation at which it is stuck if that is to be skipped."""
        task_id, skip = request.path_params["task_id"], bool(form.get("skip"))
        await self._queue.resume_saga(task_id, skip)
        return f"/tasks/{task_id}", {"done": "skipped" if skip else "unstuck"}

    async def abort_saga(self, request: Request, form: Form) -> Outcome:
        """Let a saga turn round."""
        task_id = request.path_params["task_id"]
        await self._queue.abort_saga(task_id)
        return f"/tasks/{task_id}", {"done": "aborted"}

    async def remove_schedule(self, request: Request, form: Form) -> Outcome:
        """Remove a schedule."""
        await asyncio.to_thread(self._board.scheduler.remove_schedule, _one(form, "name"))
        return "/schedules", {"done": "removed"}


async def _read(request: Request) -> Form:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise BadForm("it is no form of this dashboard")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise BadForm("it is too large")
    try:
        return parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise BadForm("it cannot be read") from None
