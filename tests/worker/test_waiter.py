"""Where an idle engine sleeps, seen by the threads that wake it."""

from __future__ import annotations

from taskq import TaskQueue
from taskq.transport.bell import Bell
from taskq.worker.waiter import Waiter


def waiter_of(queue: TaskQueue) -> Waiter:
    """A sleeping place beside a real server."""
    return Waiter(Bell(queue.transport.endpoint, queue.namespace.protocol.bell_keys(["normal"])))


def test_a_runner_that_ends_after_the_engine_wakes_nobody(queue: TaskQueue) -> None:
    waiter = waiter_of(queue)
    waiter.lie_down()
    waiter.close()
    waiter.wake()
    assert not waiter.asleep


def test_who_is_woken_more_often_than_a_pipe_holds(queue: TaskQueue) -> None:
    waiter = waiter_of(queue)
    for _ in range(10_000):
        waiter.lie_down()
        waiter.wake()
    waiter.lie_down()
    waiter.nap(60)
    assert not waiter.asleep
    waiter.close()
