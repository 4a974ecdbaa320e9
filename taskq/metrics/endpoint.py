"""The small HTTP server behind ``--metrics-port`` and ``taskq exporter``: a few pages to be read, nothing else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from taskq.errors import SettingsError

log = logging.getLogger("taskq.metrics")

_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Page:
    """What a request is answered with."""

    body: bytes
    status: int = 200
    content_type: str = "text/plain; charset=utf-8"


Route = Callable[[], Page]


def verdict(problems: list[str]) -> Page:
    """Return the page of a probe: 200 if there is no problem, else 503 with one problem a line."""
    return Page("\n".join([*(problems or ["ok"]), ""]).encode(), 503 if problems else 200)


class HttpEndpoint:
    """Serves pages on a thread.

    Args:
        host: address to listen on; ``0.0.0.0`` for all.
        port: 0 for any that is free.
        routes: path -> what makes the page.

    Raises:
        SettingsError: if the address cannot be had.
    """

    def __init__(self, host: str, port: int, routes: Mapping[str, Route]) -> None:
        handler = type("Handler", (_Handler,), {"routes": dict(routes)})
        try:
            self._server = _Server((host, port), handler)
        except (OSError, OverflowError) as error:
            raise SettingsError(
                f"cannot serve metrics on {host}:{port}: {error}. Choose another port, or end what listens there"
            ) from None
        self._thread = threading.Thread(target=self._server.serve_forever, name="taskq metrics", daemon=True)

    @property
    def address(self) -> str:
        """``host:port``, for people."""
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def serve(self) -> None:
        """Serve on this thread until ``stop``."""
        self._server.serve_forever()

    def stop(self) -> None:
        """End, and close the port."""
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away in the middle is nothing to print a traceback for."""
        log.debug("metrics: a request has failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    routes: Mapping[str, Route] = {}
    timeout = _PATIENCE_SECONDS
    server_version = "taskq"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer with a page."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer without one."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        route = self.routes.get(self.path.partition("?")[0])
        if route is None:
            page = Page(f"there are {', '.join(sorted(self.routes))}\n".encode(), 404)
        else:
            try:
                page = route()
            except Exception:
                log.exception("metrics: %s has failed", self.path.partition("?")[0])
                page = Page(b"failed; the log says why\n", 500)
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if with_body:
            self.wfile.write(page.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Probes ask every few seconds; the log is for what matters."""
