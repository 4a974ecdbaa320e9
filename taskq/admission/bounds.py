"""Setting, removing and listing the limits of queues, written once for both clients."""

from __future__ import annotations

from typing import Any

from taskq.flows import Flow
from taskq.model.bound import QueueLimit
from taskq.model.moment import seconds_to_ms
from taskq.model.names import check_name
from taskq.model.task import DEFAULT_QUEUE
from taskq.partitions import Spread, in_any


def set_queue_limit(spread: Spread[Any], queue: str | None, max_tasks: int, on_full: str, timeout: float) -> Flow[None]:
    """Set the limit of a queue, in every partition."""
    limit = QueueLimit(check_name(queue or DEFAULT_QUEUE, "queue name"), max_tasks, on_full, timeout)
    for context in spread.contexts:
        keep_ms = seconds_to_ms(context.settings.result_ttl_seconds, "result_ttl_seconds")
        yield context.protocol.set_bound(limit.queue, limit.text(keep_ms))


def remove_queue_limit(spread: Spread[Any], queue: str | None) -> Flow[bool]:
    """Remove the limit of a queue; return whether there was one."""
    name = check_name(queue or DEFAULT_QUEUE, "queue name")
    return in_any(spread, lambda context: context.protocol.remove_bound(name))


def list_queue_limits(spread: Spread[Any]) -> Flow[list[QueueLimit]]:
    """Return the limits of queues; each holds in each partition by itself."""
    found: dict[str, str] = yield spread.contexts[0].protocol.list_bounds()
    return [QueueLimit.parse(queue, text) for queue, text in sorted(found.items())]
