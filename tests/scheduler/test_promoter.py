from __future__ import annotations

from taskq.model.task import Task
from taskq.scheduler.promoter import Promoter
from tests.scheduler.conftest import Space


def promoter_of(space: Space) -> Promoter:
    return Promoter(space.queue.transport.run, space.queue.context.protocol)


def test_nothing_scheduled_means_up_to_two_seconds(space: Space) -> None:
    promoter = promoter_of(space)
    waits = {promoter.step() for _ in range(20)}
    assert all(1.6 <= wait <= 2.0 for wait in waits)
    assert len(waits) > 1, "many schedulers would ask in step"


def test_the_wait_ends_when_the_next_task_is_due(space: Space) -> None:
    space.scheduler.schedule_task_in(Task(), 60)
    assert promoter_of(space).step() >= 1.6
    space.scheduler.schedule_task_in(Task(), 1.0)
    assert 0.5 < promoter_of(space).step() <= 1.0


def test_a_large_backlog_is_left_and_come_back_to_at_once(space: Space) -> None:
    ids = space.submit_due(2050)
    promoter = promoter_of(space)
    assert promoter.step() == 0.0
    assert promoter.promoted == 2000
    assert promoter.step() > 0
    assert promoter.promoted == 2050
    assert space.pending() == ids
