"""The course of a saga in one attempt: forward from what is noted, or back; written once for plain and async steps."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from taskq.errors import InvalidTask
from taskq.model.codec import decode, encode
from taskq.model.result import headline
from taskq.model.retry import Decision, Discard, RetryPolicy, Snooze, Verdict
from taskq.model.task import Task
from taskq.worker.attempt import AttemptLost, TaskCancelled, TaskTimeout, Waiting
from taskq.worker.commit import commit_together
from taskq.worker.context import TaskContext
from taskq.worker.notes import describe
from taskq.workflow import signals
from taskq.workflow.commits import Together
from taskq.workflow.sagas import ABORTED, Record, SagaState, read_record

# what the data of a step holds beside the results of the others
PAYLOAD = "payload"
_MOST_CHARS = 2_000

StepFunction = Callable[[TaskContext, dict[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a saga.

    Attributes:
        name: of the step.
        run: does it.
        undo: compensates it; None: nothing has to be undone.
        policy: how often it is tried.
        undo_policy: how often its compensation is tried.
        undo_failed: whether it is also undone when it has failed itself.
    """

    name: str
    run: StepFunction
    undo: StepFunction | None
    policy: RetryPolicy
    undo_policy: RetryPolicy
    undo_failed: bool = False


class Call(NamedTuple):
    """What to call before the course goes on: a function of the user, or a call to the server."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()


Steps = Generator[Call, Any, None]


class Course:
    """One attempt of a saga.

    Args:
        steps: of the saga.
        task: that runs it.
        ctx: of the attempt.
    """

    def __init__(self, steps: Sequence[Step], task: Task, ctx: TaskContext) -> None:
        self._steps = {step.name: step for step in steps}
        self._task, self._ctx, self._attempt = task, ctx, ctx._attempt
        self._record = Record(list(self._steps))

    def run(self) -> Steps:
        """Yield what is to be called, forward to the end or back to the beginning.

        Raises:
            TaskCancelled: if the saga is compensated.
            Discard: if it is stuck.
            ControlFlow: if it goes on in another attempt.
        """
        known: Record | None = yield Call(self._recall)
        if known is None:
            yield from self._note()
        else:
            self._record = known
        record = self._record
        if record.state is SagaState.STUCK:  # somebody has put it back into its list
            record.unstick()
        self._ctx._fanouts, self._ctx._waits = record.fanouts, record.waits
        while record.state is SagaState.RUNNING and record.step:
            yield from self._forward()
        if record.state is SagaState.COMPENSATING and (yield Call(self._is_told_to_stop)):
            yield from self._note(same_step=True)  # which forgets that it was told so
        while record.state is SagaState.COMPENSATING:
            yield from self._back()
        if record.state is SagaState.COMPENSATED:
            raise TaskCancelled(f"compensated: {record.error}")

    # -- calls to the server --

    def _recall(self) -> Record | None:
        return read_record(self._ctx._recalled(), self._task.task_id)

    def _is_told_to_stop(self) -> bool:
        ctx = self._ctx
        return ctx._queue.run_flow(signals.hear(ctx._queue.context, ctx.task_id, signals.ABORT)).told

    def _note(self, *, same_step: bool = False, ends: bool = False) -> Steps:
        ctx, record = self._ctx, self._record
        if not same_step:  # else it makes the same calls again
            record.fanouts, record.waits = ctx._fanouts, ctx._waits
        noted = record.checkpoint()
        if same_step:  # what it has noted by itself is for its next try
            noted = replace(ctx._recalled(), saga=noted.saga)
        completion = ctx._completion(self._attempt, record.results) if ends else None
        words = Together(ctx.task_id, self._attempt.claim.fence, (), noted, completion, record.words)
        yield Call(commit_together, (ctx._queue, self._attempt, words))
        ctx._noted, ctx._resuming = noted, False

    # -- forward --

    def _forward(self) -> Steps:
        record, step = self._record, self._steps.get(self._record.step)
        if step is None:
            raise Discard(f"stuck: the saga has no step {record.step!r} any more; resume it on a worker that has it")
        if (yield Call(self._is_told_to_stop)):
            yield from self._turn_round(ABORTED)
            return
        if self._attempt.cancel_requested:
            yield from self._turn_round("cancelled while it ran")
            return
        self._ctx.raise_if_cancelled()
        try:
            result = yield Call(step.run, (self._ctx, self._data()))
        except (Exception, asyncio.CancelledError) as error:
            yield from self._failed(step, error)
            return
        try:
            record.results[step.name] = decode(encode(result, "result of a step"), "result of a step")
            record.done.append(step.name)
            record.tries, record.trouble = 0, ""
            yield from self._note(ends=len(record.done) == len(record.steps))
        except InvalidTask as error:  # it has been done, so it has to be undone
            record.results[step.name] = None
            if step.name not in record.done:
                record.done.append(step.name)
            yield from self._turn_round(f"step {step.name!r}: what it returned cannot be kept: {error}")

    def _data(self) -> dict[str, Any]:
        return {PAYLOAD: self._task.payload, **self._record.results}

    def _failed(self, step: Step, error: BaseException) -> Steps:
        """Let a step that raised be tried again, or turn round."""
        if isinstance(error, AttemptLost | Waiting | Snooze):
            raise error
        if isinstance(error, TaskCancelled | asyncio.CancelledError):
            if self._attempt.cancel_requested:
                yield from self._turn_round("cancelled while it ran")
                return
            if not self._attempt.timed_out:
                raise error
            error = TaskTimeout(str(error))
        if (yield from self._again(step.policy.decide(error, self._record.tries), step.policy, error)):
            return
        if step.undo_failed:
            self._record.done.append(step.name)
            self._record.results[step.name] = None
        yield from self._turn_round(f"step {step.name!r} failed: {self._said(error)}")

    def _again(self, decision: Decision, policy: RetryPolicy, error: BaseException) -> Generator[Call, Any, bool]:
        """End the attempt if a step or compensation is to be tried again; return False if it is not."""
        if decision.verdict is not Verdict.RETRY:
            return False
        record = self._record
        record.tries += 1
        record.trouble = self._said(error)
        yield from self._note(same_step=True)
        after_ms = policy.delay_ms(record.tries, random.random) if decision.after_ms is None else decision.after_ms
        said = f"{record.step}, retry {record.tries} of {policy.max_retries}: {headline(record.trouble)}"
        raise Snooze(after_ms / 1000, said[:_MOST_CHARS])

    def _said(self, error: BaseException) -> str:
        return describe(error, False, None)[-_MOST_CHARS:]

    def _turn_round(self, why: str) -> Steps:
        self._record.turn_round(why)
        yield from self._note()
        if self._attempt.cancel_requested:  # in a new attempt, compensations are not asked to stop
            raise Snooze(0, "it turns round")

    # -- back --

    def _back(self) -> Steps:
        record, step = self._record, self._steps.get(self._record.step)
        if step is None:
            yield from self._stick("the saga has no such step any more")
            return
        if step.undo is not None:
            try:
                yield Call(step.undo, (self._ctx, self._data()))
            except (AttemptLost, Waiting, Snooze):
                raise
            except (TaskCancelled, asyncio.CancelledError) as error:
                if self._attempt.cancel_requested:  # what goes back goes on
                    raise Snooze(0, "it goes back already") from error
                raise
            except Exception as error:
                policy = step.undo_policy
                if not (yield from self._again(policy.decide(error, record.tries), policy, error)):
                    yield from self._stick(self._said(error))
                return
        record.undone()
        yield from self._note()

    def _stick(self, why: str) -> Steps:
        record = self._record
        record.state, record.trouble = SagaState.STUCK, why
        yield from self._note(same_step=True)
        raise Discard(
            f"stuck: the compensation of {record.step!r} failed: {headline(why)}; the saga went back because of: "
            f"{headline(record.error)}. See `taskq saga show {self._task.task_id}`"
        )
