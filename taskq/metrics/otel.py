"""Metrics by OpenTelemetry: what a process measures of its runs, what a supervisor knows, and what is in a namespace.

Names and attributes are those of the metrics for Prometheus, with a dot behind ``taskq``, so that alert rules and
dashboards fit both. Needs the extra ``otel``. Without a meter provider nothing is recorded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator

from opentelemetry.metrics import CallbackOptions, Histogram, Meter, MeterProvider, Observation, get_meter

from taskq.metrics.namespace import OF_LIMITS, NamespaceReader, NamespaceReading, known_figures
from taskq.metrics.runs import BOUNDS_SECONDS
from taskq.metrics.worker import WORKER_COUNTERS, WORKER_ENDS, WORKER_GAUGES, WorkerReading
from taskq.middleware import Middleware, Run
from taskq.model.bound import QueueLimit
from taskq.model.task import DEFAULT_QUEUE
from taskq.model.threshold import SlaReading
from taskq.model.views import ListStats
from taskq.queue import TaskQueue

# all instruments of one collection show the same reading
_FRESH_SECONDS = 1.0

Value = tuple[float, dict[str, str]]
Values = Callable[[NamespaceReading], Iterable[Value]]


class Measuring(Middleware):
    """Counts runs, and measures how long they took and how long tasks waited for their first one.

    Install it where handlers are registered. The figures are those of one process; the resource of your meter provider
    tells processes apart.

    Args:
        meter_provider: makes the meter; None: the global one.
    """

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        meter = get_meter("taskq", meter_provider=meter_provider)
        self._runs = meter.create_counter("taskq.worker_runs", description="Runs that have ended, by type and outcome.")
        self._took = _histogram(meter, "taskq.worker_run_seconds", "How long handlers took.")
        self._waited = _histogram(
            meter,
            "taskq.worker_start_seconds",
            "From the submit of a task, a delay included, to the start of its first run.",
        )

    def after_run(self, run: Run) -> None:
        """Count and measure a run."""
        task = run.task
        self._runs.add(1, {"type": task.task_type, "outcome": run.outcome})
        self._took.record(run.seconds, {"type": task.task_type})
        if run.attempt == 1:  # a later attempt has waited for its retry, which says nothing of the workers
            place = {"queue": task.queue or DEFAULT_QUEUE, "priority": task.priority.label}
            self._waited.record(run.waited_seconds, place)


def observe_namespace(queue: TaskQueue, meter_provider: MeterProvider | None = None) -> None:
    """Show what is in a namespace at each collection: what ``taskq exporter`` shows to Prometheus.

    Call it once, in one process: the figures are those of all workers together. A collection is three calls to the
    server, whatever the size of the namespace; while it does not answer, ``taskq.up`` is 0 and there is nothing else.

    Args:
        queue: of the namespace; stays open as long as there are collections.
        meter_provider: makes the meter; None: the global one.
    """
    meter = get_meter("taskq", meter_provider=meter_provider)
    latest = _Latest(NamespaceReader(queue))
    gauges, counters = known_figures()
    meter.create_observable_gauge(
        "taskq.up", [latest.show(_up)], description="Whether the namespace could be read: 1 or 0."
    )
    for name, text, _ in gauges:
        meter.create_observable_gauge(f"taskq.{name}", [latest.show(_figure("gauges", name))], description=text)
    for name, text, _ in counters:
        meter.create_observable_counter(f"taskq.{name}", [latest.show(_figure("counters", name))], description=text)
    meter.create_observable_gauge("taskq.tasks", [latest.show(_statuses)], description="Tasks by status.")
    for name, text, value in _LISTS:
        meter.create_observable_gauge(f"taskq.{name}", [latest.show(_of_lists(value))], description=text)
    for name, text, held in OF_LIMITS:
        meter.create_observable_gauge(f"taskq.{name}", [latest.show(_of_limits(held))], description=text)
    for name, text, measured in _SLA:
        meter.create_observable_gauge(f"taskq.{name}", [latest.show(_of_sla(measured))], description=text)
    meter.create_observable_gauge(
        "taskq.tasks_passed",
        [latest.show(_passed)],
        description="Tasks that wait for a worker that knows their type and version.",
    )


def observe_worker(read: Callable[[], WorkerReading], meter_provider: MeterProvider | None = None) -> None:
    """Show at each collection what the supervisor of a worker knows of all its processes together.

    ``taskq worker`` calls it by itself where its process has the SDK of OpenTelemetry loaded, which is what
    ``opentelemetry-instrument`` does. Runs and their times are measured in the processes, by ``Measuring``.

    Args:
        read: returns what is known at the moment; called at each collection, once for each instrument.
        meter_provider: makes the meter; None: the global one.
    """
    meter = get_meter("taskq", meter_provider=meter_provider)

    def show(value: Callable[[WorkerReading], float]) -> Callable[[CallbackOptions], Iterator[Observation]]:
        def observe(_: CallbackOptions) -> Iterator[Observation]:
            yield Observation(value(read()))

        return observe

    def observe_ends(_: CallbackOptions) -> Iterator[Observation]:
        for how, number in read().ends.items():
            yield Observation(number, {"how": how})

    for name, text, count in WORKER_COUNTERS:
        meter.create_observable_counter(f"taskq.worker_{name}", [show(count)], description=text)
    name, text = WORKER_ENDS
    meter.create_observable_counter(f"taskq.worker_{name}", [observe_ends], description=text)
    for name, text, value in WORKER_GAUGES:
        meter.create_observable_gauge(f"taskq.worker_{name}", [show(value)], description=text)


class _Latest:
    """The latest reading, taken anew when it is no longer fresh; for any thread."""

    def __init__(self, reader: NamespaceReader) -> None:
        self._reader = reader
        self._lock = threading.Lock()
        self._taken: tuple[float, NamespaceReading] | None = None

    def read(self) -> NamespaceReading:
        """Return the numbers of now, or of a moment ago."""
        with self._lock:
            if self._taken is None or time.monotonic() - self._taken[0] > _FRESH_SECONDS:
                self._taken = time.monotonic(), self._reader.read()
            return self._taken[1]

    def show(self, values: Values) -> Callable[[CallbackOptions], Iterator[Observation]]:
        """Return what an instrument calls at each collection."""

        def observe(_: CallbackOptions) -> Iterator[Observation]:
            found = self.read()
            for value, attributes in values(found):
                yield Observation(value, {"prefix": found.prefix, **attributes})

        return observe


def _histogram(meter: Meter, name: str, text: str) -> Histogram:
    return meter.create_histogram(name, "s", text, explicit_bucket_boundaries_advisory=list(BOUNDS_SECONDS))


def _up(found: NamespaceReading) -> Iterator[Value]:
    yield int(found.up), {}


def _figure(group: str, name: str) -> Values:
    def values(found: NamespaceReading) -> Iterator[Value]:
        yield from ((value, {}) for known, _, value in getattr(found, group) if known == name)

    return values


def _statuses(found: NamespaceReading) -> Iterator[Value]:
    yield from ((number, {"status": status}) for status, number in found.statuses.items())


def _of_lists(value: Callable[[ListStats], float]) -> Values:
    def values(found: NamespaceReading) -> Iterator[Value]:
        yield from ((value(item), {"queue": item.queue, "priority": item.priority}) for item in found.lists)

    return values


def _of_limits(value: Callable[[QueueLimit], int | None]) -> Values:
    def values(found: NamespaceReading) -> Iterator[Value]:
        for limit in found.limits:
            if (number := value(limit)) is not None:
                yield number, {"queue": limit.queue}

    return values


def _of_sla(value: Callable[[SlaReading], float]) -> Values:
    def values(found: NamespaceReading) -> Iterator[Value]:
        for item in found.sla:
            yield value(item), {"queue": item.queue, "priority": item.priority, "measure": item.measure}

    return values


def _passed(found: NamespaceReading) -> Iterator[Value]:
    for item in found.passed:
        place = {"queue": item.queue, "priority": item.priority, "type": item.task_type}
        yield item.tasks, {**place, "version": str(item.version), "runnable": str(int(item.runnable))}


_SLA: tuple[tuple[str, str, Callable[[SlaReading], float]], ...] = (
    (
        "sla_seconds",
        "How long the oldest task of a list waits, or tasks had waited at their start.",
        lambda item: item.waited_seconds,
    ),
    ("sla_allowed_seconds", "How long that may be.", lambda item: item.allowed_seconds),
    ("sla_broken", "Whether it is too long: 1 or 0.", lambda item: int(item.broken_since is not None)),
)
_LISTS: tuple[tuple[str, str, Callable[[ListStats], float]], ...] = (
    ("queue_depth", "Length of a list.", lambda item: item.depth),
    (
        "queue_oldest_seconds",
        "Age of the task at the head of a list; 0 if it is empty.",
        lambda item: item.oldest_seconds or 0.0,
    ),
    ("queue_paused", "Whether claims from a list are stopped.", lambda item: int(item.paused)),
)
