"""What one consumer holds, and every change of it, written once for threads and event loops.

A consumer is a worker without runners: it is registered, has a lease that a guardian renews, and claims and settles by
turns. A turn is kept until its answer is here: whatever became of the first attempt, the same turn sent again gets the
same answer, so neither a lost reply nor a cancelled coroutine loses a message.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from taskq.channels.message import MESSAGE, Channel, Message, message_of
from taskq.errors import NotHeld, SchemaMismatch
from taskq.model.moment import iso_utc, seconds_to_ms
from taskq.model.retry import Discard, RetryPolicy
from taskq.model.schema import Shape
from taskq.model.task import Task
from taskq.protocol.keys import lists_of
from taskq.protocol.operation import Operation
from taskq.protocol.operations import CrashLimits
from taskq.protocol.replies import Claim, Settlement, TurnReply
from taskq.registry import HandlerSpec, Registry
from taskq.settings import Settings
from taskq.states import Outcome
from taskq.transport.namespace import Namespace
from taskq.transport.upkeep import lease_times
from taskq.worker.attempt import Attempt, Judge

T = TypeVar("T")

log = logging.getLogger("taskq.channels")

# What a consumer may ask for, and what one call carries: the server serves nobody else meanwhile.
MOST_AT_ONCE = 1000
MOST_PER_CALL = 125
# A lost hint delays a message by this much at most.
_IDLE_WAIT_SECONDS = 3.0
# Nobody waits for the result of a message; its id is kept for as long as a late reader may ask what became of it.
ACKNOWLEDGED_TTL_SECONDS = 60.0

_REJECTIONS = tuple(str(outcome) for outcome in (Outcome.RETRY, Outcome.FAIL, Outcome.SNOOZE, Outcome.CANCEL))
_COUNTED = {"complete": "acknowledged", "retry": "rejected", "snooze": "rejected", "fail": "dead"}


@dataclass(frozen=True, slots=True)
class Rest:
    """Wait until a bell rings, for at most some seconds."""

    seconds: float


IntakeFlow = Generator[Operation[Any] | Rest, Any, T]


def _unused(task: Task) -> None:
    """Stand in for a handler: a consumer's handler is whoever calls ``consume``."""


