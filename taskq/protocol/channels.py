"""The calls that only channels make. No I/O here."""

from __future__ import annotations

from collections.abc import Sequence

from taskq.protocol.operation import Operation
from taskq.protocol.operations import Protocol
from taskq.protocol.replies import TurnReply, parse_turn


def lengths(protocol: Protocol, lists: Sequence[str]) -> Operation[list[int]]:
    """Return how long some lists are, tombstones of cancelled tasks included.

    Args:
        protocol: the operations of the namespace.
        lists: their names.
    """
    return protocol._build("lengths", lists)


def takeover(
    protocol: Protocol, worker: str, token: str, seq: int, idle_ms: int, held: Sequence[tuple[str, str]]
) -> Operation[TurnReply]:
    """Take tasks over from other workers; the same ``seq``, which counts turns too, returns the same tasks.

    Args:
        protocol: the operations of the namespace.
        worker: who wants them.
        token: proves that the id is its own.
        seq: number of the call.
        idle_ms: how long ago their attempt must have begun.
        held: id and fence of each; one with another fence by now is left alone.
    """
    words = [word for pair in held for word in pair]
    return protocol._build(
        "takeover", (worker, token, seq, idle_ms, *words), lambda reply: parse_turn(token, seq, reply)
    )
