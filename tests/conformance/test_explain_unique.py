"""explain: who holds a unique key, until when, and what waits for it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest

from taskq import Task
from taskq.model.moment import parse_iso
from taskq.protocol.keys import lists_of
from tests.conformance.clients import Client, Hands


def behind_its_holder(client: Client, hands: Hands) -> str:
    client.submit_task(Task(task_id="holder", unique_key="k"))
    hands.claim()
    return client.submit_task(Task(unique_key="k", unique_policy="queue_one"))


def held(client: Client, hands: Hands) -> str:
    client.submit_task(Task(task_id="holder", unique_key="k"))
    hands.claim()
    return client.submit_task(Task(unique_key="k", unique_policy="debounce", unique_window=5))


def debounced(client: Client, hands: Hands) -> str:
    return client.submit_task(Task(unique_key="k", unique_policy="debounce", unique_window=5))


def behind_a_time(client: Client, hands: Hands) -> str:
    client.submit_task(Task(task_id="holder", unique_key="k", unique_ttl=600))
    hands.claim()
    return client.submit_task(Task(unique_key="k", unique_policy="queue_one"))


def behind_a_throttled(client: Client, hands: Hands) -> str:
    throttled_running(client, hands)
    return client.submit_task(Task(unique_key="k", unique_policy="queue_one"))


def throttled(client: Client, hands: Hands) -> str:
    return client.submit_task(Task(unique_key="k", unique_policy="throttle", unique_window=20))


def throttled_running(client: Client, hands: Hands) -> str:
    task_id = throttled(client, hands)
    hands.claim()
    return task_id


def throttled_and_ended(client: Client, hands: Hands) -> str:
    task_id = throttled_running(client, hands)
    hands.end(task_id)
    return task_id


def idempotent(client: Client, hands: Hands) -> str:
    task_id = client.submit_task(Task(unique_key="k", idempotency=600))
    hands.claim()
    return task_id


def idempotent_and_ended(client: Client, hands: Hands) -> str:
    task_id = idempotent(client, hands)
    hands.end(task_id)
    return task_id


def for_a_time(client: Client, hands: Hands) -> str:
    return client.submit_task(Task(unique_key="k", unique_ttl=600))


def replaced(client: Client, hands: Hands) -> str:
    task_id = client.submit_task(Task(unique_key="k"))
    client.submit_task(Task(task_id="newer", unique_key="k", unique_policy="replace"))
    return task_id


CASES: list[tuple[Callable[[Client, Hands], str], str, str]] = [
    (
        behind_its_holder,
        "unique",
        r"holder has ended, which held the unique key k when it was submitted; holder runs since 20\S+Z$",
    ),
    (
        held,
        "unique",
        r"it waits until holder has ended, which held the unique key k .*; another one .* starts 5 s later",
    ),
    (
        debounced,
        "scheduled",
        r"starts at 20.*; another one with the unique key k takes its place, and starts 5 s later",
    ),
    (
        behind_a_time,
        "unique",
        r"holder runs since 20.*Z, and keeps the key until it has ended, and no longer than until 20\S+Z$",
    ),
    (
        behind_a_throttled,
        "unique",
        r"runs since 20.*Z, and keeps the key until it has ended, but at least until 20\S+Z$",
    ),
    (throttled, "queued", r"; it keeps the unique key k until it has ended, but at least until 20 s after its start$"),
    (throttled_running, "running", r"; it keeps the unique key k until it has ended, but at least until 20\S+Z$"),
    (throttled_and_ended, "completed", r"^it has completed at 20\S+Z; it keeps the unique key k until 20\S+Z$"),
    (idempotent, "running", r"; it keeps the unique key k until it has ended, and for 600 s after it has completed$"),
    (idempotent_and_ended, "completed", r"^it has completed at 20\S+Z; it keeps the unique key k until 20\S+Z$"),
    (for_a_time, "queued", r"; it keeps the unique key k until it has ended, and no longer than until 20\S+Z$"),
    (replaced, "cancelled", r"it has ended at 20.*: replaced by newer"),
]


@pytest.mark.parametrize(("case", "reason", "message"), CASES, ids=[case.__name__ for case, _, _ in CASES])
def test_the_reason(
    client: Client, hands: Hands, case: Callable[[Client, Hands], str], reason: str, message: str
) -> None:
    hands.serve("another", lists_of(None))
    found = client.explain(case(client, hands))
    assert found.reason == reason, found.message
    assert re.search(message, found.message), found.message


KEPT = [(behind_a_time, "until", 600), (behind_a_throttled, "until", 20), (throttled_running, "key_until", 20)]
KEPT += [
    (throttled_and_ended, "key_until", 20),
    (idempotent_and_ended, "key_until", 600),
    (for_a_time, "key_until", 600),
]


@pytest.mark.parametrize(("case", "name", "seconds"), KEPT, ids=[case.__name__ for case, _, _ in KEPT])
def test_until_when_a_unique_key_is_kept(
    client: Client, hands: Hands, case: Callable[[Client, Hands], str], name: str, seconds: float
) -> None:
    """By the clock of the server, which is that of this machine."""
    hands.serve("another", lists_of(None))
    began = time.time()
    until = parse_iso(client.explain(case(client, hands)).details[name]) / 1000
    assert began + seconds - 1 <= until <= time.time() + seconds + 1
