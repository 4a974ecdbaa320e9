"""Limits of queues as scripts answer them, each with what the queue holds. No I/O here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from taskq.errors import InvalidTask
from taskq.model.bound import QueueLimit


def parse_queue_limits(reply: list[Any]) -> tuple[QueueLimit, ...]:
    """Return the limits of queues, see ``lua/lib/bounded.lua``; one that is none of ours is left to fsck."""
    return tuple(_read(reply))


def _read(reply: list[Any]) -> Iterator[QueueLimit]:
    for queue, text, tasks, size, awaited in zip(*(reply[n::5] for n in range(5)), strict=True):
        with suppress(InvalidTask, ValueError, TypeError):
            limit = QueueLimit.parse(queue.decode(), text.decode())
            yield replace(limit, tasks=tasks, bytes=int(size) if size else None, awaited=awaited == 1)
