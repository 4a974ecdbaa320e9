"""What happens after a handler raised (run again, when, or end), and the exceptions with which a handler steers it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from taskq.errors import InvalidTask
from taskq.model.moment import seconds_to_ms

# 2**62 ms is far past every possible cap, so a larger exponent would only cost time.
_MAX_DOUBLINGS = 62


# An Exception and not a BaseException: to the code around a handler a Retry is a failure of this attempt, so its
# `except Exception: rollback()` has to see it; a BaseException would slip past that and reads, to event loops, pools
# and debuggers, like the end of the process. The price: a handler that swallows every Exception swallows these too.
class ControlFlow(Exception):
    """Base of the three exceptions that a handler raises to say how its attempt ends.

    A handler with a broad ``except Exception`` lets them through with ``except ControlFlow: raise`` before it.
    """


class Retry(ControlFlow):
    """Raised by a handler: run this task again; it counts as one of the task's retries.

    Args:
        after: seconds until the next run; None leaves the delay to the retry policy of the task.
        reason: shown with the task.

    Raises:
        InvalidTask: ``after`` is negative or not a finite number.
    """

    def __init__(self, after: float | None = None, reason: str = "") -> None:
        super().__init__(after, reason)
        self.after_ms = None if after is None else seconds_to_ms(after, "Retry(after=)")
        self.after = after
        self.reason = reason

    def __repr__(self) -> str:
        return f"Retry(after={self.after!r}, reason={self.reason!r})"

    __str__ = __repr__


class Snooze(ControlFlow):
    """Raised by a handler: not now, run this task later; no attempt is charged.

    Args:
        seconds: how long until the next run.
        reason: shown with the task.

    Raises:
        InvalidTask: ``seconds`` is negative or not a finite number.
    """

    def __init__(self, seconds: float, reason: str = "") -> None:
        super().__init__(seconds, reason)
        self.after_ms = seconds_to_ms(seconds, "Snooze(seconds=)")
        self.seconds = seconds
        self.reason = reason

    def __repr__(self) -> str:
        return f"Snooze(seconds={self.seconds!r}, reason={self.reason!r})"

    __str__ = __repr__


class Discard(ControlFlow):
    """Raised by a handler: this task ends as ``failed`` with the reason given, however many retries are left."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __repr__(self) -> str:
        return f"Discard(reason={self.reason!r})"

    __str__ = __repr__


class Backoff(StrEnum):
    """How the delay grows from one retry to the next."""

    EXPONENTIAL = "exponential"
    LINEAR = "linear"
    CONSTANT = "constant"


class Verdict(StrEnum):
    """What to do with a task whose handler raised."""

    RETRY = "retry"
    SNOOZE = "snooze"
    FAIL = "fail"
    DISCARD = "discard"


