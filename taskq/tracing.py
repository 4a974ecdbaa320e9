"""Traces with OpenTelemetry: the span of a submit, and the spans of the runs that follow from it, in one trace.

The context travels in the metadata of a task, under the names of the W3C Trace Context (``traceparent``,
``tracestate``, and whatever else the global propagator writes), so that other programs can read and write it.
Needs the extra ``otel``. Without a tracer provider nothing is recorded and nothing is written into tasks.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider

from taskq.middleware import Middleware, Run
from taskq.model.task import DEFAULT_QUEUE, Task
from taskq.states import Outcome

# a run that ends so has not done what it was to do
_BAD = (Outcome.FAIL, Outcome.RETRY)


class Tracing(Middleware):
    """Makes spans; install it on the queue that submits and on the one, or the worker, that runs.

    Args:
        tracer_provider: makes the tracer; None: the global one.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("taskq", tracer_provider=tracer_provider)

    def before_submit(self, task: Task) -> None:
        """Record that a task was made, and let it carry the context of that; one that carries one already keeps it."""
        if not task.metadata.keys().isdisjoint(propagate.get_global_textmap().fields):
            return
        with self._tracer.start_as_current_span(
            f"submit {task.task_type}", kind=SpanKind.PRODUCER, attributes=_attributes(task)
        ):
            carrier: dict[str, str] = {}
            propagate.inject(carrier)
        if carrier:
            task.metadata = {**task.metadata, **carrier}

    def around_run(self, run: Run) -> AbstractContextManager[object]:
        """Make the span of a run current for the handler."""
        return self._span(run)

    @contextmanager
    def _span(self, run: Run) -> Iterator[None]:
        carrier = {name: value for name, value in run.task.metadata.items() if isinstance(value, str)}
        parent = propagate.extract(carrier)
        submitted = trace.get_current_span(parent).get_span_context()
        span = self._tracer.start_span(
            f"run {run.task.task_type}",
            context=parent,
            kind=SpanKind.CONSUMER,
            links=[trace.Link(submitted)] if submitted.is_valid else None,
            attributes={
                **_attributes(run.task),
                "taskq.attempt": run.attempt,
                "taskq.worker_id": run.worker_id,
                "taskq.waited_seconds": run.waited_seconds,
            },
        )
        run.notes[self] = span
        with trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False):
            yield

    def after_run(self, run: Run) -> None:
        """End the span with what has become of the run."""
        span: Span | None = run.notes.pop(self, None)
        if span is None:
            return
        span.set_attribute("taskq.outcome", run.outcome)
        if run.outcome in _BAD:
            if run.error is not None:
                span.record_exception(run.error)
            span.set_status(Status(StatusCode.ERROR, f"{type(run.error).__name__}" if run.error else run.outcome))
        span.end()


def _attributes(task: Task) -> dict[str, str | int | float]:
    return {
        "messaging.system": "taskq",
        "messaging.destination.name": task.queue or DEFAULT_QUEUE,
        "messaging.message.id": task.task_id,
        "taskq.type": task.task_type,
        "taskq.priority": task.priority.label,
    }
