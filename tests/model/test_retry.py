from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskq.errors import InvalidTask
from taskq.model.retry import Backoff, ControlFlow, Decision, Discard, Retry, RetryPolicy, Snooze, Verdict


def middle() -> float:
    return 0.5


def delays(policy: RetryPolicy, retry_number: int, *randoms: float) -> list[int]:
    return [policy.delay_ms(retry_number, iter([random]).__next__) for random in randoms]


class TestDelay:
    @pytest.mark.parametrize(
        ("backoff", "expected"),
        [
            (Backoff.EXPONENTIAL, [2_000, 4_000, 8_000, 16_000, 20_000, 20_000]),
            (Backoff.LINEAR, [2_000, 4_000, 6_000, 8_000, 10_000, 12_000]),
            (Backoff.CONSTANT, [2_000] * 6),
        ],
    )
    def test_growth_up_to_the_limit(self, backoff: Backoff, expected: list[int]) -> None:
        policy = RetryPolicy(delay_seconds=2, backoff=backoff, max_delay_seconds=20, jitter=0)
        assert [policy.delay_ms(n, middle) for n in range(1, 7)] == expected

    def test_jitter_reaches_both_sides(self) -> None:
        policy = RetryPolicy(delay_seconds=10, jitter=0.2)
        assert delays(policy, 1, 0.0, 0.25, 0.5, 1.0) == [8_000, 9_000, 10_000, 12_000]

    def test_at_the_limit_the_spread_stays_whole(self) -> None:
        policy = RetryPolicy(delay_seconds=60, max_delay_seconds=110, jitter=0.1)
        assert delays(policy, 9, 0.0, 0.5, 1.0) == [90_000, 100_000, 110_000]

    @given(
        delay=st.floats(0, 1e6),
        limit=st.floats(0, 3e9),
        jitter=st.floats(0, 1),
        backoff=st.sampled_from(Backoff),
        retry_number=st.integers(1, 10_000),
        random=st.floats(0, 1),
    )
    @settings(deadline=None, max_examples=300)
    def test_within_bounds(
        self, delay: float, limit: float, jitter: float, backoff: Backoff, retry_number: int, random: float
    ) -> None:
        limit = max(limit, delay)
        policy = RetryPolicy(delay_seconds=delay, max_delay_seconds=limit, jitter=jitter, backoff=backoff)
        ms = policy.delay_ms(retry_number, lambda: random)
        lowest_ms = min(delay, limit / (1 + jitter)) * 1000 * (1 - jitter)
        assert lowest_ms - 2 <= ms <= round(limit * 1000) + (0 < limit < 0.001)
        if jitter == 0 and backoff is Backoff.CONSTANT:
            assert abs(ms - delay * 1000) <= 1

    def test_ten_thousand_retries_do_not_overflow(self) -> None:
        policy = RetryPolicy(max_retries=10_000, jitter=0)
        assert policy.delay_ms(10_000, middle) == 3_600_000

    def test_zero_stays_zero(self) -> None:
        assert RetryPolicy(delay_seconds=0).delay_ms(10_000, middle) == 0

    def test_retries_count_from_one(self) -> None:
        with pytest.raises(InvalidTask, match="counts from 1, got 0"):
            RetryPolicy().delay_ms(0, middle)


class TestDecide:
    policy = RetryPolicy(max_retries=3, retry_on=(OSError, ValueError), discard_on=(PermissionError, UnicodeError))

    @pytest.mark.parametrize(
        ("error", "retries_done", "verdict", "reason"),
        [
            (ValueError("x"), 0, Verdict.RETRY, "retry 1 of 3: ValueError"),
            (ConnectionResetError(), 2, Verdict.RETRY, "retry 3 of 3: ConnectionResetError"),
            (ValueError("x"), 3, Verdict.FAIL, "3 of 3 retries used"),
            (ValueError("x"), 5, Verdict.FAIL, "5 of 3 retries used"),
            (KeyError("x"), 0, Verdict.FAIL, "KeyError is not in retry_on"),
            (SystemExit(1), 0, Verdict.FAIL, "SystemExit is not in retry_on"),
            (PermissionError(), 0, Verdict.DISCARD, "PermissionError is in discard_on"),
            (PermissionError(), 3, Verdict.DISCARD, "PermissionError is in discard_on"),
            (
                UnicodeDecodeError("utf-8", b"", 0, 1, "x"),
                0,
                Verdict.DISCARD,
                "UnicodeDecodeError is a kind of UnicodeError, which is in discard_on",
            ),
        ],
    )
    def test_rules(self, error: BaseException, retries_done: int, verdict: Verdict, reason: str) -> None:
        assert self.policy.decide(error, retries_done) == Decision(verdict, reason)

    @pytest.mark.parametrize(
        ("error", "retries_done", "expected"),
        [
            (Retry(), 0, Decision(Verdict.RETRY, "retry 1 of 3: asked for by the handler")),
            (Retry(1.5, "busy"), 2, Decision(Verdict.RETRY, "retry 3 of 3: asked for by the handler: busy", 1_500)),
            (Retry(after=0), 0, Decision(Verdict.RETRY, "retry 1 of 3: asked for by the handler", 0)),
            (Retry(1.5), 3, Decision(Verdict.FAIL, "3 of 3 retries used")),
            (Snooze(60, "quota"), 3, Decision(Verdict.SNOOZE, "snoozed by the handler: quota", 60_000)),
            (Discard("user is gone"), 0, Decision(Verdict.DISCARD, "discarded by the handler: user is gone")),
        ],
    )
    def test_the_handler_steers(self, error: BaseException, retries_done: int, expected: Decision) -> None:
        assert self.policy.decide(error, retries_done) == expected

    def test_the_handler_is_obeyed_before_any_rule(self) -> None:
        policy = RetryPolicy(retry_on=(), discard_on=(Exception,))
        assert policy.decide(Retry(), 0).verdict is Verdict.RETRY
        assert policy.decide(Snooze(1), 0).verdict is Verdict.SNOOZE

    def test_retries_off(self) -> None:
        expected = Decision(Verdict.FAIL, "retries are off (max_retries is 0)")
        assert RetryPolicy(max_retries=0).decide(ValueError(), 0) == expected
        assert RetryPolicy(max_retries=0).decide(Retry(5), 0) == expected


