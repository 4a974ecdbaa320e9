"""Recurring schedules that are paused: by whom they are not fired, and what happens when they go on."""

from __future__ import annotations

import json

import pytest

from taskq.errors import InvalidTask
from taskq.model.recurrence import from_json
from taskq.model.task import Task
from tests.scheduler.conftest import HOUR_MS, Space


def test_a_paused_one_is_not_fired_and_a_resumed_one_makes_nothing_up(space: Space) -> None:
    space.store_overdue("s")
    info = space.scheduler.pause_schedule("s")
    assert (info.paused, info.next_run, info.upcoming) == (True, None, ())
    assert space.scheduler.pause_schedule("s") == info
    assert space.scheduler.list_schedules() == [info]
    assert space.scheduler.run_once() == 0
    resumed = space.scheduler.resume_schedule("s")
    assert (resumed.paused, len(resumed.upcoming)) == (False, 3)
    assert space.scheduler.run_once() == 0, "the slots of the pause are over"
    (listed,) = space.scheduler.list_schedules()
    assert listed.next_run == resumed.next_run
    assert listed.next_run is not None


def test_the_rhythm_and_the_last_run_are_kept(space: Space) -> None:
    space.store_overdue("s", by_ms=5 * HOUR_MS + HOUR_MS // 2)
    assert space.scheduler.run_once() == 1
    (before,) = space.scheduler.list_schedules()
    assert before.last_run is not None
    space.scheduler.pause_schedule("s")
    assert space.scheduler.resume_schedule("s") == before


def test_one_that_a_running_scheduler_knows_is_paused_there_too(space: Space) -> None:
    with space.running():
        space.scheduler.schedule_every("s", 0.1, Task(payload={}))
        space.scheduler.pause_schedule("s")
        fired = space.submitted()
        space.scheduler.schedule_every("other", 0.1, Task(payload={}))
        while space.submitted() < fired + 5:
            space.queue.transport.run(space.queue.context.protocol.list_schedules())
        assert len(space.slots_of("other")) >= 5
        assert len(space.slots_of("s")) == fired


def test_to_add_it_again_does_not_resume_it(space: Space) -> None:
    space.scheduler.schedule_every("s", 3600, Task(payload={}))
    space.scheduler.pause_schedule("s")
    assert space.scheduler.schedule_every("s", 3600, Task(payload={})).paused
    assert space.scheduler.schedule_every("s", 3600, Task(payload={"new": 1})).paused
    assert space.scheduler.schedule_cron("s", "0 3 * * *", Task(payload={})).paused
    assert space.scheduler.list_schedules()[0].paused


def test_it_can_be_run_all_the_same(space: Space) -> None:
    space.scheduler.schedule_every("s", 3600, Task(payload={"a": 1}))
    space.scheduler.pause_schedule("s")
    assert space.queue.get_task(space.scheduler.run_now("s")).payload == {"a": 1}


def test_a_scheduler_that_knows_of_no_pause_understands_no_more(space: Space) -> None:
    """In a rolling deployment an older one must not fire what a newer one has paused."""
    space.scheduler.schedule_every("s", 3600, Task(payload={}))
    space.scheduler.pause_schedule("s")
    stored = json.loads(space.redis.hget(space.key("schedules"), "s"))
    with pytest.raises(InvalidTask, match="newer version"):
        from_json(stored["recurrence"])


@pytest.mark.parametrize("verb", ["pause_schedule", "resume_schedule"])
def test_unknown(space: Space, verb: str) -> None:
    with pytest.raises(InvalidTask, match="there is no schedule 'no'"):
        getattr(space.scheduler, verb)("no")
