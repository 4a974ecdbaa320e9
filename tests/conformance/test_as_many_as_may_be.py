"""Of limits, circuits and thresholds there may be so many; whoever sets one more is told so in the same way."""

from __future__ import annotations

import pytest
import redis

from taskq import InvalidTask
from tests.conformance.clients import Client

CASES = {
    "limits": (
        1000,
        "0 - 0 0 0 0",
        "set_limit",
        ("more",),
        {"concurrency": 1},
        "limits are set",
        "limit ls",
        "limit rm",
    ),
    "circuits": (1000, "1 1 1", "set_circuit", ("more",), {}, "circuits are set", "circuit ls", "circuit rm"),
    "sla": (250, "1 0", "set_sla", ("low",), {"age": 1, "queue": "more"}, "lists have an SLA", "sla", "sla rm"),
}


@pytest.mark.parametrize("family", CASES)
def test_one_more_is_refused(client: Client, redis_client: redis.Redis, prefix: str, family: str) -> None:
    most, line, verb, args, options, are, shown_by, removed_by = CASES[family]
    redis_client.hset(
        f"{prefix}:{family}", mapping={f"n{n}:low" if family == "sla" else f"n{n}": line for n in range(most)}
    )
    told = (
        rf"^{most:,} {are} already, so more.* was not added: .*`taskq {shown_by}` .*`taskq {removed_by}` removes one$"
    )
    with pytest.raises(InvalidTask, match=told):
        getattr(client, verb)(*args, **options)
    assert redis_client.hlen(f"{prefix}:{family}") == most
