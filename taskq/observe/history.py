"""The last minutes of a namespace."""

from __future__ import annotations

from typing import Any

from taskq.flows import Flow
from taskq.model.history import MOST_MINUTES, Minute, read_minutes
from taskq.partitions import Spread


def minutes(spread: Spread[Any], count: int) -> Flow[list[Minute]]:
    """Return the last minutes, the numbers of all partitions summed up."""
    parts = []
    for context in spread.contexts:
        parts.append((yield context.protocol.history(max(1, min(count, MOST_MINUTES)))))
    return read_minutes(parts)