class Intake:
    """The flows of one consumer. One of them at a time, but for the rests in between.

    Args:
        namespace: where.
        channels: which.
        name: of the consumer, for people; its id begins with it.
        policy: what to do with rejected messages.
        tell: says to the guardian who is to be beaten for.

    Attributes:
        worker: the id; a consumer whose lease was lost comes back under another one.
        held: what was delivered and is not settled, by id.
        lost: set when the lease was lost, by any thread.
        closing: set when no more is wanted, by any thread.
        counts: what has happened since the start, by name.
    """

    def __init__(
        self,
        namespace: Namespace,
        channels: Sequence[Channel],
        name: str | None,
        policy: RetryPolicy | None,
        tell: Callable[[dict[str, str]], None],
    ) -> None:
        settings: Settings = namespace.settings
        self.channels = {channel.name: channel for channel in channels}
        self._namespace = namespace
        self._shapes: dict[str | None, Shape] = {
            channel.name: channel.shape for channel in channels if channel.shape is not None
        }
        self._times = lease_times(settings)
        self._tell = tell
        self._name = name or "consumer"
        registry = Registry()
        registry.add(HandlerSpec(MESSAGE, _unused, policy=policy or RetryPolicy()))
        self._judge = Judge(settings, registry, lambda: self.worker, self._server_now_ms)
        # of one priority after the other, like the walk of a worker
        by_channel = [lists_of(channel.name) for channel in channels]
        self.lists = [names[rank] for rank in range(len(by_channel[0])) for names in by_channel]
        self._turned = 0
        self._offset_ms = time.time_ns() // 1_000_000 - time.monotonic_ns() // 1_000_000
        self._due_ms = -1
        self._ready: deque[Message] = deque()
        self._unfit: list[Settlement] = []
        self._unfinished: tuple[Operation[TurnReply], Sequence[Settlement]] | None = None
        self.held: dict[str, Attempt] = {}
        self.lost = False
        self.closing = False
        self.counts = dict.fromkeys(("consumed", "acknowledged", "rejected", "dead", "refused"), 0)
        self._renew()

    def _renew(self) -> None:
        self.worker = f"{self._name}-{secrets.token_hex(4)}"
        self._token = secrets.token_hex(6)
        self._seq = 0
        # whether the server knows us, and whether it may
        self._registered = self._known = False

    def _server_now_ms(self) -> int:
        return self._offset_ms + time.monotonic_ns() // 1_000_000

    # -- who we are --

    def _catch_up(self) -> IntakeFlow[dict[str, str | None]]:
        """Know the answer of every turn; return outcomes by id of one that was still unknown, None: refused."""
        if self.lost:
            self._disown()
        outcomes: dict[str, str | None] = {}
        if self._unfinished is not None:
            settles = self._unfinished[1]
            reply = yield from self._finish()
            known = () if not reply.registered else reply.refused
            for settle in settles:
                outcomes[settle.task_id] = settle.outcome if reply.registered and settle.task_id not in known else None
        return outcomes

    def come_in(self) -> IntakeFlow[None]:
        """Know the answer of every turn, and be registered."""
        yield from self._catch_up()
        while not self._registered:
            # the guardian is told first: a consumer that dies right after it registered must be known to somebody
            self._tell({"worker": self.worker, "token": self._token})
            self._known = True
            card = {
                "host": socket.gethostname(),
                "pid": str(os.getpid()),
                "started": str(time.time_ns() // 1_000_000),
                "lists": " ".join(self.lists),
                "types": MESSAGE,
            }
            operation = self._namespace.protocol.register(
                self.worker, self._token, self._times, secrets.token_hex(16), card
            )
            self._registered, _, now_ms = yield operation
            if not self._registered:
                self._tell({"bye": self.worker})
                self._renew()
                continue
            self._set_clock(now_ms)
            self._tell({"registered": self.worker})

    def _set_clock(self, now_ms: int) -> None:
        self._offset_ms = now_ms - time.monotonic_ns() // 1_000_000

    def _disown(self) -> None:
        """Take note that the lease was lost: others have what was held, and the id is not ours any more."""
        if self.held:
            log.warning("consumer %s lost its lease; %d messages are delivered to others", self.worker, len(self.held))
        for attempt in self.held.values():
            attempt.lost = True
        self.held.clear()
        self._ready.clear()
        self._unfit.clear()
        self._unfinished = None
        self._tell({"bye": self.worker})
        self._renew()
        self.lost = False

    # -- turns --

    def _turn(self, want: int, lists: Sequence[str], settles: Sequence[Settlement]) -> IntakeFlow[TurnReply]:
        operation = self._namespace.protocol.turn(
            self.worker, self._token, self.next_seq(), want, lists, settles, ring_on=want > 0
        )
        return (yield from self.carry_out(operation, settles))

    def next_seq(self) -> int:
        """Return the number of the next turn."""
        self._seq += 1
        return self._seq

    @property
    def token(self) -> str:
        """What proves that the id is ours."""
        return self._token

    def carry_out(self, operation: Operation[TurnReply], settles: Sequence[Settlement] = ()) -> IntakeFlow[TurnReply]:
        """Take a turn and note what it has changed."""
        self._unfinished = (operation, settles)
        return (yield from self._finish())

    def forget_turn(self) -> None:
        """Take note that the server has refused a turn: it has changed nothing, and would be refused again."""
        self._unfinished = None

    def _finish(self) -> IntakeFlow[TurnReply]:
        assert self._unfinished is not None
        operation, settles = self._unfinished
        reply: TurnReply = yield operation
        self._unfinished = None
        if not reply.registered or reply.superseded:
            self._disown()
            return TurnReply(registered=False)
        self._set_clock(reply.now_ms)
        self._due_ms = reply.wait_ms
        for settle in settles:
            self.held.pop(settle.task_id, None)
            name = "refused" if settle.task_id in reply.refused else _COUNTED.get(settle.outcome)
            if name is not None:
                self.counts[name] += 1
        for claim in reply.claims:
            self._admit(claim)
        return reply

    def _admit(self, claim: Claim) -> None:
        attempt = self._judge.admit(claim)
        if isinstance(attempt, Settlement):
            self._unfit.append(attempt)
            return
        task = attempt.task
        data, shape = task.payload, self._shapes.get(task.queue)
        if shape is not None:
            try:
                data = shape.load(data)
            except SchemaMismatch as error:
                self._unfit.append(self._judge.raised(attempt, Discard(str(error))))
                return
        self.held[claim.task_id] = attempt
        self._ready.append(message_of(claim, task, data))

    def settle_unfit(self) -> IntakeFlow[None]:
        """Let end at once what was claimed and cannot be delivered: damaged, expired, of another shape."""
        while self._unfit:
            settles, self._unfit = self._unfit[:MOST_PER_CALL], self._unfit[MOST_PER_CALL:]
            yield from self._turn(0, (), settles)

    def take_ready(self, count: int) -> list[Message]:
        """Return what was claimed for the caller; from here on it is his."""
        messages = [self._ready.popleft() for _ in range(min(count, len(self._ready)))]
        self.counts["consumed"] += len(messages)
        return messages

    # -- the verbs --

    def consume(self, count: int, block_ms: int | None, in_order: bool) -> IntakeFlow[list[Message]]:
        """Return up to ``count`` messages as soon as there is one; none if there is none in time."""
        deadline = None if block_ms is None else time.monotonic() + block_ms / 1000
        while not self.closing:
            yield from self.come_in()
            yield from self.settle_unfit()
            more = True
            while more and len(self._ready) < count:
                want = min(MOST_PER_CALL, count - len(self._ready))
                reply = yield from self._turn(want, self._walk(in_order), ())
                yield from self.settle_unfit()
                # what could not be delivered has left room for more
                more = len(reply.claims) == want and len(self._ready) < count
            if not self._registered:
                continue
            left = _IDLE_WAIT_SECONDS if deadline is None else deadline - time.monotonic()
            if self._ready or left <= 0:
                break
            seconds = min(left, _IDLE_WAIT_SECONDS)
            yield Rest(min(seconds, self._due_ms / 1000 + 0.001) if self._due_ms >= 0 else seconds)
        return self.take_ready(count)

    def _walk(self, in_order: bool) -> Sequence[str]:
        """Return the lists in the order of their priority, or each of them first in turn."""
        if in_order:
            return self.lists
        self._turned = (self._turned + 1) % len(self.lists)
        return self.lists[self._turned :] + self.lists[: self._turned]

    def acknowledge(self, ids: Sequence[str]) -> IntakeFlow[int]:
        """Complete messages; return how many."""
        at = iso_utc(self._server_now_ms())
        ttl_ms = seconds_to_ms(ACKNOWLEDGED_TTL_SECONDS, "ACKNOWLEDGED_TTL_SECONDS")
        tail = f'","status":"completed","result":null,"error":null,"duration":null,"worker_id":"{self.worker}"'

        def settle(attempt: Attempt) -> Settlement:
            claim = attempt.claim
            body = f'{{"task_id":"{claim.task_id}{tail},"attempts":{claim.attempt},"completed_at":"{at}"}}'
            return Settlement(claim.task_id, claim.fence, "complete", body, ttl_ms)

        return (yield from self._settle(ids, settle, ("complete",)))

    def reject(self, ids: Sequence[str], error_of: Callable[[str], BaseException]) -> IntakeFlow[int]:
        """Settle messages as a worker settles a task whose handler has raised; return how many."""

        def settle(attempt: Attempt) -> Settlement:
            return self._judge.raised(attempt, error_of(attempt.claim.task_id))

        return (yield from self._settle(ids, settle, _REJECTIONS))

    def _settle(
        self, ids: Sequence[str], settle: Callable[[Attempt], Settlement], outcomes: Sequence[str]
    ) -> IntakeFlow[int]:
        # nothing is held without being registered; who is not need not be for this
        answered = yield from self._catch_up()
        refused: list[str] = []
        settles: list[Settlement] = []
        # a message that is named twice is settled once
        for task_id in dict.fromkeys(ids):
            attempt = self.held.get(task_id)
            if attempt is not None:
                settles.append(settle(attempt))
            elif answered.get(task_id) not in outcomes:
                refused.append(task_id)
        for at in range(0, len(settles), MOST_PER_CALL):
            part = settles[at : at + MOST_PER_CALL]
            # without the lease the rest would be refused one after the other
            reply = (yield from self._turn(0, (), part)) if self._registered else TurnReply(registered=False)
            refused += reply.refused if reply.registered else [item.task_id for item in part]
        if refused:
            raise NotHeld(
                f"{len(refused)} of {len(ids)} messages are not held by this consumer any more "
                f"({', '.join(refused[:3])}): its lease was lost, another consumer took them over, or they were "
                "settled before. They are delivered again, or were; the others are settled",
                tuple(refused),
            )
        return len(dict.fromkeys(ids))

    def leave(self) -> IntakeFlow[None]:
        """Hand back to the heads of their lists, uncharged, what is held, and sign off."""
        worker, gone = self.worker, not self._known
        while not gone:
            _, _, gone = yield self._namespace.protocol.evict(worker, False, MOST_PER_CALL, CrashLimits(1, 1))
        self.held.clear()
        self._ready.clear()
        self._unfinished = None
        self._tell({"bye": worker})
        self._renew()
