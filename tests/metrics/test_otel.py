"""Metrics by OpenTelemetry, collected by the in-memory reader of its SDK."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from taskq import Retry, Task, TaskQueue, TaskWorker
from taskq.metrics.otel import Measuring, observe_namespace
from taskq.metrics.runs import BOUNDS_SECONDS
from taskq.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "observability.md").read_text(encoding="utf-8")


@pytest.fixture
def queue(redis_url: str, prefix: str) -> Iterator[TaskQueue]:
    with TaskQueue(redis_url, prefix=prefix) as opened:
        yield opened


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


@pytest.fixture
def provider(reader: InMemoryMetricReader) -> Iterator[MeterProvider]:
    made = MeterProvider([reader])
    yield made
    made.shutdown()


def collected(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    """Name of each metric -> its data points."""
    data = reader.get_metrics_data()
    if data is None:
        return {}
    found = [metric for one in data.resource_metrics for scope in one.scope_metrics for metric in scope.metrics]
    return {metric.name: list(metric.data.data_points) for metric in found}


def value(points: list[Any], **attributes: str) -> float:
    (found,) = [point.value for point in points if attributes.items() <= dict(point.attributes).items()]
    return float(found)


def test_runs_are_counted_and_measured(queue: TaskQueue, provider: MeterProvider, reader: InMemoryMetricReader) -> None:
    worker = TaskWorker(queue, queues=["mail", "default"])
    worker.install(Measuring(provider))
    seen: list[str] = []

    def flaky(task: Task) -> None:
        seen.append(task.task_id)
        if len(seen) == 1:
            raise Retry(after=0)

    worker.register_handler("flaky", flaky)
    queue.submit_task(Task(task_type="flaky", queue="mail", priority="high"))
    worker.run_until_empty()
    metrics = collected(reader)
    assert value(metrics["taskq.worker_runs"], type="flaky", outcome="retry") == 1
    assert value(metrics["taskq.worker_runs"], type="flaky", outcome="complete") == 1
    (took,) = [point for point in metrics["taskq.worker_run_seconds"] if point.attributes == {"type": "flaky"}]
    assert took.count == 2
    assert tuple(took.explicit_bounds) == BOUNDS_SECONDS
    (waited,) = [
        p for p in metrics["taskq.worker_start_seconds"] if p.attributes == {"queue": "mail", "priority": "high"}
    ]
    assert waited.count == 1, "a retry has waited for its delay, not for a worker"


def test_a_namespace_is_observed(queue: TaskQueue, provider: MeterProvider, reader: InMemoryMetricReader) -> None:
    observe_namespace(queue, provider)
    queue.submit_batch([Task(task_type="x", priority="low"), Task(task_type="x")])
    queue.pause(priority="low")
    metrics = collected(reader)
    assert value(metrics["taskq.up"]) == 1
    assert value(metrics["taskq.tasks"], status="pending") == 2
    assert value(metrics["taskq.queue_depth"], queue="default", priority="low") == 1
    assert value(metrics["taskq.queue_paused"], queue="default", priority="low") == 1
    assert value(metrics["taskq.tasks_submitted"], prefix=queue.settings.prefix) == 2


def test_names_and_attributes_are_those_of_prometheus(
    queue: TaskQueue, provider: MeterProvider, reader: InMemoryMetricReader
) -> None:
    observe_namespace(queue, provider)
    worker = TaskWorker(queue)
    worker.install(Measuring(provider))
    queue.submit_task(Task(task_type="echo"))
    queue.set_sla("normal", age=60)
    queue.submit_task(Task(task_type="unknown"))
    worker.run_until_empty()
    rows = re.findall(r"^\| `(taskq_\w+)` \| (\w+) \|(.*?)\|(.*)\|$", PAGE, re.MULTILINE)
    labels = {name.removesuffix("_total"): set(re.findall(r"`(\w+)`", cell)) for name, _, cell, _ in rows}
    for _, _, _, meaning in rows:
        if meaning.strip().startswith("likewise"):
            labels |= {f"taskq_tasks_{word}": set() for word in re.findall(r"`(\w+)`", meaning)}
    found = {
        name.replace(".", "_"): set(points[0].attributes) - {"prefix"} for name, points in collected(reader).items()
    }
    of_prometheus_alone = {"taskq_scrape_seconds", "taskq_build_info"}
    of_a_supervisor = {name for name in labels if name.startswith("taskq_worker_")} - found.keys()
    assert {name: labels[name] for name in found} == found
    assert labels.keys() - found.keys() == of_prometheus_alone | of_a_supervisor


def test_a_server_that_is_away_is_told(provider: MeterProvider, reader: InMemoryMetricReader) -> None:
    settings = replace(Settings.load(redis_url="redis://127.0.0.1:1/0", prefix="away"), call_timeout_seconds=0.1)
    with TaskQueue(settings=settings) as away:
        observe_namespace(away, provider)
        metrics = collected(reader)
    assert value(metrics["taskq.up"]) == 0
    assert "taskq.tasks" not in metrics
