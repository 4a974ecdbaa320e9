"""Dead letters by the error that they have in common."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from taskq.aio import AsyncTaskQueue
from taskq.model.result import headline
from taskq.observe.pages import TaskFilter
from taskq.web.redaction import Redaction

MOST_GROUPED = 1000
_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\d+")


@dataclass(frozen=True, slots=True)
class Group:
    """Dead letters that failed alike.

    Attributes:
        key: for addresses.
        error: the line that names the error, numbers left out.
        ids: of its dead letters among those that were looked at.
        types: of their tasks.
        latest: when the latest of them died, ISO 8601.
    """

    key: str
    error: str
    ids: tuple[str, ...]
    types: tuple[str, ...]
    latest: str | None


def failure_line(row: dict[str, Any]) -> str:
    """Return in one line why a task has failed, or waits for another attempt."""
    return Redaction.text(headline(row["error"]) or row["reason"] or "")[:300]


def error_line(row: dict[str, Any]) -> str:
    """Return what dead letters with the same cause have in common."""
    return _NUMBERS.sub("…", failure_line(row) or "no error was noted")


def group_key(row: dict[str, Any]) -> str:
    """Return the key of the group that a dead letter belongs to."""
    return hashlib.sha256(error_line(row).encode("utf-8", "replace")).hexdigest()[:16]


async def read_groups(queue: AsyncTaskQueue) -> list[Group]:
    """Return the latest dead letters by the error that they have in common, the largest group first."""
    rows: list[dict[str, Any]] = []
    cursor = ""
    while len(rows) < MOST_GROUPED:
        page = await queue.find_tasks(TaskFilter("failed"), cursor=cursor, limit=250)
        rows += page.tasks
        cursor = page.cursor
        if not cursor:
            break
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(error_line(row), []).append(row)
    found = [
        Group(
            group_key(members[0]),
            error,
            tuple(row["task_id"] for row in members),
            tuple(sorted({row["type"] for row in members})),
            max((row["completed_at"] or "" for row in members), default=None),
        )
        for error, members in groups.items()
    ]
    return sorted(found, key=lambda group: len(group.ids), reverse=True)
