"""Thresholds of lists, by the clients."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from taskq import InvalidTask, Task, TaskPriority
from taskq.model.moment import iso_utc, to_epoch_ms
from tests.conformance.clients import Client, NewClient


def old(seconds: float, **options: object) -> Task:
    made = iso_utc(to_epoch_ms(datetime.now(UTC) - timedelta(seconds=seconds)))
    return Task(created_at=made, **options)  # type: ignore[arg-type]  # options of a task


def test_what_is_set_is_compared(client: Client) -> None:
    client.set_sla("urgent", age=5)
    client.set_sla(TaskPriority.LOW, age=60, start=0.5, queue="mail")
    client.submit_batch([old(30, priority="urgent"), old(30, priority="low", queue="mail")])
    found = client.check_sla()
    assert [(r.queue, r.priority, r.measure, r.allowed_seconds, r.broken_since is not None) for r in found] == [
        ("default", "urgent", "age", 5.0, True),
        ("mail", "low", "age", 60.0, False),
        ("mail", "low", "start", 0.5, False),
    ]
    assert 30 <= found[0].waited_seconds < 40
    assert client.remove_sla("urgent")
    assert not client.remove_sla("urgent", queue="mail")
    assert [r.queue for r in client.check_sla()] == ["mail", "mail"]


def test_of_several_partitions_the_worst_counts(new_client: NewClient) -> None:
    client = new_client(partitions=3)
    client.set_sla("normal", age=5)
    client.submit_batch([old(seconds, partition_key=f"k{seconds}") for seconds in (1, 20, 40)])
    (found,) = client.check_sla()
    assert 40 <= found.waited_seconds < 50
    assert found.broken_since is not None
    assert client.remove_sla("normal")
    assert client.check_sla() == []


@pytest.mark.parametrize("options", [{}, {"age": 0}, {"age": -1}, {"age": float("nan")}, {"start": "soon"}])
def test_what_is_no_threshold(client: Client, options: dict[str, object]) -> None:
    with pytest.raises(InvalidTask):
        client.set_sla("normal", **options)
    with pytest.raises(InvalidTask):
        client.set_sla("soonest", age=1)
