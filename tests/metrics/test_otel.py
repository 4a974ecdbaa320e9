"""Metrics by OpenTelemetry, collected by the in-memory reader of its SDK."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from taskq import Retry, Task, TaskQueue, TaskWorker
from taskq.metrics.otel import Measuring, observe_namespace, observe_worker
from taskq.metrics.runs import BOUNDS_SECONDS, RunTotals
from taskq.metrics.worker import WorkerReading
from taskq.settings import Settings
from tests.waiting import eventually

PAGE = (Path(__file__).parents[2] / "docs" / "observability.md").read_text(encoding="utf-8")


READING = WorkerReading(RunTotals(), 2, 8, 3, 1, 4, {"crashed": 5}, False, 6.5)


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
    observe_worker(lambda: READING, provider)
    worker = TaskWorker(queue)
    worker.install(Measuring(provider))
    worker.register_handler("echo", lambda task: None)
    queue.submit_task(Task(task_type="echo"))
    queue.set_sla("normal", age=60)
    queue.set_queue_limit(max_tasks=100, max_bytes=10_000)
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
    assert {name: labels[name] for name in found} == found
    assert labels.keys() - found.keys() == of_prometheus_alone


def test_a_server_that_is_away_is_told(provider: MeterProvider, reader: InMemoryMetricReader) -> None:
    settings = replace(Settings.load(redis_url="redis://127.0.0.1:1/0", prefix="away"), call_timeout_seconds=0.1)
    with TaskQueue(settings=settings) as away:
        observe_namespace(away, provider)
        metrics = collected(reader)
    assert value(metrics["taskq.up"]) == 0
    assert "taskq.tasks" not in metrics


def test_a_supervisor_is_observed(provider: MeterProvider, reader: InMemoryMetricReader) -> None:
    observe_worker(lambda: READING, provider)
    metrics = {name.removeprefix("taskq.worker_"): points for name, points in collected(reader).items()}
    assert value(metrics.pop("process_ends"), how="crashed") == 5
    assert {name: value(points) for name, points in metrics.items()} == {
        "processes": 2,
        "slots": 8,
        "running": 3,
        "refused": 1,
        "recovered": 4,
        "server_up": 0,
        "claim_silence_seconds": 6.5,
    }


# a metric as the exporter writes it: its name, and its first value
POINT = r'"name": "(taskq\.[a-z_.]+)", "description": "[^"]*", "unit": "[^"]*", "data": [^]]*?"value": ([0-9.]+)'
# what is loaded before everything else, in the supervisor and in its processes
SITE = """
import sys
from opentelemetry.metrics import set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader

name = "supervisor" if "-m" in sys.orig_argv and "worker" in sys.orig_argv else "process"
shown = ConsoleMetricExporter(out=open(f"{name}.jsonl", "a"), formatter=lambda data: data.to_json(indent=None) + "\\n")
set_meter_provider(MeterProvider([PeriodicExportingMetricReader(shown, 100)]))
"""


def test_a_worker_that_is_instrumented_shows_what_its_supervisor_knows(
    queue: TaskQueue, redis_url: str, prefix: str, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SITE)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "REDIS_URL": redis_url, "TASKQ_PREFIX": prefix}
    command = [sys.executable, "-m", "taskq", "worker", "--processes", "2", "--concurrency", "3"]
    shown = tmp_path / "supervisor.jsonl"

    def points() -> set[tuple[str, float]]:
        text = shown.read_text() if shown.exists() else ""
        return {(name, float(number)) for name, number in re.findall(POINT, text)}

    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL) as worker:
        try:
            wanted = {("taskq.worker_processes", 2.0), ("taskq.worker_slots", 6.0), ("taskq.worker_server_up", 1.0)}
            eventually(lambda: wanted <= points(), 30, "the figures of the supervisor")
        finally:
            worker.terminate()
    assert worker.returncode == 0
