"""How long tasks may wait, and how long they do, written once for both clients."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from taskq.admission.storing import Kind, store
from taskq.errors import InvalidTask
from taskq.flows import Flow, lists_meant
from taskq.model.moment import seconds_to_ms
from taskq.model.threshold import MAX_THRESHOLDS, SlaReading
from taskq.partitions import Spread, in_any
from taskq.states import TaskPriority

_SLAS = Kind(MAX_THRESHOLDS, "lists have an SLA", "taskq sla", "taskq sla rm")


def set_sla(
    spread: Spread[Any], priority: TaskPriority | str | int, age: float | None, start: float | None, queue: str | None
) -> Flow[None]:
    """Set the thresholds of a list, in every partition."""
    (name,) = lists_meant(queue, priority)
    limits_ms = [0 if value is None else seconds_to_ms(value, word) for word, value in (("age", age), ("start", start))]
    if limits_ms == [0, 0]:
        raise InvalidTask("an SLA needs a length of time above 0: give age, start, or both")
    return store(spread, _SLAS, name, lambda context: context.protocol.set_sla(name, *limits_ms))


def remove_sla(spread: Spread[Any], priority: TaskPriority | str | int, queue: str | None) -> Flow[bool]:
    """Remove the thresholds of a list; return whether there were any."""
    (name,) = lists_meant(queue, priority)
    return in_any(spread, lambda context: context.protocol.remove_sla(name))


def check_sla(spread: Spread[Any]) -> Flow[list[SlaReading]]:
    """Return what is measured beside each threshold: of several partitions the worst."""
    found: dict[tuple[str, str, str], SlaReading] = {}
    for context in spread.contexts:
        readings: list[SlaReading] = yield context.protocol.check_sla()
        for reading in readings:
            key = reading.queue, reading.priority, reading.measure
            found[key] = _worse(found.get(key, reading), reading)
    return list(found.values())


def _worse(one: SlaReading, other: SlaReading) -> SlaReading:
    since = min(filter(None, (one.broken_since, other.broken_since)), default=None)
    return replace(one, waited_seconds=max(one.waited_seconds, other.waited_seconds), broken_since=since)
