"""Where the server is: single, over TLS or a socket file, behind Sentinel, or the node of a cluster that owns a slot.

Every connection is resolved anew, so that a failover or a moved slot is followed by connecting again.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import redis
import redis.asyncio.connection as async_connection
import redis.connection as sync_connection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisClusterException, RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel

from taskq.errors import SettingsError
from taskq.settings import Settings, redact_url
from taskq.transport.failures import from_redis

_KEEPALIVE = {
    getattr(socket, name): value
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}
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
        self._slot_key = slot_key
        self._timeout = settings.socket_timeout_seconds
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
            # redis-py would repeat commands by itself; only the call layer may, because it keeps the arguments
            connection: sync_connection.AbstractConnection = self._class(
                **self._options, **self._resolve(), retry=Retry(NoBackoff(), 0)
            )
            connection.connect()  # type: ignore[no-untyped-call]  # redis-py has not typed it
        except (RedisError, RedisClusterException) as error:
            raise from_redis(error, self.shown) from error
        return connection

    async def connect_async(self) -> async_connection.AbstractConnection:
        """As ``connect``, for asyncio. Sentinel and cluster look-ups run in a thread."""
        try:
            address = self._resolve() if not self.topology else await _in_thread(self._resolve)
            connection: async_connection.AbstractConnection = _ASYNC_CLASS[self._class](
                **self._options, **address, retry=AsyncRetry(NoBackoff(), 0)
            )
            await connection.connect()  # type: ignore[no-untyped-call]  # redis-py has not typed it
        except (RedisError, RedisClusterException) as error:
            raise from_redis(error, self.shown) from error
        return connection

    def _resolve(self) -> dict[str, Any]:
        if self.topology == "sentinel":
            sentinel = Sentinel(  # type: ignore[no-untyped-call]  # redis-py has not typed it
                self._seeds,
                sentinel_kwargs={
                    "socket_timeout": min(1.0, self._timeout),
                    **self._sentinel_auth,
                    "retry": Retry(NoBackoff(), 0),
                },
            )
            host, port = sentinel.discover_master(self._service)  # type: ignore[no-untyped-call]  # redis-py has not typed it
            for client in sentinel.sentinels:
                client.close()
            return {"host": host, "port": port}
        if self.topology == "cluster":
            return self._owner_of_slot()
        return {}

    def _owner_of_slot(self) -> dict[str, Any]:
        auth = {name: self._options[name] for name in ("username", "password") if name in self._options}
        tls = {name: value for name, value in self._options.items() if name.startswith("ssl_")}
        cluster = RedisCluster(
            startup_nodes=[ClusterNode(*seed) for seed in self._seeds],  # type: ignore[no-untyped-call]  # redis-py has not typed it
            socket_timeout=self._timeout,
            ssl=self._class is sync_connection.SSLConnection,
            protocol=2,
            **auth,
            **tls,
        )
        try:
            node = cluster.get_node_from_key(self._slot_key)  # type: ignore[no-untyped-call]  # redis-py has not typed it
            if node is None:
                raise redis.exceptions.ClusterDownError("no node owns the slot of this namespace")
            return {"host": node.host, "port": node.port}
        finally:
            cluster.close()


async def _in_thread(function: Any) -> Any:
    return await asyncio.to_thread(function)


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