@dataclass(frozen=True, slots=True)
class Decision:
    """The verdict on a failed attempt.

    Attributes:
        verdict: retry and snooze bring the task back; fail and discard end it as ``failed``, discard because a rule or
            the handler said that trying again is pointless.
        reason: for people, like ``3 of 3 retries used``.
        after_ms: the delay the handler asked for; None means :meth:`RetryPolicy.delay_ms` (only for a retry).
    """

    verdict: Verdict
    reason: str
    after_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When and how often a task runs again after its handler raised.

    Attributes:
        max_retries: runs after the first one; 0 turns retries off.
        delay_seconds: the delay before the first retry.
        backoff: the growth from there: doubled each time, one more delay each time, or always the same.
        max_delay_seconds: no delay is longer, jitter included.
        jitter: the random part of each delay as a fraction, 0 to 1: with 0.1 it lies within ± 10 %.
        retry_on: exceptions worth another run; any other ends the task.
        discard_on: exceptions that end the task at once, even where ``retry_on`` lists them too.

    Raises:
        InvalidTask: a value cannot be used; the message names it.
    """

    max_retries: int = 3
    delay_seconds: float = 60.0
    backoff: Backoff = Backoff.EXPONENTIAL
    max_delay_seconds: float = 3600.0
    jitter: float = 0.1
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    discard_on: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        if isinstance(self.max_retries, bool) or not isinstance(self.max_retries, int) or self.max_retries < 0:
            raise InvalidTask(f"max_retries must be a whole number, 0 or more, not {self.max_retries!r}")
        if seconds_to_ms(self.delay_seconds, "delay_seconds") > seconds_to_ms(
            self.max_delay_seconds, "max_delay_seconds"
        ):
            raise InvalidTask(
                f"delay_seconds ({self.delay_seconds}) is longer than max_delay_seconds ({self.max_delay_seconds}): "
                "raise max_delay_seconds"
            )
        # Written so that NaN, for which every comparison is false, is refused too.
        if isinstance(self.jitter, bool) or not isinstance(self.jitter, int | float) or not 0 <= self.jitter <= 1:
            raise InvalidTask(f"jitter must be a fraction from 0 to 1, not {self.jitter!r}")
        try:
            object.__setattr__(self, "backoff", Backoff(self.backoff))
        except ValueError:
            raise InvalidTask(f"unknown backoff {self.backoff!r}: use one of {', '.join(Backoff)}") from None
        _check_exceptions("retry_on", self.retry_on)
        _check_exceptions("discard_on", self.discard_on)

    def for_task(self, max_retries: int, delay_seconds: float) -> RetryPolicy:
        """Return this policy of a task type with the two numbers that a single task brings along.

        Args:
            max_retries: as the attribute.
            delay_seconds: as the attribute; ``max_delay_seconds`` is raised to it where that is needed, because the
                task cannot set it.

        Raises:
            InvalidTask: one of the two cannot be used.
        """
        ceiling = self.max_delay_seconds
        if seconds_to_ms(delay_seconds, "delay_seconds") > seconds_to_ms(ceiling, "max_delay_seconds"):
            ceiling = delay_seconds
        return replace(self, max_retries=max_retries, delay_seconds=delay_seconds, max_delay_seconds=ceiling)

    def delay_ms(self, retry_number: int, random: Callable[[], float]) -> int:
        """Return how long to wait before a retry.

        Args:
            retry_number: 1 for the first retry of the task.
            random: returns a number from 0 up to 1; ``random.random`` in production.

        Returns:
            Milliseconds within ± ``jitter`` of the grown delay and never above ``max_delay_seconds``. Growth stops
            where the jitter would cross that limit: cutting it off there instead would give half of all tasks the
            very same delay, and they would come back as one herd.

        Raises:
            InvalidTask: ``retry_number`` is less than 1.
        """
        if retry_number < 1:
            raise InvalidTask(f"retry_number counts from 1, got {retry_number}")
        grown_ms = seconds_to_ms(self.delay_seconds, "delay_seconds")
        if self.backoff is Backoff.EXPONENTIAL:
            grown_ms <<= min(retry_number - 1, _MAX_DOUBLINGS)
        elif self.backoff is Backoff.LINEAR:
            grown_ms *= retry_number
        limit_ms = seconds_to_ms(self.max_delay_seconds, "max_delay_seconds")
        centre_ms = min(grown_ms, limit_ms / (1 + self.jitter))
        return round(centre_ms * (1 + self.jitter * (2 * random() - 1)))

    def decide(self, error: BaseException, retries_done: int) -> Decision:
        """Return what happens to a task whose handler raised.

        Args:
            error: what the handler raised. The three control exceptions are obeyed before any rule is looked at.
            retries_done: how many retries the task has had before this attempt ended; snoozes are none.
        """
        match error:
            case Snooze():
                return Decision(Verdict.SNOOZE, _said("snoozed by the handler", error.reason), error.after_ms)
            case Discard():
                return Decision(Verdict.DISCARD, _said("discarded by the handler", error.reason))
            case Retry():
                return self._within_limit(retries_done, _said("asked for by the handler", error.reason), error.after_ms)
        if rule := _matching(error, self.discard_on):
            return Decision(Verdict.DISCARD, f"{rule} in discard_on")
        if not _matching(error, self.retry_on):
            return Decision(Verdict.FAIL, f"{type(error).__name__} is not in retry_on")
        return self._within_limit(retries_done, type(error).__name__, None)

    def _within_limit(self, retries_done: int, cause: str, after_ms: int | None) -> Decision:
        if self.max_retries == 0:
            return Decision(Verdict.FAIL, "retries are off (max_retries is 0)")
        if retries_done >= self.max_retries:
            return Decision(Verdict.FAIL, f"{retries_done} of {self.max_retries} retries used")
        return Decision(Verdict.RETRY, f"retry {retries_done + 1} of {self.max_retries}: {cause}", after_ms)


def _check_exceptions(name: str, classes: object) -> None:
    if not isinstance(classes, tuple) or not all(isinstance(c, type) and issubclass(c, BaseException) for c in classes):
        raise InvalidTask(f"{name} must be a tuple of exception classes, like (ConnectionError,), not {classes!r}")


def _matching(error: BaseException, classes: tuple[type[BaseException], ...]) -> str:
    """Return the words that tie the error to the first class it is an instance of; empty if there is none."""
    name = type(error).__name__
    for listed in classes:
        if type(error) is listed:
            return f"{name} is"
        if isinstance(error, listed):
            return f"{name} is a kind of {listed.__name__}, which is"
    return ""


def _said(what: str, reason: str) -> str:
    return f"{what}: {reason}" if reason else what
