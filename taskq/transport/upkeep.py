"""Bring back what dead workers held and forget what has expired; every worker and every scheduler does it.

The server says in its answer to a beat whether there is anything to do, so an idle namespace pays nothing. The work is
cut into short calls, so that whoever does it can do something more urgent in between.
"""

from __future__ import annotations

import logging
import typing
from collections.abc import Sequence
from typing import TypeVar

from taskq.model.moment import seconds_to_ms
from taskq.protocol.operation import Operation
from taskq.protocol.operations import CrashLimits, LeaseTimes, Protocol
from taskq.protocol.replies import NOTHING_SEEN, BeatReply, Witness
from taskq.settings import Settings

T = TypeVar("T")

log = logging.getLogger("taskq")

_REPLACED = (
    "this is not the namespace of the last beat: somebody flushed or replaced the database, and what was queued before "
    "is gone from here"
)
_LOST = (
    "the namespace has lost its latest writes, by a failover, a restore or a power cut: tasks that were submitted just "
    "before it are gone, and tasks that had ended since may run again"
)

_TASKS_PER_CALL = 100
_IDS_PER_CALL = 500


class Run(typing.Protocol):
    """Runs an operation and returns its value: ``Transport.run``, or a ``Line`` with the patience of its owner."""

    def __call__(self, operation: Operation[T], /) -> T: ...


def lease_times(settings: Settings) -> LeaseTimes:
    """Return how long a lease lasts and how often it is renewed."""
    return LeaseTimes(
        seconds_to_ms(settings.lease_seconds, "lease_seconds"),
        seconds_to_ms(settings.heartbeat_interval_seconds, "heartbeat_interval_seconds"),
    )


def crash_limits(settings: Settings) -> CrashLimits:
    """Return when a task that kills its workers becomes a dead letter, and how long that is kept."""
    return CrashLimits(settings.max_crashes, seconds_to_ms(settings.dead_ttl_seconds, "dead_ttl_seconds"))


class Upkeep:
    """What a beat has found to be due, done step by step.

    Any number of processes may do it at once: each call of the server checks and moves in one go.

        upkeep.beat(workers)          # or note(reply), if the beat was sent in another way
        while upkeep.pending:
            upkeep.step()

    Args:
        run: runs an operation.
        protocol: the operations of the namespace.
        settings: for the lease and the limits.

    Attributes:
        recovered: tasks that were taken from dead workers so far, requeued or made dead letters.
        forgotten: ids of ended tasks that were looked at so far because their time was over.
        rollbacks: how often writes were found to be lost.
    """

    def __init__(self, run: Run, protocol: Protocol, settings: Settings) -> None:
        self._run = run
        self._protocol = protocol
        self._times = lease_times(settings)
        self._limits = crash_limits(settings)
        self._reap = False
        self._sweep = False
        self.recovered = 0
        self.forgotten = 0
        self.rollbacks = 0
        self._seen = NOTHING_SEEN
        self._rolled_back_ms: int | None = None

    def beat(self, workers: Sequence[tuple[str, str]] = ()) -> BeatReply:
        """Beat for workers, given as id and token, and note what is due.

        Raises:
            TaskqError: as ``run`` does.
        """
        reply = self._run(self._protocol.beat(self._times, workers, self._seen))
        alive = (worker for (worker, _), answer in zip(workers, reply.workers, strict=True) if answer is not None)
        self._compare(reply, Witness(reply.uuid, reply.stamp_ms, frozenset(alive)))
        self.note(reply)
        return reply

    def _compare(self, reply: BeatReply, witness: Witness) -> None:
        """Say so if what was written before the last beat is not there any more."""
        seen, self._seen = self._seen, witness
        before, self._rolled_back_ms = self._rolled_back_ms, reply.rolled_back_ms
        if before is None or before == reply.rolled_back_ms:
            return
        self.rollbacks += 1
        replaced = seen.uuid != reply.uuid
        log.error(
            "%s. Submit again what was acknowledged and is not there any more. `taskq doctor` says what your server "
            "keeps; with durability replicated or fsync a submit waits until it is safe",
            _REPLACED if replaced else _LOST,
        )

    def note(self, reply: BeatReply) -> None:
        """Note what a beat has found."""
        self._reap = self._reap or reply.reap_due
        self._sweep = self._sweep or reply.sweep_due

    @property
    def pending(self) -> bool:
        """Whether there is a step to do."""
        return self._reap or self._sweep

    def step(self) -> None:
        """Make one short call of each kind that is due; tasks of dead workers come first.

        Raises:
            TaskqError: as ``run`` does; the step is still to be done then.
        """
        if self._reap:
            requeued, dead, _, self._reap = self._run(self._protocol.reap(self._times, _TASKS_PER_CALL, self._limits))
            self.recovered += requeued + dead
        if self._sweep:
            seen = self._run(self._protocol.sweep(_IDS_PER_CALL))
            self._sweep = seen > 0
            self.forgotten += seen
