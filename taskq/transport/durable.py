"""Run operations that must last: script, mark and wait leave in one write on one connection.

A thread has its connection to itself while it waits. On an event loop, one connection per guarantee is shared: what is
submitted during a wait leaves together when it is over, and one wait serves all of it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from taskq.errors import UnsupportedDurability
from taskq.protocol.durability import Durable, Guarantee, Reached, online_replicas
from taskq.settings import Settings
from taskq.transport.blocking import Transport
from taskq.transport.concurrent import AsyncTransport, AsyncWire
from taskq.transport.endpoint import Endpoint
from taskq.transport.failures import ReplyError, Unsure, check
from taskq.transport.parcels import Parcel
from taskq.transport.wire import Wire, pack


def run_durable(transport: Transport, step: Durable) -> tuple[Any, Reached]:
    """Run an operation and wait for its guarantee; repeat both while the fate of either is unknown.

    Args:
        transport: leads to the server.
        step: what to do, and what to wait for.

    Raises:
        UnsupportedDurability: if the server cannot give the guarantee; nothing was run.
        ServerUnavailable: if it could not be completed in time.
        TaskqError: if the server refuses.
    """
    operation, guarantee = step.operation, step.guarantee
    tail = _pack(guarantee.commands)
    packed, full = pack(operation.command()) + tail, pack(operation.full_command()) + tail
    seconds = _reply_seconds(guarantee, transport.settings)

    def talk(wire: Wire) -> tuple[Any, Reached]:
        first = guarantee not in transport.guarantees
        if first:
            wire.send(_pack(guarantee.probes))
            _refuse_impossible(guarantee, [wire.read() for _ in guarantee.probes])
            transport.guarantees.add(guarantee)
        # a server that does not know the script yet would have us wait twice
        wire.send(full if first else packed)
        replies = [wire.read(), wire.read(), wire.read(seconds)]
        if isinstance(replies[0], ReplyError) and replies[0].code == "NOSCRIPT":
            wire.send(full)
            replies = [wire.read(), wire.read(), wire.read(seconds)]
        check(replies[0])
        return replies[0], _reached(guarantee, replies[1:])

    with transport.line() as line:
        reply, reached = line.talk(talk, transport.patience())
    return operation.parse(reply), reached


def _pack(commands: Sequence[Sequence[Any]]) -> bytes:
    return b"".join(pack(command) for command in commands)


def _reply_seconds(guarantee: Guarantee, settings: Settings) -> float:
    """Return how long the reply to a wait may take: the wait itself, and what any other reply may take."""
    return guarantee.timeout_ms / 1000 + settings.socket_timeout_seconds


def _reached(guarantee: Guarantee, replies: Sequence[Any]) -> Reached:
    """Return what the replies to mark and wait mean.

    Raises:
        Unsure: if the server was interrupted while it waited.
    """
    for reply in replies:
        if isinstance(reply, ReplyError):
            if reply.passing:
                check(reply)
            return Reached(refusal=str(reply)[:300])
    return guarantee.reached(replies[1])


def _refuse_impossible(guarantee: Guarantee, replies: Sequence[Any]) -> None:
    """Raise if a server cannot give a guarantee, by its answers to the probes.

    Raises:
        UnsupportedDurability: if it cannot.
    """
    wait, info, *config = replies
    refused = isinstance(wait, ReplyError)
    if refused and wait.passing:
        check(wait)
    online = None if isinstance(info, ReplyError) else online_replicas(info.decode())
    appendfsync = config[0][1].decode() if config and not isinstance(config[0], ReplyError) and config[0] else ""
    why = guarantee.why_not(online, str(wait)[:300] if refused else "", appendfsync)
    if why:
        raise UnsupportedDurability(
            f"durability {guarantee.level!r} is not to be had here: {why}. Nothing was submitted; or choose another "
            "level: durability=, TASKQ_DURABILITY"
        )


class DurableLanes:
    """The server, for coroutines of one event loop that wait for durability: one connection per guarantee.

    Args:
        endpoint: where it is.
        settings: for timeouts.
    """

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        self._endpoint = endpoint
        self._settings = settings
        self._lanes: dict[Guarantee, _Lane] = {}

    async def run(self, step: Durable) -> tuple[Any, Reached]:
        """As ``run_durable``."""
        lane = self._lanes.get(step.guarantee)
        if lane is None:
            lane = self._lanes[step.guarantee] = _Lane(self._endpoint, self._settings, step.guarantee)
        parse = step.operation.parse
        pair: tuple[Any, Reached] = await lane.run(
            step.operation._replace(parse=lambda replies: (parse(replies[0]), replies[1]))
        )
        return pair

    async def close(self) -> None:
        """Close the connections; calls under way are cancelled."""
        for lane in self._lanes.values():
            await lane.close()


class _Lane(AsyncTransport):
    """A connection on which each batch of calls is followed by one mark and one wait for all of them."""

    _worth_sending = sys.maxsize  # what is probed for comes before the first call, the mark behind the last

    def __init__(self, endpoint: Endpoint, settings: Settings, guarantee: Guarantee) -> None:
        super().__init__(endpoint, settings)
        self._guarantee = guarantee
        self._tail = _pack(guarantee.commands)
        self._wait_seconds = _reply_seconds(guarantee, settings)
        self._probed = False

    async def _exchange(self, sent: list[Parcel], parcels: list[Parcel]) -> Unsure | None:
        try:
            if self._wire is None:
                self._wire = await AsyncWire(self._settings.socket_timeout_seconds).open(self.endpoint)
            return await self._talk(self._wire, parcels)
        except Unsure as doubt:
            self._close_wire()
            return doubt

    async def _talk(self, wire: AsyncWire, parcels: list[Parcel]) -> Unsure | None:
        if not self._probed:
            await wire.send(_pack(self._guarantee.probes))
            _refuse_impossible(self._guarantee, [await wire.read() for _ in self._guarantee.probes])
            self._probed = True
            for parcel in parcels:
                parcel.full = True  # a server that does not know the script yet would have us wait twice
        await wire.send(b"".join(parcel.packed() for parcel in parcels) + self._tail)
        replies = [await wire.read() for _ in parcels]
        reached = _reached(self._guarantee, [await wire.read(), await wire.read(self._wait_seconds)])
        passing: Unsure | None = None
        for parcel, reply in zip(parcels, replies, strict=True):
            passing = self._settle(parcel, reply, reached) or passing
        if passing is not None and passing.reconnect:
            self._close_wire()
        return passing
