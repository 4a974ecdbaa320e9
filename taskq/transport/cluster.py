"""Which node of a cluster serves the slot of a namespace."""

from __future__ import annotations

import contextlib
import random
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from redis.crc import key_slot
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ConnectionError,
    RedisError,
    ResponseError,
)

from taskq.transport.directory import LOOK_SECONDS, Address, Directory, ask, ask_once, connect

# What was read this long ago is read again: any number of namespaces that connect at the same moment share a table.
_FRESH_SECONDS = 0.25
# Replicas come and go, and one that was down when the table was read is missing in it.
_STALE_SECONDS = 5.0
_MOST_PER_ROUND = 16


class Range(NamedTuple):
    """Consecutive slots, who serves them and who would take over."""

    first: int
    last: int
    master: Address
    replicas: tuple[Address, ...]


class Slots(Directory):
    """The table of slots, as any one node tells it.

    Args:
        seeds: nodes to begin with; the others are learned from them.
        options: for the connections to them.
    """

    def __init__(self, seeds: Sequence[Address], options: dict[str, Any]) -> None:
        super().__init__(seeds, options)
        self._ranges: list[Range] = []
        self._read_at = float("-inf")
        # who answered last, and all others after that
        self._nodes: list[Address] = list(seeds)
        self._watched: dict[Address, Any] = {}

    def find(self, slot_key: str) -> Address:
        """Return the address of the master that serves the slot of a key.

        Raises:
            RedisError: if no node answers, or nobody serves the slot.
        """
        return self._range(slot_key).master

    def _range(self, slot_key: str) -> Range:
        with self._lock:
            if time.monotonic() - self._read_at > _FRESH_SECONDS:
                self._read()
            ranges = self._ranges
        slot = key_slot(slot_key.encode())
        index = bisect_right(ranges, slot, key=lambda item: item.first) - 1
        if index < 0 or ranges[index].last < slot:
            raise ConnectionError(f"no node serves slot {slot}, in which the keys of this namespace are")
        return ranges[index]

    def _read(self) -> None:
        errors: list[str] = []
        for node in list(self._nodes):
            try:
                reply = ask_once(node, self._options, "CLUSTER", "SLOTS")
            except (ResponseError, AuthenticationError, AuthorizationError):
                raise
            except RedisError as error:
                errors.append(str(error))
                # the last to be asked next time: one that hangs costs a whole timeout
                self._nodes.remove(node)
                self._nodes.append(node)
                continue
            self._ranges = sorted(_parse(item, node) for item in reply)
            self._read_at = time.monotonic()
            known = [address for item in self._ranges for address in (item.master, *item.replicas)]
            self._nodes = list(dict.fromkeys([node, *self._nodes, *known]))
            return
        raise ConnectionError(f"no node of the cluster answers ({'; '.join(errors)})")

    def watchers(self) -> list[Callable[[], None]]:
        """One thread that asks replicas: a cluster tells nobody of a failover by itself."""
        return [self._look_at_replicas]

    def _look_at_replicas(self) -> None:
        while self.watched:
            self._nobody.wait(LOOK_SECONDS * random.uniform(0.8, 1.0))  # noqa: S311 - spreads load, no secret
            with contextlib.suppress(RedisError):
                self._look()
                if self.unsettled or time.monotonic() - self._read_at > _STALE_SECONDS:
                    self.check()
        for connection in self._watched.values():
            connection.disconnect()

    def _look(self) -> None:
        ranges = {self._known(client.slot_key) for client in self.watched}
        replicas = sorted({random.choice(item.replicas) for item in ranges if item and item.replicas})  # noqa: S311 - no secret
        for address in random.sample(replicas, min(len(replicas), _MOST_PER_ROUND)):
            if self._is_master(address):
                with self._lock:  # it knows best
                    self._nodes = [address, *(node for node in self._nodes if node != address)]
                    self._read_at = float("-inf")
                self.changed()

    def _known(self, slot_key: str) -> Range | None:
        """Return the range of a key as it was last read."""
        slot = key_slot(slot_key.encode())
        return next((item for item in self._ranges if item.first <= slot <= item.last), None)

    def _is_master(self, address: Address) -> bool:
        """Ask a replica for its role; one that does not answer is no reason to do anything."""
        try:
            if address not in self._watched:
                self._watched[address] = connect(address, self._options)
            return bool(ask(self._watched[address], "ROLE")[0] == b"master")
        except RedisError:
            if address in self._watched:
                self._watched.pop(address).disconnect()
            return False


def _parse(item: list[Any], asked: Address) -> Range:
    first, last, *nodes = item

    def address(node: list[Any]) -> Address:
        # a node that does not know under which address it is reached means the one under which it was asked
        return (node[0].decode() if node[0] and node[0] != b"?" else asked[0]), int(node[1])

    return Range(int(first), int(last), address(nodes[0]), tuple(address(node) for node in nodes[1:]))
