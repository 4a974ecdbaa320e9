"""explain: the right reason for each case; those of unique keys are in test_explain_unique."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import redis

from taskq import Explanation, Task
from taskq.flows import due_in
from taskq.protocol.keys import lists_of
from taskq.protocol.operations import LeaseTimes
from taskq.protocol.replies import Settlement
from taskq.protocol.workflow import Child, FamilyPlan
from tests.conformance.clients import Client, Hands, NewClient
from tests.waiting import eventually


def queued(client: Client, hands: Hands) -> str:
    client.submit_batch([Task(), Task(priority="urgent")])
    return client.submit_task(Task())


def paused(client: Client, hands: Hands) -> str:
    client.pause(priority="low")
    return client.submit_task(Task(priority="low"))


def all_paused(client: Client, hands: Hands) -> str:
    client.pause(everything=True)
    return client.submit_task(Task())


def type_paused(client: Client, hands: Hands) -> str:
    client.pause(task_type="mail")
    return client.submit_task(Task(task_type="mail"))


def type_paused_and_met(client: Client, hands: Hands) -> str:
    task_id = type_paused(client, hands)
    assert hands.claim() == []
    return task_id


def circuit_open(client: Client, hands: Hands) -> str:
    client.set_circuit("type:mail", failures=1, open_for=600)
    client.submit_task(Task(task_type="mail", max_retries=0))
    hands.work("fail", error="no")
    return client.submit_task(Task(task_type="mail"))


def circuit_open_and_met(client: Client, hands: Hands) -> str:
    client.set_circuit("smtp")
    client.open_circuit("smtp", 600)
    task_id = client.submit_task(Task(limit_keys=["smtp"]))
    assert hands.claim() == []
    return task_id


def circuit_half_open(client: Client, hands: Hands) -> str:
    client.set_circuit("smtp")
    client.submit_task(Task(task_id="probe", limit_keys=["smtp"]))
    task_id = client.submit_task(Task(limit_keys=["smtp"]))
    client.open_circuit("smtp", 0.001)
    eventually(lambda: hands.claim(1) == ["probe"])
    return task_id


def draining(client: Client, hands: Hands) -> str:
    card = {"lists": "normal", "state": "draining"}
    hands.run(hands.protocol.register(hands.name, "token", LeaseTimes(30_000, 5_000), "uuid", card))
    return client.submit_task(Task())


def no_worker(client: Client, hands: Hands) -> str:
    hands.run(hands.protocol.register(hands.name, "token", LeaseTimes(30_000, 5_000), "uuid", {"lists": "urgent"}))
    return client.submit_task(Task(queue="mail"))


def unknown_type(client: Client, hands: Hands) -> str:
    hands.serve(hands.name, lists_of(None), "send echo")
    return client.submit_task(Task(task_type="resize"))


def passed_over(client: Client, hands: Hands) -> str:
    hands.serve(hands.name, lists_of(None), "echo")
    hands.serve("able", lists_of(None), "resize")
    task_id = client.submit_task(Task(task_type="resize"))
    hands.claim()
    hands.end(task_id, "pass", error="resize@1", delay_ms=10_000)
    return task_id


def newer_version(client: Client, hands: Hands) -> str:
    hands.serve(hands.name, lists_of(None), "resize")
    task_id = client.submit_task(Task(task_type="resize", version=2))
    hands.claim()
    hands.end(task_id, "pass", error="resize@2", delay_ms=10_000)
    return task_id


def unknown_version(client: Client, hands: Hands) -> str:
    hands.serve(hands.name, lists_of(None), "resize")
    return client.submit_task(Task(task_type="resize", version=2))


def for_a_signal(client: Client, hands: Hands) -> str:
    return end(client, hands, "wait", body="1 approved", delay_ms=60_000)


def expired(client: Client, hands: Hands) -> str:
    return end(client, hands, "cancel", body="expired: it was to start within 5 s")


def expiring(client: Client, hands: Hands) -> str:
    return client.submit_task(Task(expires_in=600))


def overdue(client: Client, hands: Hands) -> str:
    return client.submit_later(Task(expires_in=0.001), due_in(60))


def dead_at_once(client: Client, hands: Hands) -> str:
    error = 'Traceback\n  File "a.py", line 1\nConnectionError: the host is away\n(retries are off (max_retries is 0))'
    return end(client, hands, "fail", body=error)


def corrupt(client: Client, hands: Hands) -> str:
    task_id = client.submit_task(Task(payload="good"))
    key = hands.protocol.keys.key("task", task_id)
    pool: redis.Redis = redis.Redis.from_url(client.settings.redis_url)
    pool.set(key, pool.get(key).replace(b"good", b"evil"))
    pool.close()
    return task_id


def scheduled(client: Client, hands: Hands) -> str:
    return client.submit_later(Task(), due_in(60))


def end(client: Client, hands: Hands, outcome: str, *, body: str = "", delay_ms: int = 60_000) -> str:
    task_id = client.submit_task(Task(max_retries=5))
    hands.claim()
    hands.end(task_id, outcome, error=body, delay_ms=delay_ms)
    return task_id


def parked(client: Client, hands: Hands) -> str:
    return end(client, hands, "snooze", body="no handler for type 'x'")


def retry(client: Client, hands: Hands) -> str:
    return end(client, hands, "retry", body='Traceback\n  File "a.py", line 1\nTimeoutError: too slow')


def retry_by_a_policy(client: Client, hands: Hands) -> str:
    task_id = client.submit_task(Task(max_retries=0))
    hands.claim()
    hands.end(task_id, "retry", error="ValueError: no")
    return task_id


def dead(client: Client, hands: Hands) -> str:
    return end(client, hands, "fail", body="ValueError: no such city")


def completed(client: Client, hands: Hands) -> str:
    return end(client, hands, "complete")


def cancelled(client: Client, hands: Hands) -> str:
    task_id = client.submit_task(Task())
    client.cancel_task(task_id)
    return task_id


def running(client: Client, hands: Hands) -> str:
    task_id = client.submit_task(Task())
    hands.claim()
    return task_id


def limited(client: Client, hands: Hands) -> str:
    client.set_limit("smtp", concurrency=1)
    client.submit_batch([Task(task_id="holder", limit_keys=["smtp"]), Task(limit_keys=["smtp"])])
    task_id = client.submit_task(Task(limit_keys=["smtp"]))
    hands.claim()
    return task_id


def too_fast(client: Client, hands: Hands) -> str:
    client.set_limit("api", rate="2/m", burst=1)
    client.submit_task(Task(limit_keys=["api"]))
    task_id = client.submit_task(Task(limit_keys=["api"]))
    hands.claim()
    return task_id


def in_order(client: Client, hands: Hands) -> str:
    client.submit_batch([Task(task_id="first", ordering_key="k"), Task(ordering_key="k")])
    return client.submit_task(Task(ordering_key="k"))


def dependent(client: Client, hands: Hands) -> str:
    client.submit_batch([Task(task_id="one"), Task(task_id="two")])
    task_id = client.submit_task(Task(depends_on=["one", "two"]))
    hands.claim(1)
    hands.end("one")
    return task_id


def of_a_limited_queue(client: Client, hands: Hands) -> str:
    client.set_queue_limit("mail", max_tasks=9, max_bytes=64_000)
    hands.serve("postman", lists_of("mail"))
    client.submit_task(Task(queue="mail"))
    return client.submit_task(Task(queue="mail", priority="high"))


def unknown(client: Client, hands: Hands) -> str:
    return "nobody"


CASES: list[tuple[Callable[[Client, Hands], str], str, str]] = [
    (queued, "queued", r"number 2 of 2 in the list normal, and 1 more urgent tasks go first"),
    (paused, "paused", r"the list low is paused: `taskq queue resume --priority low`"),
    (all_paused, "paused", r"everything is paused: `taskq queue resume --all`"),
    (type_paused, "paused", r"the type mail is paused: `taskq queue resume --type mail`"),
    (type_paused_and_met, "paused", r"the type mail is paused: `taskq queue resume --type mail`"),
    (circuit_open, "circuit", r"the circuit of type:mail is open until 20.*Z: too many of its tasks have failed, or"),
    (circuit_open_and_met, "circuit", r"the circuit of smtp is open until 20.*Z"),
    (circuit_half_open, "circuit", r"the circuit of smtp is half-open: it waits for what becomes of probe"),
    (draining, "no_worker", r"all workers that serve the list normal drain or stop: hands; `taskq worker resume`"),
    (no_worker, "no_worker", r"no live worker serves the list mail:normal"),
    (unknown_type, "unknown_type", r"none of 1 live workers of the list normal knows the type resize"),
    (passed_over, "passed", r"does not know the type resize has passed it over; 1 do, and 0 go before it"),
    (newer_version, "unknown_type", r"no live worker of the list normal knows the type resize in version 2: start one"),
    (unknown_version, "unknown_type", r"none of 1 live workers of the list normal knows the type resize in version 2"),
    (for_a_signal, "signal", r"it waits for the signal approved, until 20.*Z$"),
    (expired, "cancelled", r"it has ended at 20.*: expired: it was to start within 5 s"),
    (corrupt, "corrupt", r"ends as a dead letter: .* does not match its SHA-256 checksum"),
    (scheduled, "scheduled", r"it is delayed and starts at 20\d\d-.*Z"),
    (parked, "parked", r"starts at 20.*, because: no handler for type 'x'"),
    (retry, "retry", r"retry 1 of 5 starts at 20.*, because: TimeoutError: too slow"),
    # how many there may be only workers know
    (retry_by_a_policy, "retry", r"^retry 1 starts at 20.*, because: ValueError: no$"),
    (
        dead_at_once,
        "dead",
        r"because: ConnectionError: the host is away \(retries are off \(max_retries is 0\)\); `taskq",
    ),
    (expiring, "queued", r"in the list normal; it expires at 20.*Z if it has not started by then"),
    (
        overdue,
        "scheduled",
        r"starts at 20.*; it has expired at 20.*Z: the next worker that could start it cancels it",
    ),
    (dead, "dead", r"dead letter since 20.*, because: ValueError: no such city; `taskq dlq replay`"),
    (completed, "completed", r"it has completed at 20"),
    (cancelled, "cancelled", r"it has ended at 20.*: cancelled while it waited"),
    (running, "running", r"runs on hands since 20.*Z, whose lease lasts \d+ s more"),
    (limited, "limit", r"the limit smtp \(1 at a time\) is full: holder runs with it; 1 waits before it"),
    (
        too_fast,
        "limit",
        r"the limit api \(2/m\) is full; none wait before it, the next start is looked for in [\d.]+ s",
    ),
    (in_order, "order", r"2 with the ordering key k go before it, the first of them is first"),
    (dependent, "dependencies", r"1 of 2 dependencies have not ended yet: two"),
    (
        of_a_limited_queue,
        "queued",
        r"in the list mail:high; its queue mail holds 2 of 9 tasks and \d{3} of 64,000 bytes$",
    ),
    (unknown, "unknown", r"there is no task nobody: it never existed"),
]


@pytest.mark.parametrize(("case", "reason", "message"), CASES, ids=[case.__name__ for case, _, _ in CASES])
def test_the_reason(
    client: Client, hands: Hands, case: Callable[[Client, Hands], str], reason: str, message: str
) -> None:
    if case not in (draining, no_worker, unknown_type, passed_over, newer_version, unknown_version):
        hands.serve("another", lists_of(None))
    found: Explanation = client.explain(case(client, hands))
    assert found.reason == reason, found.message
    assert re.search(message, found.message), found.message
    assert found.to_dict()["details"] == found.details


def test_a_parent_that_waits_for_its_children(client: Client, hands: Hands) -> None:
    parent = client.submit_task(Task())
    (task_id,) = hands.claim()
    claim = hands.held[task_id]
    name = f"{parent}/1"
    plan = FamilyPlan(name, 2, "wait_all", 0, parent, claim.fence)
    hands.run(hands.protocol.fanout(plan, 0, [Child(i, "{}", "low") for i in ("c1", "c2")], 0))
    hands.run(hands.protocol.settle([Settlement(parent, claim.fence, "wait", name, 0)]))
    found = client.explain(parent)
    assert (found.reason, found.details) == ("children", {"total": 2, "ended": 0, "open": ["c1", "c2"]})


def test_a_worker_whose_lease_has_run_out_or_that_is_gone(client: Client, hands: Hands) -> None:
    task_id = running(client, hands)
    pool: redis.Redis = redis.Redis.from_url(client.settings.redis_url)
    leases = hands.protocol.keys.key("leases")
    pool.zadd(leases, {hands.name: 1})
    assert "whose lease has run out: it is about to be taken back" in client.explain(task_id).message
    pool.srem(hands.protocol.keys.key("workers"), hands.name)
    assert "which is not registered any more; `taskq fsck`" in client.explain(task_id).message
    pool.close()


def test_when_it_starts_by_the_measured_rate(new_client: NewClient, hands: Hands) -> None:
    client = new_client(result_ttl_seconds=60.0)  # as the hands keep results
    hands.serve("another", lists_of(None))
    client.submit_batch([Task() for _ in range(30)])
    hands.work()
    client.submit_batch([Task() for _ in range(9)])
    found = client.explain(client.submit_task(Task()))
    assert re.search(
        r"number 10 of 10 in the list normal; at 1\.\d ends a second it starts in about [6-9]", found.message
    )
    assert 6 <= found.details["expected_seconds"] <= 9
