"""``taskq worker --check``: the probe of a container that serves no port."""

from __future__ import annotations

import http.client
import socket

import click

from taskq.cli.output import show, show_json
from taskq.cli.program import EXIT_FAILED
from taskq.cli.session import Session, with_session

_PATIENCE_SECONDS = 5.0


@with_session
def check_worker(session: Session, address: str | None) -> None:
    """Say whether the worker of this host is well; end with 1 if not.

    Args:
        session: of the command.
        address: of its metrics port, whose probes are asked; None: the server is asked whether a worker of this host
            is registered and beaten for.
    """
    problems = _ask_server(session) if address is None else _ask_probes(address)
    if session.json:
        show_json({"ok": not problems, "problems": problems})
    else:
        show("\n".join(problems) or "ok")
    if problems:
        click.get_current_context().exit(EXIT_FAILED)


def _ask_server(session: Session) -> list[str]:
    host = socket.gethostname()
    found = [worker for worker in session.queue.list_workers() if worker.card.get("host") == host]
    if not found:
        return [f"no worker of {host} is registered in {session.settings.prefix}"]
    if not any(worker.lease_seconds > 0 for worker in found):
        return [f"the lease of {', '.join(worker.worker_id for worker in found)} is over"]
    return []


def _ask_probes(address: str) -> list[str]:
    host, _, port = address.rpartition(":")
    here = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 - who listens everywhere is asked here
    problems: list[str] = []
    for path in ("/livez", "/readyz"):
        connection = http.client.HTTPConnection(here, int(port), _PATIENCE_SECONDS)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            if reply.status != http.client.OK:
                problems += [
                    line for line in reply.read().decode("utf-8", "replace").splitlines() if line not in problems
                ]
        except (OSError, http.client.HTTPException) as error:
            return [f"nothing answers at {address}: {error}"]
        finally:
            connection.close()
    return problems
