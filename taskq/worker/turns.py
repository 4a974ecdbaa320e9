"""The turns of an engine: those on their way, and the one that waits in the server until the bell is rung."""

from __future__ import annotations

import os
from collections import deque

from taskq.protocol.operations import Protocol
from taskq.protocol.replies import TurnReply
from taskq.worker.aging import AgingPlan
from taskq.worker.attempt import COMMITTED
from taskq.worker.flight import Flight, Settled
from taskq.worker.membership import Membership
from taskq.worker.plan import Plan
from taskq.worker.waiter import Waiter

# Turns on their way at a time; the server remembers as many, in case replies are lost.
_MOST_FLIGHTS = 2
# For one task only: a worker that is gone while the server has not noticed keeps it until its lease is over.
_PARKED_CLAIMS = 1
# Whoever waits for the result of the last task may share this processor, and has it when he is let go first: what comes
# next is the way to bed.
_let_others_run = getattr(os, "sched_yield", lambda: None)


class Turns:
    """Numbers turns, sends them, and takes their replies in order.

    Args:
        protocol: of the namespace.
        membership: of the engine, with the line that turns go by.
        waiter: listens to the bells; a parked turn goes by its line.
        plan: orders the lists.

    Attributes:
        asked: how many tasks the turns on their way ask for.
        flights: those on their way, the oldest first; to be looked at only.
    """

    def __init__(self, protocol: Protocol, membership: Membership, waiter: Waiter, plan: Plan | AgingPlan) -> None:
        self._protocol = protocol
        self._membership = membership
        self._waiter = waiter
        self._plan = plan
        self.flights: deque[Flight] = deque()
        self._parked: Flight | None = None
        self.asked = 0

    @property
    def full(self) -> bool:
        """Whether as many are on their way as may be."""
        return len(self.flights) >= _MOST_FLIGHTS

    def send(self, settled: Settled, want: int, ring_on: bool) -> None:
        """Send a turn.

        Args:
            settled: what has ended.
            want: how many tasks to claim at most.
            ring_on: whether a hint may have been taken since the last turn.
        """
        if self._parked is not None:
            self.unpark()
        flight = self._make(settled, want, ring_on)
        self._add(flight)
        self._membership.post(flight.turn)

    def _make(self, settled: Settled, want: int, ring_on: bool) -> Flight:
        member = self._membership
        member.seq += 1
        lists = self._plan.order()
        settles = [settlement for _, settlement in settled if settlement.outcome != COMMITTED]
        turn = self._protocol.turn(member.worker, member.token, member.seq, want, lists, settles, ring_on=ring_on)
        return Flight(turn, settled, want, ring_on, lists)

    def _add(self, flight: Flight) -> None:
        self.flights.append(flight)
        self.asked += flight.want

    def next_landing(self) -> Flight:
        """Take the oldest off the list; ``reply`` has its reply."""
        flight = self.flights.popleft()
        self.asked -= flight.want
        return flight

    def reply(self, flight: Flight) -> TurnReply:
        """Return the reply to a turn, as soon as it is here; a turn whose reply was lost is sent again.

        Raises:
            ServerUnavailable: if the server is away when the worker wants to leave, and nothing was settled.
        """
        # a parked turn settles nothing
        reply = None if flight.settled else self._waiter.collect(flight.turn)
        return reply or self._membership.collect(flight.turn, vital=bool(flight.settled))

    def sleep(self, listen: bool, due_ms: int, park: bool) -> bool:
        """Sleep until there is a reason to look; return whether it is one to look for work.

        Args:
            listen: whether there is a free slot, so that the bell matters.
            due_ms: until the next scheduled task falls due; -1 if none is.
            park: whether a turn may wait in the server, to be run in the moment in which the wait for the bell ends: it
                is on its way then.
        """
        if park and self._parked is None and not self._waiter.soon(due_ms):
            _let_others_run()
            self._parked = self._make([], _PARKED_CLAIMS, True)
        parked = self._parked
        look = self._waiter.sleep(listen, due_ms, parked.turn if parked is not None else None)
        if parked is not None and not self._waiter.listening:
            self._parked = None
            self._add(parked)
        return look

    def unpark(self) -> None:
        """Take back the turn that waits for the bell; the server refuses it once it has seen a later one."""
        if self._parked is not None:
            self._parked = None
            self._waiter.deaf()
            # what it has claimed before that is handed back, like all that is claimed while a connection breaks
            self._membership.reconnected = True
