"""``ctx.wait_for``: a task that waits for a signal without holding a slot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from taskq.errors import InvalidTask
from taskq.model.moment import seconds_to_ms
from taskq.model.names import check_name
from taskq.model.retry import Discard
from taskq.worker.attempt import Attempt, Waiting
from taskq.workflow import signals

if TYPE_CHECKING:
    from taskq.queue import TaskQueue

# Each wait that runs out of time leaves a number in the state of the task.
MOST_WAITS = 1000


class SignalTimeout(Discard):
    """Raised by ``ctx.wait_for`` if the signal has not come in time; unless it is caught, the task fails.

    Attributes:
        name: of the signal.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f"the signal {name!r} has not come in time")
        self.name = name


def wait_for(queue: TaskQueue, attempt: Attempt, number: int, name: str, timeout: float | None) -> Any:
    """Return what was said with a signal.

    Args:
        queue: of the task.
        attempt: which waits.
        number: of this wait in the attempt.
        name: of the signal.
        timeout: in seconds; None: as long as it takes.

    Raises:
        SignalTimeout: if this wait has run out of time.
        Waiting: while it has not come; the attempt has to end with it.
    """
    check_name(name, "signal name")
    timeout_ms = 0 if timeout is None else max(1, seconds_to_ms(timeout, "timeout"))
    if number > MOST_WAITS:
        raise InvalidTask(f"the task waits for the {number:,}th signal, more than the {MOST_WAITS:,} of one task")
    heard = queue.run_flow(signals.hear(queue.context, attempt.claim.task_id, name))
    # first: what a run before this one was told must not change
    if str(number) in heard.late:
        raise SignalTimeout(name)
    if heard.told:
        return heard.data
    raise Waiting(f"{number} {name}", timeout_ms)
