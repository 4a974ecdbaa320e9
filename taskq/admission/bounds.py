"""Setting, removing and listing the limits of queues, written once for both clients."""

from __future__ import annotations

from typing import Any

from taskq.flows import Flow
from taskq.model.bound import QueueLimit
from taskq.model.moment import seconds_to_ms
from taskq.model.names import check_name
from taskq.model.task import DEFAULT_QUEUE
from taskq.partitions import Spread, in_any, limits_together
from taskq.protocol.walks import weigh_all


def set_queue_limit(spread: Spread[Any], limit: QueueLimit) -> Flow[None]:
    """Set the limit of a queue, in every partition."""
    check_name(limit.queue, "queue name")
    for context in spread.contexts:
        keep_ms = seconds_to_ms(context.settings.result_ttl_seconds, "result_ttl_seconds")
        if (yield context.protocol.set_bound(limit.queue, limit.text(keep_ms))):
            yield from weigh_all(context.protocol)


def remove_queue_limit(spread: Spread[Any], queue: str | None) -> Flow[bool]:
    """Remove the limit of a queue; return whether there was one."""
    name = check_name(queue or DEFAULT_QUEUE, "queue name")
    return in_any(spread, lambda context: context.protocol.remove_bound(name))


def list_queue_limits(spread: Spread[Any]) -> Flow[list[QueueLimit]]:
    """Return the limits of queues, which hold in each partition by itself, and what all partitions hold."""
    found: list[QueueLimit] = []
    for context in spread.contexts:
        part: dict[str, QueueLimit] = yield context.protocol.list_bounds()
        found += part.values()
    return list(limits_together(found))
