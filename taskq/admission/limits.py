"""Setting, removing and listing limits, written once for both clients."""

from __future__ import annotations

from typing import Any

from taskq.admission.storing import Kind, store
from taskq.flows import Flow
from taskq.model.limit import MAX_LIMITS, Limit, LimitInfo, check_limit_key
from taskq.partitions import Spread, in_any

_LIMITS = Kind(
    MAX_LIMITS, "limits are set", "taskq limit ls", "taskq limit rm", "one limit 'name' holds for each key 'name:...'"
)


def set_limit(spread: Spread[Any], limit: Limit) -> Flow[None]:
    """Add or replace a limit, in every partition."""
    return store(spread, _LIMITS, limit.name, lambda context: context.protocol.set_limit(limit))


def remove_limit(spread: Spread[Any], name: str) -> Flow[bool]:
    """Remove a limit; return whether there was one."""
    check_limit_key(name, "limit name")
    return in_any(spread, lambda context: context.protocol.remove_limit(name))


def list_limits(spread: Spread[Any]) -> Flow[list[LimitInfo]]:
    """Return the limits, with what they count in all partitions."""
    limits: dict[str, Limit] = {}
    keys: dict[str, dict[str, tuple[int, int]]] = {}
    for context in spread.contexts:
        part: list[LimitInfo] = yield context.protocol.list_limits()
        for info in part:
            limits[info.limit.name] = info.limit
            counts = keys.setdefault(info.limit.name, {})
            for key, (running, waiting) in info.keys.items():
                before = counts.get(key, (0, 0))
                counts[key] = (before[0] + running, before[1] + waiting)
    return [LimitInfo(limit, keys[name]) for name, limit in limits.items()]
