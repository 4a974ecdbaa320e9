"""What the payload of a type has to look like: checked at the submit by both clients, and before the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pydantic
import pytest

from taskq import InvalidTask, SchemaMismatch, Task, TaskQueue, TaskWorker
from tests.conformance.clients import Client


class Order(msgspec.Struct):
    number: int
    note: str = ""


class Invoice(pydantic.BaseModel):
    number: int


JSON_SCHEMA = {"type": "object", "required": ["number"], "properties": {"number": {"type": "integer"}}}
SCHEMAS = [
    pytest.param(schema, id=name) for name, schema in (("json", JSON_SCHEMA), ("msgspec", Order), ("pydantic", Invoice))
]


@pytest.fixture
def worker_queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    """Another queue object on the same namespace, as in the process of a worker."""
    with TaskQueue(redis_url, prefix=prefix) as queue:
        yield queue


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_payload_that_does_not_fit_is_refused_at_the_submit(client: Client, schema: Any) -> None:
    client.set_schema("order", schema)
    with pytest.raises(SchemaMismatch, match="the schema of the task type order"):
        client.submit_task(Task(task_type="order", payload={"number": "seven"}))
    with pytest.raises(SchemaMismatch):
        client.submit_batch([Task(task_type="order", payload={"number": 1}), Task(task_type="order", payload={})])
    assert client.get_queue_stats().counters.get("submitted", 0) == 0
    client.submit_task(Task(task_type="other", payload="of no schema"))


@pytest.mark.parametrize("order", [Order(7, "soon"), Invoice(number=7)], ids=["msgspec", "pydantic"])
def test_an_instance_may_be_submitted_again_and_again(client: Client, order: Any) -> None:
    client.set_schema("order", type(order))
    task = Task(task_type="order", payload=order)
    assert client.submit_task(task) == client.submit_task(task)
    assert client.get_task(task.task_id).payload["number"] == 7


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_handler_gets_what_fits_and_nothing_else(client: Client, worker_queue: TaskQueue, schema: Any) -> None:
    seen: list[Any] = []
    worker = TaskWorker(worker_queue)
    worker.register_handler("order", lambda task: seen.append(task.payload), schema=schema)
    good = client.submit_task(Task(task_type="order", payload={"number": 7}))
    bad = client.submit_task(Task(task_type="order", payload={"number": []}))  # its producer knows no schema
    worker.run_until_empty()
    assert [payload["number"] if isinstance(payload, dict) else payload.number for payload in seen] == [7]
    assert isinstance(seen[0], dict if isinstance(schema, dict) else schema)
    assert client.get_task_status(good)["status"] == "completed"
    (letter,) = client.list_dead()
    assert (letter.task_id, letter.reason, letter.attempts) == (bad, "schema", 1)
    assert letter.error.startswith("SchemaMismatch: the data does not fit the schema of the task type order")


def test_the_schema_of_a_queue_holds_for_its_workers(client: Client, worker_queue: TaskQueue) -> None:
    bad = client.submit_task(Task(task_type="order", payload={}))
    worker_queue.set_schema("order", Order)
    worker = TaskWorker(worker_queue)
    worker.register_handler("order", lambda task: None)
    worker.run_until_empty()
    assert client.get_task_result(bad)["status"] == "failed"


@pytest.mark.parametrize(("name", "schema"), [("a b", Order), ("order", int), ("order", {"type": "nothing"})])
def test_what_is_no_schema(client: Client, name: str, schema: Any) -> None:
    with pytest.raises(InvalidTask):
        client.set_schema(name, schema)
