"""Metrics as Prometheus reads them; the only module here that imports its client library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from taskq.metrics.endpoint import Page
from taskq.metrics.namespace import OF_LIMITS, NamespaceReading
from taskq.metrics.runs import RunTotals
from taskq.metrics.worker import WORKER_COUNTERS, WORKER_ENDS, WORKER_GAUGES, WorkerReading


class _Reader(Collector):
    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        """Read anew at every scrape."""
        return self._read()

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance: it would ask the server."""
        return ()


def page_of(read: Callable[[], Iterable[Metric]]) -> Callable[[], Page]:
    """Return a route that shows what a function reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Reader(read))
    return lambda: Page(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def worker_families(reading: WorkerReading) -> Iterator[Metric]:
    """Return the metrics of one worker: all of its processes together."""
    yield _build()
    yield from _runs(reading.totals)
    for name, help_text, count in WORKER_COUNTERS:
        yield CounterMetricFamily(f"taskq_worker_{name}", help_text, value=count(reading))
    name, help_text = WORKER_ENDS
    ends = CounterMetricFamily(f"taskq_worker_{name}", help_text, labels=["how"])
    for how, number in reading.ends.items():
        ends.add_metric([how], number)
    yield ends
    for name, help_text, value in WORKER_GAUGES:
        yield GaugeMetricFamily(f"taskq_worker_{name}", help_text, value=value(reading))


def _runs(totals: RunTotals) -> Iterator[Metric]:
    runs = CounterMetricFamily(
        "taskq_worker_runs", "Runs that have ended, by type and outcome.", labels=["type", "outcome"]
    )
    for (task_type, outcome), number in totals.runs.items():
        runs.add_metric([task_type, outcome], number)
    yield runs
    took = HistogramMetricFamily("taskq_worker_run_seconds", "How long handlers took.", labels=["type"])
    for task_type, one in totals.run_seconds.items():
        took.add_metric([task_type], one.cumulative(), one.total_seconds)
    yield took
    waited = HistogramMetricFamily(
        "taskq_worker_start_seconds",
        "From the submit of a task, a delay included, to the start of its first run.",
        labels=["queue", "priority"],
    )
    for place, one in totals.start_seconds.items():
        waited.add_metric(list(place), one.cumulative(), one.total_seconds)
    yield waited


def namespace_families(reading: NamespaceReading) -> Iterator[Metric]:
    """Return the metrics of a namespace; only ``taskq_up`` if its server does not answer."""
    label = ["prefix"]
    yield _build()

    def gauge(name: str, help_text: str, value: float) -> Metric:
        family = GaugeMetricFamily(name, help_text, labels=label)
        family.add_metric([reading.prefix], value)
        return family

    yield gauge("taskq_up", "Whether the namespace could be read: 1 or 0.", int(reading.up))
    yield gauge("taskq_scrape_seconds", "How long the reading took.", reading.seconds)
    for name, help_text, value in reading.gauges:
        yield gauge(f"taskq_{name}", help_text, value)
    for name, help_text, value in reading.counters:
        counter = CounterMetricFamily(f"taskq_{name}", help_text, labels=label)
        counter.add_metric([reading.prefix], value)
        yield counter
    if reading.up:
        yield from _lists(reading)
        yield from _limits(reading)
        yield from _sla(reading)
        yield _passed(reading)


def _lists(reading: NamespaceReading) -> Iterator[Metric]:
    tasks = GaugeMetricFamily("taskq_tasks", "Tasks by status.", labels=["prefix", "status"])
    for status, number in reading.statuses.items():
        tasks.add_metric([reading.prefix, status], number)
    yield tasks
    labels = ["prefix", "queue", "priority"]
    depth = GaugeMetricFamily("taskq_queue_depth", "Length of a list.", labels=labels)
    oldest = GaugeMetricFamily(
        "taskq_queue_oldest_seconds", "Age of the task at the head of a list; 0 if it is empty.", labels=labels
    )
    paused = GaugeMetricFamily("taskq_queue_paused", "Whether claims from a list are stopped.", labels=labels)
    for item in reading.lists:
        place = [reading.prefix, item.queue, item.priority]
        depth.add_metric(place, item.depth)
        oldest.add_metric(place, item.oldest_seconds or 0.0)
        paused.add_metric(place, int(item.paused))
    yield from (depth, oldest, paused)


def _limits(reading: NamespaceReading) -> Iterator[Metric]:
    for name, help_text, value in OF_LIMITS:
        family = GaugeMetricFamily(f"taskq_{name}", help_text, labels=["prefix", "queue"])
        for limit in reading.limits:
            if (number := value(limit)) is not None:
                family.add_metric([reading.prefix, limit.queue], number)
        yield family


def _sla(reading: NamespaceReading) -> Iterator[Metric]:
    labels = ["prefix", "queue", "priority", "measure"]
    waited = GaugeMetricFamily(
        "taskq_sla_seconds",
        "How long the oldest task of a list waits, or tasks had waited at their start.",
        labels=labels,
    )
    allowed = GaugeMetricFamily("taskq_sla_allowed_seconds", "How long that may be.", labels=labels)
    broken = GaugeMetricFamily("taskq_sla_broken", "Whether it is too long: 1 or 0.", labels=labels)
    for item in reading.sla:
        place = [reading.prefix, item.queue, item.priority, item.measure]
        waited.add_metric(place, item.waited_seconds)
        allowed.add_metric(place, item.allowed_seconds)
        broken.add_metric(place, int(item.broken_since is not None))
    yield from (waited, allowed, broken)


def _passed(reading: NamespaceReading) -> Metric:
    labels = ["prefix", "queue", "priority", "type", "version", "runnable"]
    family = GaugeMetricFamily(
        "taskq_tasks_passed", "Tasks that wait for a worker that knows their type and version.", labels=labels
    )
    for item in reading.passed:
        place = [reading.prefix, item.queue, item.priority, item.task_type, str(item.version)]
        family.add_metric([*place, str(int(item.runnable))], item.tasks)
    return family


def _build() -> Metric:
    family = GaugeMetricFamily("taskq_build_info", "The release that shows these metrics.", labels=["version"])
    family.add_metric([version("taskq")], 1)
    return family
