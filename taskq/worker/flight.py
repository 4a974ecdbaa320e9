"""A turn that is on its way to the server, and how much one may carry."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from taskq.protocol.operation import Operation
from taskq.protocol.replies import Settlement, TurnReply
from taskq.worker.attempt import Attempt

# Nobody else is served while a turn settles and claims so many, or copies so many characters: 2 ms or so.
MOST_PER_TURN = 125
_MOST_CHARS = 500_000

Settled = list[tuple[Attempt | None, Settlement]]


class Flight(NamedTuple):
    """A turn that was sent, and whose reply has not been taken."""

    turn: Operation[TurnReply]
    settled: Settled
    want: int
    ring_on: bool
    lists: Sequence[str]


def take_load(waiting: deque[tuple[Attempt | None, Settlement]]) -> Settled:
    """Take what one turn may settle: one outcome at least, if there is any."""
    settled: Settled = []
    chars = 0
    while waiting and len(settled) < MOST_PER_TURN and chars < _MOST_CHARS:
        settled.append(waiting.popleft())
        chars += len(settled[-1][1].body)
    return settled
