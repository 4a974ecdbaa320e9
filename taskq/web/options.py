"""What a dashboard may do and show, and who may look."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from taskq.errors import SettingsError
from taskq.kinds import LEAST_TOKEN_CHARS, Secret

# Names of fields whose values are never shown, in payloads, metadata, results, progress and checkpoints.
HIDDEN_FIELDS = (
    r"pass(word|wd|phrase)?s?$|pwd$|secret|token|api_?-?key|private_?-?key|auth(orization)?$|bearer|cookie|credential|"
    r"session_?-?id|ssn$|card_?-?number|cvv|iban"
)

# a name, or an address that the dashboard is bound to
_HOST_NAME = re.compile(r"[\w.\-]+\Z|[0-9a-fA-F:.]+(%\w+)?\Z")


@dataclass(frozen=True, slots=True)
class DashboardOptions:
    """How a dashboard behaves.

    Args:
        token: what a visitor has to know, as the password of basic authentication (any user name) or as a bearer token.
        trusted: whether something around the app lets in only those who may look: your own middleware, or a socket that
            nobody else can reach. Either this or ``token``.
        allow_actions: whether tasks, queues, schedules and dead letters may be changed; else it only shows.
        hosts: names under which the dashboard is reached, without port. IP addresses and ``localhost`` always work;
            ``*`` allows every name.
        hide_payloads: show no payload, metadata, result, progress or checkpoint at all.
        hidden_fields: a regular expression; fields whose name it is found in, whatever the case, are shown as dots.
        interval_seconds: between two looks for what is shown live, whatever the number of visitors.

    Raises:
        SettingsError: if neither ``token`` nor ``trusted`` is given, the token is short, or a value cannot be used.
    """

    token: Secret | str | None = field(default=None, repr=False)
    trusted: bool = False
    allow_actions: bool = False
    hosts: Sequence[str] = ()
    hide_payloads: bool = False
    hidden_fields: str = HIDDEN_FIELDS
    interval_seconds: float = 2.0

    def __post_init__(self) -> None:
        if self.token is None and not self.trusted:
            raise SettingsError(
                "a dashboard without a token would show every task to everybody who can reach it: pass token=..., or "
                "trusted=True if the app around it asks who comes"
            )
        if self.token is not None and len(self.secret) < LEAST_TOKEN_CHARS:
            raise SettingsError(
                f"the token of the dashboard has fewer than {LEAST_TOKEN_CHARS} characters: make one up with "
                "python -c 'import secrets; print(secrets.token_urlsafe(24))'"
            )
        for host in self.hosts:
            if host != "*" and not _HOST_NAME.match(host):
                raise SettingsError(
                    f"{host!r:.100} is no name of a host: give it without scheme, port and path, such as "
                    "tasks.example.com, or * for every name"
                )
        if not 0.2 <= self.interval_seconds <= 60:
            raise SettingsError(f"interval_seconds is {self.interval_seconds!r}: use 0.2 to 60 seconds")
        try:
            re.compile(self.hidden_fields)
        except re.error as error:
            raise SettingsError(f"hidden_fields is no regular expression: {error}") from None

    @property
    def secret(self) -> str:
        """The token as text; empty if there is none."""
        return self.token.reveal() if isinstance(self.token, Secret) else self.token or ""

    def knows_host(self, header: str) -> bool:
        """Return whether a ``Host`` header names this dashboard.

        A page of another site can make a browser come here under a name that it controls (DNS rebinding), but not under
        an IP address.
        """
        name = header.strip().lower()
        if name.startswith("["):
            name = name[1:].partition("]")[0] if "]" in name else ""
        elif name.count(":") == 1:
            name = name.partition(":")[0]
        if name == "localhost" or "*" in self.hosts or name in (host.lower() for host in self.hosts):
            return bool(name)
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a socket that is bound to ``host``."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
