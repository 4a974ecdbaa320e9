"""How many workers the work calls for."""

from __future__ import annotations

from dataclasses import replace

from taskq.metrics.hint import Hint, Load

IDLE = Load(at_seconds=0.0, submitted=0, ended=0, pending=0, running=0, workers=0, slots=1)


def test_before_anything_is_measured() -> None:
    assert Hint().look(IDLE) == 0
    assert Hint().look(replace(IDLE, pending=1)) == 1, "from nothing to one"
    assert Hint().look(replace(IDLE, workers=3, slots=30)) == 3
    assert Hint().look(replace(IDLE, workers=3, slots=30, pending=500, running=30)) == 4, "one more at a time"


def test_a_steady_load_needs_the_slots_that_are_busy() -> None:
    """20 tasks a second of one second each keep 20 slots busy: two workers of ten."""
    hint = Hint()
    load = Load(0.0, 0, 0, 0, 20, workers=5, slots=50)
    hint.look(load)
    assert hint.look(replace(load, at_seconds=10.0, submitted=200, ended=200)) == 2


def test_a_backlog_is_to_be_gone_within_a_minute() -> None:
    """1,200 tasks of one second in a minute are 20 slots, beside the 10 for what arrives."""
    hint = Hint()
    load = Load(0.0, 0, 0, 1200, 10, workers=1, slots=10)
    hint.look(load)
    assert hint.look(replace(load, at_seconds=10.0, submitted=100, ended=100)) == 3


def test_when_all_is_done_none_is_needed() -> None:
    hint = Hint()
    load = Load(0.0, 0, 0, 0, 10, workers=2, slots=20)
    hint.look(load)
    hint.look(replace(load, at_seconds=10.0, submitted=100, ended=100))
    assert hint.look(replace(load, at_seconds=20.0, submitted=100, ended=100, running=0)) == 0
    assert hint.look(replace(load, at_seconds=22.0, submitted=101, ended=100, running=0, pending=1)) == 1


def test_a_flushed_namespace_begins_anew() -> None:
    hint = Hint()
    hint.look(Load(0.0, 1000, 1000, 0, 1, 1, 10))
    assert hint.look(Load(10.0, 5, 5, 0, 1, 1, 10)) == 1
