"""``taskq doctor``."""

from __future__ import annotations

from dataclasses import asdict

import click

from taskq.cli.access_checks import examine_access
from taskq.cli.commands import TaskqCommand
from taskq.cli.namespace_checks import Namespace, examine_namespace
from taskq.cli.output import printable, show, show_json
from taskq.cli.program import EXIT_FAILED
from taskq.cli.replication_checks import examine_replication
from taskq.cli.server_checks import BAD, OK, WARN, Finding, examine_server
from taskq.cli.session import Session, with_session
from taskq.errors import TaskqError
from taskq.queue import TaskQueue
from taskq.settings import Settings
from taskq.transport.embedded import HOST
from taskq.transport.probe import Probe, probe
from taskq.transport.server_info import read_server

_COLOURS = {OK: "green", WARN: "yellow", BAD: "red"}


@click.command(cls=TaskqCommand)
@with_session
def doctor(session: Session) -> None:
    """Check the server and the namespace, and say what to change.

    Each line has a verdict: ok, warn or bad. The exit code is 1 if anything is bad. Nothing is changed or started.
    """
    findings = _examine(session.settings)
    worst = max(findings, key=lambda finding: (OK, WARN, BAD).index(finding.verdict)).verdict
    if session.json:
        show_json({"verdict": worst, "checks": [asdict(finding) for finding in findings]})
    else:
        _show(findings)
    if worst == BAD:
        click.get_current_context().exit(EXIT_FAILED)


def _examine(settings: Settings) -> list[Finding]:
    if settings.redis_url is None and probe(HOST, settings.embedded_port) is Probe.NOTHING:
        return [_nothing_there(settings)]
    try:
        with TaskQueue(settings=settings) as queue:
            reading = read_server(queue.transport, queue.namespace.protocol.keys)
            address = queue.namespace.endpoint.shown
            found = [
                *examine_server(address, reading),
                *examine_replication(settings, reading),
                *examine_access(address, reading),
            ]
            try:
                stats, workers = queue.get_queue_stats(), queue.list_workers()
            except TaskqError as error:
                return [*found, Finding("scripts", BAD, str(error))]
            namespace = Namespace(settings.prefix, reading, stats, workers)
            return [*found, *examine_namespace(namespace)]
    except TaskqError as error:
        return [Finding("connection", BAD, str(error), _advice(settings))]


def _nothing_there(settings: Settings) -> Finding:
    here = f"no server is configured (REDIS_URL) and nothing listens on {HOST}:{settings.embedded_port}"
    if settings.embedded:
        return Finding("connection", WARN, here, "the first worker or submit starts the embedded server: taskq worker")
    return Finding(
        "connection", BAD, f"{here}; the embedded server is switched off", "set REDIS_URL or TASKQ_EMBEDDED=1"
    )


def _advice(settings: Settings) -> str:
    if settings.redis_url is None:
        return ""  # the message of the embedded server says it
    return "check host, port and password in REDIS_URL, and whether the server runs and may be reached from here"


def _show(findings: list[Finding]) -> None:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        verdict = click.style(finding.verdict.ljust(5), fg=_COLOURS[finding.verdict])
        show(f"{verdict} {finding.check.ljust(width)}  {printable(finding.message)}")
        if finding.advice:
            show(f"{' ' * (width + 8)}-> {printable(finding.advice)}")
