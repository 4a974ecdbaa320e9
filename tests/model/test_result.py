"""How an end is stored."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from taskq.errors import CorruptTask, InvalidTask
from taskq.model.result import MAX_ERROR_CHARS, completed_json, parse_result, result_json
from taskq.states import TaskStatus

ENDED_MS = 1_767_225_600_123


def stored(**options: Any) -> dict[str, Any]:
    status = options.pop("status", TaskStatus.COMPLETED)
    return parse_result(result_json("a", status, completed_at_ms=ENDED_MS, **options))


def test_completed() -> None:
    assert stored(result={"n": [1, "ü"]}, duration=1.5, worker_id="w1", attempts=2) == {
        "task_id": "a",
        "status": "completed",
        "result": {"n": [1, "ü"]},
        "error": None,
        "duration": 1.5,
        "worker_id": "w1",
        "attempts": 2,
        "completed_at": "2026-01-01T00:00:00.123Z",
    }


@pytest.mark.parametrize("value", [None, 0, 1.5, True, 'ü\n"', [], {"n": [1, None]}])
def test_the_short_way_of_a_completed_task_writes_the_same(value: Any) -> None:
    long_way = result_json(
        'a"',
        TaskStatus.COMPLETED,
        result=value,
        duration=0.0012345678,
        worker_id="wö",
        attempts=3,
        completed_at_ms=ENDED_MS,
    )
    assert completed_json('a"', value, 0.0012345678, "wö", 3, ENDED_MS, None) == long_way


def test_failed() -> None:
    result = stored(status=TaskStatus.FAILED, error='Traceback "quoted"\n\ttext \ud800')
    assert (result["status"], result["result"]) == ("failed", None)
    assert result["error"] == 'Traceback "quoted"\n\ttext ?'


@pytest.mark.parametrize("duration", [math.nan, math.inf])
def test_a_duration_that_is_no_number_is_left_out(duration: float) -> None:
    assert stored(duration=duration)["duration"] is None


def test_the_middle_of_a_long_error_is_cut_out() -> None:
    error = stored(status=TaskStatus.FAILED, error="a" * 10_000 + "the cause")["error"]
    assert len(error) < MAX_ERROR_CHARS + 100
    assert "2009 characters left out" in error
    assert error.endswith("the cause")
    exact = "x" * MAX_ERROR_CHARS
    assert stored(status=TaskStatus.FAILED, error=exact)["error"] == exact


@pytest.mark.parametrize("result", [object(), math.nan, {1, 2}])
def test_a_result_that_is_no_json(result: Any) -> None:
    with pytest.raises(InvalidTask, match="the result is not JSON"):
        stored(result=result)


@pytest.mark.parametrize("result", [None, 0, False, "", [], {}])
def test_empty_results_are_results(result: Any) -> None:
    assert stored(result=result)["result"] == result


def test_one_line_of_json() -> None:
    text = result_json("a", TaskStatus.CANCELLED, error="two\nlines", completed_at_ms=0)
    assert "\n" not in text
    assert json.loads(text)["completed_at"] == "1970-01-01T00:00:00.000Z"


def test_damage_is_reported() -> None:
    with pytest.raises(CorruptTask, match="the stored result"):
        parse_result(b"{")
