"""Where the server is: single, over TLS or a socket file, behind Sentinel, or the node of a cluster that owns a slot.

Every connection is resolved anew, so that a failover or a moved slot is followed by connecting again; a connection to
a server that is no longer in charge is broken from here.
"""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import redis.asyncio.connection as async_connection
import redis.connection as sync_connection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from taskq.errors import SettingsError
from taskq.settings import Settings, redact_url
from taskq.transport.cluster import Slots
from taskq.transport.directory import Address, Connections, Directory, shared
from taskq.transport.failures import Unsure, from_redis
from taskq.transport.sentinel import Sentinels

_KEEPALIVE = {
    getattr(socket, name): value
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}
# An address that was looked up may be out of date: a host that is gone must not be waited for as long as a slow one.
_MOST_CONNECT_SECONDS = 1.0
# What a node has said is for the connection that follows; it may be wrong by the next failover.
_TOLD_SECONDS = 1.0
_ASYNC_CLASS = {
    sync_connection.Connection: async_connection.Connection,
    sync_connection.SSLConnection: async_connection.SSLConnection,
    sync_connection.UnixDomainSocketConnection: async_connection.UnixDomainSocketConnection,
}


class Endpoint:
    """The address of a namespace.

    Args:
        url: ``redis://``, ``rediss://``, ``unix://``, ``redis+sentinel://host:port,.../service/db`` or
            ``redis+cluster://host:port,...``; ``rediss+`` forms use TLS.
        settings: for the timeouts.
        slot_key: in a cluster, a key of the slot that is meant.

    Raises:
        SettingsError: if the URL cannot be used.
    """

    def __init__(self, url: str, settings: Settings, slot_key: str = "") -> None:
        self.url = url
        self.shown = redact_url(url)
        self.slot_key = slot_key
        self.connections = Connections()
        self._told: tuple[Address, float] | None = None
        scheme, _, rest = url.partition("://")
        base, _, self.topology = scheme.partition("+")
        try:
            if self.topology:
                self._seeds, self._service, plain = _split_topology(base, rest)
            else:
                plain = url
            options = sync_connection.parse_url(plain)  # type: ignore[no-untyped-call]  # redis-py has not typed it
            if self.topology:
                del options["host"]  # comes from each look-up
        except ValueError as error:
            raise SettingsError(f"the server address {self.shown!r} cannot be used: {error}") from None
        self._class = options.pop("connection_class", sync_connection.Connection)
        self._sentinel_auth = {name: options.pop(f"sentinel_{name}", None) for name in ("username", "password")}
        for ignored in ("max_connections", "timeout", "retry_on_timeout"):  # of redis-py's pool, which is not used
            options.pop(ignored, None)
        self._options: dict[str, Any] = {
            "socket_timeout": settings.socket_timeout_seconds,
            "socket_connect_timeout": settings.connect_timeout_seconds,
            "protocol": 2,
            "client_name": "taskq",
            **options,
        }
        if self.topology:
            self._options["socket_connect_timeout"] = min(_MOST_CONNECT_SECONDS, settings.connect_timeout_seconds)
        if self._class is not sync_connection.UnixDomainSocketConnection:
            self._options |= {"socket_keepalive": True, "socket_keepalive_options": _KEEPALIVE}

    @property
    def clustered(self) -> bool:
        """Whether keys need a hash tag."""
        return self.topology == "cluster"

    def connect(self) -> sync_connection.AbstractConnection:
        """Return a connection that has shaken hands.

        Raises:
            Unsure: if nobody answers now.
            TaskqError: if the server will not have us.
        """
        try:
            address = self._resolve()
            # redis-py would repeat commands by itself; only the call layer may, because it keeps the arguments
            connection: sync_connection.AbstractConnection = self._class(
                **self._options, **_named(address), retry=Retry(NoBackoff(), 0)
            )
            self._note(connection, address)
            connection.connect()  # type: ignore[no-untyped-call]  # redis-py has not typed it
        except RedisError as error:
            raise from_redis(error, self.shown) from error
        return connection

    async def connect_async(self) -> async_connection.AbstractConnection:
        """As ``connect``, for asyncio. Sentinel and cluster look-ups run in a thread."""
        try:
            address = await asyncio.to_thread(self._resolve) if self.topology else None
            connection: async_connection.AbstractConnection = _ASYNC_CLASS[self._class](
                **self._options, **_named(address), retry=AsyncRetry(NoBackoff(), 0)
            )
            self._note(connection, address)
            await connection.connect()  # type: ignore[no-untyped-call]  # redis-py has not typed it
        except RedisError as error:
            raise from_redis(error, self.shown) from error
        return connection

    def heed(self, doubt: Unsure) -> None:
        """Take note of where a node says that the slot is now; other nodes may learn of it later than the next try."""
        if doubt.moved_to is not None:
            self._told = doubt.moved_to, time.monotonic()

    def released(self) -> None:
        """Take note that connections were closed; when none is left, nobody needs to look out for them."""
        if self.topology and self.connections.empty:
            self._directory().forget(self)

    def _resolve(self) -> Address | None:
        if not self.topology:
            return None
        told, self._told = self._told, None
        if told is not None and time.monotonic() - told[1] < _TOLD_SECONDS:
            return told[0]
        return self._directory().find(self.slot_key)

    def _note(self, connection: object, address: Address | None) -> None:
        if address is not None:
            # before it is connected: a server that hangs may do so in the middle of the handshake
            self.connections.add(connection, address)
            self._directory().watch(self)

    def _directory(self) -> Directory:
        if self.topology == "sentinel":
            return shared(f"{self.url} {self._options}", self._sentinels)
        return shared(f"{self.url} {self._options}", self._slots)

    def _sentinels(self) -> Directory:
        options = {name: self._options[name] for name in ("socket_timeout", "client_name")}
        servers = {**self._options, "connection_class": self._class}
        return Sentinels(self._seeds, self._service, {**options, **self._sentinel_auth}, servers)

    def _slots(self) -> Directory:
        options = {name: value for name, value in self._options.items() if name != "db"}
        return Slots(self._seeds, {**options, "connection_class": self._class})


def _named(address: Address | None) -> dict[str, Any]:
    return {"host": address[0], "port": address[1]} if address else {}


def _split_topology(base: str, rest: str) -> tuple[list[tuple[str, int]], str, str]:
    """Return the seeds, the Sentinel service name, and a plain URL that carries user, password, db and options."""
    split = urlsplit(f"redis://x/{'?' + rest.partition('?')[2] if '?' in rest else ''}")
    authority, _, path = rest.partition("?")[0].partition("/")
    credentials, at, hosts = authority.rpartition("@")
    seeds = []
    for host in hosts.split(","):
        name, colon, port = host.rpartition(":")
        if not name or not colon or not port.isdigit():
            raise ValueError(f"{host!r} is not host:port")
        seeds.append((unquote(name).strip("[]"), int(port)))
    parts = [unquote(part) for part in path.split("/") if part]
    service = parts.pop(0) if parts and not parts[0].isdigit() else "mymaster"
    db = parts[0] if parts else "0"
    query = f"?{split.query}" if parse_qs(split.query) else ""
    return seeds, service, f"{base}://{credentials}{at}placeholder/{db}{query}"
