"""Sentinel sets and clusters of real processes, ready in a fraction of a second: what they would have to learn of each
other is written into their configuration beforehand."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from redis.crc import key_slot

from tests.servers import HOST, ServerProcess, connect, free_port, private_binary
from tests.waiting import eventually

SERVICE = "main"
SLOTS = 16_384
_REPLICATION = ("repl-diskless-sync-delay 0", "repl-ping-replica-period 1", "appendfsync no")


def ask(port: int, *command: str | int, timeout_seconds: float = 2.0) -> Any:
    """Send one command to a port of this machine, on a connection of its own."""
    with connect(f"redis://{HOST}:{port}/0?socket_timeout={timeout_seconds}") as client:
        return client.execute_command(*command)  # type: ignore[no-untyped-call]  # redis-py has not typed it


def _quietly(port: int, *command: str | int) -> Any:
    with contextlib.suppress(redis.RedisError):
        return ask(port, *command, timeout_seconds=0.5)


def _pairs(reply: Any) -> dict[str, str]:
    if isinstance(reply, str):
        return dict(line.split(":", 1) for line in reply.split("\r\n") if ":" in line)
    if isinstance(reply, dict):
        return reply
    return dict(zip(reply[::2], reply[1::2], strict=True)) if reply else {}


def accepts_writes(port: int, root: str = "") -> bool:
    """Return whether a server takes a write now; ``root`` gives the slot in a cluster."""
    return bool(_quietly(port, "SET", f"{root}accepts-writes", 1, "PX", 1))


def _identity(word: str | int) -> str:
    return hashlib.sha1(str(word).encode()).hexdigest()


class SentinelSet:
    """A primary, a replica and three sentinels.

    Args:
        folder: for their data.
        config: further lines for the primary.
        primary_port: at which the others meet the primary, if not at its own: the port of a link that may be cut.
        down_after_ms: silence after which a sentinel takes a server for dead.
    """

    def __init__(
        self, folder: Path, config: Sequence[str] = (), primary_port: int | None = None, down_after_ms: int = 500
    ) -> None:
        self._folder = folder
        self.primary = ServerProcess(private_binary(), folder / "primary", (*_REPLICATION, *config))
        self.seen_port = primary_port
        self._down_after_ms = down_after_ms
        self.replica: ServerProcess
        self.ports = [free_port() for _ in range(3)]
        self._sentinels: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        seeds = ",".join(f"{HOST}:{port}" for port in self.ports)
        return f"redis+sentinel://{seeds}/{SERVICE}/0"

    def start(self) -> Self:
        """Start all, and wait until the replica follows and the sentinels agree."""
        self.primary.start()
        seen = self.seen_port or self.primary.port
        lines = (*_REPLICATION, f"replicaof {HOST} {seen}")
        self.replica = ServerProcess(private_binary(), self._folder / "replica", lines).start()
        eventually(self._follows, what="a replica that follows")
        self._sentinels = [self._start_sentinel(index, seen) for index in range(3)]
        eventually(self.agreed, what="sentinels that agree")
        return self

    def _follows(self) -> bool:
        return ask(self.replica.port, "INFO", "replication")["master_link_status"] == "up"

    def _start_sentinel(self, index: int, primary_port: int) -> subprocess.Popen[bytes]:
        folder = self._folder / f"sentinel-{index}"
        folder.mkdir(parents=True)
        ids = [_identity(port) for port in self.ports]
        lines = [
            f"port {self.ports[index]}",
            f"bind {HOST}",
            f"sentinel myid {ids[index]}",
            f"sentinel monitor {SERVICE} {HOST} {primary_port} 2",
            f"sentinel down-after-milliseconds {SERVICE} {self._down_after_ms}",
            f"sentinel failover-timeout {SERVICE} 3000",
            f"sentinel known-replica {SERVICE} {HOST} {self.replica.port}",
        ]
        lines += [
            f"sentinel known-sentinel {SERVICE} {HOST} {port} {other}"
            for port, other in zip(self.ports, ids, strict=True)
            if other != ids[index]
        ]
        config = folder / "sentinel.conf"
        config.write_text("\n".join(lines) + "\n")
        with (folder / "out").open("ab") as out:
            return subprocess.Popen(
                [private_binary(), config, "--sentinel"], cwd=folder, stdout=out, stderr=out, start_new_session=True
            )

    def _peers(self, port: int) -> int:
        return int(_pairs(_quietly(port, "SENTINEL", "MASTER", SERVICE)).get("num-other-sentinels", 0))

    def agreed(self) -> bool:
        """Return whether every sentinel knows the others and a replica that follows."""
        for port in self.ports:
            if self._peers(port) != 2 or _quietly(port, "SENTINEL", "CKQUORUM", SERVICE) is None:
                return False
            replicas = _quietly(port, "SENTINEL", "REPLICAS", SERVICE) or []
            if not any(_pairs(replica).get("master-link-status") == "ok" for replica in replicas):
                return False
        return True

    def primary_port(self) -> int:
        """Return the port of the primary in the eyes of the first sentinel."""
        return int(ask(self.ports[0], "SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])

    def fail_over(self) -> None:
        """Begin a planned failover."""
        ask(self.ports[0], "SENTINEL", "FAILOVER", SERVICE)

    def sentinel(self, index: int) -> subprocess.Popen[bytes]:
        """Return the process of a sentinel."""
        return self._sentinels[index]

    def stop(self) -> None:
        """End all."""
        for process in self._sentinels:
            process.kill()
            process.wait()
        self.primary.stop()
        if hasattr(self, "replica"):
            self.replica.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Cluster:
    """Some masters, the slots shared out in equal parts, each with some replicas.

    Args:
        folder: for their data.
        masters: how many.
        replicas: of each master.
        config: further lines for the nodes.
    """

    def __init__(self, folder: Path, masters: int = 3, replicas: int = 1, config: Sequence[str] = ()) -> None:
        count = masters * (1 + replicas)
        self.masters = masters
        self.ids = [_identity(f"{folder}-{index}") for index in range(count)]
        self._bus = [free_port() for _ in range(count)]
        lines = (
            *config,
            *_REPLICATION,
            "cluster-enabled yes",
            "cluster-node-timeout 1000",
            "cluster-replica-validity-factor 0",
        )
        self.nodes = [
            ServerProcess(private_binary(), folder / f"node-{index}", (*lines, f"cluster-port {self._bus[index]}"))
            for index in range(count)
        ]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"{HOST}:{node.port}" for node in self.nodes[: self.masters])

    def start(self) -> Self:
        """Start all, and wait until every node finds the cluster in order."""
        for index, node in enumerate(self.nodes):
            node.data_dir.mkdir(parents=True)
            (node.data_dir / "nodes.conf").write_text(self._table(index))
            node.start()
        eventually(self.in_order, 20, "a cluster in order")
        return self

    def _table(self, myself: int) -> str:
        lines = []
        for index, node in enumerate(self.nodes):
            me = "myself," if index == myself else ""
            address = f"{self.ids[index]} {HOST}:{node.port}@{self._bus[index]}"
            if index < self.masters:
                first, end = (SLOTS * i // self.masters for i in (index, index + 1))
                lines.append(f"{address} {me}master - 0 0 {index + 1} connected {first}-{end - 1}")
            else:
                master = index % self.masters
                lines.append(f"{address} {me}slave {self.ids[master]} 0 0 {master + 1} connected")
        return "\n".join(lines) + f"\nvars currentEpoch {self.masters} lastVoteEpoch 0\n"

    def in_order(self) -> bool:
        """Return whether every node sees all slots served, and every replica follows."""
        for node in self.nodes:
            info = _pairs(_quietly(node.port, "CLUSTER", "INFO"))
            if info.get("cluster_state") != "ok" or info.get("cluster_slots_ok") != str(SLOTS):
                return False
            replication = _quietly(node.port, "INFO", "replication") or {}
            if replication.get("role") == "slave" and replication.get("master_link_status") != "up":
                return False
        return True

    def owner(self, key: str) -> ServerProcess:
        """Return the master that serves a key, by its own account."""
        return self.nodes[self.owner_index(key_slot(key.encode()))]

    def serves(self, node: ServerProcess, key: str) -> bool:
        """Return whether a node serves a key; while a slot moves, it may be that none does."""
        try:
            return self.owner(key) is node
        except AssertionError:
            return False

    def owner_index(self, slot: int) -> int:
        """Return the number of the node that serves a slot, by its own account."""
        for index, node in enumerate(self.nodes):
            for first, last, master, *_ in _quietly(node.port, "CLUSTER", "SLOTS") or []:
                if int(first) <= slot <= int(last) and master[1] == node.port:
                    return index
        raise AssertionError(f"no node serves slot {slot}")

    def replica_of(self, node: ServerProcess) -> ServerProcess:
        """Return a replica that follows a node."""
        for other in self.nodes:
            info = _quietly(other.port, "INFO", "replication") or {}
            if info.get("role") == "slave" and int(info["master_port"]) == node.port:
                return other
        raise AssertionError("it has no replica")

    def migrate(self, key: str, target: ServerProcess, pause: Callable[[], object]) -> int:
        """Move the slot of a key to another master as resharding tools do; return how many keys were in it.

        Args:
            key: any key of the slot.
            target: the new owner.
            pause: called in the middle, when some of the keys have moved.
        """
        slot, source = key_slot(key.encode()), self.owner(key)
        ask(target.port, "CLUSTER", "SETSLOT", slot, "IMPORTING", ask(source.port, "CLUSTER", "MYID"))
        ask(source.port, "CLUSTER", "SETSLOT", slot, "MIGRATING", ask(target.port, "CLUSTER", "MYID"))
        moved = 0
        while keys := ask(source.port, "CLUSTER", "GETKEYSINSLOT", slot, 20):
            ask(source.port, "MIGRATE", HOST, target.port, "", 0, 5000, "KEYS", *keys)
            moved += len(keys)
            if moved == len(keys):
                pause()
        for node in (target, source):
            ask(node.port, "CLUSTER", "SETSLOT", slot, "NODE", ask(target.port, "CLUSTER", "MYID"))
        return moved

    def stop(self) -> None:
        """End all."""
        for node in self.nodes:
            node.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
