"""``taskq server``."""

from __future__ import annotations

from typing import Any

import click

from taskq.cli.commands import TaskqGroup
from taskq.cli.output import fields, show, show_json
from taskq.cli.program import EXIT_FAILED
from taskq.cli.session import Session, with_session
from taskq.settings import redact_url
from taskq.transport.embedded import HOST, EmbeddedServer, ensure_server, server_status, stop_server
from taskq.transport.probe import Probe, probe


@click.group(cls=TaskqGroup)
def server() -> None:
    """Start, stop or show the embedded server, which needs no installation."""


def _as_dict(found: EmbeddedServer) -> dict[str, Any]:
    return {
        "running": True,
        "url": found.url,
        "version": found.version,
        "pid": found.pid,
        "data_dir": str(found.data_dir),
        "loading": found.loading,
    }


def _as_text(found: EmbeddedServer) -> str:
    return fields(
        [
            ("server", found.version + (", still reading its data" if found.loading else "")),
            ("url", found.url),
            ("pid", found.pid),
            ("data", found.data_dir),
        ]
    )


@server.command("start")
@with_session
def start(session: Session) -> None:
    """Start the embedded server, unless it runs; it goes on until `server stop`."""
    settings = session.settings
    found = ensure_server(settings.data_dir, settings.embedded_port, binary=settings.server_binary)
    if session.json:
        show_json({"started": found.started, **_as_dict(found)})
    else:
        show("started" if found.started else "it runs already")
        show(_as_text(found))
    if settings.redis_url is not None and settings.redis_url != found.url:
        session.note(f"the other commands use {redact_url(settings.redis_url)}, because that is configured")


@server.command("stop")
@with_session
def stop(session: Session) -> None:
    """Stop the embedded server; its data stays in its folder."""
    settings = session.settings
    stopped = stop_server(settings.data_dir, settings.embedded_port)
    if session.json:
        show_json({"stopped": stopped})
    else:
        show("stopped" if stopped else "it was not running")


@server.command("status")
@with_session
def status(session: Session) -> None:
    """Show the embedded server; exit code 1 if it does not run."""
    settings = session.settings
    found = server_status(settings.data_dir, settings.embedded_port)
    if found is not None:
        if session.json:
            show_json(_as_dict(found))
        else:
            show(_as_text(found))
        return
    if session.json:
        show_json({"running": False})
    else:
        show(f"the embedded server is not running (data folder {settings.data_dir}, port {settings.embedded_port})")
        there = probe(HOST, settings.embedded_port)
        if there is not Probe.NOTHING:
            session.note(
                f"on {HOST}:{settings.embedded_port} {there.value}; it was not started by taskq from this folder"
            )
    click.get_current_context().exit(EXIT_FAILED)
