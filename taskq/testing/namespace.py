"""Look at all keys of a namespace, and remove them, without a command that holds a large server up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from taskq.protocol.audit import audit
from taskq.protocol.operation import Argument
from taskq.queue import TaskQueue
from taskq.transport.failures import check
from taskq.transport.wire import Wire, pack

_SCAN_COUNT = 1000
_KEYS_PER_CALL = 500
_READS: dict[str, tuple[str, ...]] = {
    "string": ("GET",),
    "list": ("LRANGE", "0", "-1"),
    "set": ("SMEMBERS",),
    "hash": ("HGETALL",),
    "zset": ("ZRANGE", "0", "-1", "WITHSCORES"),
}


class NamespaceKeys:
    """The keys of the namespace of a queue, on a connection of its own.

    Args:
        queue: of the namespace.
    """

    def __init__(self, queue: TaskQueue) -> None:
        self._root = queue.namespace.protocol.keys.root
        self._wire = Wire(queue.namespace.endpoint, queue.settings.socket_timeout_seconds)

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()

    def names(self) -> Iterator[bytes]:
        """Yield every key; one that comes or goes meanwhile may be left out or come twice."""
        escaped = "".join(f"\\{char}" if char in "[]*?^\\" else char for char in self._root)
        cursor: bytes | str = "0"
        while True:
            cursor, found = self.ask("SCAN", cursor, "MATCH", f"{escaped}*", "COUNT", _SCAN_COUNT)
            yield from found
            if cursor in (b"0", "0"):
                return

    def dump(self) -> tuple[int, list[Any]]:
        """Return server time in ms and the content of all keys, as the script ``snapshot`` does.

        What is listed is read in one transaction, so it is of one instant; keys that are made between the list and the
        reading are left out. Meant for a namespace in which nothing happens.
        """
        names = sorted(set(self.names()))
        kinds = self._together([("TYPE", name) for name in names])
        known = [(name, kind.decode()) for name, kind in zip(names, kinds, strict=True) if kind.decode() in _READS]
        reads: list[Sequence[Argument]] = [("TIME",)]
        for name, kind in known:
            reads += [("TYPE", name), ("PTTL", name), (_READS[kind][0], name, *_READS[kind][1:])]
        (seconds, microseconds), *replies = self._together(reads)
        found: list[Any] = []
        for at, (name, kind) in enumerate(known):
            now, ttl_ms, content = replies[3 * at : 3 * at + 3]
            if now.decode() == kind:  # else it has gone meanwhile
                found += [name.removeprefix(self._root.encode()), kind, ttl_ms, content]
        return int(seconds) * 1000 + int(microseconds) // 1000, found

    def delete(self) -> int:
        """Delete every key; return how many there were."""
        names = sorted(set(self.names()))
        for at in range(0, len(names), _KEYS_PER_CALL):
            self.ask("UNLINK", *names[at : at + _KEYS_PER_CALL])
        return len(names)

    def _together(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        if not commands:
            return []
        self._wire.send(b"".join(pack(command) for command in [("MULTI",), *commands, ("EXEC",)]))
        for _ in range(len(commands) + 1):
            check(self._wire.read())
        replies = self._wire.read()
        check(replies)
        found: list[Any] = replies
        return found

    def ask(self, *words: Argument) -> Any:
        """Send one command and return its reply.

        Raises:
            TaskqError, Unsure: if the server refuses or does not answer.
        """
        reply = self._wire.request(pack(words))
        check(reply)
        return reply


def audit_keys(queue: TaskQueue) -> list[str]:
    """Return what the audit finds wrong with the keys of a namespace in which nothing happens.

    Args:
        queue: of the namespace.
    """
    keys = NamespaceKeys(queue)
    try:
        return audit(keys.dump(), round(queue.settings.lease_seconds * 1000))
    finally:
        keys.close()


def delete_keys(queue: TaskQueue) -> int:
    """Delete every key of a namespace; return how many there were."""
    keys = NamespaceKeys(queue)
    try:
        return keys.delete()
    finally:
        keys.close()


def ask(queue: TaskQueue, *words: Argument) -> Any:
    """Send one command to the server of a queue and return the reply.

    Raises:
        TaskqError, Unsure: if the server refuses or does not answer.
    """
    keys = NamespaceKeys(queue)
    try:
        return keys.ask(*words)
    finally:
        keys.close()
