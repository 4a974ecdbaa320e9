"""``taskq exporter``."""

from __future__ import annotations

import signal
import threading
from dataclasses import replace

import click

from taskq.cli import values
from taskq.cli.commands import TaskqCommand
from taskq.cli.session import Session, with_session
from taskq.endings import ending_signals
from taskq.logs import set_up_logging
from taskq.metrics.endpoint import HttpEndpoint, verdict
from taskq.metrics.extra import import_exposition
from taskq.metrics.namespace import NamespaceReader
from taskq.queue import TaskQueue

# a scrape is given up by Prometheus after ten seconds
_PATIENCE_SECONDS = 3.0


@click.command(cls=TaskqCommand)
@click.option(
    "--port",
    type=values.address,
    metavar="[HOST:]PORT",
    default="127.0.0.1:9465",
    show_default=True,
    help="Where to listen; a bare port is one of 127.0.0.1.",
)
@with_session
def exporter(session: Session, port: str) -> None:
    """Serve the metrics of the namespace until Ctrl+C or SIGTERM; one exporter is enough, however many workers run.

    /metrics reads the server at each scrape; /livez and /readyz are for probes.
    """
    exposition = import_exposition()
    settings = session.process_settings()
    set_up_logging(settings)
    patience = min(settings.call_timeout_seconds, _PATIENCE_SECONDS)
    queue = TaskQueue(settings=replace(settings, call_timeout_seconds=patience))
    reader = NamespaceReader(queue)
    ended = threading.Event()
    for number in ending_signals():
        signal.signal(number, lambda *_: ended.set())
    host, _, number_of_port = port.rpartition(":")
    http = HttpEndpoint(
        host,
        int(number_of_port),
        {
            "/metrics": exposition.page_of(lambda: exposition.namespace_families(reader.read())),
            "/livez": lambda: verdict([]),
            "/readyz": lambda: verdict([] if reader.read().up else ["the server does not answer"]),
        },
    )
    http.start()
    click.echo(f"Exporter ready: http://{http.address}/metrics, prefix {settings.prefix}")
    ended.wait()
    http.stop()
    queue.close()
