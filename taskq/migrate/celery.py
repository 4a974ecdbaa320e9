"""The messages of Celery in Redis: JSON in a list, the arguments in base64 inside of it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from taskq.errors import InvalidTask
from taskq.migrate.jobs import CannotMove, Job, OldJobs, Plan, Refusal, read_json, task_id_of, unpack
from taskq.migrate.plain import read_plain
from taskq.model.moment import iso_utc
from taskq.model.task import DEFAULT_QUEUE, Task
from taskq.states import TaskPriority
from taskq.transport.foreign import Entry, OldServer, Source

_SEPARATOR = "\x06\x16"
_STEPS = 10
_LINKS = {"chain": "it is followed by others (chain)", "chord": "it belongs to a chord"}
_LINKS |= {"callbacks": "it has callbacks (link)", "errbacks": "it has callbacks for errors (link_error)"}


class CeleryJobs(OldJobs):
    """What waits in the queues of Celery.

    Args:
        server: where the broker is.
        plan: how messages are translated; without queues the one that Celery calls ``celery``.
        key_prefix: the ``global_keyprefix`` of the broker.
    """

    kind = "celery"

    def __init__(self, server: OldServer, plan: Plan, key_prefix: str = "") -> None:
        super().__init__(server, plan)
        self._prefix = key_prefix

    def sources(self) -> list[Source]:
        """Return for each queue its list, and one for each step of priority that is not the first."""
        return [
            Source(key, name if step == 0 else f"{name}:{step}", "tail", f"taskq:moving:{key}")
            for name in self.plan.queues or ["celery"]
            for step in range(_STEPS)
            for key in [f"{self._prefix}{name}{f'{_SEPARATOR}{step}' if step else ''}"]
        ]

    def read(self, source: Source, entries: Sequence[Entry]) -> list[Job | Refusal]:
        """Return what the entries of one list are."""
        name, _, step = source.name.partition(":")
        queue = DEFAULT_QUEUE if name == "celery" else name
        target = self.plan.target(source.name, queue, TaskPriority.LOW if step else TaskPriority.NORMAL)
        return [self._job(entry, target) for entry in entries]

    def _job(self, entry: Entry, target: dict[str, Any]) -> Job | Refusal:
        job_id = name = ""
        try:
            message = read_json(entry.member)
            headers = message.get("headers") if isinstance(message, dict) else None
            if not isinstance(headers, dict) or not isinstance(headers.get("task"), str):
                raise CannotMove("it is no message of Celery's protocol 2")
            name, job_id = headers["task"], str(headers.get("id") or "")
            if not job_id:
                raise CannotMove("it has no id")
            args, kwargs = _arguments(message, headers)
            due_ms = _moment(headers.get("eta"))
            task = Task(
                task_type=self.plan.type_of(name),
                payload={"args": args, "kwargs": kwargs},
                task_id=task_id_of(self.kind, job_id),
                metadata={"moved_from": self.kind},
                **self.plan.retries(None),
                created_at=iso_utc(entry.seen_ms),
                **_times(headers, entry.seen_ms),
                **target,
            )
        except (InvalidTask, ValueError, TypeError, KeyError, AttributeError) as error:
            return Refusal(job_id, name, str(error))
        return Job(Entry(entry.member, due_ms, entry.seen_ms), task)

    def remarks(self) -> list[str]:
        """Return how many messages workers hold."""
        number = self.server.ask("HLEN", f"{self._prefix}unacked")
        if not number:
            return []
        return [
            f"{number:,} are held by workers of Celery, those with an eta too: stop the workers (warm shutdown), "
            "then move what they have given back"
        ]


def _arguments(message: dict[str, Any], headers: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    body = message["body"]
    encoded = message["properties"].get("body_encoding") == "base64"
    try:
        data = base64.b64decode(body, validate=True) if encoded else body.encode()
    except binascii.Error as error:
        raise CannotMove(f"its body is damaged: {error}") from None
    packed = headers.get("compression")
    if packed == "application/x-gzip":  # so kombu calls what zlib has packed
        data = unpack(data)
    elif packed is not None:
        raise CannotMove(f"its body is packed with {packed!s:.40}")
    kind = message.get("content-type")
    if kind not in ("application/json", "application/x-python-serialize"):
        raise CannotMove(f"its body is {kind!s:.40}, neither JSON nor a pickle")
    args, kwargs, links = read_json(data) if kind == "application/json" else read_plain(data)
    for link, reason in _LINKS.items():
        if (links or {}).get(link):
            raise CannotMove(f"{reason}: let Celery run it, or submit the whole anew")
    return list(args), dict(kwargs)


def _times(headers: dict[str, Any], now_ms: int) -> dict[str, Any]:
    options: dict[str, Any] = {}
    limits = [limit for limit in headers.get("timelimit") or () if limit]
    if limits:
        options["timeout"] = float(limits[0])
    expires_ms = _moment(headers.get("expires"))
    if expires_ms is not None:
        options["expires_in"] = (expires_ms - now_ms) / 1000
        if options["expires_in"] <= 0:
            raise CannotMove("it has expired: Celery would drop it too")
    return options


def _moment(text: str | None) -> int | None:
    if not text:
        return None
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
