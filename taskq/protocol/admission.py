"""The calls to the server that say what may start: limits, and what holds a task up. No I/O here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from taskq.model.bound import QueueLimit
from taskq.model.limit import MAX_LIMITS, Limit, LimitInfo
from taskq.model.task import Task
from taskq.model.threshold import MAX_THRESHOLDS, SlaReading
from taskq.protocol.keys import list_name, lists_of
from taskq.protocol.operation import Argument, Operation
from taskq.protocol.queue_limits import parse_queue_limits
from taskq.protocol.replies import Circumstances, parse_ages, parse_circumstances, parse_limits, parse_readings

# as in operations.py, which loads these scripts with the others
ARGUMENTS: dict[str, str] = {
    "limits": "verb name wanted most",
    "read_limits": "most",
    "bounds": "verb queue wanted",
    "weigh": "cursor count",
    "ages": "lists*",
    "explain": "id list group unique ttl keys ahead*",
    "sla": "list wanted most",
    "read_sla": "",
    "watch": "period",
}

# tasks that one call looks at, in a millisecond or so
_WEIGHED = 100


class AdmissionOperations:
    """The part of ``Protocol`` for limits, fairness and explanations."""

    def _build(self, name: str, args: Iterable[Argument], parse: Callable[[Any], Any] = ...) -> Operation[Any]:
        raise NotImplementedError

    def set_limit(self, limit: Limit) -> Operation[bool]:
        """Add or replace a limit; return False if there are as many as there may be."""
        return self._build("limits", ("set", limit.name, limit.text(), MAX_LIMITS), lambda reply: reply == 1)

    def remove_limit(self, name: str) -> Operation[bool]:
        """Remove a limit; return whether there was one."""
        return self._build("limits", ("remove", name, "", MAX_LIMITS), lambda reply: reply == 1)

    def set_bound(self, queue: str, wanted: str) -> Operation[bool]:
        """Set the limit of a queue; return whether what waits is to be weighed for it."""
        return self._build("bounds", ("set", queue, wanted), lambda reply: reply == 2)

    def remove_bound(self, queue: str) -> Operation[bool]:
        """Remove the limit of a queue; return whether there was one."""
        return self._build("bounds", ("remove", queue, ""), lambda reply: reply == 1)

    def recount_bytes(self) -> Operation[bool]:
        """Forget what was weighed; return whether what waits is to be weighed anew."""
        return self._build("bounds", ("recount", "", ""), lambda reply: reply == 1)

    def weigh(self, cursor: str) -> Operation[tuple[str, int]]:
        """Weigh a page of what waits; return the next cursor, "0" at the end, and how many were looked at."""
        return self._build("weigh", (cursor, _WEIGHED), lambda reply: (reply[0].decode(), reply[1]))

    def list_bounds(self) -> Operation[dict[str, QueueLimit]]:
        """Return the limits of queues, and what each holds."""
        return self._build(
            "bounds", ("list", "", ""), lambda reply: {limit.queue: limit for limit in parse_queue_limits(reply)}
        )

    def explain(self, task: Task, ttl_ms: int) -> Operation[Circumstances]:
        """Return what holds a task up; ``ttl_ms`` is for how long results are kept."""
        names, own = lists_of(task.queue), list_name(task.queue, task.priority)
        keys = " ".join((*task.limit_keys, f"type:{task.task_type}"))
        said = (task.task_id, own, task.group_key or "", task.unique_key or "", ttl_ms, keys)
        return self._build("explain", (*said, *names[: names.index(own)]), parse_circumstances)

    def ages(self, lists: Sequence[str]) -> Operation[list[float | None]]:
        """Return for how many seconds the first task of each list has waited, None for an empty one."""
        return self._build("ages", lists, parse_ages)

    def list_limits(self) -> Operation[list[LimitInfo]]:
        """Return all limits, and how many run and wait with each of their keys."""
        return self._build("read_limits", (MAX_LIMITS,), parse_limits)

    def set_sla(self, list_name: str, age_ms: int, start_ms: int) -> Operation[bool]:
        """Say how long the tasks of a list may wait (0: for ever); return False if there are too many thresholds."""
        return self._build("sla", (list_name, f"{age_ms} {start_ms}", MAX_THRESHOLDS), lambda reply: reply == 1)

    def remove_sla(self, list_name: str) -> Operation[bool]:
        """Take the thresholds of a list away; return whether there were any."""
        return self._build("sla", (list_name, "", MAX_THRESHOLDS), lambda reply: reply == 1)

    def check_sla(self) -> Operation[list[SlaReading]]:
        """Return what is measured beside each threshold."""
        return self._build("read_sla", (), parse_readings)

    def watch(self, period_ms: int) -> Operation[bool]:
        """Tell of breaches, unless that was done in the last ``period_ms``; return whether there are thresholds."""
        return self._build("watch", (period_ms,), lambda reply: reply == 1)
