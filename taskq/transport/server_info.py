"""What a server says about itself, read with plain commands, for ``taskq doctor`` and ``taskq task show``.

An ACL may forbid any of them; then the reading says so and goes on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from taskq.protocol.keys import FAMILIES, Keys
from taskq.protocol.replies import pairs
from taskq.transport.access import AccessReading, read_access
from taskq.transport.blocking import Transport
from taskq.transport.failures import ReplyError, Unsure, check
from taskq.transport.wire import Wire, pack

CONFIG_NAMES = ("appendfsync", "save", "tcp-keepalive", "min-replicas-to-write", "bind", "protected-mode")

# A look at other namespaces must not walk through a large database that is shared with others.
_SCAN_ROUNDS = 50
_SCAN_COUNT = 1000
_MAX_PREFIXES = 5
# A rough figure is enough; each costs two round trips.
_SAMPLE = 100


@dataclass(frozen=True, slots=True)
class ServerReading:
    """What the server of a namespace was found to be.

    Attributes:
        info: the fields of INFO; empty if it is forbidden.
        config: the values of ``CONFIG_NAMES``; empty if they are forbidden.
        clock_ahead_ms: how far the server's clock is ahead of this machine's; None if TIME is forbidden.
        round_trip_ms: time of the quickest command.
        meta: the hash ``meta`` of the namespace; empty before its first worker.
        other_prefixes: namespaces beside it, a few at most; looked for only if ``meta`` is empty.
        twin: whether the same prefix is in use in its other form, with or without the braces of a cluster.
        bytes_of_namespace: about how much memory it takes, by a sample; None if that cannot be asked.
        access: what the user may do.
        waitaof: whether the server knows WAITAOF.
        refused: first word of each command that was refused -> the reply.
    """

    info: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    clock_ahead_ms: float | None = None
    round_trip_ms: float = 0.0
    meta: Mapping[str, str] = field(default_factory=dict)
    other_prefixes: tuple[str, ...] = ()
    twin: bool = False
    bytes_of_namespace: int | None = None
    access: AccessReading = field(default_factory=AccessReading)
    waitaof: bool = False
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def product(self) -> tuple[str, str]:
        """Name and version of the server, such as ``("Valkey", "9.1.2")``; empty texts if it does not tell."""
        for name, key in (("Valkey", "valkey_version"), ("Dragonfly", "dragonfly_version"), ("Redis", "redis_version")):
            if key in self.info:
                return name, self.info[key]
        return "", ""

    def number(self, name: str) -> int:
        """Return a field of INFO as a whole number; 0 if it is missing or is none."""
        try:
            return int(self.info.get(name, 0))
        except ValueError:
            return 0


def why_not_connected(transport: Transport) -> str | None:
    """Try once to connect.

    Returns:
        Why no server answers now; None if one does. The connection stays in the pool for the next call.

    Raises:
        TaskqError: if the server will not have us.
    """
    with transport.line() as line:
        try:
            line.wire()
        except Unsure as doubt:
            return str(doubt).rstrip(".")
    return None


def read_server(transport: Transport, keys: Keys) -> ServerReading:
    """Read what the server says about itself and the namespace.

    Args:
        transport: leads to the server.
        keys: of the namespace.

    Raises:
        ServerUnavailable: if no server answers; nothing is repeated.
        AccessDenied: if it wants a password, or another one.
    """
    with transport.wire() as wire:
        reader = _Reader(wire)
        clock_ahead_ms, round_trip_ms = reader.clock()
        meta = pairs(reader.ask("HGETALL", keys.key("meta")) or [])
        twin = Keys(keys.prefix, not keys.hash_tag).key("meta")
        durability = transport.settings.durability
        return ServerReading(
            info=reader.info(),
            config=reader.config(),
            clock_ahead_ms=clock_ahead_ms,
            round_trip_ms=round_trip_ms,
            meta=meta,
            other_prefixes=() if meta else reader.prefixes(),
            twin=not transport.endpoint.clustered and reader.ask("HEXISTS", twin, "uuid") == 1,
            bytes_of_namespace=reader.bytes_below(keys.root),
            access=read_access(reader.ask, keys.root, durability),
            waitaof=reader.knows("waitaof"),
            refused=reader.refused,
        )


def read_due_ms(transport: Transport, keys: Keys, task_id: str) -> int | None:
    """Return when a delayed task falls due, in ms since the epoch; None if it is not delayed, or nobody may ask.

    Raises:
        ServerUnavailable: if no server answers.
    """
    with transport.wire() as wire:
        reply = wire.request(pack(("ZSCORE", keys.key("scheduled"), task_id)))
    return int(float(reply)) if isinstance(reply, bytes) else None


class _Reader:
    """One command after another on one connection; what is refused is noted."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.refused: dict[str, str] = {}

    def ask(self, *command: str | bytes) -> Any:
        """Return a reply, None if the command is refused."""
        reply = self._wire.request(pack(command))
        if not isinstance(reply, ReplyError):
            return reply
        if reply.code in ("LOADING", "BUSY", "MASTERDOWN"):
            check(reply)
        self.refused[str(command[0])] = str(reply)
        return None

    def clock(self) -> tuple[float | None, float]:
        """Return how far the server's clock is ahead and the time of one round trip, in ms, from the best of five."""
        best: tuple[float, float] | None = None
        for _ in range(5):
            sent, began = time.time(), time.perf_counter()
            reply: Sequence[bytes] | None = self.ask("TIME")
            took = time.perf_counter() - began
            if reply is None:
                return None, took * 1000
            server = int(reply[0]) + int(reply[1]) / 1_000_000
            if best is None or took < best[1]:
                best = server - (sent + took / 2), took
        assert best is not None
        return best[0] * 1000, best[1] * 1000

    def info(self) -> dict[str, str]:
        """Return the fields of INFO."""
        lines = (self.ask("INFO") or b"").decode("utf-8", "replace").splitlines()
        rows = (line.partition(":") for line in lines if not line.startswith("#"))
        return {name: value for name, colon, value in rows if colon}

    def config(self) -> dict[str, str]:
        """Return the settings of ``CONFIG_NAMES``."""
        values: dict[str, str] = {}
        for name in CONFIG_NAMES:
            values |= pairs(self.ask("CONFIG", "GET", name) or [])
        return values

    def knows(self, command: str) -> bool:
        """Return whether the server has a command."""
        return command.encode() in (self.ask("COMMAND", "LIST", "FILTERBY", "PATTERN", command) or [])

    def bytes_below(self, root: str) -> int | None:
        """Return about how much memory the keys below a root take, by a sample of all keys; None if it is refused."""
        total = self.ask("DBSIZE")
        if total is None:
            return None
        size = sampled = 0
        for _ in range(min(total, _SAMPLE)):
            key = self.ask("RANDOMKEY")
            if key is None:
                return None if "RANDOMKEY" in self.refused else 0
            sampled += 1
            if key.startswith(root.encode()):
                usage = self.ask("MEMORY", "USAGE", key)
                if "MEMORY" in self.refused:
                    return None
                size += usage or 0
        return size * total // sampled if sampled else 0

    def prefixes(self) -> tuple[str, ...]:
        """Return the prefixes of namespaces that have had a worker."""
        suffix = f":{FAMILIES['meta']}"
        found: list[str] = []
        cursor = "0"
        for _ in range(_SCAN_ROUNDS):
            reply = self.ask("SCAN", cursor, "MATCH", f"*{suffix}", "COUNT", str(_SCAN_COUNT), "TYPE", "hash")
            if reply is None:
                break
            cursor = reply[0].decode()
            keys = (key for key in reply[1] if self.ask("HEXISTS", key, "uuid") == 1)
            found += [key.decode("utf-8", "replace").removesuffix(suffix).strip("{}") for key in keys]
            if cursor == "0" or len(found) >= _MAX_PREFIXES:
                break
        return tuple(sorted(found)[:_MAX_PREFIXES])


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """How a server is doing.

    Attributes:
        memory_bytes: in use.
        limit_bytes: its maxmemory; 0 if it has none.
        clients: connections.
        replicas: that are connected.
        aof: whether it keeps an append-only file.
        persistence_ok: whether its last saving and writing worked.
        evicted_keys: thrown away since it was started.
        known: whether it may be asked at all; the numbers are 0 if not.
    """

    memory_bytes: int = 0
    limit_bytes: int = 0
    clients: int = 0
    replicas: int = 0
    aof: bool = False
    persistence_ok: bool = True
    evicted_keys: int = 0
    known: bool = False

    @property
    def memory_share(self) -> float:
        """Memory in use as a share of the limit; 0 if there is none."""
        return self.memory_bytes / self.limit_bytes if self.limit_bytes else 0.0


def read_load(transport: Transport) -> ServerLoad:
    """Return how the server of a namespace is doing, by one command.

    Raises:
        ServerUnavailable: if no server answers.
    """
    with transport.wire() as wire:
        reading = ServerReading(info=_Reader(wire).info())
    info = reading.info
    wrong = [info.get(name, "ok") != "ok" for name in ("rdb_last_bgsave_status", "aof_last_write_status")]
    return ServerLoad(
        memory_bytes=reading.number("used_memory"),
        limit_bytes=reading.number("maxmemory"),
        clients=reading.number("connected_clients"),
        replicas=reading.number("connected_slaves"),
        aof=reading.number("aof_enabled") == 1,
        persistence_ok=not any(wrong),
        evicted_keys=reading.number("evicted_keys"),
        known=bool(info),
    )
