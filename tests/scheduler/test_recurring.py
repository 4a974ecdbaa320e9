from __future__ import annotations

from typing import Any

import pytest

from taskq.errors import ServerError
from taskq.model.recurrence import Every
from taskq.model.task import Task
from taskq.protocol.operation import Operation
from taskq.scheduler.definition import Definition
from taskq.scheduler.recurring import Recurring
from tests.scheduler.conftest import HOUR_MS, Space
from tests.waiting import eventually


def recurring_of(space: Space) -> Recurring:
    return Recurring(space.queue.transport.run, space.queue.context, 10.0)


def test_the_wait_ends_at_the_next_slot_or_the_next_check(space: Space) -> None:
    assert recurring_of(space).step() == pytest.approx(10, abs=0.5)
    space.store_overdue("hourly")
    assert recurring_of(space).step() == pytest.approx(10, abs=0.5)
    space.scheduler.schedule_every("beat", 4, Task())
    assert 2 < recurring_of(space).step() <= 4


def test_it_does_not_ask_before_it_is_time(space: Space) -> None:
    recurring = recurring_of(space)
    assert recurring.step() > 5
    space.store_overdue("hourly")
    assert recurring.step() > 5
    assert recurring.fired == 0
    recurring.hint()
    assert recurring.step() <= 0.05


def test_many_at_once_are_fired_in_several_steps(space: Space) -> None:
    for number in range(120):
        space.store_overdue(f"job-{number:03}")
    recurring = recurring_of(space)
    assert recurring.step() == 0
    assert recurring.cut_short
    assert 0 < recurring.fired < 120
    steps = 1
    while recurring.cut_short:
        recurring.step()
        steps += 1
    assert recurring.fired == 120 == len(space.pending())
    assert steps < 10


def test_the_first_names_do_not_starve_the_last(space: Space) -> None:
    added_ms = space.now_ms() - HOUR_MS
    space.store_overdue("zzz")
    recurring = recurring_of(space)
    for step in range(6):
        busy = Definition(Every(0.1, added_ms), Task(payload=step), added_ms).text()
        space.redis.hset(space.key("schedules"), mapping={f"busy-{number:03}": busy for number in range(100)})
        assert recurring.step() == 0
    assert len(space.slots_of("zzz")) == 1


def test_a_change_between_the_look_and_the_submit_is_respected(space: Space) -> None:
    space.store_overdue("hourly")
    changes = [
        lambda: space.scheduler.schedule_every("hourly", 3600, Task(payload="new")),
        lambda: space.scheduler.remove_schedule("hourly"),
    ]

    def run(operation: Operation[Any]) -> Any:
        reply = space.queue.transport.run(operation)
        if operation.script.name == "schedules" and changes:
            changes.pop(0)()
        return reply

    recurring = Recurring(run, space.queue.context, 10.0)
    assert 0 < recurring.step() <= 0.05
    assert (recurring.fired, space.pending()) == (0, [])
    eventually(lambda: recurring.step() and not changes)
    assert (recurring.fired, space.pending()) == (0, [])


def test_what_the_server_refuses_is_tried_again_later_and_does_not_stop_the_others(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskq.scheduler.recurring._RETRY_SECONDS", 60.0)  # longer than all of them take
    added_ms = space.now_ms() - 2 * HOUR_MS
    for number in range(60):
        mail = Definition(Every(3600, added_ms), Task(queue="mail"), added_ms)
        space.store(f"mail-{number}", mail.text())
    space.store_overdue("other")
    space.redis.set(space.key("queue:mail:normal"), "of another type")
    recurring = recurring_of(space)
    waits = [recurring.step()]
    while recurring.cut_short:
        waits.append(recurring.step())
    assert waits[-1] > 0, "it would ask again and again"
    assert len(waits) < 10
    assert recurring.fired == 1
    assert len(recurring.refused) == 60
    space.redis.delete(space.key("queue:mail:normal"))
    with pytest.raises(ServerError):
        raise recurring.refused["mail-0"]
    assert space.scheduler.run_once() == 60
