"""Serve the dashboard from a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from socket import socket
from typing import Any

import uvicorn

from taskq.errors import SettingsError
from taskq.settings import Settings
from taskq.web.app import create_app
from taskq.web.options import DashboardOptions, is_loopback

_GRACE_SECONDS = 2
_EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


def check_binding(host: str, token: str | None) -> None:
    """Refuse to show tasks to a whole network.

    Raises:
        SettingsError: if others can reach the address and no token is asked for.
    """
    if token is None and not is_loopback(host):
        raise SettingsError(
            f"others can reach {host or 'every address'}, and without a token the dashboard would show them every "
            "task: set TASKQ_DASHBOARD_TOKEN, or bind to 127.0.0.1"
        )


def serve(settings: Settings, options: DashboardOptions, host: str, port: int, ready: Callable[[str], object]) -> None:
    """Serve until Ctrl+C or SIGTERM.

    Args:
        settings: which server and prefix.
        options: of the dashboard.
        host: address to bind to.
        port: 0: any that is free.
        ready: called with the address once the dashboard answers.

    Raises:
        SettingsError: if the address cannot be listened on.
    """
    if host not in _EVERY_ADDRESS:
        options = replace(options, hosts=(*options.hosts, host))
    app = create_app(settings, options)
    DashboardServer(app, app.stop, host, port, ready).run()


class DashboardServer(uvicorn.Server):
    """A server that says when it is ready, and ends the streams of open pages before it waits for them.

    Args:
        app: the dashboard, or an app that it is mounted in.
        stop: ends the streams.
        host: address to bind to.
        port: 0: any that is free.
        ready: called with the address.
    """

    def __init__(
        self, app: Any, stop: Callable[[], object], host: str, port: int, ready: Callable[[str], object]
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_level="warning",
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_SECONDS,
            )
        )
        self._stop = stop
        self._ready = ready

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Begin to listen.

        Raises:
            SettingsError: if the address cannot be listened on.
        """
        try:
            await super().startup(sockets)
        except SystemExit:
            at = f"{self.config.host or 'every address'}, port {self.config.port}"
            raise SettingsError(
                f"the dashboard cannot listen on {at}, for the reason in the line above: choose another port with "
                "--port (0 takes any that is free), or an address of this machine with --host"
            ) from None
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            shown = "127.0.0.1" if host in _EVERY_ADDRESS else host
            self._ready(f"http://{f'[{shown}]' if ':' in shown else shown}:{port}")

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Stop listening and let requests end."""
        self._stop()
        await super().shutdown(sockets)
