"""Who may come in, and what a browser is told not to do: around the whole app, so no page can forget it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from taskq.web.options import DashboardOptions

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CSRF_COOKIE = "taskq_csrf"
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # not no-referrer: then a browser would not tell the origin of a form
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Refusal(Exception):
    """A request that is not answered.

    Args:
        status: of HTTP.
        text: why, and what to do.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def csrf_token(cookie: str) -> str:
    """Return what a form has to carry, of a browser that has this cookie."""
    return hmac.new(cookie.encode(), b"taskq dashboard form", hashlib.sha256).hexdigest()


class Guard:
    """Asks for a known host, for the token, and for the origin of a form; adds the headers of safety.

    Args:
        app: what is guarded.
        options: of the dashboard.
        stop: ends what goes on and on; called by a server that is about to stop.
    """

    def __init__(self, app: App, options: DashboardOptions, stop: Callable[[], object]) -> None:
        self._app = app
        self.stop = stop
        self._options = options
        self._digest = hashlib.sha256(options.secret.encode()).digest() if options.token is not None else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        cookie = _cookie_of(headers.get("cookie", ""))
        new = cookie is None
        scope["taskq.csrf"] = cookie = cookie or secrets.token_hex(16)
        extra = dict(_HEADERS)
        if new:
            secure = "; Secure" if scope.get("scheme") == "https" else ""
            path = scope.get("root_path") or "/"
            extra["set-cookie"] = f"{CSRF_COOKIE}={cookie}; Path={path}; HttpOnly; SameSite=Strict{secure}"

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = [(name, value) for name, value in message.get("headers", []) if name.decode() not in _HEADERS]
                told = {name for name, _ in given}
                if b"cache-control" not in told:
                    extra.setdefault("cache-control", "no-store")
                message["headers"] = given + [(name.encode(), value.encode("latin-1")) for name, value in extra.items()]
            await send(message)

        try:
            self._check(scope["method"], headers)
        except Refusal as refusal:
            await _refuse(refusal, send_guarded)
            return
        await self._app(scope, receive, send_guarded)

    def _check(self, method: str, headers: dict[str, str]) -> None:
        host = headers.get("host", "")
        if not self._options.knows_host(host):
            raise Refusal(
                400,
                f"This dashboard is not known under the name {host!r:.100}. Add it with --allow-host NAME, or with "
                "hosts=[...] of DashboardOptions.",
            )
        given = headers.get("authorization", "")
        if self._digest is not None and not self._knows_token(given):
            wrong = "What was given is not the token of this dashboard, so nothing is shown. " if given else ""
            raise Refusal(
                401,
                f"{wrong}The token of the dashboard is asked for: as the password, with any user name, or as a bearer "
                "token. Whoever runs the dashboard has it in TASKQ_DASHBOARD_TOKEN, or passed it as token=.",
            )
        if method in ("GET", "HEAD"):
            return
        if method != "POST":
            raise Refusal(405, "Only GET, HEAD and POST are answered.")
        if not self._options.allow_actions:
            raise Refusal(403, "This dashboard only shows. Start it with --allow-actions to change something.")
        origin = urlsplit(headers.get("origin", ""))
        if origin.scheme not in ("http", "https") or origin.netloc.lower() != host.lower():
            raise Refusal(403, "This form came from another site, so nothing was changed. Open the dashboard itself.")

    def _knows_token(self, header: str) -> bool:
        scheme, _, words = header.partition(" ")
        given = words.strip()
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).decode("utf-8", "replace").partition(":")[2]
            except binascii.Error:
                return False
        elif scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(hashlib.sha256(given.encode()).digest(), self._digest or b"")


def _cookie_of(header: str) -> str | None:
    try:
        found = SimpleCookie(header).get(CSRF_COOKIE)
    except CookieError:
        return None
    return found.value if found is not None and len(found.value) == 32 and found.value.isalnum() else None


async def _refuse(refusal: Refusal, send: Send) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if refusal.status == 401:
        headers.append((b"www-authenticate", b'Basic realm="taskq", charset="UTF-8"'))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": refusal.text.encode()})
