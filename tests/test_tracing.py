"""Spans of submits and runs, seen through the in-memory exporter of the OpenTelemetry SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from taskq import Task, TaskQueue, TaskWorker
from taskq.tracing import Tracing


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    with TaskQueue(redis_url, prefix=prefix) as opened:
        yield opened


@pytest.fixture
def provider() -> TracerProvider:
    return TracerProvider()


@pytest.fixture
def exporter(provider: TracerProvider) -> InMemorySpanExporter:
    found = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(found))
    return found


def by_name(exporter: InMemorySpanExporter, name: str) -> ReadableSpan:
    (found,) = [span for span in exporter.get_finished_spans() if span.name == name]
    return found


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_run_belongs_to_the_trace_of_its_submit(
    queue: TaskQueue, provider: TracerProvider, exporter: InMemorySpanExporter, asynchronous: bool
) -> None:
    tracer = provider.get_tracer("test")
    queue.install(Tracing(provider))

    def work(task: Task) -> None:
        with tracer.start_as_current_span("inner"):
            pass

    async def work_async(task: Task) -> None:
        await asyncio.sleep(0)
        work(task)

    worker = TaskWorker(queue)
    worker.register_handler("work", work_async if asynchronous else work)
    with tracer.start_as_current_span("request"):
        task_id = queue.submit_task(Task(task_type="work", queue="mail", priority="high"))
    worker = TaskWorker(queue, queues=["mail"])
    worker.register_handler("work", work_async if asynchronous else work)
    worker.run_until_empty()
    request, submitted, run, inner = (
        by_name(exporter, name) for name in ("request", "submit work", "run work", "inner")
    )
    assert len({span.context.trace_id for span in (request, submitted, run, inner)}) == 1
    assert submitted.parent == request.context
    assert run.parent is not None
    assert run.parent.span_id == submitted.context.span_id
    assert [link.context.span_id for link in run.links] == [submitted.context.span_id]
    assert inner.parent == run.context, "the span of the run is the current one in the handler"
    assert (submitted.kind, run.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    attributes = dict(run.attributes or {})
    assert attributes.pop("taskq.worker_id")
    assert attributes.pop("taskq.waited_seconds") >= 0
    assert attributes == {
        "messaging.system": "taskq",
        "messaging.destination.name": "mail",
        "messaging.message.id": task_id,
        "taskq.type": "work",
        "taskq.priority": "high",
        "taskq.attempt": 1,
        "taskq.outcome": "complete",
    }
    assert run.status.status_code is StatusCode.UNSET
    assert not trace.get_current_span().is_recording(), "nothing is left behind on this thread"


def test_a_failure_is_an_error_with_its_exception(
    queue: TaskQueue, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    queue.install(Tracing(provider))
    worker = TaskWorker(queue)
    worker.register_handler("boom", lambda task: 1 / 0)
    queue.submit_task(Task(task_type="boom", max_retries=0))
    worker.run_until_empty()
    run = by_name(exporter, "run boom")
    assert (run.status.status_code, run.status.description) == (StatusCode.ERROR, "ZeroDivisionError")
    assert [event.name for event in run.events] == ["exception"]
    assert (run.attributes or {})["taskq.outcome"] == "fail"


def test_each_attempt_has_a_span_in_the_same_trace(
    queue: TaskQueue, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    queue.install(Tracing(provider))
    worker = TaskWorker(queue)
    worker.register_handler("boom", lambda task: 1 / 0)
    task_id = queue.submit_task(Task(task_type="boom", max_retries=0))
    worker.run_until_empty()
    queue.retry_task(task_id)
    worker.run_until_empty()
    runs = [span for span in exporter.get_finished_spans() if span.name == "run boom"]
    assert len(runs) == 2
    assert {span.context.trace_id for span in runs} == {by_name(exporter, "submit boom").context.trace_id}


def test_a_context_that_a_task_carries_already_is_kept(
    queue: TaskQueue, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    queue.install(Tracing(provider))
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    worker = TaskWorker(queue)
    worker.register_handler("work", lambda task: None)
    task = Task(task_type="work", metadata={"traceparent": parent, "order": 7})
    queue.submit_task(task)
    queue.submit_task(task)
    worker.run_until_empty()
    assert f"{by_name(exporter, 'run work').context.trace_id:032x}" == parent.split("-")[1]
    assert queue.get_task(task.task_id).metadata == {"traceparent": parent, "order": 7}


def test_the_context_is_written_under_the_names_of_the_standard(
    queue: TaskQueue, provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    queue.install(Tracing(provider))
    shared = {"order": 7}
    one, other = (Task(task_type="work", metadata=shared) for _ in range(2))
    queue.submit_batch([one, other])
    contexts = [span.context for span in exporter.get_finished_spans()]
    assert [queue.get_task(task.task_id).metadata["traceparent"][:-3] for task in (one, other)] == [
        f"00-{context.trace_id:032x}-{context.span_id:016x}" for context in contexts
    ]
    assert shared == {"order": 7}, "the dict of the caller is left alone"


def test_nothing_is_written_without_a_tracer_provider(queue: TaskQueue) -> None:
    queue.install(Tracing())
    worker = TaskWorker(queue)
    worker.register_handler("work", lambda task: "done")
    task_id = queue.submit_task(Task(task_type="work", metadata={"order": 7}))
    worker.run_until_empty()
    assert queue.get_task(task_id).metadata == {"order": 7}
    assert (queue.get_task_result(task_id) or {})["result"] == "done"
