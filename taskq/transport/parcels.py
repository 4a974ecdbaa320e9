"""What leaves an event loop in one write: the calls that wait at the same moment, submits among them joined."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from taskq.protocol.joined import MOST_CHARACTERS, MOST_TASKS, STORED, alike, join, task_of
from taskq.protocol.operation import Operation
from taskq.transport.wire import pack


@dataclass(slots=True, eq=False)
class Call:
    """An operation on its way, and the future of its reply.

    Attributes:
        operation: what to do.
        done: gets the reply of the server, unparsed, or the error.
        deadline: until when it is repeated, on the monotonic clock.
        seconds: how long that was when it began, for the error.
        full: the server does not know the script.
        alone: it was refused together with others, so the refusal may be about one of those.
    """

    operation: Operation[Any]
    done: asyncio.Future[Any]
    deadline: float
    seconds: float
    full: bool = False
    alone: bool = False

    def answer(self, reply: Any) -> None:
        """Give the caller the reply, if it still waits."""
        if not self.done.done():
            self.done.set_result(reply)

    def fail(self, error: Exception) -> None:
        """Give the caller an error, if it still waits."""
        if not self.done.done():
            self.done.set_exception(error)


class Parcel:
    """One command to the server, for one call or for several submits.

    Args:
        call: the first one.
    """

    __slots__ = ("_ids", "_room", "calls", "full", "operation")

    def __init__(self, call: Call) -> None:
        self.calls = [call]
        self.operation = call.operation
        self.full = call.full
        self._ids: set[Any] = set()
        self._room = MOST_CHARACTERS

    def takes(self, call: Call) -> bool:
        """Add a submit that is like the others, if there is room and its id does not stand here already."""
        if not self._ids:
            self._add(self.calls[0])
        task_id, body = task_of(call.operation)
        if task_id in self._ids or len(body) > self._room or len(self._ids) >= MOST_TASKS:
            return False
        self.calls.append(call)
        self._add(call)
        return True

    def _add(self, call: Call) -> None:
        task_id, body = task_of(call.operation)
        self._ids.add(task_id)
        self._room -= len(body)
        self.full = self.full or call.full

    def packed(self) -> bytes:
        """Return the bytes to send."""
        if len(self.calls) > 1:
            self.operation = join([call.operation for call in self.calls])
        return pack(self.operation.full_command() if self.full else self.operation.command())

    def replies(self, reply: Any) -> list[Any] | None:
        """Return what each call is answered; None if the script refused what several of them asked for together."""
        if len(self.calls) == 1:
            return [reply]
        return [STORED] * len(self.calls) if self.operation.parse(reply) else None

    def split(self) -> None:
        """Have each of the calls sent by itself from now on."""
        for call in self.calls:
            call.alone = True


def parcels_of(calls: Iterable[Call]) -> list[Parcel]:
    """Return calls in parcels. What is not joined keeps its place before and behind everything else."""
    parcels: list[Parcel] = []
    open_ones: dict[tuple[Any, ...], Parcel] = {}
    for call in calls:
        kind = None if call.alone else alike(call.operation)
        if kind is None:
            open_ones.clear()
        elif kind in open_ones and open_ones[kind].takes(call):
            continue
        parcel = Parcel(call)
        parcels.append(parcel)
        if kind is not None:
            open_ones[kind] = parcel
    return parcels
