"""One run of one task: from its claim to the outcome that is settled. No Redis and no threads here."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from taskq.errors import BadSignature, CannotDecrypt, CorruptTask, InvalidTask, PayloadTooLarge, SchemaMismatch
from taskq.middleware import Run
from taskq.model.arguments import Misfit
from taskq.model.crypto import hide, seal_of
from taskq.model.envelope import from_envelope, unusual
from taskq.model.moment import seconds_to_ms
from taskq.model.result import completed_json, result_json
from taskq.model.retry import ControlFlow, Discard, RetryPolicy, Verdict
from taskq.model.task import MAX_RETRIES, RETRY_DELAY_SECONDS, Task
from taskq.protocol.replies import Claim, Settlement, settlement_of
from taskq.registry import HandlerSpec, Registry
from taskq.settings import Settings
from taskq.states import Outcome, TaskStatus
from taskq.worker.notes import describe, storable, tell, too_large
from taskq.worker.terms import PLAIN, Terms, terms_of

log = logging.getLogger("taskq.worker")

# How long a task waits whose type this worker does not know: another worker, or the next release, may know it.
PARK_SECONDS = 10.0
_MAX_NOTE_CHARS = 2_000


class TaskTimeout(Exception):
    """Raised inside a handler when its time is over."""


class TaskCancelled(ControlFlow):
    """Raise it, or call ``ctx.raise_if_cancelled()``, to end a task that was asked to stop."""


class AttemptLost(TaskCancelled):
    """Raised where an attempt that no longer counts wants to change something; nothing was changed.

    Its worker was taken for dead, and the task runs elsewhere, or it was settled by somebody else. Let it pass.
    """

    def __init__(self) -> None:
        super().__init__("its lease was lost")


class Waiting(ControlFlow):
    """Ends an attempt that goes on when what it waits for has come. Let it pass, as all of ``ControlFlow``.

    Args:
        awaited: the name of a family, or the number of a wait and the name of a signal.
        timeout_ms: after which the task goes on anyway; 0: never.
    """

    def __init__(self, awaited: str, timeout_ms: int = 0) -> None:
        super().__init__(awaited)
        self.awaited = awaited
        self.timeout_ms = timeout_ms


@dataclass(slots=True)
class Attempt:
    """A claimed task on its way through a runner.

    Attributes:
        claim: what the server handed out.
        task: the decoded envelope.
        spec: how to run it.
        terms: what the envelope says of its run and its end: the handler may do with ``task`` what it likes.
        started: monotonic seconds.
        cancel_requested: somebody asked for its end.
        lost: the lease is over or the attempt was handed back; its outcome will not count.
        timed_out: its time was over before it ended.
        watched: the guardian kills the process if it holds on for too long after that.
        on_cancel: set by the runner: interrupts it, if the runner can.
        run: what the middleware sees of it; None if there is none.
        over: it has ended.
        committed: it has completed its task already, together with other things; nothing is left to settle.
    """

    claim: Claim
    task: Task
    spec: HandlerSpec
    terms: Terms = PLAIN
    started: float = 0.0
    cancel_requested: bool = False
    lost: bool = False
    timed_out: bool = False
    watched: bool = False
    on_cancel: Callable[[], object] | None = None
    ctx: Any = None
    run: Run | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: bool = False
    committed: bool = False

    @property
    def policy(self) -> RetryPolicy:
        """The policy of the handler, with what the task itself says of retries where it differs from the default."""
        policy, terms = self.spec.policy, self.terms
        return policy.for_task(
            policy.max_retries if terms.max_retries == MAX_RETRIES else terms.max_retries,
            policy.delay_seconds if terms.retry_delay == RETRY_DELAY_SECONDS else terms.retry_delay,
        )

    def cancel(self) -> None:
        """Note that somebody asked for its end, and interrupt it if the runner can."""
        self.cancel_requested = True
        if self.on_cancel is not None:
            self.on_cancel()


_COUNTED = {
    "fail": "failed",
    "retry": "retried",
    "cancel": "cancelled",
    "expire": "cancelled",
    "snooze": "snoozed",
    "release": "released",
    "wait": "waited",
    "pass": "parked",
    "committed": "completed",
}
# what stands in the place of an outcome if the task has been completed already
COMMITTED = "committed"


@dataclass(slots=True)
class Tally:
    """Counts of one worker process."""

    completed: int = 0
    failed: int = 0
    retried: int = 0
    cancelled: int = 0
    snoozed: int = 0
    released: int = 0
    waited: int = 0
    parked: int = 0
    refused: int = 0

    def count(self, outcomes: Sequence[str]) -> None:
        """Count outcomes that the server has accepted."""
        completed = outcomes.count("complete")
        self.completed += completed
        if completed < len(outcomes):
            for name in [_COUNTED[outcome] for outcome in outcomes if outcome != "complete"]:
                setattr(self, name, getattr(self, name) + 1)

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return {name: getattr(self, name) for name in self.__slots__}


class Place:
    """Where attempts run, one at a time: a thread, or one coroutine.

    Args:
        judge: of the attempts.
        attempt: that runs; None: none yet.
    """

    __slots__ = ("attempt", "judge")

    def __init__(self, judge: Judge, attempt: Attempt | None = None) -> None:
        self.judge = judge
        self.attempt = attempt

    def log_fields(self) -> dict[str, Any]:
        """Return what stands in each line that is logged here."""
        attempt = self.attempt
        if attempt is None or attempt.over:
            return {}
        return {
            "task_id": attempt.claim.task_id,
            "type": attempt.spec.task_type,
            "attempt": attempt.claim.attempt,
            "worker": self.judge.worker_id,
        }


class Judge:
    """Turns claims into attempts, and what became of an attempt into a settlement.

    Args:
        settings: for the retention times and size limits.
        registry: the handlers.
        worker_id: returns the id under which results are signed.
        server_now_ms: returns the server's time.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        worker_id: Callable[[], str],
        server_now_ms: Callable[[], int],
    ) -> None:
        self._registry = registry
        self._worker_id = worker_id
        self._now_ms = server_now_ms
        self._max_bytes = settings.max_message_bytes
        self._seal = seal_of(settings)
        self._result_ttl_ms = seconds_to_ms(settings.result_ttl_seconds, "result_ttl")
        self._dead_ttl_ms = seconds_to_ms(settings.dead_ttl_seconds, "dead_ttl")

    def admit(self, claim: Claim) -> Attempt | Settlement:
        """Return the attempt of a claim, or the settlement of one that cannot or need not run."""
        if len(claim.envelope) > self._max_bytes:
            return self._end(claim, Outcome.FAIL, too_large(len(claim.envelope), self._max_bytes), reason="too_large")
        try:
            task = from_envelope(claim.envelope, seal=self._seal)
            if task.task_id != claim.task_id:
                raise CorruptTask(f"the stored envelope is that of task {task.task_id!r:.140}, it was put here by hand")
            if unusual(task):
                replace(task)
            expired = task.expires_in is not None and not claim.begun and self._now_ms() > (task.deadline_ms or 0)
            spec = self._registry.taking(task.task_type, task.version)
        except CorruptTask as error:
            return self._end(claim, Outcome.FAIL, f"{type(error).__name__}: {error}", reason=_REASONS[type(error)])
        except (ValueError, TypeError, OverflowError, AttributeError) as error:
            why = f"CorruptTask: the stored envelope cannot be used: {error}"
            return self._end(claim, Outcome.FAIL, why, reason="corrupt")
        if expired:
            return self._end(claim, Outcome.EXPIRE, f"expired: it was to start within {task.expires_in:g} s")
        if spec is None:
            word = f"{task.task_type}@{task.version}"
            delay_ms = round(PARK_SECONDS * 1000 * random.uniform(0.8, 1.2))  # noqa: S311 - spreads load, no secret
            return Settlement(claim.task_id, claim.fence, Outcome.PASS.value, word, delay_ms)
        shape = self._registry.shapes.get(task.task_type) if not spec.upcasts else None
        if shape is not None:
            try:
                task.payload = shape.load(task.payload)
            except SchemaMismatch as error:
                return self._end(claim, Outcome.FAIL, f"SchemaMismatch: {error}", reason="schema")
        return Attempt(claim, task, spec, terms_of(task))

    @property
    def worker_id(self) -> str:
        """Of the worker whose attempts it judges."""
        return self._worker_id()

    def completed(self, attempt: Attempt, value: Any) -> Settlement:
        """Return the settlement of an attempt that returned a value."""
        if attempt.committed:
            return _nothing_left(attempt)
        try:
            return self.completion(attempt, value)
        except PayloadTooLarge as error:
            return self._end(attempt.claim, Outcome.FAIL, str(error), attempt)
        except InvalidTask as error:
            return self._end(attempt.claim, Outcome.FAIL, f"{error} (the handler ran to its end)", attempt)

    def completion(self, attempt: Attempt, value: Any) -> Settlement:
        """Return what completes an attempt with a value.

        Raises:
            InvalidTask, PayloadTooLarge: if the value cannot be a result.
        """
        claim = attempt.claim
        duration = time.monotonic() - attempt.started
        body = completed_json(
            claim.task_id, value, duration, self._worker_id(), claim.attempt, self._now_ms(), self._seal
        )
        if len(body) > self._max_bytes or (len(body) * 4 > self._max_bytes and len(body.encode()) > self._max_bytes):
            raise PayloadTooLarge(
                f"the result is {len(body.encode()):,} bytes, more than the {self._max_bytes:,} allowed "
                "(TASKQ_MAX_MESSAGE_SIZE): store it elsewhere and return a reference"
            )
        terms = attempt.terms
        ttl = terms.result_ttl
        ttl_ms = self._result_ttl_ms if ttl is None else seconds_to_ms(ttl, "result_ttl")
        if terms.idempotency is not None:  # whoever is told its id is to find the result
            ttl_ms = max(ttl_ms, seconds_to_ms(terms.idempotency, "idempotency"))
        return settlement_of(claim.task_id, claim.fence, "complete", body, ttl_ms)

    def raised(self, attempt: Attempt, error: BaseException) -> Settlement:
        """Return the settlement of an attempt that raised, and log what a handler did not raise on purpose."""
        settlement = self._settled(attempt, error)
        if attempt.timed_out or not isinstance(error, ControlFlow) or isinstance(error, Misfit):
            tell(attempt, settlement, error, self._seal)
        return settlement

    def _settled(self, attempt: Attempt, error: BaseException) -> Settlement:
        claim = attempt.claim
        if attempt.committed:
            if not isinstance(error, ControlFlow):
                log.warning("task %s had completed by ctx.commit when its handler raised %r", claim.task_id, error)
            return _nothing_left(attempt)
        if isinstance(error, TaskCancelled) and attempt.timed_out:
            error = TaskTimeout(str(error))
        elif isinstance(error, TaskCancelled) and attempt.lost and not attempt.cancel_requested:
            # nobody has cancelled the task, it was this worker that could not go on with it
            return self.released(attempt)
        elif isinstance(error, TaskCancelled):
            return self._end(claim, Outcome.CANCEL, str(error) or "cancelled while it ran", attempt)
        if isinstance(error, Waiting):
            return Settlement(claim.task_id, claim.fence, Outcome.WAIT.value, error.awaited, error.timeout_ms)
        policy = attempt.policy
        decision = policy.decide(error, claim.retries)
        if decision.verdict is Verdict.SNOOZE:
            said = storable(decision.reason[:_MAX_NOTE_CHARS])
            return Settlement(claim.task_id, claim.fence, Outcome.SNOOZE.value, said, decision.after_ms or 0)
        note = describe(error, attempt.timed_out, attempt.terms.timeout)
        if decision.verdict is Verdict.RETRY:
            delay_ms = decision.after_ms
            if delay_ms is None:
                delay_ms = policy.delay_ms(claim.retries + 1, random.random)
            shown = hide(self._seal, storable(note[-_MAX_NOTE_CHARS:]), "error", claim.task_id)
            return Settlement(claim.task_id, claim.fence, Outcome.RETRY.value, shown, delay_ms)
        if not isinstance(error, Discard):  # which says itself why it is the end
            note = f"{note}\n({decision.reason})"
        return self._end(claim, Outcome.FAIL, note, attempt, "arguments" if isinstance(error, Misfit) else None)

    def interrupted(self, attempt: Attempt) -> Settlement:
        """Return the settlement of a coroutine that was cancelled: on request, or by itself, which is a failure."""
        if attempt.cancel_requested:
            return self.raised(attempt, TaskCancelled("cancelled while it ran"))
        return self.raised(attempt, RuntimeError("the handler was cancelled from within (asyncio.CancelledError)"))

    def overdue(self, attempt: Attempt, error: BaseException) -> Settlement:
        """Return the settlement for the case that the process has to be killed over the timeout."""
        attempt.timed_out = True
        settlement = self._settled(attempt, error)  # nobody is told: it may never come to this
        attempt.timed_out = False
        return settlement

    def stubborn(self, attempt: Attempt) -> Settlement:
        """Return the settlement for the case that the process has to be killed, since a cancelled task goes on."""
        return self._settled(attempt, TaskCancelled("cancelled; it went on, so its process was killed"))

    def released(self, attempt: Attempt) -> Settlement:
        """Return the settlement that hands an attempt back uncharged."""
        return Settlement(attempt.claim.task_id, attempt.claim.fence, Outcome.RELEASE.value, "", 0)

    def _end(
        self, claim: Claim, outcome: Outcome, error: str, attempt: Attempt | None = None, reason: str | None = None
    ) -> Settlement:
        failed = outcome is Outcome.FAIL
        body = result_json(
            claim.task_id,
            TaskStatus.FAILED if failed else TaskStatus.CANCELLED,
            error=error,
            duration=time.monotonic() - attempt.started if attempt and attempt.started else None,
            worker_id=self._worker_id(),
            attempts=claim.attempt - (outcome is Outcome.EXPIRE),
            completed_at_ms=self._now_ms(),
            reason=reason,
            seal=self._seal,
        )
        return Settlement(
            claim.task_id, claim.fence, outcome.value, body, self._dead_ttl_ms if failed else self._result_ttl_ms
        )


def _nothing_left(attempt: Attempt) -> Settlement:
    return Settlement(attempt.claim.task_id, attempt.claim.fence, COMMITTED, "", 0)


_REASONS: dict[type[CorruptTask], str] = {
    CorruptTask: "corrupt",
    BadSignature: "bad_signature",
    CannotDecrypt: "cannot_decrypt",
}