class TestPolicy:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"max_retries": -1}, "max_retries must be a whole number, 0 or more, not -1"),
            ({"max_retries": True}, "max_retries must be a whole number"),
            ({"max_retries": 1.0}, "max_retries must be a whole number"),
            ({"delay_seconds": -1}, "delay_seconds must not be negative"),
            ({"delay_seconds": float("nan")}, "delay_seconds must be a finite number"),
            ({"max_delay_seconds": float("inf")}, "max_delay_seconds must be a finite number"),
            (
                {"delay_seconds": 61, "max_delay_seconds": 60},
                "delay_seconds .61. is longer than max_delay_seconds .60.",
            ),
            ({"jitter": 1.01}, "jitter must be a fraction from 0 to 1, not 1.01"),
            ({"jitter": -0.1}, "jitter must be a fraction"),
            ({"jitter": float("nan")}, "jitter must be a fraction"),
            ({"jitter": True}, "jitter must be a fraction"),
            ({"jitter": "0.1"}, "jitter must be a fraction"),
            ({"backoff": "random"}, "unknown backoff 'random': use one of exponential, linear, constant"),
            ({"retry_on": ValueError}, "retry_on must be a tuple of exception classes"),
            ({"discard_on": ("ValueError",)}, "discard_on must be a tuple of exception classes"),
            ({"discard_on": (int,)}, "discard_on must be a tuple of exception classes"),
        ],
    )
    def test_refused(self, arguments: dict[str, Any], message: str) -> None:
        with pytest.raises(InvalidTask, match=message):
            RetryPolicy(**arguments)

    def test_backoff_by_name(self) -> None:
        policy = RetryPolicy(backoff="linear")  # type: ignore[arg-type]
        assert policy.backoff is Backoff.LINEAR
        assert policy == RetryPolicy(backoff=Backoff.LINEAR)

    def test_numbers_of_a_single_task(self) -> None:
        of_type = RetryPolicy(backoff=Backoff.CONSTANT, jitter=0, discard_on=(KeyError,))
        of_task = of_type.for_task(max_retries=7, delay_seconds=7_200)
        assert of_task == RetryPolicy(7, 7_200, Backoff.CONSTANT, 7_200, 0, (Exception,), (KeyError,))
        assert of_task.delay_ms(1, middle) == 7_200_000
        assert of_type.for_task(1, 5).max_delay_seconds == of_type.max_delay_seconds

    def test_numbers_of_a_single_task_are_checked(self) -> None:
        with pytest.raises(InvalidTask, match=r"^delay_seconds must not be negative"):
            RetryPolicy().for_task(max_retries=3, delay_seconds=-1)


class TestControlFlow:
    raised: tuple[ControlFlow, ...] = (Retry(2.5, "busy"), Retry(), Snooze(60, "quota"), Snooze(0.5), Discard("gone"))

    def test_all_are_caught_by_except_exception(self) -> None:
        assert all(isinstance(error, ControlFlow) and isinstance(error, Exception) for error in self.raised)

    def test_repr_is_how_it_was_raised_and_str_the_same(self) -> None:
        texts = [
            "Retry(after=2.5, reason='busy')",
            "Retry(after=None, reason='')",
            "Snooze(seconds=60, reason='quota')",
            "Snooze(seconds=0.5, reason='')",
            "Discard(reason='gone')",
        ]
        assert [repr(error) for error in self.raised] == texts
        assert [str(error) for error in self.raised] == texts

    @pytest.mark.parametrize("error", raised, ids=repr)
    def test_a_copy_says_the_same(self, error: ControlFlow) -> None:
        """What carries exceptions between threads and processes rebuilds them from their arguments."""
        assert repr(type(error)(*error.args)) == repr(error)
        assert repr(copy.copy(error)) == repr(error)

    @pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), "5", True])
    def test_refused_seconds(self, seconds: Any) -> None:
        with pytest.raises(InvalidTask, match=r"^Retry\(after=\) must"):
            Retry(seconds)
        with pytest.raises(InvalidTask, match=r"^Snooze\(seconds=\) must"):
            Snooze(seconds)
