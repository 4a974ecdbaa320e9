"""``taskq worker``: supervisor, guardian and worker processes put together, with what people read."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version

import click

from taskq.logs import set_up_logging
from taskq.metrics.endpoint import HttpEndpoint, verdict
from taskq.metrics.extra import import_exposition, is_instrumented, observe_worker
from taskq.queue import TaskQueue
from taskq.settings import Settings
from taskq.transport.server_info import why_not_connected
from taskq.worker.guardians import AnyGuardian, guardian_for
from taskq.worker.health import Health
from taskq.worker.options import WorkerOptions
from taskq.worker.supervisor import Supervisor

log = logging.getLogger("taskq.worker")

_SHOWN = ("completed", "failed", "retried", "cancelled", "snoozed", "parked", "released", "refused")
# as the docs call it: of a type that this worker does not know
_WORDS = {"parked": "passed over"}


def run_worker(
    settings: Settings, options: WorkerOptions, begin: Callable[[Supervisor], str | None] | None = None
) -> int:
    """Serve until stopped; return the exit code.

    What it serves is said when the first process has loaded the handlers: if they cannot be loaded, the error stands
    alone.

    Args:
        settings: which server and prefix.
        options: what to serve.
        begin: called with the supervisor before it starts its processes; may return a line more to say.

    Raises:
        TaskqError: if there is no usable server.
    """
    set_up_logging(settings)
    queue = TaskQueue(settings=settings)
    endpoint = queue.namespace.endpoint
    _ask_the_server(queue)
    guardian = guardian_for(queue, options.partitions)
    guardian.start()
    health, http = _serve_health(options, guardian)
    banner, shown = _banner(queue, options, http), list[list[str]]()

    def announce(worker: str, types: list[str]) -> None:
        while banner:
            click.echo(banner.pop(0))
        if types not in shown:
            shown.append(types)
            click.echo(f"  types     {', '.join(types)}")
        click.echo(f"Worker {worker} ready")

    begun = time.monotonic()
    supervisor = Supervisor(replace(settings, redis_url=endpoint.url), options, guardian, announce, health)
    if begin is not None and (more := begin(supervisor)):
        banner.append(more)
    code = supervisor.run()
    guardian.stop()
    if http is not None:
        http.stop()
    queue.close()
    if not banner:
        _show_totals(supervisor.totals, guardian.recovered, time.monotonic() - begun)
    return code


def _banner(queue: TaskQueue, options: WorkerOptions, http: HttpEndpoint | None) -> list[str]:
    settings, seal = queue.settings, queue.namespace.seal
    lines = [
        f"taskq worker {version('taskq')}",
        f"  server    {queue.namespace.endpoint.shown}, prefix {settings.prefix}",
        f"  lists     {', '.join(options.lists)}",
    ]
    if settings.partitions > 1:
        chosen = ", ".join(map(str, options.partitions)) or "all"
        lines.append(f"  serving   {chosen} of {settings.partitions} partitions")
    processes = f"each of {options.processes} processes" if options.processes > 1 else "1 process"
    lines.append(f"  running   {options.concurrency} tasks at a time in {processes}; Ctrl+C to stop")
    if seal is not None:
        lines.append(f"  keys      {seal.described}")
    if http is not None:
        lines.append(f"  metrics   http://{http.address}/metrics, probes at /livez and /readyz")
    return lines


def _ask_the_server(queue: TaskQueue) -> None:
    """Report a server that will not have us before any process starts; wait for one that does not answer.

    Raises:
        TaskqError: if there is no usable server.
    """
    why = why_not_connected(queue.transport)
    if why:
        where, patience = queue.namespace.endpoint.shown, queue.settings.call_timeout_seconds
        log.warning("no answer from %s yet (%s); trying for up to %g s, Ctrl+C ends it", where, why, patience)
    queue.get_queue_stats()


def _serve_health(options: WorkerOptions, guardian: AnyGuardian) -> tuple[Health | None, HttpEndpoint | None]:
    """Serve metrics and probes if that is asked for, and show metrics to OpenTelemetry where that is set up.

    Raises:
        SettingsError: if the address cannot be had, or the library is missing.
    """
    instrumented = is_instrumented()
    if options.metrics_address is None and not instrumented:
        return None, None
    health = Health(options.concurrency, options.hung_seconds, lambda: guardian.recovered)
    if instrumented:
        observe_worker(health.reading)
    if options.metrics_address is None:
        return health, None
    exposition = import_exposition()
    host, _, port = options.metrics_address.rpartition(":")
    http = HttpEndpoint(
        host,
        int(port),
        {
            "/metrics": exposition.page_of(lambda: exposition.worker_families(health.reading())),
            "/livez": lambda: verdict(health.live_problems()),
            "/readyz": lambda: verdict(health.ready_problems()),
        },
    )
    http.start()
    return health, http


def _show_totals(totals: Counter[str], recovered: int, seconds: float) -> None:
    counts = [
        f"{totals[name]} {_WORDS.get(name, name)}" for name in _SHOWN if totals[name] or name in ("completed", "failed")
    ]
    if recovered:
        counts.append(f"{recovered} recovered from dead workers")
    rate = totals["completed"] / seconds if seconds > 0 else 0.0
    click.echo(f"Worker stopped after {seconds:.1f} s: {', '.join(counts)} ({rate:.1f} tasks/s)")
